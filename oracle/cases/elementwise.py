"""Operations on one element at a time, with every broadcast a network uses."""
import numpy as np
import tensorflow as tf

raw, tf1 = tf.raw_ops, tf.compat.v1


def unary(fixtures):
    """Functions of one number. Ranges stay where the function is defined."""
    wide = (-4.0, 8.0)
    positive = (0.1, 3.0)
    functions = {
        'relu': (tf.nn.relu, wide), 'relu6': (tf.nn.relu6, wide), 'elu': (tf.nn.elu, wide), 'selu': (tf.nn.selu, wide),
        'leaky_relu': (lambda x: raw.LeakyRelu(features=x), wide),
        'leaky_relu_alpha': (lambda x: raw.LeakyRelu(features=x, alpha=0.01), wide),
        'leaky_relu_as_maximum': (lambda x: tf.maximum(x, 0.1 * x), wide),
        'sigmoid': (tf.sigmoid, (-30.0, 30.0)), 'tanh': (tf.tanh, (-12.0, 12.0)), 'softplus': (tf.nn.softplus, (-30.0, 30.0)),
        'softsign': (tf.nn.softsign, wide), 'swish': (lambda x: x * tf.sigmoid(x), wide),
        'neg': (tf.negative, wide), 'abs': (tf.abs, wide), 'floor': (tf.floor, wide), 'ceil': (tf.math.ceil, wide),
        'round': (lambda x: tf.round(x * 2), (-2.0, 2.0)), 'square': (tf.square, wide), 'sign': (tf.sign, wide),
        'exp': (tf.exp, wide), 'log': (tf.math.log, positive), 'log1p': (tf.math.log1p, positive), 'sqrt': (tf.sqrt, positive), 'rsqrt': (tf.math.rsqrt, positive),
        'reciprocal': (tf.math.reciprocal, positive), 'erf': (tf.math.erf, (-3.0, 3.0)),
        'relu_of_zero_and_negative_zero': (lambda x: tf.nn.relu(x * 0.0), wide),
        'clip_by_value': (lambda x: tf.clip_by_value(x, -1.0, 2.0), wide),
        'hard_sigmoid': (lambda x: tf.nn.relu6(x + np.float32(3)) * np.float32(0.16667), wide),
        'hard_swish': (lambda x: x * tf.nn.relu6(x + np.float32(3)) * np.float32(1 / 6), wide),
        'hard_swish_keras': (lambda x: x * (tf.nn.relu6(x + 3.0) * (1 / 6)), wide),
        'hard_swish_by_division': (lambda x: x * (tf.nn.relu6(x + 3.0) / 6.0), wide),
    }
    for name, (function, (low, high)) in functions.items():
        with fixtures.case(f'unary_{name}', f'{name} of a map with an odd number of elements.') as net:
            net.fetch(function(net.input(1, 3, 7, 5, low=low, high=high)))
    for name in ('relu6', 'elu', 'leaky_relu', 'sigmoid', 'tanh', 'softplus', 'hard_swish', 'hard_sigmoid', 'swish', 'clip_by_value'):
        with fixtures.case(f'conv_then_{name}', f'Convolution with bias, then {name}.') as net:
            x = tf.nn.conv2d(net.input(1, 4, 4, 3, low=-2.0, high=2.0), net.const('weights', 3, 3, 3, 4), 1, 'SAME')
            net.fetch(functions[name][0](tf.nn.bias_add(x, net.const('biases', 4))))


def binary(fixtures):
    """Functions of two numbers, both from the network."""
    functions = {
        'add': raw.Add, 'add_v2': raw.AddV2, 'sub': raw.Sub, 'mul': raw.Mul, 'real_div': raw.RealDiv, 'div': raw.Div, 'maximum': raw.Maximum,
        'minimum': raw.Minimum, 'squared_difference': raw.SquaredDifference, 'pow': raw.Pow, 'floor_div': raw.FloorDiv, 'floor_mod': raw.FloorMod, 'div_no_nan': raw.DivNoNan,
    }
    for name, function in functions.items():
        low = 0.2 if name in ('real_div', 'div', 'pow', 'floor_div', 'floor_mod') else -1.0
        with fixtures.case(f'binary_{name}', f'{name} of two inputs of one shape, and with a constant on either side.') as net:
            x, y = net.input(2, 3, 3, 2, name='x', low=low, high=2.0), net.input(2, 3, 3, 2, name='y', low=low, high=2.0)
            number = tf.constant(0.75)
            net.fetch(function(x=x, y=y), function(x=x, y=number), function(x=number, y=y))
    for count in (1, 2, 3, 4):
        with fixtures.case(f'add_n_{count}', f'AddN of {count} inputs.') as net:
            net.fetch(raw.AddN(inputs=[tf.nn.relu(net.input(2, 3, 3, 2, name=f'input_{i}')) for i in range(count)]))
    with fixtures.case('pow_square', 'x to the power of the constant 2, negative x too.') as net:
        net.fetch(raw.Pow(x=net.input(2, 3, low=-2.0, high=2.0), y=2.0))


SHAPES = {
    'scalar': (), 'one': (1,), 'channels': (5,), 'channels_4d': (1, 1, 1, 5), 'batch_channels': (2, 1, 1, 5), 'pixels': (2, 3, 4, 1), 'rows': (3, 1, 1),
    'columns': (1, 1, 4, 1), 'batch': (2, 1, 1, 1), 'row_channels': (1, 3, 1, 5), 'one_picture': (3, 4, 5), 'all_ones': (1, 1, 1, 1),
}


def broadcasts(fixtures):
    """Every way a smaller value meets a map: as a constant, and as a second input on the left."""
    for name, shape in SHAPES.items():
        with fixtures.case(f'broadcast_{name}', f'A [2,3,4,5] map with {list(shape)}: add, subtract from, multiply, divide.') as net:
            x = net.input(2, 3, 4, 5)
            constant, fed = net.const('constant', *shape, low=0.5, high=2.0), net.input(*shape, name='other', low=0.5, high=2.0)
            net.fetch(x + constant, constant - x, fed * x, x / fed)
    with fixtures.case('broadcast_both_ways', 'A [2,1,4,1] map and a [3,1,5] map: both grow.') as net:
        net.fetch(net.input(2, 1, 4, 1, name='x') * net.input(3, 1, 5, name='y'))
    with fixtures.case('broadcast_batch_of_constants', 'A constant of batch 2 meets an input of batch 1: the batch grows.') as net:
        net.fetch(net.input(1, 2, 2, 3) + net.const('constant', 2, 2, 2, 3))
    with fixtures.case('squeeze_excite', 'Mean, two 1x1 convolutions, hard sigmoid, and a product that broadcasts: MobileNet V3.') as net:
        x = net.input(2, 4, 5, 6, low=-3.0, high=3.0)
        s = tf.reduce_mean(x, [1, 2], keepdims=True)
        s = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(s, net.const('reduce/weights', 1, 1, 6, 3), 1, 'SAME'), net.const('reduce/biases', 3)))
        s = tf.nn.bias_add(tf.nn.conv2d(s, net.const('expand/weights', 1, 1, 3, 6), 1, 'SAME'), net.const('expand/biases', 6))
        net.fetch(x * (tf.nn.relu6(s + 3.0) * 0.16667))
    with fixtures.case('squeeze_excite_dense', 'The same with fully connected layers and a sigmoid.') as net:
        x = net.input(2, 4, 5, 6)
        s = tf.nn.relu(tf.matmul(tf.reduce_mean(x, [1, 2]), net.const('reduce', 6, 2)))
        s = tf.sigmoid(tf.matmul(s, net.const('expand', 2, 6)))
        net.fetch(tf.reshape(s, [-1, 1, 1, 6]) * x)
    for rank, shape in ((4, (2, 3, 3, 5)), (2, (3, 5)), (3, (2, 4, 5))):
        with fixtures.case(f'bias_add_{rank}d', f'BiasAdd to rank {rank}.') as net:
            net.fetch(tf.nn.relu(tf.nn.bias_add(net.input(*shape), net.const('biases', 5))))


def comparing(fixtures):
    """Comparisons and the choices made by them."""
    with fixtures.case('select_by_comparison', 'Select (version 1) of two maps by Greater.') as net:
        x, y = net.input(2, 3, 2, name='x'), net.input(2, 3, 2, name='y')
        net.fetch(raw.Select(condition=raw.Greater(x=x, y=y), x=x * 2.0, y=y))
    with fixtures.case('select_by_row', 'Select (version 1) whose condition is a vector over rows.') as net:
        x = net.input(3, 4)
        net.fetch(raw.Select(condition=tf.constant([True, False, True]), x=x, y=-x))
    with fixtures.case('select_v2_broadcasts', 'SelectV2 with a condition and a scalar that broadcast.') as net:
        x = net.input(2, 3, 4)
        net.fetch(tf.where(x > 0.25, x, 0.0), tf.where(tf.constant([True, False, False, True]), x, 7.0))
    with fixtures.case('comparisons', 'Every comparison, cast to numbers and added with weights.') as net:
        x, y = net.feed(np.array([[1, 2, 3], [4, 5, 6]], np.float32), 'x'), net.feed(np.array([[3, 2, 1], [4, 9, 0]], np.float32), 'y')
        comparisons = (raw.Greater, raw.GreaterEqual, raw.Less, raw.LessEqual, raw.Equal, raw.NotEqual)
        net.fetch(raw.AddN(inputs=[tf.cast(compare(x=x, y=y), tf.float32) * float(1 << i) for i, compare in enumerate(comparisons)]))
    with fixtures.case('logical', 'And, Or, Not of comparisons.') as net:
        x = net.input(3, 5)
        inside = tf.logical_and(x > -0.5, x < 0.5)
        net.fetch(tf.cast(tf.logical_or(tf.logical_not(inside), x > 0.0), tf.float32))


def casts(fixtures):
    """Casts at the front of graphs, and round trips through integers, which cut towards zero."""
    for kind in (np.uint8, np.int32, np.int64, np.float64, np.float16):
        with fixtures.case(f'cast_{np.dtype(kind).name}_input', f'An input of {np.dtype(kind).name}, cast to float.') as net:
            value = (net.numbers('input', (2, 3, 3, 1), 0, 255)).astype(kind)
            net.fetch(tf.cast(net.feed(value), tf.float32) * (1 / 255))
    for kind in (tf.int32, tf.int64, tf.uint8, tf.float16):
        with fixtures.case(f'cast_float_{kind.name}_float', f'Float to {kind.name} and back.') as net:
            low = 0.0 if kind == tf.uint8 else -100.0
            net.fetch(tf.cast(tf.cast(net.input(3, 7, low=low, high=100.0), kind), tf.float32))


def softmaxes(fixtures):
    """Softmax along the last axis, of ordinary and of large numbers."""
    for name, shape in (('2d', (3, 7)), ('4d', (1, 2, 3, 5)), ('one_class', (2, 1)), ('wide', (1, 1001))):
        with fixtures.case(f'softmax_{name}', f'Softmax of {list(shape)}.') as net:
            net.fetch(tf.nn.softmax(net.input(*shape, low=-5.0, high=5.0)))
    with fixtures.case('softmax_large', 'Softmax of numbers whose exponentials overflow.') as net:
        net.fetch(tf.nn.softmax(net.input(2, 9, low=-500.0, high=500.0)))
    with fixtures.case('log_softmax', 'LogSoftmax of a matrix.') as net:
        net.fetch(tf.nn.log_softmax(net.input(3, 7, low=-5.0, high=5.0)))
    with fixtures.case('softmax_slim', "TF-Slim's softmax: Reshape to a matrix, Softmax, Reshape to the Shape of the logits.") as net:
        x = net.input(2, 2, 3, 5, declared=[None, None, None, 5])
        net.fetch(tf.reshape(tf.nn.softmax(tf.reshape(x, [-1, 5])), tf.shape(x)))
    with fixtures.case('softmax_by_hand', 'exp(x - max) / sum, as Keras wrote it.') as net:
        x = net.input(2, 6, low=-5.0, high=5.0)
        e = tf.exp(x - tf.reduce_max(x, 1, keepdims=True))
        net.fetch(e / tf.reduce_sum(e, 1, keepdims=True))
    with fixtures.case('l2_normalize', "Square, Sum, Maximum, Rsqrt, Mul: the embedding's unit length.") as net:
        net.fetch(tf.nn.l2_normalize(net.input(3, 8), 1))
