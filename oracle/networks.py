"""Whole frozen networks with made-up weights, and TensorFlow's answers to them.

    oracle/environment.sh DIR && DIR/bin/python oracle/networks.py OUT_DIR [--only PART_OF_A_NAME] [--reference ../shared/reference]

Every network is frozen by one of TensorFlow's tools, so that each form of a graph occurs at full depth. Networks of the
tf_slim package are drawn by it; `hand_nets.py` draws other families; of networks only TF-Slim's research tree has, the
reference folder (if it is there) holds the graphs.
"""
import argparse
import concurrent.futures
import contextlib
import functools
import gzip
import json
import multiprocessing
import pathlib
import unittest.mock

from fixtures import Fixtures, assign, tf, tf1
import tf_slim as slim
from tf_slim.layers import layers as layers_lib
from tf_slim.nets import alexnet, inception, overfeat, resnet_utils, resnet_v1, resnet_v2, vgg

import graph_tools
import hand_nets
import made_up

CLASSES = 11
PLAIN = []
STRIPPED = [graph_tools.remove_training_nodes]
OPTIMIZED = [graph_tools.optimize_for_inference]
GRAPPLER = [graph_tools.grappler()]
REMAPPED = [graph_tools.grappler('constfold', 'remap')]
REFERENCE = pathlib.Path(__file__).resolve().parents[2] / 'shared' / 'reference'


class Drawing:
    """How one network is drawn: its function and scope, the picture it gets, and the tool that freezes it."""

    def __init__(self, network, picture, tools, fetch=(), fused=True, **options):
        self.network, self.picture, self.tools = network, picture, tools
        self.fetch, self.fused, self.options = fetch, fused, options


def inception_net(function, *arguments, fused=True, **options):
    """An Inception: batch norm without gamma, epsilon 1e-3. Its own scope decides on fused batch norm."""
    scope = functools.partial(inception.inception_v3_arg_scope, use_fused_batchnorm=fused)
    return Drawing((function, scope), *arguments, fused=fused, **options)


def resnet(module, *arguments, width=16, **options):
    """A ResNet-50, narrowed: 64 is its own width, and one is made at that."""
    block = getattr(module, f'{module.__name__.split(".")[-1]}_block')
    blocks = [block(f'block{i + 1}', base_depth=width << i, num_units=units, stride=1 if i == 3 else 2) for i, units in enumerate((3, 4, 6, 3))]
    network = getattr(module, module.__name__.split('.')[-1])
    return Drawing((functools.partial(network, blocks=blocks, scope='resnet_50'), resnet_utils.resnet_arg_scope), *arguments, **options)


SLIM_NETS = {
    'inception_v1': inception_net(inception.inception_v1, (1, 224, 224), PLAIN, ['Mixed_3c', 'Mixed_5c']),
    'inception_v1_arithmetic': inception_net(inception.inception_v1, (2, 224, 210), OPTIMIZED, ['Mixed_4d'], fused=False),
    'inception_v2_grappler': inception_net(inception.inception_v2, (1, 160, 203), GRAPPLER, ['Mixed_4a', 'Mixed_5c'], depth_multiplier=0.5),
    'inception_v2_batch': inception_net(inception.inception_v2, (2, 224, 192), STRIPPED, ['MaxPool_2a_3x3'], depth_multiplier=0.25, fused=False),
    'inception_v3': inception_net(inception.inception_v3, (1, 299, 299), PLAIN, ['Mixed_5d', 'Mixed_7c'], depth_multiplier=0.5, create_aux_logits=False),
    'inception_v3_optimized': inception_net(inception.inception_v3, (2, 171, 235), OPTIMIZED, ['Mixed_6e'], depth_multiplier=0.25, create_aux_logits=False),
    'inception_v3_arithmetic': inception_net(inception.inception_v3, (1, 139, 180), GRAPPLER, ['Mixed_7a'], depth_multiplier=0.25, create_aux_logits=False, fused=False),
    'resnet_v1_50': resnet(resnet_v1, (1, 97, 129), PLAIN, ['resnet_50/block4'], width=64),
    'resnet_v1_50_remapped': resnet(resnet_v1, (2, 112, 95), REMAPPED, ['resnet_50/block3']),
    'resnet_v1_50_stride_16': resnet(resnet_v1, (1, 129, 97), STRIPPED, ['resnet_50/block4'], fused=False, output_stride=16, global_pool=False),
    'resnet_v1_50_stride_8': resnet(resnet_v1, (2, 65, 70), OPTIMIZED, ['resnet_50/block2'], output_stride=8),
    'resnet_v2_50': resnet(resnet_v2, (2, 113, 81), OPTIMIZED, ['resnet_50/block2', 'resnet_50/block4']),
    'resnet_v2_50_stride_16': resnet(resnet_v2, (1, 97, 128), GRAPPLER, ['resnet_50/block4'], output_stride=16),
    'resnet_v2_50_arithmetic': resnet(resnet_v2, (1, 64, 100), GRAPPLER, ['resnet_50/block1'], fused=False),
    'vgg_a': Drawing((vgg.vgg_a, vgg.vgg_arg_scope), (1, 224, 224), PLAIN, ['vgg_a/pool5', 'vgg_a/fc7']),
    'vgg_16_dense': Drawing((vgg.vgg_16, vgg.vgg_arg_scope), (1, 256, 301), GRAPPLER, ['vgg_16/conv3/conv3_3'], spatial_squeeze=False),
    'alexnet_v2': Drawing((alexnet.alexnet_v2, alexnet.alexnet_v2_arg_scope), (2, 224, 224), OPTIMIZED, ['alexnet_v2/conv3']),
    'overfeat': Drawing((overfeat.overfeat, overfeat.overfeat_arg_scope), (1, 231, 231), STRIPPED, ['overfeat/conv5']),
}
HAND_NETS = {
    'mobilenet_v1': (hand_nets.mobilenet_v1, (1, 128, 128, 3), PLAIN),
    'mobilenet_v1_remapped': (hand_nets.mobilenet_v1, (2, 96, 131, 3), REMAPPED),
    'mobilenet_v1_arithmetic': (functools.partial(hand_nets.mobilenet_v1, fused=False), (1, 97, 64, 3), OPTIMIZED),
    'mobilenet_v2': (hand_nets.mobilenet_v2, (1, 128, 96, 3), GRAPPLER),
    'mobilenet_v2_optimized': (hand_nets.mobilenet_v2, (2, 127, 96, 3), OPTIMIZED + GRAPPLER),
    'mobilenet_v3': (hand_nets.mobilenet_v3, (1, 130, 128, 3), PLAIN),
    'mobilenet_v3_optimized': (hand_nets.mobilenet_v3, (2, 97, 128, 3), OPTIMIZED),
    'mobilenet_v3_arithmetic': (functools.partial(hand_nets.mobilenet_v3, fused=False), (1, 96, 96, 3), GRAPPLER),
    'lenet': (hand_nets.lenet, (3, 28, 28, 1), STRIPPED),
    'cifarnet': (hand_nets.cifarnet, (2, 32, 32, 3), GRAPPLER),
}
# Full-size networks of TF-Slim's research tree.
REFERENCE_NETS = {'mobilenet_v3_small': PLAIN, 'mobilenet_edgetpu_075': OPTIMIZED, 'mobilenet_v2_035': REMAPPED, 'nasnet_mobile': PLAIN, 'pnasnet_mobile': GRAPPLER}
# Fully connected layers would fill 400 MB a network: these are drawn an eighth as wide.
NARROWED = ('vgg_a', 'vgg_16_dense', 'alexnet_v2', 'overfeat')


@contextlib.contextmanager
def narrowed(factor):
    """Divides every convolution's output channels by `factor`, but for the classes."""
    wide = layers_lib.conv2d

    @functools.wraps(wide)
    def conv2d(inputs, num_outputs, *arguments, **options):
        return wide(inputs, num_outputs if num_outputs == CLASSES else num_outputs // factor, *arguments, **options)

    with unittest.mock.patch.object(layers_lib, 'conv2d', conv2d), unittest.mock.patch.object(vgg.layers, 'conv2d', conv2d):
        yield


def draw_slim(name, drawing, net):
    """Draws a network of the tf_slim package and asks for its logits, their softmax and some end points."""
    network, scope = drawing.network
    net.feeds['input:0'] = made_up.image(*drawing.picture)
    x = tf1.placeholder(tf.float32, [None, *drawing.picture[1:], 3], name='input')
    narrow = narrowed(8) if name in NARROWED else contextlib.nullcontext()
    with narrow, slim.arg_scope(scope()), slim.arg_scope([slim.batch_norm], fused=drawing.fused):
        logits, end_points = network(x, num_classes=CLASSES, is_training=False, **drawing.options)
    net.fetch(logits, tf.nn.softmax(logits, name='output'), *[end_points[key] for key in drawing.fetch])
    # Grappler and the inference tool fuse whatever is not asked for; what is asked for must survive them.
    net.rewrites += drawing.tools


def draw_by_hand(network, picture, tools, net):
    """Draws a network of `hand_nets.py`."""
    net.feeds['input:0'] = made_up.image(*picture)
    x = tf1.placeholder(tf.float32, [None, *picture[1:]], name='input')
    net.fetch(*network(x, CLASSES))
    net.rewrites += tools


def draw_reference(folder, name, tools, net):
    """Draws a network from the graph TF-Slim's research tree built, at its own size, batch 1."""
    facts = json.loads((folder / 'nets' / f'{name}.json').read_text())
    tensors = [end['tensor'] for end in facts['end_points']]
    wanted = list(dict.fromkeys([facts['logits']['tensor'], tensors[-1], tensors[len(tensors) // 2]]))
    graph_def = tf1.GraphDef.FromString(gzip.decompress((folder / 'nets' / f'{name}.graph.pb.gz').read_bytes()))
    tf1.import_graph_def(freeze_reference(graph_def, facts['variables'], wanted), name='')
    net.feeds['input:0'] = made_up.image(1, facts['height'], facts['width'], facts['channels'])
    net.fetch(*[f'{tensor}:0' for tensor in wanted])
    net.rewrites += tools


def freeze_reference(graph_def, variables, outputs):
    """Runs each variable's own Assign node with made-up numbers in place of its initialiser, then freezes."""
    with tf1.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        tf1.import_graph_def(graph_def, name='')
        initializers = [graph.get_operation_by_name(f'{variable["name"]}/Assign') for variable in variables]
        assign(session, initializers, [(variable['name'], variable['shape']) for variable in variables])
        return tf1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), outputs)


def recipes(reference):
    """Each network's name, what it is, and the function that draws it on a sketch."""
    for name, drawing in SLIM_NETS.items():
        yield name, f'tf_slim, picture {drawing.picture}, {drawing.options}', functools.partial(draw_slim, name, drawing)
    for name, (network, picture, tools) in HAND_NETS.items():
        yield f'hand_{name}', f'Drawn by hand, picture {picture}.', functools.partial(draw_by_hand, network, picture, tools)
    yield 'hand_inception_2015', 'The 2015 Inception in small, fed at DecodeJpeg:0.', hand_nets.inception_2015
    for name, tools in REFERENCE_NETS.items():
        if (reference / 'nets' / f'{name}.graph.pb.gz').exists():
            yield f'research_{name}', 'TF-Slim research, its own size.', functools.partial(draw_reference, reference, name, tools)


def make(name, arguments):
    """Makes one network's files; gives its line of the manifest."""
    fixtures = Fixtures(arguments.out)
    what, draw = next(recipe[1:] for recipe in recipes(arguments.reference) if recipe[0] == name)
    with fixtures.case(name, what) as net:
        draw(net)
    return fixtures.lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out')
    parser.add_argument('--only', help='make only the networks whose name contains this')
    parser.add_argument('--reference', type=pathlib.Path, default=REFERENCE)
    arguments = parser.parse_args()
    fixtures = Fixtures(arguments.out)
    names = [name for name, *_ in recipes(arguments.reference) if arguments.only is None or arguments.only in name]
    # TensorFlow draws and freezes on one core, so two processes share the networks.
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context('spawn')) as pool:
        for name, lines in zip(names, pool.map(make, names, [arguments] * len(names))):
            fixtures.lines += lines
            print(name, flush=True)
    fixtures.finish()


if __name__ == '__main__':
    main()
