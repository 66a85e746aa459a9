#!/usr/bin/env bash
# LiteRT 2.3.0 on x86-64: MEAN of uint8 over rows and columns, input and output of one scale.
#
# Guess: two files that differ in nothing but their zero point, the same one for input and output, stand for the same
# real numbers, and so are their means.
# Seen: by default (XNNPACK) the stored byte is rounded, halves to even, after the zero point is added. Of means that
# are halves, every one is another real number under an odd zero point than under an even one: -7.5 is -8 or -7. The
# reference kernels round halves up under both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check ai-edge-litert==2.3.0 flatbuffers==25.12.19 numpy==2.4.6
"$folder/python/bin/python" - <<'PYTHON'
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

DEFAULT, REFERENCE = OpResolverType.AUTO, OpResolverType.BUILTIN_REF


def tensor(name, kind, shape, buffer=0, scale=None, zero=0):
    made = schema.TensorT()
    made.name, made.type, made.shape, made.buffer = name, getattr(schema.TensorType, kind), list(shape), buffer
    if scale is not None:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [scale], [zero]
    return made


def mean_of_halves(zero):
    """A network of one MEAN over rows and columns of uint8, whose input and output have one scale."""
    model, graph, operator, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.MEAN
    code.version = 2
    axes = schema.BufferT()
    axes.data = np.frombuffer(np.int32([1, 2]).tobytes(), np.uint8)
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT(), axes]
    graph.tensors = [tensor('x', 'UINT8', (1, 1, 2, CHANNELS), scale=1.0, zero=zero), tensor('axes', 'INT32', (2,), 1),
                     tensor('y', 'UINT8', (1, 1, 1, CHANNELS), scale=1.0, zero=zero)]
    operator.inputs, operator.outputs, operator.builtinOptions = [0, 1], [2], schema.ReducerOptionsT()
    operator.builtinOptions.keepDims = True
    operator.builtinOptionsType = schema.BuiltinOptions.ReducerOptions
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [2]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b'TFL3')
    return bytes(builder.Output())


def run(zero, resolver):
    interpreter = Interpreter(model_content=mean_of_halves(zero), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    pairs = np.stack([np.arange(-CHANNELS // 2, CHANNELS // 2), np.arange(-CHANNELS // 2, CHANNELS // 2) + 1])
    interpreter.set_tensor(0, (pairs + zero).astype(np.uint8).reshape(1, 1, 2, CHANNELS))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]['index']).ravel().astype(int) - zero


CHANNELS = 16
halves = np.arange(-CHANNELS // 2, CHANNELS // 2) + 0.5
print('means     ', halves)
answers = {}
for name, resolver in (('default', DEFAULT), ('reference', REFERENCE)):
    for zero in (132, 133):
        answers[name, zero] = run(zero, resolver)
        print(f'{name}, zero point {zero}: {answers[name, zero]}')
ROUNDED_TO_EVEN = {132: np.rint(halves), 133: np.rint(halves + 133) - 133}
for zero in (132, 133):
    assert np.array_equal(answers['default', zero], ROUNDED_TO_EVEN[zero])
    assert np.array_equal(answers['reference', zero], np.floor(halves + 0.5))
assert np.all(answers['default', 132] != answers['default', 133])
PYTHON
