"""What TF-Slim makes of its options: writes options.json, beside this file, for tests/zoo.rs.

    oracle/environment.sh DIR && DIR/bin/python crates/lorgnette-net/tests/zoo/options.py

Weights and pictures are made up by rule (oracle/made_up.py), so a case is its options and a summary of each answer.
Only the networks that the tf_slim package carries can be asked.
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / 'oracle'))
import slim_on_tf2  # noqa: F401,E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tf_slim as slim  # noqa: E402
from tf_slim.nets import alexnet, inception, resnet_v1, resnet_v2  # noqa: E402

import made_up  # noqa: E402

tf1 = tf.compat.v1
tf1.disable_eager_execution()

ALEXNET = (alexnet.alexnet_v2, alexnet.alexnet_v2_arg_scope)
RESNET_V1 = (resnet_v1.resnet_v1_50, resnet_v1.resnet_arg_scope)
RESNET_V2 = (resnet_v2.resnet_v2_50, resnet_v2.resnet_arg_scope)
INCEPTION_V1 = (inception.inception_v1, inception.inception_v3_arg_scope)
INCEPTION_V2 = (inception.inception_v2, inception.inception_v3_arg_scope)
INCEPTION_V3 = (inception.inception_v3, inception.inception_v3_arg_scope)

# Network, height and width, classes, options, and whether it is too large for an unoptimised test.
CASES = [
    (INCEPTION_V1, [256, 320], 7, {'spatial_squeeze': False}, False),
    (INCEPTION_V2, [128, 96], 7, {'depth_multiplier': 0.5}, False),
    (INCEPTION_V2, [64, 80], 5, {'depth_multiplier': 0.3, 'min_depth': 24, 'final_endpoint': 'Mixed_4c'}, False),
    (INCEPTION_V3, [150, 171], 7, {'depth_multiplier': 0.25, 'min_depth': 8}, False),
    (INCEPTION_V3, [331, 395], 7, {'depth_multiplier': 0.25, 'spatial_squeeze': False}, False),
    (ALEXNET, [280, 256], 9, {'spatial_squeeze': False}, True),
    (RESNET_V1, [97, 65], 21, {'output_stride': 16, 'global_pool': False}, True),
    (RESNET_V1, [80, 112], 21, {'output_stride': 8, 'global_pool': False}, True),
    (RESNET_V2, [97, 65], 21, {'output_stride': 8, 'global_pool': False}, True),
    (RESNET_V2, [64, 96], 3, {}, True),
]
# End points that have other names, or other forms, in the package than in TF-Slim's later versions.
RENAMED = {'Logits', 'Predictions', 'predictions', 'PreLogits'}


def summary(name, values):
    """The shape of a tensor, its mean and norm, and eight of its values."""
    places = (made_up.uniform('probe/' + name, (8,)) * values.size).astype(int)
    return {
        'name': name,
        'shape': list(values.shape),
        'mean': float(values.mean(dtype='f8')),
        'l2': float(np.sqrt((values.astype('f8') ** 2).sum())),
        'probe': [[int(place), float(values.ravel()[place])] for place in places],
    }


def outputs(function, picture, classes, options):
    """The network's output and end points; its base alone if it is to stop early."""
    options = dict(options)
    if 'final_endpoint' in options:
        return getattr(inception, function.__name__ + '_base')(picture, **options)
    if function.__name__ == 'inception_v3':
        options['create_aux_logits'] = False
    return function(picture, num_classes=classes, is_training=False, **options)


def answers(function, scope, size, classes, options):
    """Summaries of the logits and of every end point."""
    with tf1.Graph().as_default():
        picture = tf1.placeholder(tf.float32, [2, *size, 3], name='input')
        with slim.arg_scope(scope()), slim.arg_scope([slim.batch_norm, slim.dropout], is_training=False):
            logits, end_points = outputs(function, picture, classes, options)
        with tf1.Session() as session:
            for variable in tf1.global_variables():
                variable.load(made_up.variable(variable.op.name, variable.shape.as_list()), session)
            pixels = made_up.between(-1, 1, 'input', (2, *size, 3))
            logits, end_points = session.run([logits, end_points], {picture: pixels})
    named = {name: value for name, value in end_points.items() if name.split('/')[-1] not in RENAMED}
    some = list(named)[::max(1, len(named) // 4)]
    last = [] if 'final_endpoint' in options else [summary('logits', logits)]
    return [summary(name, named[name]) for name in some] + last


def main():
    """Writes a line for each case."""
    lines = []
    for (function, scope), size, classes, options, large in CASES:
        found = answers(function, scope, size, classes, options)
        if function.__name__.startswith('resnet'):
            # The package leaves rows and columns; later versions have an option, on by default.
            options = dict(options, spatial_squeeze=False)
        case = {'net': function.__name__, 'size': size, 'classes': classes, 'options': options, 'large': large, 'answers': found}
        lines.append(json.dumps(case))
    (HERE / 'options.json').write_text('[\n' + ',\n'.join(lines) + '\n]\n')


if __name__ == '__main__':
    main()
