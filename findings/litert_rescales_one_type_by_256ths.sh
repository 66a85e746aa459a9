#!/usr/bin/env bash
# LiteRT 2.3.0 on x86-64: QUANTIZE from one 8-bit scale to another.
#
# Guess: a change of scale is exact to the last step, whichever 8-bit types it is between.
# Seen: from int8 to uint8 and back it is, with the default kernels and with the reference. From int8 to int8 and from
# uint8 to uint8 the default (XNNPACK) multiplies by the ratio of the scales rounded to 1/256: with 0.1 and 0.0731, 7
# of the 256 values are a step off. The reference kernels are exact there too.
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

IN_SCALE, OUT_SCALE = 0.1, 0.0731
INTEGERS = {'INT8': np.arange(-128, 128).astype(np.int8), 'UINT8': np.arange(256).astype(np.uint8)}
ZEROS = {'INT8': 3, 'UINT8': 131}


def tensor(name, kind, scale):
    made = schema.TensorT()
    made.name, made.type, made.shape, made.buffer = name, getattr(schema.TensorType, kind), [1, 256], 0
    made.quantization = schema.QuantizationParametersT()
    made.quantization.scale, made.quantization.zeroPoint = [scale], [ZEROS[kind]]
    return made


def quantise(source, target):
    """A network of one QUANTIZE from one type and scale to another."""
    model, graph, operator, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    code.version = 2
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    graph.tensors = [tensor('x', source, IN_SCALE), tensor('y', target, OUT_SCALE)]
    operator.inputs, operator.outputs = [0], [1]
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [1]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b'TFL3')
    return bytes(builder.Output())


def run(source, target, resolver):
    interpreter = Interpreter(model_content=quantise(source, target), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, INTEGERS[source].reshape(1, 256))
    interpreter.invoke()
    return interpreter.get_tensor(1).ravel().astype(int)


def clipped(values, target):
    return np.clip(values, INTEGERS[target][0], INTEGERS[target][-1]).astype(int)


differ = {}
for source in INTEGERS:
    for target in INTEGERS:
        steps = INTEGERS[source].astype(int) - ZEROS[source]
        exact = clipped(np.floor(steps * IN_SCALE / OUT_SCALE + 0.5) + ZEROS[target], target)
        by_256ths = clipped(np.floor(steps * round(256 * IN_SCALE / OUT_SCALE) / 256 + 0.5) + ZEROS[target], target)
        default, reference = (run(source, target, resolver) for resolver in (OpResolverType.AUTO, OpResolverType.BUILTIN_REF))
        differ[source, target] = [int(np.count_nonzero(answer != exact)) for answer in (default, reference)]
        print(f'{source} to {target}: of 256 values {differ[source, target][0]} differ from exact arithmetic by default, '
              f'{differ[source, target][1]} by the reference kernels; default and 256ths differ in {np.count_nonzero(default != by_256ths)}')
        same = source == target
        assert np.array_equal(default, by_256ths if same else exact) and np.array_equal(reference, exact)
        assert not same or differ[source, target][0] > 0
PYTHON
