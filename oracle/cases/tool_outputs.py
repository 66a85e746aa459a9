"""Graphs as TensorFlow's own tools leave them. The networks are small; the tools are the real ones."""
import slim_on_tf2  # noqa: F401
import numpy as np
import tensorflow as tf
import tf_slim as slim
from tensorflow.python.framework import convert_to_constants

import graph_tools
import made_up
from cases.batch_norm import FORMS, Moments

raw, tf1 = tf.raw_ops, tf.compat.v1


def small_network(x, fused=True, resource=False, dropout=True):
    """Convolution, depthwise, residual unit, pool, dropout, classes: by TF-Slim, with variables."""
    tf1.get_variable_scope().set_use_resource(resource)
    norm = dict(is_training=False, epsilon=1e-3, scale=True, fused=fused)
    with slim.arg_scope([slim.conv2d, slim.separable_conv2d], normalizer_fn=slim.batch_norm, normalizer_params=norm, activation_fn=tf.nn.relu6):
        x = slim.conv2d(x, 6, 3, stride=2, scope='Conv')
        x = slim.separable_conv2d(x, None, 3, depth_multiplier=1, scope='Depthwise')
        x = tf.nn.relu(x + slim.conv2d(x, 6, 1, activation_fn=None, scope='Unit'))
    x = slim.avg_pool2d(x, [3, 3], stride=1, scope='Pool')
    x = slim.dropout(slim.flatten(x), 0.8, is_training=False) if dropout else slim.flatten(x)
    return tf.nn.softmax(slim.fully_connected(x, 5, activation_fn=None, scope='Logits'), name='Predictions')


TOOLS = {
    'frozen': [],
    'training_nodes_removed': [graph_tools.remove_training_nodes],
    'optimized_for_inference': [graph_tools.optimize_for_inference],
    'grappler': [graph_tools.grappler()],
    'grappler_remap': [graph_tools.grappler('constfold', 'remap')],
    'grappler_arithmetic': [graph_tools.grappler('constfold', 'arithmetic', 'dependency')],
    'optimized_then_grappler': [graph_tools.optimize_for_inference, graph_tools.grappler()],
}


def tools(fixtures):
    """One network through each tool, with plain and with resource variables, batch norm fused and not."""
    for tool, rewrites in TOOLS.items():
        for fused in (True, False):
            for resource in (True, False):
                name = f'tool_{tool}_{"fused" if fused else "arithmetic"}_{"resource" if resource else "plain"}'
                with fixtures.case(name, f'A small TF-Slim network, {tool}; batch norm fused={fused}, resource variables={resource}.') as net:
                    net.fetch(small_network(net.input(2, 8, 9, 3, declared=[None, 8, 9, 3]), fused, resource))
                    net.rewrites += rewrites


def folded_batch_norms(fixtures):
    """What fold_batch_norms makes of each form it knows, and leaves of those it does not."""
    for form in ('fused', 'fused_v3', 'arithmetic'):
        for kind in ('conv', 'depthwise'):
            with fixtures.case(f'folded_{form}_after_{kind}', f'optimize_for_inference of {kind} and {form} batch norm.') as net:
                x = net.input(1, 5, 5, 3)
                if kind == 'conv':
                    x = tf.nn.conv2d(x, net.const('weights', 3, 3, 3, 4), 1, 'SAME')
                else:
                    x = tf.nn.depthwise_conv2d(x, net.const('weights', 3, 3, 3, 1), [1, 1, 1, 1], 'SAME')
                net.fetch(tf.nn.relu(FORMS[form](x, Moments(net, x.shape[-1]))))
                net.rewrites.append(graph_tools.optimize_for_inference)
    with fixtures.case('folded_global_normalization', 'optimize_for_inference of BatchNormWithGlobalNormalization.') as net:
        x = tf.nn.conv2d(net.input(1, 5, 5, 3), net.const('weights', 3, 3, 3, 4), 1, 'SAME')
        m = Moments(net, 4)
        net.producer = 8
        net.node('batchnorm', 'BatchNormWithGlobalNormalization', [t.op.name for t in (x, m.mean, m.variance, m.beta, m.gamma)], T=tf.float32,
                 variance_epsilon=0.001, scale_after_normalization=True)
        net.node('out', 'Relu', ['batchnorm'], T=tf.float32)
        net.fetch('out:0')
        net.rewrites.append(graph_tools.optimize_for_inference)


def fused_resizes(fixtures):
    """FusedResizeAndPadConv2D and FusedPadConv2D, written by fuse_resize_and_conv and by hand."""
    for mode in ('REFLECT', 'SYMMETRIC'):
        with fixtures.case(f'fused_resize_pad_conv_{mode.lower()}', f'ResizeBilinear, MirrorPad {mode}, convolution, made one by the tool.') as net:
            x = raw.ResizeBilinear(images=net.input(1, 5, 4, 3), size=[8, 7])
            x = raw.MirrorPad(input=x, paddings=[[0, 0], [1, 1], [2, 1], [0, 0]], mode=mode)
            net.fetch(tf.nn.relu(tf.nn.conv2d(x, net.const('weights', 3, 3, 3, 4), 1, 'VALID')))
            net.rewrites.append(graph_tools.optimize_for_inference)
        with fixtures.case(f'fused_pad_conv_{mode.lower()}', f'MirrorPad {mode} and convolution, made one by the tool.') as net:
            x = raw.MirrorPad(input=net.input(1, 6, 5, 3), paddings=[[0, 0], [1, 1], [2, 1], [0, 0]], mode=mode)
            net.fetch(tf.nn.relu(tf.nn.conv2d(x, net.const('weights', 3, 3, 3, 4), 2, 'VALID')))
            net.rewrites.append(graph_tools.optimize_for_inference)
    with fixtures.case('fused_resize_conv', 'ResizeBilinear and convolution, made one by the tool: paddings of zero.') as net:
        x = raw.ResizeBilinear(images=net.input(1, 5, 4, 3), size=[8, 7], align_corners=True)
        net.fetch(tf.nn.relu(tf.nn.conv2d(x, net.const('weights', 3, 3, 3, 4), 2, 'SAME')))
        net.rewrites.append(graph_tools.optimize_for_inference)
    with fixtures.case('fused_resize_pad_conv_direct', 'FusedResizeAndPadConv2D with resize_align_corners.') as net:
        net.fetch(raw.FusedResizeAndPadConv2D(input=net.input(1, 5, 4, 3), size=[9, 7], paddings=[[0, 0], [1, 1], [2, 0], [0, 0]], filter=net.const('weights', 3, 3, 3, 4),
                                              mode='REFLECT', strides=[1, 2, 2, 1], padding='VALID', resize_align_corners=True))


HEADS = {
    'bias': lambda x: x, 'bias_relu': tf.nn.relu, 'bias_relu6': tf.nn.relu6, 'bias_elu': tf.nn.elu, 'bias_leaky_relu': lambda x: tf.nn.leaky_relu(x, 0.3),
    'bias_tanh': tf.tanh, 'bias_sigmoid': tf.sigmoid, 'bias_swish': lambda x: x * tf.sigmoid(x),
}


def remapped(fixtures):
    """What Grappler's remapper fuses: _FusedConv2D, _FusedDepthwiseConv2dNative, _FusedMatMul."""
    remap = graph_tools.grappler('constfold', 'remap')
    layers = {
        'conv': lambda net: tf.nn.conv2d(net.input(1, 5, 6, 3), net.const('weights', 3, 3, 3, 4), 2, 'SAME'),
        'depthwise': lambda net: tf.nn.depthwise_conv2d(net.input(1, 5, 6, 4), net.const('weights', 3, 3, 4, 1), [1, 1, 1, 1], 'SAME'),
        'matmul': lambda net: tf.matmul(net.input(3, 6), net.const('weights', 4, 6), transpose_b=True),
    }
    for layer, draw in layers.items():
        for head, function in HEADS.items():
            with fixtures.case(f'remapped_{layer}_{head}', f'{layer} and {head} after the remapper.') as net:
                net.fetch(tf.identity(function(tf.nn.bias_add(draw(net), net.const('biases', 4)))))
                net.rewrites.append(remap)
    for head in ('', '_relu', '_relu6', '_elu'):
        with fixtures.case(f'remapped_conv_batch_norm{head}', f'Convolution, fused batch norm{head} after the remapper.') as net:
            x = FORMS['fused_v3'](layers['conv'](net), Moments(net, 4))
            net.fetch(tf.identity(dict(HEADS)[f'bias{head}'](x)))
            net.rewrites.append(graph_tools.grappler('remap'))
    with fixtures.case('remapped_conv_bias_add_relu', 'Convolution, bias, residual sum, Relu after the remapper.') as net:
        x = net.input(1, 5, 5, 4)
        y = tf.nn.bias_add(tf.nn.conv2d(x, net.const('weights', 3, 3, 4, 4), 1, 'SAME'), net.const('biases', 4))
        net.fetch(tf.identity(tf.nn.relu(raw.AddV2(x=y, y=tf.abs(x)))))
        net.rewrites.append(remap)
    with fixtures.case('remapped_batch_norm_relu', 'A batch norm alone and its Relu after the remapper.') as net:
        x = tf.nn.max_pool2d(net.input(1, 5, 5, 4), 2, 1, 'VALID')
        net.fetch(tf.identity(tf.nn.relu(FORMS['fused_v3'](x, Moments(net, 4)))))
        net.rewrites.append(remap)


def fused_by_hand(fixtures):
    """Fused nodes of other versions of TensorFlow, which this version reads but no longer writes."""
    with fixtures.case('fused_conv_by_hand_batch_norm_relu', '_FusedConv2D of FusedBatchNorm and Relu with its own epsilon.') as net:
        m = Moments(net, 4)
        parts = [net.input(1, 5, 5, 3), net.const('weights', 3, 3, 3, 4), m.gamma, m.beta, m.mean, m.variance]
        fused_node(net, '_FusedConv2D', parts, [b'FusedBatchNorm', b'Relu'], 4, epsilon=0.01, TArgs=[tf.float32] * 4, **CONV)
    for operations in ([b'BiasAdd'], [b'BiasAdd', b'Relu'], [b'BiasAdd', b'Relu6'], [b'BiasAdd', b'Elu'], [b'BiasAdd', b'LeakyRelu']):
        label = '_'.join(operation.decode().lower() for operation in operations)
        with fixtures.case(f'fused_conv_by_hand_{label}', f'_FusedConv2D of {label}.') as net:
            parts = [net.input(1, 5, 5, 3), net.const('weights', 3, 3, 3, 4), net.const('biases', 4)]
            fused_node(net, '_FusedConv2D', parts, operations, 1, leakyrelu_alpha=0.1, TArgs=[tf.float32], **CONV)
        with fixtures.case(f'fused_matmul_by_hand_{label}', f'_FusedMatMul of {label}.') as net:
            parts = [net.input(3, 6), net.const('weights', 6, 4), net.const('biases', 4)]
            fused_node(net, '_FusedMatMul', parts, operations, 1, leakyrelu_alpha=0.1, transpose_a=False, transpose_b=False)
    for operations in ([b'BiasAdd', b'Relu'], [b'BiasAdd', b'Relu6']):
        label = '_'.join(operation.decode().lower() for operation in operations)
        with fixtures.case(f'fused_depthwise_by_hand_{label}', f'_FusedDepthwiseConv2dNative of {label}.') as net:
            parts = [net.input(1, 5, 5, 3), net.const('weights', 3, 3, 3, 1), net.const('biases', 3)]
            fused_node(net, '_FusedDepthwiseConv2dNative', parts, operations, 1, strides=[1, 2, 2, 1], padding=b'SAME', data_format=b'NHWC')
    # On the CPU this version of TensorFlow runs neither the activation Identity nor a side input.
    with fixtures.case('fused_batch_norm_ex_relu', '_FusedBatchNormEx with Relu, by hand.') as net:
        m = Moments(net, 4)
        inputs = [t.op.name for t in (net.input(1, 4, 4, 4), m.gamma, m.beta, m.mean, m.variance)]
        net.node('out', '_FusedBatchNormEx', inputs, T=tf.float32, U=tf.float32, epsilon=0.001, is_training=False,
                 activation_mode=b'Relu', num_side_inputs=0, data_format=b'NHWC')
        net.fetch('out:0')


CONV = dict(strides=[1, 1, 1, 1], padding=b'SAME', data_format=b'NHWC', dilations=[1, 1, 1, 1], use_cudnn_on_gpu=True)


def fused_node(net, op, parts, operations, arguments, **attributes):
    """Writes one fused node over what is drawn already, and asks for its output."""
    net.node('out', op, [part.op.name for part in parts], T=tf.float32, fused_ops=operations, num_args=arguments, **attributes)
    net.fetch('out:0')


def function_graph():
    """A TensorFlow 2 function with another inside, frozen; returns its GraphDef and the name of its output."""
    weights = tf.Variable(made_up.between(-1, 1, 'v2/weights', (3, 3, 3, 4)), name='weights')
    biases = tf.Variable(made_up.between(-1, 1, 'v2/biases', (4,)), name='biases')
    dense = tf.Variable(made_up.between(-1, 1, 'v2/dense', (4, 5)), name='dense')

    @tf.function
    def body(x):
        return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, weights, 1, 'SAME'), biases))

    @tf.function(input_signature=[tf.TensorSpec([None, 6, 6, 3], tf.float32, name='x')])
    def network(x):
        return tf.nn.softmax(tf.matmul(tf.reduce_mean(body(x), [1, 2]), dense))

    frozen = convert_to_constants.convert_variables_to_constants_v2(network.get_concrete_function())
    return frozen.graph.as_graph_def(), frozen.outputs[0].name


def tensorflow_2(fixtures):
    """convert_variables_to_constants_v2: functions inlined, the input called `x`, the output called `Identity`."""
    with tf.init_scope():
        graph_def, output = function_graph()
    for name, rewrites in (('frozen', []), ('grappler', [graph_tools.grappler()])):
        with fixtures.case(f'tensorflow_2_{name}', f'A tf.function by convert_variables_to_constants_v2, {name}.') as net:
            net.feeds['x:0'] = net.numbers('x', (2, 6, 6, 3))
            tf1.import_graph_def(graph_def, name='')
            net.fetch(output)
            net.rewrites += rewrites
