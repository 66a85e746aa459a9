#!/usr/bin/env bash
# LiteRT 2.3.0: operations whose fused activation is TANH, which the schema offers beside RELU and RELU6.
#
# Guess: tanh is applied, or the file is refused.
# Seen: CONV_2D, DEPTHWISE_CONV_2D, AVERAGE_POOL_2D, ADD and MUL take the file and leave the activation out: the
# answers are those without any, up to 13 where tanh ends at 1, by the default delegate, the optimised and the
# reference kernels alike. FULLY_CONNECTED refuses it. CONCATENATION refuses it without the delegate and leaves it out
# with it.
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

RESOLVERS = {'default': OpResolverType.AUTO, 'optimised': OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
             'reference': OpResolverType.BUILTIN_REF}
SIDE, CHANNELS = 4, 4
random = np.random.default_rng(0)
x = random.uniform(-2, 2, (1, SIDE, SIDE, CHANNELS)).astype(np.float32)
bias = np.zeros(CHANNELS, np.float32)
strides = dict(strideW=1, strideH=1, padding=schema.Padding.VALID)
no_dilation = dict(dilationWFactor=1, dilationHFactor=1)


def constant(*shape):
    return random.standard_normal(shape).astype(np.float32)


# name: options, further fields of theirs, constant inputs, output shape, version
OPERATIONS = {
    'CONV_2D': ('Conv2DOptions', strides | no_dilation, [constant(CHANNELS, 3, 3, CHANNELS), bias], (1, 2, 2, 4), 1),
    'DEPTHWISE_CONV_2D': ('DepthwiseConv2DOptions', strides | no_dilation | dict(depthMultiplier=1),
                          [constant(1, 3, 3, CHANNELS), bias], (1, 2, 2, 4), 1),
    'AVERAGE_POOL_2D': ('Pool2DOptions', strides | dict(filterWidth=2, filterHeight=2), [], (1, 3, 3, 4), 1),
    'ADD': ('AddOptions', {}, [3 * x], x.shape, 1),
    'MUL': ('MulOptions', {}, [3 * x], x.shape, 1),
    'FULLY_CONNECTED': ('FullyConnectedOptions', dict(keepNumDims=True),
                        [constant(CHANNELS, CHANNELS), bias], x.shape, 5),
    'CONCATENATION': ('ConcatenationOptions', dict(axis=3), [3 * x], (1, SIDE, SIDE, 2 * CHANNELS), 1),
}


def file(name, activation):
    options_name, fields, constants, shape, version = OPERATIONS[name]
    model, graph, operator = schema.ModelT(), schema.SubGraphT(), schema.OperatorT()
    model.version, model.subgraphs, model.buffers = 3, [graph], [schema.BufferT()]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
    code.version = version
    model.operatorCodes = [code]
    graph.tensors = []
    for values, size in [(None, x.shape), *((each, each.shape) for each in constants), (None, shape)]:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = f't{len(graph.tensors)}', list(size), schema.TensorType.FLOAT32
        tensor.buffer = 0
        if values is not None:
            tensor.buffer = len(model.buffers)
            model.buffers.append(schema.BufferT())
            model.buffers[-1].data = np.frombuffer(values.tobytes(), np.uint8)
        graph.tensors.append(tensor)
    output = len(graph.tensors) - 1
    operator.inputs, operator.outputs = list(range(output)), [output]
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, options_name)
    operator.builtinOptions = getattr(schema, options_name + 'T')()
    operator.builtinOptions.fusedActivationFunction = activation
    for field, value in fields.items():
        setattr(operator.builtinOptions, field, value)
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [output]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b'TFL3')
    return bytes(builder.Output())


def run(content, resolver):
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]['index'])


def verdict(name, resolver):
    plain = run(file(name, schema.ActivationFunctionType.NONE), resolver)
    try:
        found = run(file(name, schema.ActivationFunctionType.TANH), resolver)
    except (RuntimeError, ValueError):
        return 'refused'
    if np.allclose(found, np.tanh(plain), atol=1e-5):
        return 'applied'
    return 'left out' if np.allclose(found, plain, atol=1e-4) else 'other'


table = {name: [verdict(name, resolver) for resolver in RESOLVERS.values()] for name in OPERATIONS}
for name, verdicts in table.items():
    print(f'{name:18}', ', '.join(f'{kind}: {each}' for kind, each in zip(RESOLVERS, verdicts)))
assert table.pop('FULLY_CONNECTED') == ['refused'] * 3
assert table.pop('CONCATENATION') == ['left out', 'refused', 'refused']
assert all(verdicts == ['left out'] * 3 for verdicts in table.values())
PYTHON
