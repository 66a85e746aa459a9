"""Files of 8-bit integers: every operator that is known of them, and small networks whose every tensor is fetched."""
import itertools

import numpy as np

from lite.drawing import Drawing, NONE, RELU, RELU6, RELU_N1_TO_1, SAME, VALID, options

TYPES = (np.int8, np.uint8)


def zero(dtype, offset):
    """A zero point that is `offset` from the middle of the type's range."""
    return offset + (128 if dtype == np.uint8 else 0)


def fed(lite, dtype, shape, scale=0.0231, offset=5, name='input'):
    """Adds an input that is fed integers of the type's whole range."""
    limits = np.iinfo(dtype)
    return lite.feed(lite.integers(name, shape, limits.min, limits.max, dtype), name, scale=scale, zero=zero(dtype, offset))


def weights(lite, dtype, shape, outputs, dimension, name='filter', scale=0.0117):
    """Adds a filter: int8 with a scale for each output channel, uint8 with one scale and a zero point."""
    limits = np.iinfo(dtype)
    values = lite.integers(name, shape, max(limits.min, -127), limits.max, dtype)
    if dtype == np.uint8:
        return lite.constant(name, values, scale=scale, zero=137), np.float32([scale])
    scales = np.float32(scale) * (1 + lite.numbers(f'{name}/scales', (outputs,), 0, 1))
    return lite.constant(name, values, scale=scales, zero=0, dimension=dimension), scales


def bias(lite, outputs, scales, input_scale=0.0231, name='bias'):
    """Adds a bias in the scale of the sums."""
    values = lite.integers(name, (outputs,), -3000, 3000, np.int32)
    return lite.constant(name, values, scale=np.float32(input_scale) * scales, zero=0)


def quantized(fixtures, name, dtype, what):
    """A case whose bytes must be LiteRT's."""
    return fixtures.case(f'quantised_{name}_{np.dtype(dtype).name}', what, tolerance=0)


def contractions(fixtures):
    """CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED in their paddings, strides, dilations, activations."""
    moves = [('same', SAME, (1, 1), (1, 1), RELU6, (3, 3)), ('valid', VALID, (2, 1), (1, 1), NONE, (3, 2)),
             ('dilated', SAME, (1, 1), (2, 2), RELU, (3, 3)), ('point', SAME, (1, 1), (1, 1), RELU_N1_TO_1, (1, 1))]
    for dtype, (name, padding, stride, dilation, activation, window) in itertools.product(TYPES, moves):
        fields = dict(padding=padding, stride_h=stride[0], stride_w=stride[1], dilation_h_factor=dilation[0],
                      dilation_w_factor=dilation[1], fused_activation_function=activation)
        with quantized(fixtures, f'conv_{name}', dtype, 'A convolution of integers') as lite:
            x = fed(lite, dtype, (1, 9, 7, 5))
            filters, scales = weights(lite, dtype, (70, *window, 5), 70, 0)
            inputs = [x, filters, bias(lite, 70, scales)]
            lite.fetch(lite.compute('CONV_2D', inputs, options('Conv2D', **fields), dtype, scale=0.0519, zero=zero(dtype, -7)))
        with quantized(fixtures, f'depthwise_{name}', dtype, 'A filter of integers for each channel') as lite:
            x = fed(lite, dtype, (1, 9, 7, 66))
            filters, scales = weights(lite, dtype, (1, *window, 66), 66, 3)
            inputs = [x, filters, bias(lite, 66, scales)]
            kind = options('DepthwiseConv2D', depth_multiplier=1, **fields)
            lite.fetch(lite.compute('DEPTHWISE_CONV_2D', inputs, kind, dtype, scale=0.0519, zero=zero(dtype, -7)))
    for dtype in TYPES:
        with quantized(fixtures, 'depthwise_several', dtype, 'Three filters for each channel') as lite:
            x = fed(lite, dtype, (2, 6, 5, 4))
            filters, scales = weights(lite, dtype, (1, 3, 3, 12), 12, 3)
            kind = options('DepthwiseConv2D', padding=SAME, stride_h=2, stride_w=2, depth_multiplier=3)
            lite.fetch(lite.compute('DEPTHWISE_CONV_2D', [x, filters, bias(lite, 12, scales)], kind, dtype, scale=0.03, zero=zero(dtype, 2)))
        with quantized(fixtures, 'conv_one_scale', dtype, 'One scale for all output channels') as lite:
            x = fed(lite, dtype, (1, 6, 5, 4))
            limits = np.iinfo(dtype)
            filters = lite.constant('filter', lite.integers('filter', (6, 3, 3, 4), max(limits.min, -127), limits.max, dtype),
                                    scale=0.013, zero=zero(dtype, 0))
            inputs = [x, filters, bias(lite, 6, np.float32([0.013]))]
            kind = options('Conv2D', padding=SAME, stride_h=1, stride_w=1)
            lite.fetch(lite.compute('CONV_2D', inputs, kind, dtype, scale=0.11, zero=zero(dtype, 3)))
        with quantized(fixtures, 'fully_connected', dtype, 'A fully connected layer of integers over two rows') as lite:
            x = fed(lite, dtype, (2, 4, 10))
            limits = np.iinfo(dtype)
            filters = lite.constant('weights', lite.integers('weights', (9, 40), max(limits.min, -127), limits.max, dtype),
                                    scale=0.0117, zero=0 if dtype == np.int8 else 124)
            inputs = [x, filters, bias(lite, 9, np.float32([0.0117]))]
            lite.fetch(lite.compute('FULLY_CONNECTED', inputs, options('FullyConnected'), dtype, scale=0.07, zero=zero(dtype, 11)))


def pools(fixtures):
    """AVERAGE_POOL_2D, MAX_POOL_2D and MEAN."""
    for dtype, builtin in itertools.product(TYPES, ('AVERAGE_POOL_2D', 'MAX_POOL_2D')):
        with quantized(fixtures, builtin.lower(), dtype, 'A pool of integers') as lite:
            x = fed(lite, dtype, (1, 7, 6, 3))
            kind = options('Pool2D', padding=SAME, stride_h=2, stride_w=1, filter_height=3, filter_width=2, fused_activation_function=RELU)
            lite.fetch(lite.compute(builtin, [x], kind, dtype, scale=0.0231, zero=zero(dtype, 5)))
    for dtype, (name, axes, keep, scale) in itertools.product(TYPES, (('pixels', [1, 2], False, 0.0119), ('channels', [0, 3], True, 0.0231))):
        with quantized(fixtures, f'mean_{name}', dtype, 'A mean of integers') as lite:
            x = fed(lite, dtype, (2, 7, 6, 5))
            axes = lite.constant('axes', np.int32(axes))
            lite.fetch(lite.compute('MEAN', [x, axes], options('Reducer', keep_dims=keep), dtype, scale=scale, zero=zero(dtype, -7)))


def elementwise(fixtures):
    """ADD, SUB, MUL with and without broadcasting; functions; changes of scale and type; softmax."""
    for dtype, (kind, activation, shape) in itertools.product(TYPES, (('Add', RELU6, (1, 5, 4, 6)), ('Add', NONE, (6,)), ('Sub', NONE, (1, 5, 4, 6)),
                                                                      ('Mul', RELU, (1, 5, 4, 6)), ('Mul', NONE, (1, 1, 1, 6)))):
        name = f'{kind.lower()}_{len(shape)}_{shape[-2] if len(shape) > 1 else 0}'
        with quantized(fixtures, name, dtype, 'Two values of different scales') as lite:
            x = fed(lite, dtype, (1, 5, 4, 6))
            y = fed(lite, dtype, shape, 0.0913, -20, 'other')
            lite.fetch(lite.compute(kind.upper(), [x, y], options(kind, fused_activation_function=activation), dtype, scale=0.0519, zero=zero(dtype, -7)))
    for dtype in TYPES:
        with quantized(fixtures, 'add_constant', dtype, 'A constant of integers') as lite:
            limits = np.iinfo(dtype)
            x = fed(lite, dtype, (1, 3, 4, 6))
            y = lite.constant('constant', lite.integers('constant', (6,), limits.min, limits.max, dtype), scale=0.05, zero=zero(dtype, 3))
            lite.fetch(lite.compute('ADD', [x, y], options('Add'), dtype, scale=0.0519, zero=zero(dtype, -7)))
    functions = [('LOGISTIC', None, 1 / 256, -128), ('TANH', None, 1 / 128, 0), ('HARD_SWISH', None, 0.0187, -40),
                 ('RELU', None, 0.0119, -128), ('RELU6', None, 6 / 255, -128), ('RELU_N1_TO_1', None, 1 / 127, 0)]
    for dtype, (builtin, kind, scale, offset) in itertools.product(TYPES, functions):
        with quantized(fixtures, builtin.lower(), dtype, 'A function of each integer') as lite:
            x = lite.feed(np.arange(256).astype(dtype).reshape(1, 4, 64), scale=0.0231, zero=zero(dtype, 5))
            lite.fetch(lite.compute(builtin, [x], kind, dtype, scale=scale, zero=zero(dtype, offset)))
    for source, target in itertools.product(TYPES, TYPES):
        with quantized(fixtures, f'requantise_{np.dtype(source).name}', target, 'Integers of another scale and type') as lite:
            x = lite.feed(np.arange(256).astype(source).reshape(1, 256), scale=0.0231, zero=zero(source, 5))
            lite.fetch(lite.compute('QUANTIZE', [x], options('Quantize'), target, scale=0.0202, zero=zero(target, 3)))
    for dtype in TYPES:
        with quantized(fixtures, 'softmax', dtype, 'Probabilities of integers') as lite:
            x = fed(lite, dtype, (3, 101), 0.11, 4)
            lite.fetch(lite.compute('SOFTMAX', [x], options('Softmax', beta=1.0), dtype, scale=1 / 256, zero=zero(dtype, -128)))
        with quantized(fixtures, 'real', dtype, 'Real numbers to integers, and back') as lite:
            x = lite.input(1, 3, 50, low=-4, high=4)
            stored = lite.compute('QUANTIZE', [x], options('Quantize'), dtype, name='stored', scale=0.0231, zero=zero(dtype, 9))
            lite.fetch(stored, lite.compute('DEQUANTIZE', [stored], options('Dequantize')))


def slopes(fixtures):
    """ELU of int8, LEAKY_RELU and PRELU."""
    def ramp(lite, dtype):
        return lite.feed(np.arange(256).astype(dtype).reshape(1, 4, 16, 4), scale=0.0231, zero=zero(dtype, 5))

    with quantized(fixtures, 'elu', np.int8, 'Exponential linear units of integers') as lite:
        # The reference kernels have none.
        lite.resolver = 'optimized'
        lite.fetch(lite.compute('ELU', [ramp(lite, np.int8)], None, np.int8, scale=0.0187, zero=-60))
    for dtype, alpha in itertools.product(TYPES, (0.2, 0.0, 1.7)):
        with quantized(fixtures, f'leaky_relu_{alpha}', dtype, 'A slope below zero') as lite:
            kind = options('LeakyRelu', alpha=alpha)
            lite.fetch(lite.compute('LEAKY_RELU', [ramp(lite, dtype)], kind, dtype, scale=0.0187, zero=zero(dtype, -9)))
    for dtype in TYPES:
        with quantized(fixtures, 'prelu', dtype, 'A slope for each channel, some negative') as lite:
            limits = np.iinfo(dtype)
            slope = lite.constant('slope', lite.integers('slope', (1, 1, 4), limits.min, limits.max, dtype), scale=0.013, zero=zero(dtype, -20))
            lite.fetch(lite.compute('PRELU', [ramp(lite, dtype), slope], None, dtype, scale=0.0187, zero=zero(dtype, -9)))


def resizes(fixtures):
    """RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR, larger and smaller, by each rule for coordinates."""
    rules = [('', {}), ('_corners', dict(align_corners=True)), ('_centers', dict(half_pixel_centers=True))]
    sizes = [('larger', (11, 7)), ('smaller', (3, 2)), ('double', (10, 12))]
    for dtype, (rule, fields), (size, shape) in itertools.product(TYPES, rules, sizes):
        for builtin, kind in (('RESIZE_BILINEAR', 'ResizeBilinear'), ('RESIZE_NEAREST_NEIGHBOR', 'ResizeNearestNeighbor')):
            with quantized(fixtures, f'{builtin.lower()}{rule}_{size}', dtype, 'A picture of integers of another size') as lite:
                x = fed(lite, dtype, (2, 5, 6, 3))
                to = lite.constant('size', np.int32(shape))
                lite.fetch(lite.compute(builtin, [x, to], options(kind, **fields), dtype, scale=0.0231, zero=zero(dtype, 5)))


def movement(fixtures):
    """What only moves integers: joined, cut, padded, transposed, reshaped; the largest's index."""
    for dtype in TYPES:
        quantization = dict(scale=0.0231, zero=zero(dtype, 5))
        with quantized(fixtures, 'movement', dtype, 'Integers joined, padded, cut, transposed, reshaped') as lite:
            x, y = fed(lite, dtype, (1, 3, 4, 5)), fed(lite, dtype, (1, 3, 4, 2), name='other')
            joined = lite.compute('CONCATENATION', [x, y], options('Concatenation', axis=3), dtype, 'joined', **quantization)
            stacked = lite.compute('CONCATENATION', [x, x], options('Concatenation', axis=1), dtype, 'stacked', **quantization)
            around = lite.constant('paddings', np.int32([[0, 0], [1, 2], [0, 1], [0, 0]]))
            padded = lite.compute('PAD', [joined, around], options('Pad'), dtype, 'padded', **quantization)
            begin, size = lite.constant('begin', np.int32([0, 1, 0, 2])), lite.constant('size', np.int32([1, 2, 3, -1]))
            cut = lite.compute('SLICE', [padded, begin, size], options('Slice'), dtype, 'cut', **quantization)
            order = lite.constant('perm', np.int32([0, 3, 1, 2]))
            turned = lite.compute('TRANSPOSE', [cut, order], options('Transpose'), dtype, 'turned', **quantization)
            flat = lite.compute('RESHAPE', [turned], options('Reshape', new_shape=[1, -1]), dtype, 'flat', **quantization)
            axis = lite.constant('axis', np.int32(1))
            largest = lite.compute('ARG_MAX', [flat, axis], options('ArgMax', output_type=2), 'int32', 'largest')
            lite.fetch(joined, stacked, padded, cut, turned, flat, largest)
    with quantized(fixtures, 'concatenation_scales', np.uint8, 'Parts of other scales than the whole') as lite:
        x, y = fed(lite, np.uint8, (1, 3, 4, 5)), fed(lite, np.uint8, (1, 3, 4, 2), 0.0119, -20, 'other')
        lite.fetch(lite.compute('CONCATENATION', [x, y], options('Concatenation', axis=3), np.uint8, scale=0.0231, zero=zero(np.uint8, 5)))


def networks(fixtures):
    """Small networks, with every tensor fetched: a separable one, and one of residual units."""
    for dtype in TYPES:
        with quantized(fixtures, 'separable', dtype, 'A small MobileNet V1, every tensor') as lite:
            x = lite.feed(lite.integers('input', (1, 16, 16, 3), np.iinfo(dtype).min, np.iinfo(dtype).max, dtype), scale=1 / 128, zero=zero(dtype, 0))
            net, scale, channels, offset = x, 1 / 128, 3, 0
            for i, (outputs, stride) in enumerate([(8, 2), (16, 1), (16, 2), (24, 1)]):
                depthwise = i > 0
                shape = (1, 3, 3, channels) if depthwise else (outputs, 3, 3, channels)
                count = channels if depthwise else outputs
                filters, scales = weights(lite, dtype, shape, count, 3 if depthwise else 0, f'filter_{i}', 0.02)
                inputs = [net, filters, bias(lite, count, scales, scale, f'bias_{i}')]
                fields = dict(padding=SAME, stride_h=stride, stride_w=stride, fused_activation_function=RELU6)
                kind = options('DepthwiseConv2D', depth_multiplier=1, **fields) if depthwise else options('Conv2D', **fields)
                builtin = 'DEPTHWISE_CONV_2D' if depthwise else 'CONV_2D'
                net = lite.compute(builtin, inputs, kind, dtype, f'layer_{i}', scale=6 / 255, zero=zero(dtype, -128))
                lite.fetch(net)
                scale, offset = 6 / 255, -128
                if depthwise:
                    filters, scales = weights(lite, dtype, (outputs, 1, 1, channels), outputs, 0, f'point_{i}', 0.01)
                    inputs = [net, filters, bias(lite, outputs, scales, scale, f'point_bias_{i}')]
                    kind = options('Conv2D', padding=SAME, stride_h=1, stride_w=1, fused_activation_function=RELU6)
                    net = lite.compute('CONV_2D', inputs, kind, dtype, f'pointwise_{i}', scale=6 / 255, zero=zero(dtype, -128))
                    lite.fetch(net)
                channels = outputs
            kind = options('Pool2D', padding=VALID, stride_h=4, stride_w=4, filter_height=4, filter_width=4)
            net = lite.compute('AVERAGE_POOL_2D', [net], kind, dtype, 'pooled', scale=scale, zero=zero(dtype, offset))
            lite.fetch(net)
            filters, scales = weights(lite, dtype, (11, 1, 1, channels), 11, 0, 'classes', 0.01)
            net = lite.compute('CONV_2D', [net, filters, bias(lite, 11, scales, scale, 'classes_bias')],
                               options('Conv2D', padding=SAME, stride_h=1, stride_w=1), dtype, 'logits', scale=0.12, zero=zero(dtype, -20))
            lite.fetch(net)
            net = lite.compute('RESHAPE', [net], options('Reshape', new_shape=[1, 11]), dtype, 'flat', scale=0.12, zero=zero(dtype, -20))
            lite.fetch(net, lite.compute('SOFTMAX', [net], options('Softmax', beta=1.0), dtype, 'probabilities', scale=1 / 256, zero=zero(dtype, -128)))
        with quantized(fixtures, 'residual', dtype, 'Residual units and branches, every tensor') as lite:
            net, scale = fed(lite, dtype, (1, 8, 8, 12), 0.03, -4), 0.03
            for i in range(2):
                filters, scales = weights(lite, dtype, (12, 3, 3, 12), 12, 0, f'filter_{i}', 0.006)
                branch = lite.compute('CONV_2D', [net, filters, bias(lite, 12, scales, scale, f'bias_{i}')],
                                      options('Conv2D', padding=SAME, stride_h=1, stride_w=1, fused_activation_function=RELU), dtype, f'branch_{i}',
                                      scale=0.021, zero=zero(dtype, -128))
                net = lite.compute('ADD', [net, branch], options('Add', fused_activation_function=NONE), dtype, f'sum_{i}', scale=0.041, zero=zero(dtype, -30))
                lite.fetch(branch, net)
                scale = 0.041
            parts = [net]
            kind = options('Pool2D', padding=SAME, stride_h=1, stride_w=1, filter_height=3, filter_width=3)
            parts.append(lite.compute('MAX_POOL_2D', [net], kind, dtype, 'largest', scale=scale, zero=zero(dtype, -30)))
            whole = lite.compute('CONCATENATION', parts, options('Concatenation', axis=3), dtype, 'whole', scale=scale, zero=zero(dtype, -30))
            axes = lite.constant('axes', np.int32([1, 2]))
            mean = lite.compute('MEAN', [whole, axes], options('Reducer', keep_dims=True), dtype, 'mean', scale=0.02, zero=zero(dtype, 0))
            gate = lite.compute('LOGISTIC', [mean], None, dtype, 'gate', scale=1 / 256, zero=zero(dtype, -128))
            lite.fetch(parts[1], whole, mean, gate, lite.compute('MUL', [whole, gate], options('Mul'), dtype, 'gated', scale=0.02, zero=zero(dtype, 0)))


def refused(fixtures):
    """Files of integers that are sound and not known."""
    lite = Drawing('unknown_quantised', 'Two functions that are not known of integers, and one that is')
    quantization = dict(scale=0.5, zero=0)
    known = lite.compute('RELU', [lite.feed(np.int8([[1, 2, 3, 4]]), **quantization)], None, 'int8', 'known', **quantization)
    first = lite.compute('ABS', [known], None, 'int8', 'first', **quantization)
    lite.fetch(known, lite.compute('MAXIMUM', [first, known], options('MaximumMinimum'), 'int8', 'second', **quantization))
    fixtures.write(lite)
    lite = Drawing('integers_of_16_bits', 'A function that is not known of 16-bit integers')
    x = lite.feed(np.int16([[1, 2, 3]]), scale=0.5)
    lite.fetch(lite.compute('HARD_SWISH', [x], None, dtype='int16', scale=0.7))
    fixtures.write(lite)
    lite = Drawing('real_numbers', 'Integers limited to six')
    x = lite.feed(np.uint8([[126, 128, 135, 255]]), scale=0.5, zero=128)
    y = lite.constant('constant', np.uint8([[128, 128, 128, 128]]), scale=0.5, zero=128)
    lite.fetch(lite.compute('ADD', [x, y], options('Add', fused_activation_function=RELU6), 'uint8', scale=0.5, zero=128))
    fixtures.write(lite)
