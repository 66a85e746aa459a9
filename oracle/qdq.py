"""ONNX models of 8-bit integers in QDQ form: what the program reads of them, and what it writes, beside ONNX Runtime.

    DIR/bin/python oracle/qdq.py WORK --lorgnette target/release/lorgnette [--only PART] [--files MODEL.tflite...]

Differences are counted in steps: the scale of the output. Small models, one an operator, may differ by one step, because
TensorFlow Lite's arithmetic, which the program's integers have, rounds twice and ONNX Runtime's once. `--files` are
quantised networks: each is exported, and ONNX Runtime must run it with integers, no further from its own answer without
optimisations than the program is. Prints a line for each and closes with `N passed, N failed`.
"""
import argparse
import collections
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import made_up

IR_VERSION, OPSET = 8, 18


class Failure(Exception):
    """What went wrong with one model."""


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Failure((done.stderr.strip().splitlines() or ['(nothing on standard error)'])[-1])
    return done.stdout


def session(path, optimised, to=None):
    """ONNX Runtime's session; `to` is where the optimised model goes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_EXTENDED if optimised else level.ORT_DISABLE_ALL
    if to:
        options.optimized_model_filepath = str(to)
    # Weights that are integers already are left alone by it; float ones would be rounded a second time.
    return onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'],
                                        disabled_optimizers=['WeightBiasQuantization'])


class Model:
    """A model of one operator between pairs of QuantizeLinear and DequantizeLinear."""

    def __init__(self, name):
        self.name, self.nodes, self.constants, self.feeds = name, [], [], {}
        self.step = None

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, operator, inputs, output, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def pair(self, x, name, scale, zero, dtype):
        """Real numbers rounded to integers and back."""
        parameters = [self.constant(f'{name}_scale', np.float32(scale)), self.constant(f'{name}_zero', dtype(zero))]
        stored = self.node('QuantizeLinear', [x, *parameters], f'{name}_stored')
        return self.node('DequantizeLinear', [stored, *parameters], name)

    def feed(self, name, shape, scale, zero, dtype):
        self.feeds[name] = made_up.between(-2.5, 2.5, f'{self.name}/{name}', shape)
        return self.pair(name, f'{name}_real', scale, zero, dtype)

    def weights(self, name, shape, dtype, scales, zero=0, axis=0):
        """Integers of the whole range with one scale, or with one for each index of an axis."""
        limits = np.iinfo(dtype)
        numbers = made_up.between(limits.min, limits.max + 1, f'{self.name}/{name}', shape)
        stored = self.constant(f'{name}_stored', np.clip(np.floor(numbers), limits.min, limits.max).astype(dtype))
        inputs = [stored, self.constant(f'{name}_scale', np.float32(scales))]
        inputs.append(self.constant(f'{name}_zero', np.full(np.shape(scales), zero, dtype)))
        return self.node('DequantizeLinear', inputs, name, axis=axis)

    def bias(self, name, count, scales):
        stored = np.round(made_up.between(-3000, 3000, f'{self.name}/{name}', (count,))).astype(np.int32)
        inputs = [self.constant(f'{name}_stored', stored), self.constant(f'{name}_scale', np.float32(scales))]
        return self.node('DequantizeLinear', inputs, name, axis=0)

    def finish(self, x, scale, zero, dtype):
        self.step = scale
        self.node('Identity', [self.pair(x, 'result', scale, zero, dtype)], 'y')

    def save(self, path):
        inputs = [helper.make_tensor_value_info(key, TensorProto.FLOAT, value.shape) for key, value in self.feeds.items()]
        outputs = [helper.make_tensor_value_info('y', TensorProto.FLOAT, None)]
        graph = helper.make_graph(self.nodes, self.name, inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', OPSET)], ir_version=IR_VERSION)
        onnx.save(model, path)


TYPES = {'u8s8': (np.uint8, np.int8), 's8s8': (np.int8, np.int8), 'u8u8': (np.uint8, np.uint8), 's8u8': (np.int8, np.uint8)}
INPUT_SCALE = 0.0231


def zero(dtype, offset):
    """A zero point that is `offset` from the middle of the type's range."""
    return offset + (128 if dtype == np.uint8 else 0)


def each_type():
    """Name, type of activations, type of weights; ONNX Runtime has no kernel of int8 by uint8."""
    return [(name, *types) for name, types in TYPES.items() if name != 's8u8']


def contractions():
    """Conv, Gemm and MatMul."""
    for name, activation, weight in each_type():
        for kind in ('plain', 'depthwise', 'grouped', 'whole'):
            model = Model(f'conv_{kind}_{name}')
            channels, outputs, groups = 4, 8, {'depthwise': 4, 'grouped': 2}.get(kind, 1)
            x = model.feed('x', (1, channels, 9, 8), INPUT_SCALE, zero(activation, 5), activation)
            scales = 0.0021 if kind == 'whole' else 0.0021 * (1 + made_up.between(0, 1, kind, (outputs,)))
            weights_zero = zero(weight, 9 if kind == 'whole' and weight == np.uint8 else 0)
            shape = (outputs, channels // groups, 3, 3)
            filters = model.weights('filter', shape, weight, scales, weights_zero)
            bias = model.bias('bias', outputs, np.float32(INPUT_SCALE) * np.float32(scales))
            pads = [0, 0, 1, 1] if kind == 'plain' else [1, 1, 1, 1]
            stride = [2, 2] if kind == 'plain' else [1, 1]
            y = model.node('Conv', [x, filters, bias], 'sum', group=groups, pads=pads, strides=stride)
            if kind == 'plain':
                y = model.node('Relu', [y], 'activated')
            elif kind == 'depthwise':
                limits = [model.constant('low', np.float32(0)), model.constant('high', np.float32(0.8))]
                y = model.node('Clip', [y, *limits], 'activated')
            model.finish(y, 0.0071, zero(activation, -90 if kind == 'plain' else -7), activation)
            yield model
        for kind in ('gemm', 'gemm_rows', 'matmul'):
            model = Model(f'{kind}_{name}')
            x = model.feed('x', (3, 40), INPUT_SCALE, zero(activation, 5), activation)
            is_rows = kind == 'gemm_rows'
            scales = 0.0021 * (1 + made_up.between(0, 1, kind, (9,)))
            shape, axis = ((9, 40), 0) if is_rows else ((40, 9), 1)
            filters = model.weights('filter', shape, weight, scales, zero(weight, 0), axis)
            if kind == 'matmul':
                y = model.node('MatMul', [x, filters], 'sum')
            else:
                bias = model.bias('bias', 9, np.float32(INPUT_SCALE) * scales)
                y = model.node('Gemm', [x, filters, bias], 'sum', transB=int(is_rows))
            model.finish(y, 0.0091, zero(activation, -7), activation)
            yield model


def elementwise():
    """Operators of two values, functions, pools, movements."""
    for dtype in (np.uint8, np.int8):
        name = np.dtype(dtype).name
        for operator in ('Add', 'Mul'):
            model = Model(f'{operator.lower()}_{name}')
            a = model.feed('a', (1, 5, 6, 7), INPUT_SCALE, zero(dtype, 5), dtype)
            b = model.feed('b', (1, 5, 6, 7), 0.0313, zero(dtype, -20), dtype)
            y = model.node('Relu', [model.node(operator, [a, b], 'sum')], 'activated')
            model.finish(y, 0.0391, zero(dtype, -100), dtype)
            yield model
        functions = {
            'Sigmoid': {}, 'Tanh': {}, 'HardSwish': {}, 'Softmax': dict(axis=1), 'LeakyRelu': dict(alpha=0.1),
            'GlobalAveragePool': {}, 'AveragePool': dict(kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 0]),
            'Relu': {}, 'Exp': {},
        }
        for operator, attributes in functions.items():
            model = Model(f'{operator.lower()}_{name}')
            x = model.feed('x', (1, 5, 6, 7), INPUT_SCALE, zero(dtype, 5), dtype)
            model.finish(model.node(operator, [x], 'value', **attributes), 0.0117, zero(dtype, -40), dtype)
            yield model
        moves = {
            'MaxPool': dict(kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 0]), 'Flatten': {},
            'Transpose': dict(perm=[0, 2, 1, 3]), 'Identity': {},
        }
        for operator, attributes in moves.items():
            model = Model(f'{operator.lower()}_{name}')
            x = model.feed('x', (1, 5, 6, 7), INPUT_SCALE, zero(dtype, 5), dtype)
            model.finish(model.node(operator, [x], 'value', **attributes), INPUT_SCALE, zero(dtype, 5), dtype)
            yield model
        model = Model(f'concat_{name}')
        a = model.feed('a', (1, 5, 6, 7), INPUT_SCALE, zero(dtype, 5), dtype)
        b = model.feed('b', (1, 3, 6, 7), 0.0313, zero(dtype, -20), dtype)
        model.finish(model.node('Concat', [a, b], 'value', axis=1), 0.0313, zero(dtype, -20), dtype)
        yield model


def others():
    """Forms that are not computed with integers alone."""
    model = Model('conv_of_rounded_weights')
    x = model.feed('x', (1, 4, 9, 8), INPUT_SCALE, 133, np.uint8)
    weights = model.constant('weights', made_up.between(-0.3, 0.3, 'weights', (6, 4, 3, 3)))
    parameters = [model.constant('w_scale', np.full(6, 0.0024, np.float32)), model.constant('w_zero', np.zeros(6, np.int8))]
    stored = model.node('QuantizeLinear', [weights, *parameters], 'w_stored', axis=0)
    filters = model.node('DequantizeLinear', [stored, *parameters], 'w', axis=0)
    model.finish(model.node('Conv', [x, filters], 'sum'), 0.0171, 120, np.uint8)
    yield model
    model = Model('conv_with_a_float_bias')
    x = model.feed('x', (1, 4, 9, 8), INPUT_SCALE, 133, np.uint8)
    filters = model.weights('filter', (6, 4, 1, 1), np.int8, 0.0021)
    bias = model.constant('bias', made_up.between(-0.3, 0.3, 'bias', (6,)))
    model.finish(model.node('Conv', [x, filters, bias], 'sum'), 0.0051, 120, np.uint8)
    yield model


def small(lorgnette, model, work):
    """One small model: the largest difference in steps, and the share of values that differ."""
    path = work / 'model.onnx'
    model.save(path)
    words = []
    for key, value in model.feeds.items():
        np.save(work / f'{key}.npy', value)
        words += ['--feed', f'{key}={work / key}.npy']
    run(lorgnette, 'run', path, *words, '--fetch', 'y', '--out', work / 'answers')
    ours = np.load(work / 'answers/y.npy')
    results = []
    for optimised in (False, True):
        theirs = session(path, optimised).run(None, model.feeds)[0]
        if ours.shape != theirs.shape:
            raise Failure(f'shape {ours.shape}, ONNX Runtime has {theirs.shape}')
        steps = np.abs(np.round((ours - theirs) / model.step))
        if steps.max() > 1:
            raise Failure(f'{steps.max():.0f} steps from ONNX Runtime' + (', optimised' if optimised else ''))
        results.append((steps > 0).mean())
    return f'{results[0]:.2%} of the values one step off, {results[1]:.2%} of the optimised model\'s'


def exported(lorgnette, file, work):
    """A quantised network: its export in ONNX Runtime, which computes it with integers."""
    path = work / 'network.onnx'
    run(lorgnette, 'export', file, '--to', 'onnx', '--out', path, '--overwrite')
    onnx.checker.check_model(str(path), full_check=True)
    found, plain = session(path, True, work / 'optimised.onnx'), session(path, False)
    counts = collections.Counter(node.op_type for node in onnx.load(str(work / 'optimised.onnx')).graph.node)
    left = {operator: counts[operator] for operator in ('Conv', 'Gemm', 'MatMul') if counts[operator]}
    if left:
        raise Failure(f'ONNX Runtime computes these with floats: {left}')
    name = plain.get_inputs()[0].name
    shape = [length if isinstance(length, int) else 1 for length in plain.get_inputs()[0].shape]
    picture = made_up.between(-1.0, 1.0, f'{file.stem}/picture', tuple(shape))
    np.save(work / 'x.npy', picture)
    output = plain.get_outputs()[0].name
    scale, zero_point = scale_of(path, output)
    reference, optimised = (one.run([output], {name: picture})[0] for one in (plain, found))
    distances = []
    for model in (file, path):
        # ONNX Runtime rounds a sum once, as XNNPACK does.
        run(lorgnette, 'run', '--epilogue', 'xnnpack', model, '--feed', f'{name}={work / "x.npy"}',
            '--fetch', output, '--out', work / 'answers')
        ours = np.load(work / 'answers' / (output.replace('/', '_') + '.npy'))
        if ours.dtype.kind in 'iu':
            # The export's integers are unsigned, 128 more than signed ones of the file.
            signed = 128 if ours.dtype == np.int8 else 0
            ours = (ours.astype(np.float64) + signed - zero_point) * scale
        distances.append(steps(ours, reference, scale))
    theirs = steps(optimised, reference, scale)
    integer = sum(count for operator, count in counts.items() if operator.startswith('QLinear') or operator == 'QGemm')
    message = (f'{integer} operators with integers; from ONNX Runtime without optimisations: ours {distances[0]:.2f} steps (rms), '
               f'read again {distances[1]:.2f}, its own with them {theirs:.2f}')
    if max(distances) > 1.0 + 2.0 * theirs:
        raise Failure(message)
    return message


def steps(a, b, scale):
    """Root mean square of the difference, in steps."""
    return float(np.sqrt(np.mean(((a.ravel() - b.ravel()) / scale) ** 2)))


def scale_of(path, output):
    """The scale and the zero point of the last DequantizeLinear before an output."""
    graph = onnx.load(str(path)).graph
    producers = {name: node for node in graph.node for name in node.output}
    node = producers[output]
    while node.op_type != 'DequantizeLinear':
        node = producers[node.input[0]]
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    scale, zero_point = (values[name] for name in node.input[1:3])
    return float(scale), int(zero_point)


def cases(arguments):
    for family in (contractions, elementwise, others):
        for model in family():
            yield model.name, lambda work, model=model: small(arguments.lorgnette, model, work)
    for file in arguments.files:
        yield file.stem, lambda work, file=file: exported(arguments.lorgnette, file, work)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', type=pathlib.Path, required=True)
    parser.add_argument('--only', help='try only those whose name contains this')
    parser.add_argument('--files', nargs='*', type=pathlib.Path, default=[], help='quantised networks')
    arguments = parser.parse_args()
    passed = failed = 0
    for name, attempt in cases(arguments):
        if arguments.only and arguments.only not in name:
            continue
        shutil.rmtree(arguments.work, ignore_errors=True)
        arguments.work.mkdir(parents=True)
        try:
            message, passed = attempt(arguments.work), passed + 1
        except Failure as failure:
            message, failed = f'FAILED: {failure}', failed + 1
        print(f'{name}: {message}', flush=True)
    shutil.rmtree(arguments.work, ignore_errors=True)
    print(f'{passed} passed, {failed} failed')
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
