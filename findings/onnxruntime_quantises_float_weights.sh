#!/usr/bin/env bash
# ONNX Runtime 1.32.0: a convolution with float weights between a DequantizeLinear and a QuantizeLinear.
#
# Guess: only the activations are quantised, as the file says; the weights are used as they are.
# Seen: the default optimisations quantise the weights as well, to 8 bits with one scale for the whole tensor. A filter
# whose weights are a thousand times smaller than another's is rounded to zeros: its output has 1 value instead of 33,
# and is up to 84 quantisation steps off. Without the optimiser `WeightBiasQuantization`, and without any
# optimisation, the answers are as the file says. Quantisation-aware training writes such files.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
"$folder/python/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(0)
weights = random.standard_normal((2, 3, 3, 3)).astype(np.float32)
weights[1] *= 1e-3


def scale(name, value):
    return [numpy_helper.from_array(np.float32(value), f'{name}_scale'),
            numpy_helper.from_array(np.uint8(128), f'{name}_zero')]


nodes = [
    helper.make_node('QuantizeLinear', ['x', 'in_scale', 'in_zero'], ['x8']),
    helper.make_node('DequantizeLinear', ['x8', 'in_scale', 'in_zero'], ['x32']),
    helper.make_node('Conv', ['x32', 'weights'], ['sums']),
    helper.make_node('QuantizeLinear', ['sums', 'out_scale', 'out_zero'], ['y8']),
    helper.make_node('DequantizeLinear', ['y8', 'out_scale', 'out_zero'], ['y']),
]
graph = helper.make_graph(
    nodes, 'one_layer',
    [helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, 3, 8, 8])],
    [helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 2, 6, 6])],
    [numpy_helper.from_array(weights, 'weights'), *scale('in', 1 / 64), *scale('out', 1e-4)])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8).SerializeToString()
image = random.uniform(-1.5, 1.5, (1, 3, 8, 8)).astype(np.float32)


def small_filter(level=ort.GraphOptimizationLevel.ORT_ENABLE_ALL, **more):
    options = ort.SessionOptions()
    options.log_severity_level, options.graph_optimization_level = 3, level
    session = ort.InferenceSession(model, options, providers=['CPUExecutionProvider'], **more)
    return session.run(None, {'x': image})[0][0, 1]


plain = small_filter(ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
default = small_filter()
without = small_filter(disabled_optimizers=['WeightBiasQuantization'])
steps = np.abs(default - plain).max() / 1e-4
print(f'ONNX Runtime {ort.__version__}: values of the small filter\'s output: {np.unique(plain).size} without '
      f'optimisation, {np.unique(default).size} by default ({steps:.0f} steps off), {np.unique(without).size} without '
      'WeightBiasQuantization')
assert np.unique(plain).size == 33 and np.unique(default).size == 1 and round(float(steps)) == 84
assert np.array_equal(plain, without)
PYTHON
