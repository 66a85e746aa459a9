"""Single operators of quantised TensorFlow Lite files with the bytes of LiteRT's reference kernels, or of those it computes with by default, as one text file for the kernels' tests.

    oracle/environment.sh DIR && DIR/bin/python oracle/tflite_integers.py ../crates/lorgnette-kernels/tests/integer.txt
    DIR/bin/python oracle/tflite_integers.py ../crates/lorgnette-kernels/tests/integer_xnnpack.txt --resolver xnnpack

A case is a line `case NAME`, then a line for each of its values: a name, then numbers or a word.
"""
import argparse
import itertools
import pathlib

import numpy as np

from lite.drawing import NONE, RELU, RELU6, SAME, VALID, Drawing, options
from lite.fixtures import interpret

INPUT, WEIGHTS, OUTPUT = (0.0231, 5), 0.0117, (0.0519, -7)


class Cases:
    """Draws files of one operator, runs them and notes what went in and came out."""

    def __init__(self, resolver):
        self.lines, self.resolver = [], resolver

    def store(self, lite, **values):
        """Runs a drawing and writes a case; arrays are written as their numbers."""
        interpreter = interpret(lite.bytes(), lite.feeds, self.resolver)
        for name, value in lite.feeds.items():
            values[name], values[f'{name}_shape'] = value, value.shape
        result = interpreter.get_tensor(lite.outputs[0])
        values['output'], values['output_shape'] = result, result.shape
        self.lines.append(f'case {lite.name}')
        for name, value in values.items():
            words = [value] if isinstance(value, str) else np.ravel(np.asarray(value)).tolist()
            self.lines.append(' '.join([name, *map(str, words)]))


def zero(dtype, offset):
    """A zero point that is `offset` from the middle of the type's range."""
    return offset + (128 if dtype == np.uint8 else 0)


def integers(lite, name, shape, dtype):
    """Made-up integers of the whole range of a type."""
    limits = np.iinfo(dtype)
    return lite.integers(name, shape, limits.min, limits.max, dtype)


def around(length, window, stride, dilation, padding):
    """Padding before and after, as TensorFlow shares it out."""
    if padding == VALID:
        return 0, 0
    reach = (window - 1) * dilation + 1
    total = max((-(-length // stride) - 1) * stride + reach - length, 0)
    return total // 2, total - total // 2


def geometry(shape, window, stride, dilation, padding):
    """What a case says of its window."""
    sides = [around(shape[d + 1], window[d], stride[d], dilation[d], padding) for d in (0, 1)]
    return dict(window=window, stride=stride, dilation=dilation, padding=[*sides[0], *sides[1]])


def convolutions(cases):
    """CONV_2D and DEPTHWISE_CONV_2D of both types."""
    moves = [((3, 3), (1, 1), (1, 1), SAME, RELU6), ((3, 2), (2, 1), (1, 1), VALID, NONE), ((3, 3), (1, 1), (2, 2), SAME, RELU)]
    for dtype, move in itertools.product((np.int8, np.uint8), range(3)):
        window, stride, dilation, padding, activation = moves[move]
        for depthwise in (False, True):
            operator = 'depthwise' if depthwise else 'conv'
            lite = Drawing(f'{operator}_{np.dtype(dtype).name}_{move}', '')
            shape, outputs = (1, 7, 6, 4), 8 if depthwise else 6
            x = lite.feed(integers(lite, 'input', shape, dtype), scale=INPUT[0], zero=zero(dtype, INPUT[1]))
            per_channel = dtype == np.int8
            scales = WEIGHTS * (1 + lite.numbers('scales', (outputs,), 0, 1)) if per_channel else np.float32([WEIGHTS])
            weights_shape = (1, *window, outputs) if depthwise else (outputs, *window, 4)
            weights = integers(lite, 'filter', weights_shape, dtype)
            if per_channel:
                weights = np.maximum(weights, -127)
            weights_zero = 0 if per_channel else zero(dtype, 9)
            bias = lite.integers('bias', (outputs,), -3000, 3000, np.int32)
            inputs = [x, lite.constant('filter', weights, scale=scales, zero=weights_zero, dimension=3 if depthwise else 0),
                      lite.constant('bias', bias, scale=np.float32(INPUT[0]) * scales, zero=0)]
            fields = dict(padding=padding, stride_h=stride[0], stride_w=stride[1], dilation_h_factor=dilation[0],
                          dilation_w_factor=dilation[1], fused_activation_function=activation)
            kind = options('DepthwiseConv2D', depth_multiplier=2, **fields) if depthwise else options('Conv2D', **fields)
            builtin = 'DEPTHWISE_CONV_2D' if depthwise else 'CONV_2D'
            lite.fetch(lite.compute(builtin, inputs, kind, dtype, scale=OUTPUT[0], zero=zero(dtype, OUTPUT[1])))
            cases.store(lite, operator=operator, type=np.dtype(dtype).name, activation=activation, filter=weights,
                        filter_zero=weights_zero, filter_scales=scales, bias=bias, input_scale=np.float32(INPUT[0]),
                        input_zero=zero(dtype, INPUT[1]), output_scale=np.float32(OUTPUT[0]), output_zero=zero(dtype, OUTPUT[1]),
                        **geometry(shape, window, stride, dilation, padding))


def fully_connected(cases):
    """FULLY_CONNECTED with one scale for all weights."""
    for dtype in (np.int8, np.uint8):
        lite = Drawing(f'dense_{np.dtype(dtype).name}', '')
        x = lite.feed(integers(lite, 'input', (2, 40), dtype), scale=INPUT[0], zero=zero(dtype, INPUT[1]))
        weights = integers(lite, 'filter', (9, 40), dtype)
        weights_zero = 0 if dtype == np.int8 else zero(dtype, -4)
        bias = lite.integers('bias', (9,), -3000, 3000, np.int32)
        inputs = [x, lite.constant('filter', weights, scale=WEIGHTS, zero=weights_zero),
                  lite.constant('bias', bias, scale=np.float32(INPUT[0]) * np.float32(WEIGHTS))]
        lite.fetch(lite.compute('FULLY_CONNECTED', inputs, options('FullyConnected'), dtype, scale=0.07,
                                zero=zero(dtype, 11)))
        cases.store(lite, operator='dense', type=np.dtype(dtype).name, activation=NONE, filter=weights,
                    filter_zero=weights_zero, filter_scales=np.float32([WEIGHTS]), bias=bias, input_scale=np.float32(INPUT[0]),
                    input_zero=zero(dtype, INPUT[1]), output_scale=np.float32(0.07), output_zero=zero(dtype, 11),
                    window=[1, 1], stride=[1, 1], dilation=[1, 1], padding=[0] * 4)


def pools(cases):
    """Average and largest value."""
    for dtype, builtin in itertools.product((np.int8, np.uint8), ('AVERAGE_POOL_2D', 'MAX_POOL_2D')):
        lite = Drawing(f'{builtin.lower()}_{np.dtype(dtype).name}', '')
        shape, quantization = (1, 7, 6, 3), dict(scale=INPUT[0], zero=zero(dtype, INPUT[1]))
        x = lite.feed(integers(lite, 'input', shape, dtype), **quantization)
        kind = options('Pool2D', padding=SAME, stride_h=2, stride_w=1, filter_height=3, filter_width=2,
                       fused_activation_function=RELU)
        lite.fetch(lite.compute(builtin, [x], kind, dtype, **quantization))
        cases.store(lite, operator=builtin.lower(), type=np.dtype(dtype).name, activation=RELU,
                    output_scale=np.float32(INPUT[0]), output_zero=quantization['zero'],
                    **geometry(shape, (3, 2), (2, 1), (1, 1), SAME))


def elementwise(cases):
    """ADD, MUL, changes of scale, functions, softmax."""
    for dtype, (kind, activation) in itertools.product((np.int8, np.uint8), (('Add', RELU6), ('Mul', NONE), ('Sub', RELU))):
        name, shape = np.dtype(dtype).name, (1, 8, 8, 5)
        lite = Drawing(f'{kind.lower()}_{name}', '')
        other = (0.0913, -20)
        x = lite.feed(integers(lite, 'input', shape, dtype), scale=INPUT[0], zero=zero(dtype, INPUT[1]))
        y = lite.feed(integers(lite, 'other', shape, dtype), 'other', scale=other[0], zero=zero(dtype, other[1]))
        lite.fetch(lite.compute(kind.upper(), [x, y], options(kind, fused_activation_function=activation), dtype,
                                scale=OUTPUT[0], zero=zero(dtype, OUTPUT[1])))
        cases.store(lite, operator=kind.lower(), type=name, activation=activation,
                    scales=np.float32([INPUT[0], other[0]]), zeros=[zero(dtype, INPUT[1]), zero(dtype, other[1])],
                    output_scale=np.float32(OUTPUT[0]), output_zero=zero(dtype, OUTPUT[1]))
    for source, target in itertools.product((np.int8, np.uint8), (np.int8, np.uint8)):
        lite = Drawing(f'requantize_{np.dtype(source).name}_{np.dtype(target).name}', '')
        x = lite.feed(np.arange(256).astype(source).reshape(1, 256), scale=INPUT[0], zero=zero(source, INPUT[1]))
        lite.fetch(lite.compute('QUANTIZE', [x], options('Quantize'), target, scale=0.0202, zero=zero(target, 3)))
        cases.store(lite, operator='requantize', type=np.dtype(source).name, target=np.dtype(target).name,
                    input_scale=np.float32(INPUT[0]), input_zero=zero(source, INPUT[1]), output_scale=np.float32(0.0202),
                    output_zero=zero(target, 3), activation=NONE)
    for dtype, (builtin, scale, offset) in itertools.product((np.int8, np.uint8), (('LOGISTIC', 1 / 256, -128), ('TANH', 1 / 128, 0))):
        lite = Drawing(f'{builtin.lower()}_{np.dtype(dtype).name}', '')
        x = lite.feed(np.arange(256).astype(dtype).reshape(1, 256), scale=INPUT[0], zero=zero(dtype, INPUT[1]))
        lite.fetch(lite.compute(builtin, [x], None, dtype, scale=scale, zero=zero(dtype, offset)))
        cases.store(lite, operator=builtin.lower(), type=np.dtype(dtype).name, input_scale=np.float32(INPUT[0]),
                    input_zero=zero(dtype, INPUT[1]), output_scale=np.float32(scale), output_zero=zero(dtype, offset))
    for dtype, (columns, scale, beta) in itertools.product((np.int8, np.uint8), ((7, 0.04, 1.0), (101, 0.11, 1.0), (30, 0.9, 0.5))):
        lite = Drawing(f'softmax_{np.dtype(dtype).name}_{columns}', '')
        x = lite.feed(integers(lite, 'input', (3, columns), dtype), scale=scale, zero=zero(dtype, 4))
        lite.fetch(lite.compute('SOFTMAX', [x], options('Softmax', beta=beta), dtype, scale=1 / 256, zero=zero(dtype, -128)))
        cases.store(lite, operator='softmax', type=np.dtype(dtype).name, input_scale=np.float32(scale), beta=np.float32(beta))


def functions(cases):
    """HARD_SWISH, an uint8 CONCATENATION of another scale, MEAN of either scale."""
    for dtype, (scale, output) in itertools.product((np.int8, np.uint8), ((0.0231, 0.0187), (0.061, 0.0519), (0.004, 0.0041))):
        name = np.dtype(dtype).name
        lite = Drawing(f'hard_swish_{name}_{scale}', '')
        x = lite.feed(np.arange(256).astype(dtype).reshape(1, 256), scale=scale, zero=zero(dtype, INPUT[1]))
        lite.fetch(lite.compute('HARD_SWISH', [x], None, dtype, scale=output, zero=zero(dtype, -40)))
        cases.store(lite, operator='hard_swish', type=name, input_scale=np.float32(scale),
                    input_zero=zero(dtype, INPUT[1]), output_scale=np.float32(output), output_zero=zero(dtype, -40))
    lite = Drawing('concatenation_uint8', '')
    x = lite.feed(np.arange(256).astype(np.uint8).reshape(1, 256), scale=INPUT[0], zero=zero(np.uint8, INPUT[1]))
    lite.fetch(lite.compute('CONCATENATION', [x], options('Concatenation', axis=1), np.uint8, scale=0.0119, zero=zero(np.uint8, 20)))
    cases.store(lite, operator='concatenation', type='uint8', input_scale=np.float32(INPUT[0]),
                input_zero=zero(np.uint8, INPUT[1]), output_scale=np.float32(0.0119), output_zero=zero(np.uint8, 20))
    for dtype, (scale, offset) in itertools.product((np.int8, np.uint8), (INPUT, (0.0119, -7))):
        name = np.dtype(dtype).name
        lite = Drawing(f'mean_{name}_{scale}', '')
        x = lite.feed(integers(lite, 'input', (1, 7, 6, 5), dtype), scale=INPUT[0], zero=zero(dtype, INPUT[1]))
        axes = lite.constant('axes', np.int32([1, 2]))
        lite.fetch(lite.compute('MEAN', [x, axes], options('Reducer', keep_dims=True), dtype, scale=scale, zero=zero(dtype, offset)))
        cases.store(lite, operator='mean', type=name, activation=NONE, input_scale=np.float32(INPUT[0]),
                    input_zero=zero(dtype, INPUT[1]), output_scale=np.float32(scale), output_zero=zero(dtype, offset))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', type=pathlib.Path)
    parser.add_argument('--resolver', choices=['reference', 'xnnpack'], default='reference', help="LiteRT's kernels")
    arguments = parser.parse_args()
    cases = Cases(arguments.resolver)
    for family in (convolutions, fully_connected, pools, elementwise, functions):
        family(cases)
    arguments.out.write_text('\n'.join(cases.lines) + '\n')
    count = sum(line.startswith('case ') for line in cases.lines)
    print(f'{count} cases, {arguments.out.stat().st_size / 1e3:.0f} kB, in {arguments.out}')


if __name__ == '__main__':
    main()
