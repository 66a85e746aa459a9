#!/usr/bin/env bash
# LiteRT 2.3.0: LOCAL_RESPONSE_NORMALIZATION (AlexNet, Inception V1) by its two sets of kernels.
#
# Guess: the reference kernels, which others are judged by, sum the squares of `radius` channels on both sides.
# Seen: they leave out the last channel of each neighbourhood (2 before and 1 after for a radius of 2). The optimised
# kernels sum all five, as TensorFlow does. Values of 8 random channels are up to 0.21 apart.
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

RADIUS, BIAS, ALPHA, BETA, CHANNELS = 2, 1.0, 0.5, 0.75, 8
x = np.random.default_rng(0).uniform(-2, 2, (1, 2, 3, CHANNELS)).astype(np.float32)


def tensor(name):
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = name, list(x.shape), schema.TensorType.FLOAT32, 0
    return made


code = schema.OperatorCodeT()
code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.LOCAL_RESPONSE_NORMALIZATION
code.version = 1
options = schema.LocalResponseNormalizationOptionsT()
options.radius, options.bias, options.alpha, options.beta = RADIUS, BIAS, ALPHA, BETA
operator = schema.OperatorT()
operator.inputs, operator.outputs, operator.builtinOptions = [0], [1], options
operator.builtinOptionsType = schema.BuiltinOptions.LocalResponseNormalizationOptions
graph = schema.SubGraphT()
graph.tensors, graph.operators, graph.inputs, graph.outputs = [tensor('x'), tensor('y')], [operator], [0], [1]
model = schema.ModelT()
model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
builder = flatbuffers.Builder(1024)
builder.Finish(model.Pack(builder), b'TFL3')
content = bytes(builder.Output())


def run(resolver):
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, x)
    interpreter.invoke()
    return interpreter.get_tensor(1)


def formula(after):
    sums = [(x[..., max(0, at - RADIUS):at + after + 1] ** 2).sum(-1) for at in range(CHANNELS)]
    return x / (BIAS + ALPHA * np.stack(sums, -1)) ** BETA


def off(found, wanted):
    return float(np.abs(found - wanted).max())


reference = run(OpResolverType.BUILTIN_REF)
optimised = run(OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
print(f'optimised kernels: {off(optimised, formula(RADIUS)):.1e} from the definition; reference kernels: '
      f'{off(reference, formula(RADIUS)):.2f} from it, {off(reference, formula(RADIUS - 1)):.1e} from one channel less')
assert off(optimised, formula(RADIUS)) < 1e-6 and off(reference, formula(RADIUS)) > 0.2
assert off(reference, formula(RADIUS - 1)) < 1e-6
PYTHON
