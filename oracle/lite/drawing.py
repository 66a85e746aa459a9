"""Draws a TensorFlow Lite file: tensors, constants, operators, by the schema's own Python classes."""
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

import made_up

TYPES = {np.dtype(name): getattr(schema.TensorType, name.upper()) for name in
         ('float32', 'float16', 'int32', 'uint8', 'int64', 'bool', 'int16', 'int8')}
NONE, RELU, RELU_N1_TO_1, RELU6 = range(4)
SAME, VALID = 0, 1


def options(kind, **fields):
    """The options of an operator: `options('Conv2D', stride_w=2)`; field names as the schema has them."""
    value = getattr(schema, f'{kind}OptionsT')()
    for name, field in fields.items():
        camel = name.split('_')[0] + ''.join(part.capitalize() for part in name.split('_')[1:])
        assert hasattr(value, camel), f'{kind}OptionsT has no {camel}'
        setattr(value, camel, field)
    return kind, value


class Drawing:
    """One file: what is fed, what is computed, what is fetched."""

    def __init__(self, name, what):
        self.name, self.what = name, what
        self.feeds, self.fetches = {}, []
        self.inputs, self.outputs = [], []
        self.tensors, self.buffers, self.operators, self.codes = [], [schema.BufferT()], [], []
        self.metadata = []
        # Operators that have a first version no longer, and those that the reference kernels lack.
        self.versions, self.resolver = {}, 'reference'

    def numbers(self, label, shape, low=-1.0, high=1.0):
        """Made-up float32 numbers, the same in every run."""
        return made_up.between(low, high, f'{self.name}/{label}', shape)

    def integers(self, label, shape, low, high, dtype):
        """Made-up integers from low to high, both of them among them."""
        return np.floor(low + (high - low + 1) * made_up.uniform(f'{self.name}/{label}', shape)).astype(dtype)

    def tensor(self, name, dtype, shape=(), scale=None, zero=0, dimension=0):
        """Adds a tensor that is computed; gives its number. Its shape is LiteRT's when the file is finished."""
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.shape = name, TYPES[np.dtype(dtype)], list(shape)
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = [float(s) for s in np.atleast_1d(np.float32(scale))]
            count = len(tensor.quantization.scale)
            tensor.quantization.zeroPoint = [int(z) for z in np.broadcast_to(zero, count)]
            tensor.quantization.quantizedDimension = dimension
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, name, value, **quantization):
        """Adds a constant; gives its number."""
        value = np.asarray(value)
        index = self.tensor(name, value.dtype, value.shape, **quantization)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(value.tobytes(), np.uint8)
        self.buffers.append(buffer)
        self.tensors[index].buffer = len(self.buffers) - 1
        return index

    def feed(self, value, name='input', signature=None, **quantization):
        """Adds an input that is fed `value`; gives its number."""
        index = self.tensor(name, value.dtype, value.shape, **quantization)
        if signature is not None:
            self.tensors[index].shapeSignature = list(signature)
        self.feeds[name] = value
        self.inputs.append(index)
        return index

    def input(self, *shape, name='input', low=-1.0, high=1.0):
        """Adds a float input that is fed made-up numbers; gives its number."""
        return self.feed(self.numbers(name, shape, low, high), name)

    def operator(self, builtin, inputs, outputs, kind=None, custom=None):
        """Adds an operator: its builtin name, numbers of its inputs and outputs, `options(..)`."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, builtin)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = self.versions.get(builtin, 1)
        if custom:
            code.customCode = custom
        key = (builtin, custom)
        if key not in [known for known, _ in self.codes]:
            self.codes.append((key, code))
        operator = schema.OperatorT()
        operator.opcodeIndex = [known for known, _ in self.codes].index(key)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if kind:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, f'{kind[0]}Options')
            operator.builtinOptions = kind[1]
        self.operators.append(operator)

    def compute(self, builtin, inputs, kind=None, dtype='float32', name='output', **quantization):
        """Adds an operator with one output, a new tensor; gives its number."""
        output = self.tensor(name, dtype, **quantization)
        self.operator(builtin, inputs, [output], kind)
        return output

    def fetch(self, *tensors):
        """Makes tensors the file's outputs."""
        self.outputs += tensors
        self.fetches += [self.tensors[index].name for index in tensors]

    def bytes(self):
        """The file."""
        subgraph = schema.SubGraphT()
        subgraph.tensors, subgraph.operators = self.tensors, self.operators
        subgraph.inputs, subgraph.outputs, subgraph.name = self.inputs, self.outputs, 'main'
        model = schema.ModelT()
        model.version, model.description = 3, self.what
        model.operatorCodes, model.subgraphs, model.buffers = [code for _, code in self.codes], [subgraph], self.buffers
        model.metadata = self.metadata
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b'TFL3')
        return bytes(builder.Output())
