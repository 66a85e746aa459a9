"""Graphs of quantisation-aware training, as TF-Slim's `_quant` networks are, and TensorFlow's own conversion of them.

    DIR/bin/python oracle/fake_quant.py WORK --lorgnette target/release/lorgnette

The graphs have FakeQuantWithMinMaxVars on weights, whose norms are folded into them, and on activations, where
`tf.contrib.quantize` put them. `lorgnette models quantise` converts them without calibration; weights, scales and zero
points of every layer must be those of TensorFlow's converter. Prints a line for each and closes with `N passed, N failed`.
"""
import argparse
import pathlib
import subprocess
import sys

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

import made_up

v1 = tf.compat.v1
SIDE = 32
# What one level of a photo is: TF-Slim's pictures are from -1 to 1.
MEAN, DEVIATION = 128.0, 127.5


class Network:
    """Draws a network of quantisation-aware training."""

    def __init__(self, name):
        self.name = name

    def constant(self, what, low, high, shape):
        return v1.constant(made_up.between(low, high, f'{self.name}/{what}', shape), name=what)

    def rounded(self, x, name, low, high, narrow=False):
        """FakeQuantWithMinMaxVars with variables that freezing made constants."""
        limits = [v1.identity(v1.constant(np.float32(value), name=f'{name}/{what}'), name=f'{name}/{what}/read')
                  for what, value in (('min', low), ('max', high))]
        return v1.quantization.fake_quant_with_min_max_vars(x, *limits, narrow_range=narrow, name=f'{name}/FakeQuantWithMinMaxVars')

    def limits(self, what):
        low, high = made_up.between(0.3, 1.0, f'{self.name}/{what}/limits', (2,))
        return -low, high

    def layer(self, x, name, filters, kernel=3, stride=1, depthwise=False, activation='relu6', high=6.0):
        """A convolution with its norm folded into the weights, bias, activation, rounding."""
        channels = x.shape[-1]
        outputs = channels if depthwise else filters
        with v1.name_scope(name):
            shape = (kernel, kernel, channels, 1 if depthwise else outputs)
            spread = float(np.sqrt(6 / (kernel * kernel * (1 if depthwise else int(channels)))))
            weights = self.constant('weights', -spread, spread, shape)
            gamma, variance = self.constant('gamma', 0.7, 1.3, (outputs,)), self.constant('variance', 0.5, 1.5, (outputs,))
            mean, beta = self.constant('mean', -0.3, 0.3, (outputs,)), self.constant('beta', -0.3, 0.3, (outputs,))
            factor = gamma * v1.rsqrt(variance + 0.001)
            folded = v1.multiply(weights, v1.reshape(factor, (1, 1, channels, 1)) if depthwise else factor, name='mul_fold')
            low, top = self.limits(f'{name}/weights')
            folded = self.rounded(folded, 'weights_quant', low * spread, top * spread, narrow=True)
            strides = [1, stride, stride, 1]
            if depthwise:
                x = v1.nn.depthwise_conv2d_native(x, folded, strides, 'SAME', name='depthwise_Fold')
            else:
                x = v1.nn.conv2d(x, folded, strides, 'SAME', name='Conv2D_Fold')
            x = v1.add(x, beta - mean * factor, name='add_fold')
            if activation:
                x = v1.nn.relu6(x, name='Relu6')
            return self.rounded(x, 'act_quant', 0.0 if activation else -high, high)

    def head(self, x, classes):
        x = v1.nn.avg_pool(x, [1, *x.shape[1:3], 1], [1, 1, 1, 1], 'VALID', name='AvgPool_1a')
        with v1.name_scope('Logits'):
            weights = self.constant('weights', -0.3, 0.3, (1, 1, x.shape[-1], classes))
            weights = self.rounded(weights, 'weights_quant', -0.28, 0.29, narrow=True)
            x = v1.nn.bias_add(v1.nn.conv2d(x, weights, [1, 1, 1, 1], 'SAME'), self.constant('biases', -0.3, 0.3, (classes,)))
            x = self.rounded(x, 'act_quant', -7.1, 9.3)
        return v1.nn.softmax(v1.squeeze(x, [1, 2], name='SpatialSqueeze'), name='Predictions')


def mobilenet_v1(net, x):
    x = net.layer(x, 'Conv2d_0', 8, stride=2)
    for at, (filters, stride) in enumerate([(16, 1), (24, 2), (24, 1)]):
        x = net.layer(x, f'Conv2d_{at + 1}_depthwise', 0, stride=stride, depthwise=True)
        x = net.layer(x, f'Conv2d_{at + 1}_pointwise', filters, kernel=1)
    return net.head(x, 11)


def mobilenet_v2(net, x):
    """Shortcuts: additions are rounded too."""
    x = net.layer(x, 'Conv', 8, stride=2)
    for at in range(2):
        inner = net.layer(x, f'expanded_{at}/expand', 24, kernel=1)
        inner = net.layer(inner, f'expanded_{at}/depthwise', 0, depthwise=True)
        inner = net.layer(inner, f'expanded_{at}/project', 8, kernel=1, activation=None, high=3.7)
        x = net.rounded(v1.add(inner, x, name=f'expanded_{at}/add'), f'expanded_{at}/add/act_quant', -4.9, 8.1)
    return net.head(x, 11)


def graph_of(name, build):
    """The frozen graph, its input and its output."""
    with v1.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, (1, SIDE, SIDE, 3), name='input')
        build(Network(name), x)
    return graph.as_graph_def()


def converted(graph):
    """TensorFlow's own conversion, to uint8."""
    with v1.Graph().as_default() as imported:
        v1.import_graph_def(graph, name='')
        with v1.Session(graph=imported) as session:
            ends = [[imported.get_tensor_by_name(name)] for name in ('input:0', 'Predictions:0')]
            converter = v1.lite.TFLiteConverter.from_session(session, *ends)
            converter.inference_type = converter.inference_input_type = tf.uint8
            converter.quantized_input_stats = {'input': (MEAN, DEVIATION)}
            return converter.convert()


def layers(content):
    """Name, weights, bias and scales of every operator, in order."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    names = {value: key for key, value in vars(schema.BuiltinOperator).items() if not key.startswith('_')}
    found = []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        values = []
        for index in [*operator.inputs, *operator.outputs]:
            tensor = graph.tensors[index]
            data = model.buffers[tensor.buffer].data
            how = tensor.quantization
            scale = None if how is None or how.scale is None else (np.float32(how.scale), list(how.zeroPoint))
            values.append((tensor.type, scale, None if data is None else bytes(np.asarray(data, np.uint8))))
        found.append((name, values))
    return found


def same_scale(ours, theirs, kind):
    """Whether scales and zero points are equal; a bias's scale, which no kernel reads, up to its last bit."""
    tolerance = 2e-7 if kind == schema.TensorType.INT32 else 0
    return ours[1] == theirs[1] and np.allclose(ours[0], theirs[0], rtol=tolerance, atol=0)


def differences(ours, theirs):
    """What differs, in words; biases may differ by a step, because they are no part of the promise."""
    words = []
    names = [[name for name, _ in found if name not in ('RESHAPE', 'SQUEEZE')] for found in (ours, theirs)]
    if names[0] != names[1]:
        return [f'operators {names[0]}, TensorFlow has {names[1]}']
    moved = [[entry for entry in found if entry[0] not in ('RESHAPE', 'SQUEEZE')] for found in (ours, theirs)]
    for at, ((name, ours), (_, theirs)) in enumerate(zip(*moved)):
        for which, (a, b) in enumerate(zip(ours, theirs)):
            where = f'{name} {at}, tensor {which}'
            if a[0] != b[0]:
                words.append(f'{where}: type {a[0]}, TensorFlow has {b[0]}')
            elif (a[1] is None) != (b[1] is None) or a[1] and not same_scale(a[1], b[1], a[0]):
                words.append(f'{where}: {a[1]}, TensorFlow has {b[1]}')
            elif a[2] != b[2] and a[2] is not None and b[2] is not None:
                kind = np.int32 if a[0] == schema.TensorType.INT32 else np.uint8
                steps = np.abs(np.frombuffer(a[2], kind).astype(np.int64) - np.frombuffer(b[2], kind).astype(np.int64))
                if kind == np.uint8 or steps.max() > 1:
                    words.append(f'{where}: {np.count_nonzero(steps)} of {steps.size} differ, by up to {steps.max()}')
    return words


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    passed = failed = 0
    for build in (mobilenet_v1, mobilenet_v2):
        name = f'{build.__name__}_quant'
        graph, file = graph_of(name, build), arguments.work / f'{name}.pb'
        file.write_bytes(graph.SerializeToString())
        theirs = converted(graph)
        (arguments.work / f'{name}.tensorflow.tflite').write_bytes(theirs)
        out = arguments.work / f'{name}.tflite'
        words = [arguments.lorgnette, 'models', 'quantise', file, '--preprocess', 'inception', '--size', SIDE, '--out', out]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300)
        found = [done.stderr.strip()] if done.returncode else differences(layers(out.read_bytes()), layers(theirs))
        passed, failed = passed + (not found), failed + bool(found)
        count = len(layers(theirs))
        print(f'{name}: ' + (f'FAILED: {"; ".join(found)}' if found else f'{count} operators as TensorFlow converts them'))
    print(f'{passed} passed, {failed} failed')
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
