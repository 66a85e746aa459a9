"""Pools, reductions, matrix products and what turns a map into a vector."""
import numpy as np
import tensorflow as tf

raw, tf1 = tf.raw_ops, tf.compat.v1


def pools(fixtures):
    """Maximum and average; a SAME average leaves the padding out of its count."""
    windows = {
        '2_stride_2_valid': ([2, 2], [2, 2], 'VALID'), '2_stride_2_same': ([2, 2], [2, 2], 'SAME'), '3_stride_1_same': ([3, 3], [1, 1], 'SAME'),
        '3_stride_2_same': ([3, 3], [2, 2], 'SAME'), '3_stride_2_valid': ([3, 3], [2, 2], 'VALID'), '1_stride_2_same': ([1, 1], [2, 2], 'SAME'),
        '2x3_stride_1x2_same': ([2, 3], [1, 2], 'SAME'), 'whole_valid': ([9, 8], [1, 1], 'VALID'), '5_stride_3_same': ([5, 5], [3, 3], 'SAME'),
    }
    for name, (size, strides, padding) in windows.items():
        for pool in ('max', 'avg'):
            with fixtures.case(f'{pool}_pool_{name}', f'{pool} pool {size}, strides {strides}, {padding}, all numbers below zero.') as net:
                function = tf.nn.max_pool2d if pool == 'max' else tf.nn.avg_pool2d
                net.fetch(function(net.input(2, 9, 8, 3, low=-3.0, high=-1.0), size, strides, padding))
    with fixtures.case('max_pool_v2', 'MaxPoolV2: window and strides are inputs.') as net:
        net.fetch(raw.MaxPoolV2(input=net.input(1, 7, 7, 3), ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding='VALID'))
    with fixtures.case('max_pool_explicit', 'MaxPool of explicit paddings.') as net:
        net.fetch(raw.MaxPool(input=net.input(1, 6, 6, 3, low=-3.0, high=-1.0), ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding='EXPLICIT',
                              explicit_paddings=[0, 0, 1, 1, 1, 1, 0, 0]))
    with fixtures.case('max_pool_many_channels', 'A pool of 37 channels behind a Relu.') as net:
        net.fetch(tf.nn.max_pool2d(tf.nn.relu(net.input(1, 5, 5, 37)), 3, 2, 'SAME'))
    with fixtures.case('conv_relu_pool', 'Convolution, bias, Relu, 2x2 pool: VGG.') as net:
        x = tf.nn.conv2d(net.input(1, 8, 8, 3), net.const('weights', 3, 3, 3, 4), 1, 'SAME')
        net.fetch(tf.nn.max_pool2d(tf.nn.relu(tf.nn.bias_add(x, net.const('biases', 4))), 2, 2, 'VALID'))
    for name, arguments in (('alexnet', dict(depth_radius=4, bias=1.0, alpha=0.001 / 9, beta=0.75)), ('default', {}), ('radius_1', dict(depth_radius=1, bias=2.0, alpha=0.5, beta=0.5))):
        with fixtures.case(f'lrn_{name}', f'Local response normalisation over channels, {arguments}.') as net:
            net.fetch(raw.LRN(input=net.input(1, 3, 3, 11, low=-2.0, high=2.0), **arguments))


def reductions(fixtures):
    """Mean, Sum, Max, Min, Prod over several axes, kept and dropped."""
    for name in ('Mean', 'Sum', 'Max', 'Min', 'Prod'):
        reduce = getattr(raw, name)
        with fixtures.case(f'reduce_{name.lower()}', f'{name} over pixels, channels, batch and everything.') as net:
            x = net.input(2, 3, 4, 5, low=0.5, high=1.5)
            net.fetch(reduce(input=x, axis=[1, 2]), reduce(input=x, axis=[1, 2], keep_dims=True), reduce(input=x, axis=3), reduce(input=x, axis=-1, keep_dims=True),
                      reduce(input=x, axis=[0]), reduce(input=x, axis=[0, 1, 2, 3]), reduce(input=x, axis=[-2, -3], keep_dims=True), reduce(input=x, axis=[3, 1]))
    with fixtures.case('mean_int64_axes', 'Mean whose axes are int64.') as net:
        net.fetch(raw.Mean(input=net.input(2, 3, 4, 5), axis=tf.constant([1, 2], tf.int64), keep_dims=True))
    with fixtures.case('mean_then_conv', 'Global mean, 1x1 convolution, Squeeze: the end of a ResNet.') as net:
        x = tf.reduce_mean(net.input(2, 3, 4, 5), [1, 2], keepdims=True)
        x = tf.nn.bias_add(tf.nn.conv2d(x, net.const('weights', 1, 1, 5, 7), 1, 'SAME'), net.const('biases', 7))
        net.fetch(tf.nn.softmax(tf.squeeze(x, [1, 2])))
    for name, kind in (('int64', tf.int64), ('int32', tf.int32)):
        with fixtures.case(f'arg_max_{name}', f'ArgMax along the last axis, as {name}.') as net:
            net.fetch(tf.argmax(net.input(3, 7), 1, output_type=kind))
    with fixtures.case('arg_max_map_cast', 'ArgMax of a map of classes, the first of equals, cast to float.') as net:
        x = tf.round(net.input(1, 3, 4, 6) * 2)
        net.fetch(tf.cast(tf.argmax(x, 3), tf.float32))
    with fixtures.case('top_k', 'TopKV2: the five largest and where they stood.') as net:
        values, indices = tf.nn.top_k(net.input(2, 9), 5)
        net.fetch(values, indices)


def products(fixtures):
    """MatMul with each side transposed, with constants on either side and with none."""
    for left in (False, True):
        for right in (False, True):
            with fixtures.case(f'matmul{"_transpose_a" if left else ""}{"_transpose_b" if right else ""}', 'A matrix product with constant weights.') as net:
                x, weights = net.input(*((6, 3) if left else (3, 6))), net.const('weights', *((5, 6) if right else (6, 5)))
                net.fetch(tf.matmul(x, weights, transpose_a=left, transpose_b=right))
            with fixtures.case(f'matmul_fed{"_transpose_a" if left else ""}{"_transpose_b" if right else ""}', 'A product of two inputs.') as net:
                x, y = net.input(*((6, 3) if left else (3, 6)), name='x'), net.input(*((5, 6) if right else (6, 5)), name='y')
                net.fetch(tf.matmul(x, y, transpose_a=left, transpose_b=right))
    with fixtures.case('matmul_constant_left', 'A product whose left side is the constant.') as net:
        net.fetch(tf.matmul(net.const('weights', 4, 3), net.input(3, 5)))
    with fixtures.case('matmul_bias_relu', 'Fully connected layer with BiasAdd and Relu, twice, then Softmax.') as net:
        x = tf.nn.relu(tf.nn.bias_add(tf.matmul(net.input(2, 20), net.const('fc6/weights', 20, 33)), net.const('fc6/biases', 33)))
        net.fetch(tf.nn.softmax(tf.nn.bias_add(tf.matmul(x, net.const('fc7/weights', 33, 10)), net.const('fc7/biases', 10))))
    with fixtures.case('matmul_add_bias', 'A fully connected layer whose bias is added by Add, as retrain.py writes it.') as net:
        net.fetch(tf.matmul(net.input(2, 6), net.const('weights', 6, 4)) + net.const('biases', 4))
    with fixtures.case('matmul_of_flattened_map', 'Reshape of a map to [-1, H*W*C], then a fully connected layer.') as net:
        net.fetch(tf.matmul(tf.reshape(net.input(2, 3, 2, 4), [-1, 24]), net.const('weights', 24, 5)))
    with fixtures.case('tensordot', 'A product along the last axis of a map, as Keras Dense writes it: Reshape, MatMul, Reshape.') as net:
        net.fetch(tf.tensordot(net.input(1, 3, 4, 5, declared=[None, 3, 4, 5]), net.const('weights', 5, 6), [[3], [0]]))
