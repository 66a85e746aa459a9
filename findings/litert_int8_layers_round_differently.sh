#!/usr/bin/env bash
# LiteRT 2.3.0: a fully connected layer and a 1 x 1 convolution of the same int8 numbers.
#
# Guess: they are the same sums with the same scales, so the same bytes; and the optimised kernels answer as the
# reference kernels, or nearly always.
# Seen, on x86-64, for 20 layers of 16,384 values: by the reference kernels the two differ in 0.2 % of the values, by
# one step at most. The fully connected layer is rounded once: its bytes are those of exact arithmetic. The
# convolution is rounded twice. With the default delegate (XNNPACK) both are exact. The optimised kernels (with
# AVX-512; not asserted) differ from exact arithmetic in 0.2 % of the values for both, in other places than the
# reference's convolution. So "LiteRT's bytes" has to name the kernels and the operation.
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

CHANNELS, FILTERS, PLACES, LAYERS, IN_ZERO, OUT_ZERO = 16, 64, 256, 20, 3, -5
RESOLVERS = {'default': OpResolverType.AUTO, 'optimised': OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
             'reference': OpResolverType.BUILTIN_REF}
random = np.random.default_rng(1)


def tensor(name, values, shape, scale, zero, each=1):
    made = schema.TensorT()
    made.name, made.shape, made.buffer = name, list(shape), 0
    made.type = schema.TensorType.INT32 if values is not None and values.dtype == np.int32 else schema.TensorType.INT8
    made.quantization = schema.QuantizationParametersT()
    made.quantization.scale, made.quantization.zeroPoint = [float(scale)] * each, [zero] * each
    return made


def file(name, options, shapes, each, version):
    model, graph, operator, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
    code.version = version
    constants = [None, weights, bias, None]
    scales = [in_scale, weight_scale, in_scale * weight_scale, out_scale]
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    graph.tensors = []
    for at, (values, shape, scale, zero) in enumerate(zip(constants, shapes, scales, [IN_ZERO, 0, 0, OUT_ZERO])):
        graph.tensors.append(tensor(f't{at}', values, shape, scale, zero, each if values is not None else 1))
        if values is not None:
            graph.tensors[-1].buffer = len(model.buffers)
            model.buffers.append(schema.BufferT())
            model.buffers[-1].data = np.frombuffer(values.tobytes(), np.uint8)
    operator.inputs, operator.outputs, operator.builtinOptions = [0, 1, 2], [3], options
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__[:-1])
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [3]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b'TFL3')
    return bytes(builder.Output())


def convolution():
    options = schema.Conv2DOptionsT()
    options.strideW = options.strideH = options.dilationWFactor = options.dilationHFactor = 1
    options.padding = schema.Padding.VALID
    shapes = [(1, 1, PLACES, CHANNELS), (FILTERS, 1, 1, CHANNELS), (FILTERS,), (1, 1, PLACES, FILTERS)]
    return file('CONV_2D', options, shapes, FILTERS, 3)


def fully_connected():
    shapes = [(PLACES, CHANNELS), (FILTERS, CHANNELS), (FILTERS,), (PLACES, FILTERS)]
    return file('FULLY_CONNECTED', schema.FullyConnectedOptionsT(), shapes, 1, 4)


def run(content, resolver):
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, x.reshape(interpreter.get_input_details()[0]['shape']))
    interpreter.invoke()
    return interpreter.get_tensor(3).reshape(PLACES, FILTERS).astype(int)


differ = {}
for layer in range(LAYERS):
    weights = random.integers(-127, 128, (FILTERS, CHANNELS)).astype(np.int8)
    bias = random.integers(-500, 500, FILTERS).astype(np.int32)
    x = random.integers(-128, 128, (PLACES, CHANNELS)).astype(np.int8)
    in_scale, weight_scale, out_scale = (np.float32(random.uniform(*span))
                                         for span in ((.001, .05), (.001, .02), (.01, .1)))
    sums = (x.astype(int) - IN_ZERO) @ weights.T.astype(int) + bias
    real = sums * (float(in_scale) * float(weight_scale) / float(out_scale))
    answers = {'exact': np.clip(np.floor(real + .5) + OUT_ZERO, -128, 127)}
    for kind, resolver in RESOLVERS.items():
        answers[f'{kind} convolution'] = run(convolution(), resolver)
        answers[f'{kind} fully connected'] = run(fully_connected(), resolver)
    for name, answer in answers.items():
        assert np.abs(answer - answers['exact']).max() <= 1
        for base in ('exact', 'reference convolution'):
            differ[name, base] = differ.get((name, base), 0) + np.count_nonzero(answer != answers[base])
for (name, base), count in differ.items():
    if name != base:
        print(f'{name} and {base}: {count} of {LAYERS * PLACES * FILTERS} values differ')
for name in ('default convolution', 'default fully connected', 'reference fully connected'):
    assert differ[name, 'exact'] == 0
assert 300 < differ['reference convolution', 'exact'] < 1500
PYTHON
