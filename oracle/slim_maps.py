"""Dense maps of real photos at their own sizes, through the program and through TensorFlow.

    DIR/bin/python oracle/slim_maps.py WORK PHOTOS EMBEDDED.pb --lorgnette target/release/lorgnette [--only PART_OF_A_NAME]

TensorFlow's saver writes a checkpoint of made-up weights of each network of the tf_slim package tried here; TensorFlow then runs
the network fully convolutionally over photos that its own decoder read, as the tutorial on fully convolutional classification
does. The embedded network is taken from its frozen graph, with its real weights: everything up to its global pool, then a
pool that slides, then its last layer. Checked is, for each photo,
- the share of cells where `lorgnette map` has TensorFlow's class (at least 98 %),
- the scores, to the usual tolerance,
- for some, that a map put together from parts is the map of the whole.
Prints a line for each and closes with `N passed, N failed`.
"""
import argparse
import os
import pathlib
import shutil
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
import slim_on_tf2  # noqa: F401
import numpy as np
import tensorflow as tf
import tf_slim as slim
from tf_slim.nets import inception

import made_up
from compare import difference, tolerance
from slim_checkpoints import Check, fill, function, SCOPES

tf1 = tf.compat.v1

# As vgg_preprocessing.py: the means of red, green and blue.
VGG_MEANS = np.float32([123.68, 116.78, 103.94])
LEAST_SHARE = 0.98


def vgg_style(pixels):
    return pixels.astype(np.float32) - VGG_MEANS


def inception_style(pixels):
    return (pixels.astype(np.float32) / 255 - 0.5) * 2


def slid(features, window, rate, padding, classes, scope):
    """The mean over a window that slides, its taps `rate` apart, and the layer behind it."""
    pooled = slid_pool(features, window, rate, padding)
    return slim.conv2d(pooled, classes, [1, 1], activation_fn=None, normalizer_fn=None, scope=scope)


def slid_pool(features, window, rate, padding):
    def pool(values):
        return tf.nn.pool(values, [window, window], 'AVG', strides=[1, 1], padding='VALID', dilations=[rate, rate])
    if padding == 'SAME':
        # Places beyond the edge do not count. TensorFlow's own pool cannot do this with taps apart.
        beyond = (window - 1) * rate
        edge = [[0, 0], [beyond // 2, beyond - beyond // 2], [beyond // 2, beyond - beyond // 2], [0, 0]]
        pooled = pool(tf.pad(features, edge)) / pool(tf.pad(tf.ones_like(features), edge))
    else:
        pooled = pool(features)
    pooled.set_shape([1, None, None, features.shape[-1]])
    return pooled


def draw_vgg_16(_, padding, __):
    """Layer by layer, for the package's own cannot pad its fully connected ones."""
    def draw(picture, classes):
        with tf1.variable_scope('vgg_16'):
            net = picture
            for block, (layers, channels) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), 1):
                net = slim.repeat(net, layers, slim.conv2d, channels, [3, 3], scope=f'conv{block}')
                net = slim.max_pool2d(net, [2, 2], scope=f'pool{block}')
            net = slim.conv2d(net, 4096, [7, 7], padding=padding, scope='fc6')
            net = slim.conv2d(net, 4096, [1, 1], scope='fc7')
            return slim.conv2d(net, classes, [1, 1], activation_fn=None, normalizer_fn=None, scope='fc8')
    return draw


def draw_resnet(net, padding, stride):
    """The package's network without its head; its pool covers 7 x 7 places at a stride of 32."""
    def draw(picture, classes):
        options = {'num_classes': None, 'is_training': False, 'global_pool': False, 'output_stride': stride}
        features = function(net)(picture, **options)[0]
        with tf1.variable_scope(net):
            return slid(features, 7, 32 // stride, padding, classes, 'logits')
    return draw


def draw_inception_v3(_, padding, __):
    """The package's network without its head, whose pool covers 8 x 8 places and moves by two, where it moves at all."""
    def draw(picture, classes):
        with slim.arg_scope([slim.batch_norm], is_training=False):
            features, _ = inception.inception_v3_base(picture)
        with tf1.variable_scope('InceptionV3/Logits'):
            return slid(features, 8, 1, padding, classes, 'Conv2d_1c_1x1')
    return draw


# Name, network, how it is drawn, padding, output stride, classes, its preprocessing.
CASES = [
    ('vgg_16 valid', 'vgg_16', draw_vgg_16, 'VALID', 32, 21, vgg_style),
    ('vgg_16 same', 'vgg_16', draw_vgg_16, 'SAME', 32, 21, vgg_style),
    *((f'resnet_v1_50 {padding.lower()} {stride}', 'resnet_v1_50', draw_resnet, padding, stride, 50, vgg_style)
      for padding, stride in (('VALID', 32), ('VALID', 16), ('VALID', 8), ('SAME', 16))),
    ('inception_v3 valid', 'inception_v3', draw_inception_v3, 'VALID', 32, 40, inception_style),
]


def decoded(path):
    return tf.io.decode_jpeg(tf.io.read_file(str(path)), channels=3)


def pixels_of(paths):
    with tf1.Session(graph=tf.Graph()) as session:
        return [session.run(decoded(path)) for path in paths]


def ours(check, photo, words):
    """Scores and labels of the program's map."""
    out = check.work / 'scores.npy'
    check.program('map', photo, *words, '--scale', '1', '--npy', out, '--format', 'json')
    return np.load(out), np.load(out.with_suffix('.labels.npy'))


def judge(check, name, photo, words, theirs, parts):
    scores, labels = ours(check, photo, words)
    label = f'{name} {photo.name}'
    check.note(f'{label}, scores {list(theirs.shape)}', difference(scores, theirs), tolerance())
    if scores.shape == theirs.shape:
        share = float((labels == theirs.argmax(-1)).mean())
        check.note(f'{label}, cells of another class', 1 - share, 1 - LEAST_SHARE)
    if parts:
        cut, _ = ours(check, photo, [*words, '--part', parts])
        check.note(f'{label}, from parts of at most {parts} pixels', difference(cut, scores), tolerance())


def run_slim(case, check, photos, parts):
    name, net, drawer, padding, stride, classes, preprocess = case
    folder = check.work / 'checkpoint'
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tf1.reset_default_graph()
    scope = next(scope for prefix, scope in SCOPES.items() if net.startswith(prefix))
    with tf1.Session() as session:
        picture = tf1.placeholder(tf.float32, [1, None, None, 3])
        with slim.arg_scope(scope()):
            logits = drawer(net, padding, stride)(picture, classes)
        fill(session, {v: made_up.variable(v.op.name, v.shape.as_list()) for v in tf1.global_variables()})
        tf1.train.Saver().save(session, str(folder / 'model.ckpt'), write_meta_graph=False)
        theirs = [session.run(logits, {picture: preprocess(pixels)[None]})[0] for pixels in pixels_of(photos)]
    words = ['--model', folder / 'model.ckpt', '--padding', padding.lower(), '--output-stride', stride, '--min-cells', 99]
    for photo, scores in zip(photos, theirs):
        judge(check, name, photo, words, scores, parts)
    shutil.rmtree(folder)


def run_embedded(check, graph, stride, photos, parts):
    """The frozen graph with its real weights, its global pool made one of 7 x 7 that slides."""
    definition = tf1.GraphDef()
    definition.ParseFromString(graph.read_bytes())
    for node in definition.node:
        node.attr.pop('_output_shapes', None)
    nodes = {node.name: node for node in definition.node}
    pool = next(node for node in definition.node if node.op in ('AvgPool', 'Mean'))
    head = [node for node in definition.node if node.op == 'Conv2D'][-1]
    bias = next(node for node in definition.node if node.op == 'BiasAdd' and node.input[0] == head.name)
    constant = lambda name: tf.make_ndarray(nodes[nodes[name].input[0] if nodes[name].op == 'Identity' else name].attr['value'].tensor)
    with tf1.Session(graph=tf.Graph()) as session:
        picture = tf1.placeholder(tf.float32, [1, None, None, 3])
        found = at_stride(definition, picture, pool.input[0], constant, stride)
        pooled = slid_pool(found, 7, 32 // stride, 'VALID')
        scores = tf.nn.conv2d(pooled, constant(head.input[1]), 1, 'VALID') + constant(bias.input[1])
        theirs = [session.run(scores, {picture: inception_style(pixels)[None]})[0] for pixels in pixels_of(photos)]
    for photo, values in zip(photos, theirs):
        judge(check, f'embedded valid {stride}', photo, ['--padding', 'valid', '--output-stride', stride], values, parts)


def at_stride(definition, picture, end, constant, stride):
    """What comes before a graph's pool, at an output stride, as mobilenet_v1_base of TF-Slim makes it: a depthwise layer that
    would go beyond steps by one, and those behind it have their taps so much further apart."""
    source = next(node.name for node in definition.node if node.op == 'Placeholder')
    known, reached, rate = {source: picture}, 1, 1
    for node in definition.node:
        if node.op not in ('Conv2D', 'DepthwiseConv2dNative'):
            continue
        step = node.attr['strides'].list.i[1]
        if node.op == 'Conv2D' or (rate == 1 and reached * step <= stride):
            reached *= step
            continue
        seen, = tf1.import_graph_def(definition, known, [f'{node.input[0]}:0'], name='')
        known[f'{node.name}:0'] = tf.nn.depthwise_conv2d(seen, constant(node.input[1]), [1, 1, 1, 1], 'SAME', dilations=[rate, rate])
        rate *= step
    return tf1.import_graph_def(definition, known, [f'{end}:0'], name='')[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('photos', type=pathlib.Path)
    parser.add_argument('embedded', type=pathlib.Path)
    parser.add_argument('--lorgnette', required=True)
    parser.add_argument('--only', default='')
    arguments = parser.parse_args()
    check = Check(arguments.work.resolve(), str(pathlib.Path(arguments.lorgnette).resolve()))
    photos = sorted(path.resolve() for path in arguments.photos.iterdir() if path.suffix.lower() in ('.jpg', '.jpeg'))
    if not photos:
        sys.exit(f'{arguments.photos}: no JPEG files')
    for case in CASES:
        if arguments.only in case[0]:
            run_slim(case, check, photos[:2], 460 if case[0] == 'vgg_16 valid' else None)
    for stride, some, parts in ((32, photos, 560), (16, photos[:2], None), (8, photos[:2], None)):
        if arguments.only in f'embedded valid {stride}':
            run_embedded(check, arguments.embedded, stride, some, parts)
    print(f'{check.passed} passed, {check.failed} failed')
    sys.exit(1 if check.failed or not check.passed else 0)


if __name__ == '__main__':
    main()
