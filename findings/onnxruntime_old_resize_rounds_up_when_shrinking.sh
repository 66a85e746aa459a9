#!/usr/bin/env bash
# ONNX Runtime 1.32.0: Resize of opset 10, mode nearest, when it shrinks.
#
# Guess: nearest takes floor(place / scale) for every scale, as when it enlarges; opset 11 spells that as
# coordinate_transformation_mode asymmetric with nearest_mode floor.
# Seen: when it enlarges, yes. When it shrinks, the quotient is rounded up: at 0.6 the pixels 0 2 4 5 7 9 of ten, where
# opset 11 so spelled takes 0 1 3 5 6 8. Rewriting an old file to the newer opset by the letter moves its pixels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
"$folder/python/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

PIXELS = 10
x = np.arange(PIXELS, dtype=np.float32).reshape(1, 1, 1, PIXELS)


def chosen(scale, opset, **attributes):
    scales = numpy_helper.from_array(np.array([1, 1, 1, scale], np.float32), 'scales')
    region = numpy_helper.from_array(np.zeros(0, np.float32), 'region')
    inputs = ['x', 'scales'] if opset == 10 else ['x', 'region', 'scales']
    graph = helper.make_graph(
        [helper.make_node('Resize', inputs, ['y'], mode='nearest', **attributes)], 'one_node',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, None)], [scales] if opset == 10 else [region, scales])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)], ir_version=6)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])
    return session.run(None, {'x': x})[0].ravel().astype(int)


for scale in (0.3, 0.4, 0.6, 1.5, 2.5):
    old = chosen(scale, 10)
    new = chosen(scale, 11, coordinate_transformation_mode='asymmetric', nearest_mode='floor')
    up = chosen(scale, 11, coordinate_transformation_mode='asymmetric', nearest_mode='ceil')
    print(f'{scale}: opset 10 takes {old}, opset 11 asymmetric floor {new}')
    if scale < 1:
        assert not np.array_equal(old, new) and np.array_equal(old, up)
    else:
        assert np.array_equal(old, new)
PYTHON
