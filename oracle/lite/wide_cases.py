"""Files whose activations are int16 and whose weights are int8: every operator that is known of them, and a small network whose every tensor is fetched."""
import itertools

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from lite.drawing import NONE, RELU, RELU6, RELU_N1_TO_1, SAME, VALID, options

INPUT, OUTPUT = 0.00031, 0.00047
BIASES = {'int64': np.int64, 'int32': np.int32, 'none': None}


def fed(lite, shape, scale=INPUT, name='input'):
    """Adds an input that is fed integers of the type's whole range."""
    return lite.feed(lite.integers(name, shape, -32768, 32767, np.int16), name, scale=scale)


def ramp(lite, scale, step=53):
    """Adds an input that is fed every 53rd integer, the smallest and the largest."""
    values = np.unique(np.append(np.arange(-32768, 32768, step), [-1, 0, 1, 32767]))
    return lite.feed(values.astype(np.int16)[None], scale=scale)


def weights(lite, shape, outputs, dimension, name='filter', scale=0.0117, per_channel=True):
    """Adds a filter with a scale for each output channel, or one for all."""
    values = lite.integers(name, shape, -127, 127, np.int8)
    scales = np.float32(scale) * (1 + lite.numbers(f'{name}/scales', (outputs,), 0, 1)) if per_channel else np.float32([scale])
    return lite.constant(name, values, scale=scales, zero=0, dimension=dimension if per_channel else 0), scales


def with_bias(lite, inputs, outputs, scales, dtype, input_scale=INPUT, name='bias'):
    """The inputs of a contraction, with a bias of that type in the scale of the sums, or none."""
    if dtype is None:
        return inputs
    limit = 60_000_000 if dtype == np.int64 else 900_000
    values = lite.integers(name, (outputs,), -limit, limit, dtype)
    return [*inputs, lite.constant(name, values, scale=np.float32(input_scale) * scales, zero=0)]


def wide(fixtures, name, what):
    """A case whose integers must be LiteRT's."""
    return fixtures.case(f'wide_{name}', what, tolerance=0)


def contractions(fixtures):
    """CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED in their paddings, strides, dilations, activations, biases."""
    moves = [('same', SAME, (1, 1), (1, 1), RELU6, (3, 3), 'int64'), ('valid', VALID, (2, 1), (1, 1), NONE, (3, 2), 'int32'),
             ('dilated', SAME, (1, 1), (2, 2), RELU, (3, 3), 'none'), ('point', SAME, (1, 1), (1, 1), RELU_N1_TO_1, (1, 1), 'int64')]
    for name, padding, stride, dilation, activation, window, bias in moves:
        fields = dict(padding=padding, stride_h=stride[0], stride_w=stride[1], dilation_h_factor=dilation[0],
                      dilation_w_factor=dilation[1], fused_activation_function=activation)
        with wide(fixtures, f'conv_{name}', 'A convolution') as lite:
            filters, scales = weights(lite, (35, *window, 5), 35, 0)
            # LiteRT takes no convolution without a bias.
            inputs = with_bias(lite, [fed(lite, (1, 9, 7, 5)), filters], 35, scales, BIASES[bias] or np.int32)
            # Without the option LiteRT reads a bias of int32 as one of int64.
            kind = options('Conv2D', quantized_bias_type=schema.TensorType.INT64 if bias == 'int64' else schema.TensorType.INT32, **fields)
            lite.fetch(lite.compute('CONV_2D', inputs, kind, 'int16', scale=0.0041))
        with wide(fixtures, f'depthwise_{name}', 'Two filters for each channel') as lite:
            filters, scales = weights(lite, (1, *window, 34), 34, 3)
            bias = 'int64' if bias == 'int32' else bias
            inputs = with_bias(lite, [fed(lite, (2, 9, 7, 17)), filters], 34, scales, BIASES[bias])
            kind = options('DepthwiseConv2D', depth_multiplier=2, **fields)
            lite.fetch(lite.compute('DEPTHWISE_CONV_2D', inputs, kind, 'int16', scale=0.0017))
    for bias, per_channel in itertools.product(BIASES, (False, True)):
        kind = 'channels' if per_channel else 'tensor'
        with wide(fixtures, f'fully_connected_{bias}_{kind}', 'A fully connected layer over two rows of 700 values') as lite:
            lite.versions['FULLY_CONNECTED'] = 12
            filters, scales = weights(lite, (9, 700), 9, 0, per_channel=per_channel)
            inputs = with_bias(lite, [fed(lite, (2, 700)), filters], 9, scales, BIASES[bias])
            kind = options('FullyConnected', quantized_bias_type=schema.TensorType.INT32 if bias == 'int32' else schema.TensorType.INT64)
            lite.fetch(lite.compute('FULLY_CONNECTED', inputs, kind, 'int16', scale=0.0093))


def pools(fixtures):
    """AVERAGE_POOL_2D, MAX_POOL_2D and MEAN."""
    for builtin in ('AVERAGE_POOL_2D', 'MAX_POOL_2D'):
        for size in (3, 18):
            with wide(fixtures, f'{builtin.lower()}_{size}', 'A pool') as lite:
                x = fed(lite, (1, 21, 20, 3))
                kind = options('Pool2D', padding=SAME, stride_h=2, stride_w=1, filter_height=size, filter_width=size - 1,
                               fused_activation_function=RELU)
                lite.fetch(lite.compute(builtin, [x], kind, 'int16', scale=INPUT))
    for name, axes, keep, scale in (('pixels', [1, 2], False, 0.00021), ('channels', [0, 3], True, INPUT)):
        with wide(fixtures, f'mean_{name}', 'A mean') as lite:
            x = fed(lite, (2, 7, 6, 5))
            axes = lite.constant('axes', np.int32(axes))
            lite.fetch(lite.compute('MEAN', [x, axes], options('Reducer', keep_dims=keep), 'int16', scale=scale))


def elementwise(fixtures):
    """ADD, SUB, MUL with and without broadcasting, and by shifts; functions; changes of scale and type; softmax."""
    for kind, activation, shape in (('Add', RELU6, (1, 5, 4, 6)), ('Add', NONE, (6,)), ('Sub', NONE, (1, 5, 4, 6)), ('Sub', RELU, (1, 1, 1, 6)),
                                    ('Mul', RELU, (1, 5, 4, 6)), ('Mul', NONE, (1, 1, 1, 6))):
        with wide(fixtures, f'{kind.lower()}_{len(shape)}_{shape[0]}_{shape[-2] if len(shape) > 1 else 0}', 'Two values of different scales') as lite:
            x, y = fed(lite, (1, 5, 4, 6)), fed(lite, shape, 0.00113, 'other')
            scale = 0.00119 if kind != 'Mul' else 0.00001
            lite.fetch(lite.compute(kind.upper(), [x, y], options(kind, fused_activation_function=activation), 'int16', scale=scale))
    for kind, (a, b) in itertools.product(('Add', 'Sub'), ((10, 12), (12, 10), (10, 10))):
        with wide(fixtures, f'{kind.lower()}_by_shifts_{a}_{b}', 'Two values whose scales are powers of two') as lite:
            x, y = fed(lite, (1, 5, 4, 60), 2.0**-a), fed(lite, (1, 5, 4, 60), 2.0**-b, 'other')
            kind_options = options(kind, fused_activation_function=RELU if a < b else NONE, pot_scale_int16=True)
            lite.fetch(lite.compute(kind.upper(), [x, y], kind_options, 'int16', scale=2.0**-min(a, b)))
    for builtin, scale in itertools.product(('LOGISTIC', 'TANH'), (2.0**-12, 2.0**-11, INPUT, 0.0021, 0.00003)):
        with wide(fixtures, f'{builtin.lower()}_{scale:.6f}', 'A function of each integer') as lite:
            lite.fetch(lite.compute(builtin, [ramp(lite, scale)], None, 'int16', scale=2.0**-15))
    for builtin, scale in (('RELU', 0.00021), ('RELU6', 0.00019)):
        with wide(fixtures, builtin.lower(), 'Values limited to a range') as lite:
            lite.fetch(lite.compute(builtin, [ramp(lite, INPUT)], None, 'int16', scale=scale))
    for alpha in (0.2, 0.0, 1.7):
        with wide(fixtures, f'leaky_relu_{alpha}', 'A slope below zero') as lite:
            lite.fetch(lite.compute('LEAKY_RELU', [ramp(lite, INPUT)], options('LeakyRelu', alpha=alpha), 'int16', scale=0.00029))
    for target, scale, zero in ((np.int16, OUTPUT, 0), (np.int8, 0.08, 11)):
        with wide(fixtures, f'requantise_{np.dtype(target).name}', 'Integers of another scale and type') as lite:
            lite.fetch(lite.compute('QUANTIZE', [ramp(lite, INPUT)], options('Quantize'), target, scale=scale, zero=zero))
    for source in (np.int8, np.uint8):
        with wide(fixtures, f'requantise_from_{np.dtype(source).name}', 'Integers of 8 bits in 16') as lite:
            x = lite.feed(np.arange(256).astype(source)[None], scale=0.013, zero=7)
            lite.fetch(lite.compute('QUANTIZE', [x], options('Quantize'), 'int16', scale=0.00013))
    for columns, scale in ((7, 0.0004), (101, 0.00021), (1001, 0.0003)):
        with wide(fixtures, f'softmax_{columns}', 'Probabilities') as lite:
            x = fed(lite, (3, columns), scale)
            lite.fetch(lite.compute('SOFTMAX', [x], options('Softmax', beta=1.0), 'int16', scale=2.0**-15))
    with wide(fixtures, 'real', 'Real numbers to integers, and back') as lite:
        x = lite.input(1, 3, 50, low=-12, high=12)
        stored = lite.compute('QUANTIZE', [x], options('Quantize'), 'int16', name='stored', scale=INPUT)
        lite.fetch(stored, lite.compute('DEQUANTIZE', [stored], options('Dequantize')))


def resizes(fixtures):
    """RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR."""
    for builtin, kind, size in (('RESIZE_BILINEAR', 'ResizeBilinear', (11, 7)), ('RESIZE_BILINEAR', 'ResizeBilinear', (3, 2)),
                                ('RESIZE_NEAREST_NEIGHBOR', 'ResizeNearestNeighbor', (11, 7))):
        with wide(fixtures, f'{builtin.lower()}_{size[0]}', 'A picture of another size') as lite:
            to = lite.constant('size', np.int32(size))
            kind = options(kind, half_pixel_centers=True)
            lite.fetch(lite.compute(builtin, [fed(lite, (2, 5, 6, 3)), to], kind, 'int16', scale=INPUT))


def movement(fixtures):
    """What only moves integers: joined, cut, padded, transposed, reshaped; the largest's index."""
    quantization = dict(scale=INPUT)
    with wide(fixtures, 'movement', 'Integers joined, padded, cut, transposed, reshaped') as lite:
        x, y = fed(lite, (1, 3, 4, 5)), fed(lite, (1, 3, 4, 2), name='other')
        joined = lite.compute('CONCATENATION', [x, y], options('Concatenation', axis=3), 'int16', 'joined', **quantization)
        stacked = lite.compute('CONCATENATION', [x, x], options('Concatenation', axis=1), 'int16', 'stacked', **quantization)
        around = lite.constant('paddings', np.int32([[0, 0], [1, 2], [0, 1], [0, 0]]))
        padded = lite.compute('PAD', [joined, around], options('Pad'), 'int16', 'padded', **quantization)
        begin, size = lite.constant('begin', np.int32([0, 1, 0, 2])), lite.constant('size', np.int32([1, 2, 3, -1]))
        cut = lite.compute('SLICE', [padded, begin, size], options('Slice'), 'int16', 'cut', **quantization)
        order = lite.constant('perm', np.int32([0, 3, 1, 2]))
        turned = lite.compute('TRANSPOSE', [cut, order], options('Transpose'), 'int16', 'turned', **quantization)
        flat = lite.compute('RESHAPE', [turned], options('Reshape', new_shape=[1, -1]), 'int16', 'flat', **quantization)
        lite.fetch(joined, stacked, padded, cut, turned, flat)


def networks(fixtures):
    """A small network of real numbers that are rounded first and made real last, every tensor fetched."""
    with wide(fixtures, 'network', 'A small residual network, every tensor') as lite:
        net = lite.compute('QUANTIZE', [lite.input(1, 16, 16, 3)], options('Quantize'), 'int16', 'picture', scale=1 / 32768)
        scale, channels = 1 / 32768, 3
        for i, (outputs, stride) in enumerate([(8, 2), (8, 1), (16, 2)]):
            filters, scales = weights(lite, (outputs, 3, 3, channels), outputs, 0, f'filter_{i}', 0.003)
            inputs = with_bias(lite, [net, filters], outputs, scales, np.int64, scale, f'bias_{i}')
            kind = options('Conv2D', padding=SAME, stride_h=stride, stride_w=stride, fused_activation_function=RELU6)
            before, net = net, lite.compute('CONV_2D', inputs, kind, 'int16', f'layer_{i}', scale=6 / 32767)
            lite.fetch(net)
            if stride == 1:
                kind = options('Add', pot_scale_int16=False)
                net = lite.compute('ADD', [before, net], kind, 'int16', f'sum_{i}', scale=7 / 32767)
                lite.fetch(net)
            scale, channels = (7 if stride == 1 else 6) / 32767, outputs
        axes = lite.constant('axes', np.int32([1, 2]))
        net = lite.compute('MEAN', [net, axes], options('Reducer'), 'int16', 'mean', scale=3 / 32767)
        filters, scales = weights(lite, (11, 16), 11, 0, 'classes', 0.01, per_channel=False)
        inputs = with_bias(lite, [net, filters], 11, scales, np.int64, 3 / 32767, 'classes_bias')
        logits = lite.compute('FULLY_CONNECTED', inputs, options('FullyConnected'), 'int16', 'logits', scale=0.0003)
        probabilities = lite.compute('SOFTMAX', [logits], options('Softmax', beta=1.0), 'int16', 'probabilities', scale=2.0**-15)
        lite.fetch(net, logits, probabilities, lite.compute('DEQUANTIZE', [probabilities], options('Dequantize'), name='real'))
