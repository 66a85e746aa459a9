"""Small ONNX models, one an operator or a use of it, with ONNX Runtime's answers to them.

    oracle/environment.sh DIR && DIR/bin/python oracle/onnx_imports.py OUT_DIR [--only PART_OF_A_NAME]

The committed copy, crates/lorgnette-net/tests/onnx_imports.tar.gz, is this folder packed by
`pack_fixture.py`. `compare.py` runs the models through the program. Needs numpy, onnx and onnxruntime.
"""
import argparse
import inspect
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, INT32, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL
# The file format that all of these operator sets may be in, and that old readers know.
IR_VERSION = 8


class Models:
    """Writes models, what is fed, and what ONNX Runtime answers, with a manifest of all."""

    def __init__(self, out, only):
        self.out = pathlib.Path(out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.only = only
        self.entries = []

    def add(self, name, nodes, feeds, constants=(), opset=18, outputs=(('y', FLOAT),), what='',
            declared=None, external=False):
        """One model. `nodes` are made by `node`; `feeds` and `constants` are arrays by name."""
        if self.only and self.only not in name:
            return
        assert all(entry['name'] != name for entry in self.entries), name
        number = np.random.default_rng(len(name) * 7919 + sum(map(ord, name)))
        feeds = {key: value(number) if callable(value) else value for key, value in feeds.items()}
        constants = {key: value(number) if callable(value) else value
                     for key, value in dict(constants).items()}
        declared = declared or {}
        graph = helper.make_graph(
            nodes, name,
            [helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(value.dtype),
                                           declared.get(key, value.shape))
             for key, value in feeds.items()],
            [helper.make_tensor_value_info(key, kind, None) for key, kind in outputs],
            [numpy_helper.from_array(value, key) for key, value in constants.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)],
                                  ir_version=IR_VERSION, producer_name='onnx_imports.py')
        file = name.replace('/', '_') + '.onnx'
        if external:
            onnx.save(model, self.out / file, save_as_external_data=True, size_threshold=0,
                      location=file + '.data')
        else:
            onnx.save(model, self.out / file)
        self.record(name, str(self.out / file), file, feeds, [key for key, _ in outputs], what)

    def record(self, name, model, file, feeds, fetches, what=''):
        """What ONNX Runtime answers, for a model that lies in `file`."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
        answers = session.run(fetches, feeds)
        entry = {'name': name, 'graph': file, 'feeds': {}, 'fetches': {}, 'what': what}
        for kind, arrays in (('feeds', feeds.items()), ('fetches', zip(fetches, answers))):
            for key, array in arrays:
                path = f'{name}.{key}.npy'.replace('/', '_').replace(':', '_')
                np.save(self.out / path, array)
                entry[kind][key] = path
        self.entries.append(entry)

    def finish(self):
        self.entries.sort(key=lambda entry: entry['name'])
        (self.out / 'manifest.json').write_text(json.dumps(self.entries, indent=1) + '\n')
        print(f'{len(self.entries)} models')


def node(operator, inputs, output='y', **attributes):
    outputs = output if isinstance(output, list) else [output]
    return helper.make_node(operator, inputs.split() if isinstance(inputs, str) else inputs, outputs, **attributes)


def normal(*shape):
    """Numbers around zero."""
    return lambda number: number.normal(size=shape).astype(np.float32)


def positive(*shape):
    return lambda number: number.uniform(0.2, 3, size=shape).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


def both(models, name, nodes, shape=(2, 3, 5, 4), feeds=None, constants=(), **rest):
    """A model that reads its picture as it is fed, and one that reads it behind a convolution, which is
    kept with its channels last. `nodes` read `x`."""
    feeds = dict({'x': normal(*shape)}, **(feeds or {}))
    models.add(name, nodes, feeds, constants, **rest)
    behind = {('picture' if key == 'x' else key): value for key, value in feeds.items()}
    weights = {'behind/filter': normal(shape[1], shape[1], 1, 1)}
    first = node('Conv', ['picture', 'behind/filter'], 'x')
    models.add(f'{name}/behind_a_convolution', [first] + nodes, behind, dict(constants, **weights), **rest)


def convolutions(models):
    picture = {'x': normal(2, 4, 9, 8)}
    for name, filters, settings in (
            ('plain', (5, 4, 3, 3), {}),
            ('pads', (5, 4, 3, 3), dict(pads=[1, 1, 1, 1])),
            ('uneven_pads', (5, 4, 3, 2), dict(pads=[0, 1, 2, 0])),
            ('strides', (5, 4, 3, 3), dict(strides=[2, 3], pads=[1, 1, 1, 1])),
            ('dilations', (5, 4, 3, 3), dict(dilations=[2, 3], pads=[2, 3, 2, 3])),
            ('kernel_shape', (5, 4, 1, 1), dict(kernel_shape=[1, 1])),
            ('same_upper', (5, 4, 4, 3), dict(auto_pad='SAME_UPPER', strides=[2, 2])),
            ('same_lower', (5, 4, 4, 3), dict(auto_pad='SAME_LOWER', strides=[2, 2])),
            ('same_lower_strides', (5, 4, 2, 2), dict(auto_pad='SAME_LOWER', strides=[1, 3])),
            ('valid', (5, 4, 3, 3), dict(auto_pad='VALID', strides=[2, 2])),
            ('depthwise', (4, 1, 3, 3), dict(group=4, pads=[1, 1, 1, 1])),
            ('depthwise_strides', (4, 1, 3, 3), dict(group=4, strides=[2, 2])),
            ('depthwise_dilations', (4, 1, 3, 3), dict(group=4, dilations=[2, 2])),
            ('depthwise_multiplier', (12, 1, 3, 3), dict(group=4, pads=[1, 1, 1, 1])),
            ('groups', (6, 2, 3, 3), dict(group=2, pads=[1, 1, 1, 1])),
            ('groups_of_one_filter', (2, 2, 1, 1), dict(group=2))):
        weights = {'w': normal(*filters)}
        models.add(f'conv/{name}', [node('Conv', 'x w', **settings)], picture, weights)
        weights = {'w': normal(*filters), 'b': normal(filters[0])}
        models.add(f'conv/{name}/bias', [node('Conv', 'x w b', **settings)], picture, weights, opset=7)
    models.add('conv/relu_residual', [
        node('Conv', 'x w b', 'a', pads=[1, 1, 1, 1]), node('Add', 'a x', 'sum'), node('Relu', 'sum')],
        picture, {'w': normal(4, 4, 3, 3), 'b': normal(4)})
    models.add('conv/one_filter_twice', [
        node('Conv', 'x w', 'a', pads=[1, 1, 1, 1]), node('Conv', 'a w', pads=[1, 1, 1, 1], strides=[2, 2])],
        picture, {'w': normal(4, 4, 3, 3)})
    models.add('conv/constant_node', [
        node('Constant', '', 'c', value=numpy_helper.from_array(np.float32([1, 2, 3, 4]).reshape(4, 1, 1))),
        node('Mul', 'x c', 'm'), node('Conv', 'm w')], picture, {'w': normal(2, 4, 3, 3)})
    models.add('conv/external_data', [node('Conv', 'x w b')], picture,
               {'w': normal(5, 4, 3, 3), 'b': normal(5)}, external=True)
    models.add('conv/float16_weights', [node('Cast', 'h', 'w', to=FLOAT), node('Conv', 'x w')], picture,
               {'h': lambda number: number.normal(size=(5, 4, 3, 3)).astype(np.float16)})
    models.add('conv/depthwise_float16_weights', [
        node('Cast', 'h', 'w', to=FLOAT), node('Conv', 'x w', group=4)], picture,
        {'h': lambda number: number.normal(size=(8, 1, 3, 3)).astype(np.float16)})
    models.add('conv/shared_by_identities', [
        node('Identity', 'w', 'v'), node('Conv', 'x w', 'a', pads=[1, 1, 1, 1]),
        node('Conv', 'a v', group=1, pads=[1, 1, 1, 1])], picture, {'w': normal(4, 4, 3, 3)})
    models.add('conv/open_batch', [node('Conv', 'x w')], picture, {'w': normal(2, 4, 3, 3)},
               declared={'x': ['batch', 4, 'rows', 'columns']})
    models.add('conv/other_size_than_declared', [node('Conv', 'x w')], picture, {'w': normal(2, 4, 3, 3)},
               declared={'x': ['n', 4, 'h', 'w']})
    models.add('conv/channels_last_picture', [
        node('Transpose', 'x', 't', perm=[0, 3, 1, 2]), node('Conv', 't w', 'c'),
        node('Transpose', 'c', perm=[0, 2, 3, 1])], {'x': normal(2, 7, 6, 3)}, {'w': normal(4, 3, 3, 3)})


def transposed_convolutions(models):
    picture = {'x': normal(2, 4, 5, 6)}
    for name, filters, settings in (
            ('plain', (4, 3, 3, 3), {}),
            ('two_by_two', (4, 3, 2, 2), dict(strides=[2, 2])),
            ('strides', (4, 3, 3, 3), dict(strides=[2, 2])),
            ('strides_apart', (4, 3, 3, 4), dict(strides=[3, 2])),
            ('stride_beyond_kernel', (4, 3, 2, 1), dict(strides=[3, 4])),
            ('pads', (4, 3, 4, 4), dict(strides=[2, 2], pads=[1, 1, 1, 1])),
            ('uneven_pads', (4, 3, 3, 3), dict(strides=[2, 2], pads=[0, 1, 1, 0])),
            ('output_padding', (4, 3, 3, 3), dict(strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])),
            ('output_padding_beyond', (4, 3, 2, 2), dict(strides=[2, 2], output_padding=[1, 1])),
            ('dilations', (4, 3, 3, 3), dict(dilations=[2, 2])),
            ('dilations_strides', (4, 3, 3, 3), dict(dilations=[2, 3], strides=[3, 2], pads=[2, 1, 0, 1])),
            ('groups', (4, 3, 3, 3), dict(group=2, strides=[2, 2], pads=[1, 1, 1, 1])),
            ('depthwise', (4, 1, 4, 4), dict(group=4, strides=[2, 2], pads=[1, 1, 1, 1])),
            ('depthwise_multiplier', (4, 2, 3, 3), dict(group=4, strides=[2, 2])),
            ('same_upper', (4, 3, 3, 3), dict(strides=[2, 2], auto_pad='SAME_UPPER')),
            ('same_lower', (4, 3, 3, 3), dict(strides=[2, 2], auto_pad='SAME_LOWER')),
            ('output_shape', (4, 3, 3, 3), dict(strides=[2, 2], output_shape=[10, 12]))):
        weights = {'w': normal(*filters)}
        models.add(f'conv_transpose/{name}', [node('ConvTranspose', 'x w', **settings)], picture, weights, opset=11)
        weights['b'] = normal(filters[1] * settings.get('group', 1))
        models.add(f'conv_transpose/{name}/bias', [node('ConvTranspose', 'x w b', **settings)], picture, weights,
                   opset=7)


def products(models):
    for name, a, b, settings in (
            ('plain', (3, 4), (4, 5), {}),
            ('trans_a', (4, 3), (4, 5), dict(transA=1)),
            ('trans_b', (3, 4), (5, 4), dict(transB=1)),
            ('alpha_beta', (3, 4), (5, 4), dict(transB=1, alpha=0.5, beta=2.0))):
        models.add(f'gemm/{name}', [node('Gemm', 'x w c', **settings)], {'x': normal(*a)},
                   {'w': normal(*b), 'c': normal(5)})
        models.add(f'gemm/{name}/without_c', [node('Gemm', 'x w', **settings)], {'x': normal(*a)},
                   {'w': normal(*b)}, opset=11)
        models.add(f'gemm/{name}/computed', [node('Gemm', 'x w c', **settings)],
                   {'x': normal(*a), 'w': normal(*b)}, {'c': normal(3, 1)}, opset=9)
    for name, a, b in (('matrices', (3, 4), (4, 5)), ('rows', (2, 3, 4), (4, 5)), ('picture', (2, 3, 5, 4), (4, 6))):
        models.add(f'mat_mul/{name}', [node('MatMul', 'x w')], {'x': normal(*a)}, {'w': normal(*b)})
    models.add('mat_mul/computed', [node('MatMul', 'x w')], {'x': normal(3, 4), 'w': normal(4, 5)})
    models.add('mat_mul/classifier', [
        node('Conv', 'x w', 'c'), node('Relu', 'c', 'r'), node('GlobalAveragePool', 'r', 'g'),
        node('Flatten', 'g', 'f'), node('MatMul', 'f m', 'p'), node('Add', 'p b', 's'), node('Softmax', 's')],
        {'x': normal(2, 3, 8, 8)}, {'w': normal(6, 3, 3, 3), 'm': normal(6, 10), 'b': normal(10)})
    both(models, 'mat_mul/behind_flatten', [node('Flatten', 'x', 'f'), node('Gemm', 'f m')],
         constants={'m': normal(60, 7)})


def pools(models):
    picture = {'x': normal(2, 3, 9, 8)}
    for operator in ('MaxPool', 'AveragePool'):
        for name, settings in (
                ('plain', dict(kernel_shape=[2, 2], strides=[2, 2])),
                ('stride_one', dict(kernel_shape=[3, 2])),
                ('pads', dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])),
                ('uneven_pads', dict(kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 1, 0])),
                ('same_upper', dict(kernel_shape=[3, 2], strides=[2, 2], auto_pad='SAME_UPPER')),
                ('same_lower', dict(kernel_shape=[3, 2], strides=[2, 2], auto_pad='SAME_LOWER')),
                ('valid', dict(kernel_shape=[3, 2], strides=[2, 2], auto_pad='VALID'))):
            models.add(f'{operator}/{name}', [node(operator, 'x', **settings)], picture, opset=8)
        for name, settings in (
                ('ceil', dict(kernel_shape=[2, 2], strides=[2, 2])),
                ('ceil_pads', dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])),
                ('ceil_strides', dict(kernel_shape=[3, 3], strides=[4, 3], pads=[0, 1, 1, 0])),
                ('ceil_even', dict(kernel_shape=[3, 2], strides=[2, 2]))):
            models.add(f'{operator}/{name}', [node(operator, 'x', ceil_mode=1, **settings)], picture, opset=11)
    for name, settings in (
            ('pads', dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])),
            ('uneven_pads', dict(kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 2, 0])),
            ('ceil', dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1)),
            ('ceil_without_pads', dict(kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)),
            ('ceil_strides', dict(kernel_shape=[3, 3], strides=[4, 3], pads=[1, 1, 1, 1], ceil_mode=1)),
            ('same_upper', dict(kernel_shape=[3, 2], strides=[2, 2], auto_pad='SAME_UPPER'))):
        models.add(f'AveragePool/count_include_pad/{name}',
                   [node('AveragePool', 'x', count_include_pad=1, **settings)], picture, opset=11)
    models.add('MaxPool/dilations', [node('MaxPool', 'x', kernel_shape=[2, 3], dilations=[2, 2], strides=[2, 1])],
               picture, opset=12)
    models.add('AveragePool/dilations', [node('AveragePool', 'x', kernel_shape=[2, 3], dilations=[2, 2])], picture,
               opset=19)
    both(models, 'global_average_pool', [node('GlobalAveragePool', 'x')])
    both(models, 'global_max_pool', [node('GlobalMaxPool', 'x')])
    for size, alpha in ((3, 0.5), (5, 1e-3)):
        both(models, f'lrn/{size}', [node('LRN', 'x', size=size, alpha=alpha, beta=0.6, bias=1.5)],
             shape=(2, 7, 3, 4))


def normalizations(models):
    statistics = {'scale': normal(3), 'b': normal(3), 'mean': normal(3), 'var': positive(3)}
    operands = 'x scale b mean var'
    for opset in (7, 9, 15):
        both(models, f'batch_normalization/{opset}', [node('BatchNormalization', operands, epsilon=1e-3)],
             constants=statistics, opset=opset)
    models.add('batch_normalization/matrix', [node('BatchNormalization', operands)], {'x': normal(4, 3)}, statistics,
               opset=15)
    models.add('batch_normalization/folded', [
        node('Conv', 'x w', 'c'), node('BatchNormalization', 'c scale b mean var', 'n'), node('Relu', 'n')],
        {'x': normal(2, 2, 6, 5)}, dict(statistics, w=normal(3, 2, 3, 3)))
    both(models, 'instance_normalization', [node('InstanceNormalization', 'x scale b', epsilon=1e-3)],
         constants={'scale': normal(3), 'b': normal(3)})
    both(models, 'layer_normalization', [node('LayerNormalization', 'x scale b')],
         constants={'scale': normal(4), 'b': normal(4)})
    models.add('layer_normalization/axis', [node('LayerNormalization', 'x scale', axis=1)], {'x': normal(2, 3, 5)},
               {'scale': normal(3, 5)})
    for operator in ('Softmax', 'LogSoftmax'):
        for opset in (7, 11, 13):
            for axis in (None, 0, 1, 2, 3, -1):
                if axis == -1 and opset == 7:
                    continue
                settings = {} if axis is None else {'axis': axis}
                both(models, f'{operator}/{opset}/axis_{axis}', [node(operator, 'x', **settings)], opset=opset,
                     shape=(2, 3, 2, 4))
        models.add(f'{operator}/rows', [node(operator, 'x')], {'x': normal(3, 9)}, opset=11)
        both(models, f'{operator}/one_pixel', [node(operator, 'x')], shape=(2, 6, 1, 1), opset=9)


def functions(models):
    plain = ('Abs', 'Ceil', 'Elu', 'Erf', 'Exp', 'Floor', 'HardSigmoid', 'HardSwish', 'LeakyRelu', 'Neg', 'Relu',
             'Round', 'Selu', 'Sigmoid', 'Sign', 'Softplus', 'Softsign', 'Tanh', 'Mish', 'Identity')
    for operator in plain:
        both(models, f'function/{operator}', [node(operator, 'x')])
    for operator in ('Log', 'Sqrt', 'Reciprocal'):
        models.add(f'function/{operator}', [node(operator, 'x')], {'x': positive(2, 3, 5)})
        both(models, f'function/{operator}/picture', [node('Exp', 'x', 'e'), node(operator, 'e')])
    both(models, 'function/Elu/alpha', [node('Elu', 'x', alpha=0.3)])
    both(models, 'function/Selu/settings', [node('Selu', 'x', alpha=1.2, gamma=0.7)])
    both(models, 'function/HardSigmoid/settings', [node('HardSigmoid', 'x', alpha=0.3, beta=0.1)])
    both(models, 'function/LeakyRelu/alpha', [node('LeakyRelu', 'x', alpha=0.2)])
    both(models, 'function/Gelu', [node('Gelu', 'x')], opset=20)
    both(models, 'function/Gelu/tanh', [node('Gelu', 'x', approximate='tanh')], opset=20)
    both(models, 'function/hard_swish_apart', [
        node('Add', 'x three', 'a'), node('Clip', 'a zero six', 'c'), node('Mul', 'x c', 'm'), node('Div', 'm six')],
        constants={'three': np.float32(3), 'zero': np.float32(0), 'six': np.float32(6)})
    both(models, 'function/swish_apart', [node('Sigmoid', 'x', 's'), node('Mul', 'x s')])
    for shape in ((3, 1, 1), (1,), (1, 1, 1), (2, 3, 5, 4), (4,)):
        both(models, f'function/PRelu/{"x".join(map(str, shape))}', [node('PRelu', 'x slope')],
             constants={'slope': normal(*shape)})
    both(models, 'clip/attributes', [node('Clip', 'x', min=-0.5, max=0.7)], opset=7)
    both(models, 'clip/no_limits', [node('Clip', 'x')], opset=7)
    both(models, 'clip/inputs', [node('Clip', 'x low high')],
         constants={'low': np.float32(-0.5), 'high': np.float32(0.7)})
    both(models, 'clip/high_only', [node('Clip', ['x', '', 'high'])], constants={'high': np.float32(0.7)})
    both(models, 'dropout', [node('Dropout', 'x', 'd', ratio=0.4), node('Relu', 'd')], opset=10)
    both(models, 'dropout/inputs', [node('Dropout', 'x ratio', 'd'), node('Relu', 'd')], opset=13,
         constants={'ratio': np.float32(0.4)})
    both(models, 'cast/integers', [node('Cast', 'x', to=INT32)], outputs=[('y', INT32)])
    both(models, 'cast/truth', [node('Cast', 'x', to=BOOL)], outputs=[('y', BOOL)])
    both(models, 'cast/there_and_back', [node('Cast', 'x', 'i', to=INT64), node('Cast', 'i', to=FLOAT)])


def pairs(models):
    for operator in ('Add', 'Sub', 'Mul', 'Div'):
        for shape in ((), (1,), (4,), (5, 4), (3, 1, 1), (1, 3, 1, 1), (2, 3, 5, 4), (2, 1, 1, 1), (3, 5, 1)):
            name = f'pair/{operator}/{"x".join(map(str, shape)) or "scalar"}'
            both(models, name, [node(operator, 'x c')], constants={'c': positive(*shape)})
        both(models, f'pair/{operator}/constant_first', [node(operator, 'c x')], constants={'c': normal(3, 1, 1)}
             if operator != 'Div' else {'c': positive(3, 1, 1)}, shape=(2, 3, 5, 4))
        both(models, f'pair/{operator}/both_computed', [node('Exp', 'x', 'e'), node(operator, 'x e')])
    both(models, 'pair/two_layouts', [node('Add', 'x other')], feeds={'other': normal(2, 3, 5, 4)})
    both(models, 'pair/gate', [node('GlobalAveragePool', 'x', 'g'), node('Sigmoid', 'g', 's'), node('Mul', 'x s')])
    both(models, 'pair/vector_of_a_matrix', [node('Add', 'x other')], feeds={'other': normal(5, 4)})
    for name, exponent in (('square', 2), ('root', 0.5), ('cube', 3), ('inverse', -1)):
        both(models, f'pair/Pow/{name}', [node('Exp', 'x', 'e'), node('Pow', 'e c')],
             constants={'c': np.float32(exponent)}, opset=12)
    for operator in ('Greater', 'Less', 'GreaterOrEqual', 'LessOrEqual', 'Equal'):
        both(models, f'pair/{operator}', [node('Round', 'x', 'r'), node(operator, 'r c')],
             constants={'c': np.float32([0, 1, 0, -1])}, outputs=[('y', BOOL)], opset=13)
    truth = {'zero': np.float32(0)}
    for operator in ('And', 'Or', 'Xor'):
        both(models, f'pair/{operator}', [
            node('Greater', 'x zero', 'a'), node('Less', 'x other', 'b'), node(operator, 'a b')],
            feeds={'other': normal(2, 3, 5, 4)}, constants=truth, outputs=[('y', BOOL)])
    both(models, 'not', [node('Greater', 'x zero', 'a'), node('Not', 'a')], constants=truth, outputs=[('y', BOOL)])
    both(models, 'where', [node('Greater', 'x zero', 'a'), node('Where', 'a x other')],
         feeds={'other': normal(3, 1, 1)}, constants=truth)
    models.add('where/vector_of_conditions', [node('Greater', 'x zero', 'a'), node('Where', 'a x other')],
               {'x': normal(3), 'other': normal(3, 3)}, truth)
    for operator in ('Max', 'Min', 'Sum', 'Mean'):
        both(models, f'many/{operator}', [node(operator, 'x other c')], feeds={'other': normal(2, 3, 5, 4)},
             constants={'c': normal(3, 1, 1)}, opset=8)
        both(models, f'many/{operator}/one', [node(operator, 'x')], opset=8)
    models.add('integers/div', [node('Div', 'x c')], {'x': ints(7, -7, 9, -9)}, {'c': ints(2, 2, -4, 4)},
               outputs=[('y', INT64)])
    models.add('integers/mod', [node('Mod', 'x c')], {'x': ints(7, -7, 9, -9)}, {'c': ints(2, 2, -4, 4)},
               outputs=[('y', INT64)])
    models.add('integers/add_clip', [node('Add', 'x c', 's'), node('Clip', 's low high')], {'x': ints(7, -7, 9, -9)},
               {'c': ints(2), 'low': np.int64(-4), 'high': np.int64(10)}, outputs=[('y', INT64)])


def reductions(models):
    for operator in ('ReduceMean', 'ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceProd', 'ReduceL1', 'ReduceL2',
                     'ReduceSumSquare'):
        for axes in ([2, 3], [1], [-1], [0, 1], [1, 2, 3]):
            for keep in (0, 1):
                name = f'{operator}/{"".join(map(str, axes))}_{"kept" if keep else "gone"}'
                both(models, name, [node(operator, 'x', axes=axes, keepdims=keep)], opset=11)
        both(models, f'{operator}/all', [node(operator, 'x', keepdims=0)], opset=11)
        both(models, f'{operator}/axes_input', [node(operator, 'x axes')], constants={'axes': ints(2, 3)}, opset=18)
    both(models, 'ReduceSum/noop', [node('ReduceSum', 'x', noop_with_empty_axes=1)], opset=13)
    both(models, 'ReduceLogSum', [node('Exp', 'x', 'e'), node('ReduceLogSum', 'e', axes=[1])], opset=11)
    for operator in ('ArgMax', 'ArgMin'):
        for axis in (0, 1, 2, -1):
            for keep in (0, 1):
                both(models, f'{operator}/{axis}_{"kept" if keep else "gone"}',
                     [node(operator, 'x', axis=axis, keepdims=keep)], outputs=[('y', INT64)], opset=11)
    for axis in (-1, 1):
        for largest in (0, 1):
            both(models, f'top_k/{axis}_{"largest" if largest else "smallest"}',
                 [node('TopK', 'x k', ['y', 'places'], axis=axis, largest=largest)], constants={'k': ints(2)},
                 outputs=[('y', FLOAT), ('places', INT64)], opset=11)
    models.add('top_k/attribute', [node('TopK', 'x', ['y', 'places'], k=3)], {'x': normal(4, 6)},
               outputs=[('y', FLOAT), ('places', INT64)], opset=9)


def resizes(models):
    sizes = {'up': (8, 10), 'down': (3, 2), 'uneven': (7, 9), 'one': (1, 1)}
    modes = ('half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric')
    for coordinates in modes + ('half_pixel_symmetric',):
        opset = 19 if coordinates == 'half_pixel_symmetric' else 13
        for name, size in sizes.items():
            target = {'sizes': ints(2, 3, *size)}
            for mode in ('nearest', 'linear'):
                both(models, f'resize/{mode}/{coordinates}/{name}', [
                    node('Resize', ['x', '', '', 'sizes'], mode=mode, coordinate_transformation_mode=coordinates)],
                    constants=target, opset=opset)
    for rounding in ('round_prefer_ceil', 'floor', 'ceil'):
        for coordinates in modes:
            both(models, f'resize/nearest/{coordinates}/{rounding}', [
                node('Resize', ['x', '', 'scales'], mode='nearest', nearest_mode=rounding,
                     coordinate_transformation_mode=coordinates)],
                constants={'scales': np.float32([1, 1, 2, 1.5])}, opset=13)
    models.add('resize/nearest/tf_half_pixel_for_nn', [
        node('Resize', 'x roi scales', mode='nearest', coordinate_transformation_mode='tf_half_pixel_for_nn')],
        {'x': normal(2, 3, 5, 4)}, {'roi': np.float32([]), 'scales': np.float32([1, 1, 2, 3])}, opset=11)
    for mode in ('nearest', 'linear'):
        for scales in ((2, 2), (3, 1), (1.3, 1.7), (0.6, 0.5)):
            label = f'{mode}/{scales[0]}_{scales[1]}'
            constants = {'scales': np.float32([1, 1, *scales])}
            if min(scales) >= 1:
                both(models, f'upsample/{label}', [node('Upsample', 'x scales', mode=mode)], constants=constants,
                     opset=9)
            both(models, f'resize/ten/{label}', [node('Resize', 'x scales', mode=mode)], constants=constants, opset=10)
            both(models, f'resize/scales/{label}', [node('Resize', ['x', '', 'scales'], mode=mode)],
                 constants=constants, opset=18)
        both(models, f'upsample/seven/{mode}', [node('Upsample', 'x', mode=mode, scales=[1.0, 1.0, 2.0, 3.0])],
             opset=7)
        both(models, f'resize/axes/{mode}', [node('Resize', ['x', '', '', 'sizes'], mode=mode, axes=[2, 3])],
             constants={'sizes': ints(10, 8)}, opset=18)
    both(models, 'resize/to_the_size_of_another', [
        node('Shape', 'other', 's'), node('Slice', 's two four zero', 'hw'), node('Shape', 'x', 'xs'),
        node('Slice', 'xs zero two zero', 'nc'), node('Concat', 'nc hw', 'target', axis=0),
        node('Resize', ['x', '', '', 'target'], 'r', mode='linear'), node('Add', 'r other')],
        feeds={'other': normal(2, 3, 9, 7)}, constants={'zero': ints(0), 'two': ints(2), 'four': ints(4)}, opset=13)


def movements(models):
    for axis in (0, 1, 2, 3, -1):
        both(models, f'concat/{axis}', [node('Exp', 'x', 'e'), node('Concat', 'x e x', axis=axis)])
    both(models, 'concat/two_layouts', [node('Concat', 'x other', axis=1)], feeds={'other': normal(2, 4, 5, 4)})
    outputs = [('a', FLOAT), ('b', FLOAT)]
    for axis in (0, 1, 3, -1):
        shape = (2, 4, 5, 6)
        both(models, f'split/equal/{axis}', [node('Split', 'x', ['a', 'b'], axis=axis)], shape=shape, outputs=outputs,
             opset=11)
        if axis != 0:
            both(models, f'split/sizes/{axis}', [node('Split', 'x', ['a', 'b'], axis=axis, split=[1, shape[axis] - 1])],
                 shape=shape, outputs=outputs, opset=11)
            both(models, f'split/input/{axis}', [node('Split', 'x sizes', ['a', 'b'], axis=axis)], shape=shape,
                 constants={'sizes': ints(shape[axis] - 1, 1)}, outputs=outputs, opset=13)
    both(models, 'split/number', [node('Split', 'x', ['a', 'b', 'c'], axis=3, num_outputs=3)], shape=(2, 3, 4, 7),
         outputs=outputs + [('c', FLOAT)], opset=18)
    both(models, 'slice/attributes', [node('Slice', 'x', starts=[1, 0], ends=[3, -1], axes=[1, 3])], opset=7)
    both(models, 'slice/attributes_without_axes', [node('Slice', 'x', starts=[0, 1], ends=[1, 99])], opset=9)
    far = 2**63 - 1
    for name, starts, ends, axes, steps in (
            ('plain', [1, 1], [3, 4], [1, 2], [1, 1]),
            ('from_the_end', [-3], [-1], [2], [1]),
            ('steps', [0, 0], [far, far], [2, 3], [2, 2]),
            ('offset_steps', [1, 0], [far, far], [-2, -1], [2, 3]),
            ('backwards', [-1], [-far], [3], [-1]),
            ('backwards_steps', [4], [0], [2], [-2]),
            ('beyond', [-99], [99], [1], [1])):
        both(models, f'slice/{name}', [node('Slice', 'x starts ends axes steps')],
             constants={'starts': ints(*starts), 'ends': ints(*ends), 'axes': ints(*axes), 'steps': ints(*steps)})
    around = [0, 0, 1, 2, 0, 0, 2, 1]
    for mode in ('constant', 'reflect', 'edge'):
        both(models, f'pad/{mode}/attributes', [node('Pad', 'x', mode=mode, pads=around)], opset=7)
        both(models, f'pad/{mode}/inputs', [node('Pad', 'x pads', mode=mode)], constants={'pads': ints(*around)})
    both(models, 'pad/value_attribute', [node('Pad', 'x', pads=around, value=1.5)], opset=7)
    both(models, 'pad/value', [node('Pad', 'x pads value')],
         constants={'pads': ints(*around), 'value': np.float32(-2)})
    both(models, 'pad/channels', [node('Pad', 'x pads')], constants={'pads': ints(0, 1, 0, 0, 1, 2, 0, 0)})
    both(models, 'pad/negative', [node('Pad', 'x pads')], constants={'pads': ints(0, 0, -1, 2, 0, 0, 1, -1)})
    both(models, 'pad/axes', [node('Pad', ['x', 'pads', '', 'axes'])],
         constants={'pads': ints(1, 2, 0, 1), 'axes': ints(3, 1)})
    models.add('pad/before_a_convolution', [node('Pad', 'x pads', 'p'), node('Conv', 'p w')],
               {'x': normal(1, 3, 6, 6)}, {'pads': ints(0, 0, 1, 1, 0, 0, 1, 1), 'w': normal(2, 3, 3, 3)})
    for order in ([0, 2, 3, 1], [0, 3, 1, 2], [3, 2, 1, 0], [1, 0, 2, 3], [0, 1, 3, 2], [0, 1, 2, 3]):
        both(models, f'transpose/{"".join(map(str, order))}', [node('Transpose', 'x', perm=order)])
    both(models, 'transpose/default', [node('Transpose', 'x')])
    models.add('transpose/matrix', [node('Transpose', 'x')], {'x': normal(3, 4)})
    both(models, 'transpose/there_and_back', [
        node('Transpose', 'x', 't', perm=[0, 2, 3, 1]), node('Relu', 't', 'r'),
        node('Transpose', 'r', perm=[0, 3, 1, 2])])
    for name, index, axis in (('rows', [1, 0, 1], 2), ('negative', [-1, 0], 1), ('matrix', [[0, 2], [1, 1]], 1)):
        both(models, f'gather/{name}', [node('Gather', 'x i', axis=axis)], constants={'i': np.array(index, np.int64)})
    both(models, 'gather/scalar', [node('Gather', 'x i', axis=1)], constants={'i': np.int64(2)})
    both(models, 'expand', [node('GlobalAveragePool', 'x', 'g'), node('Expand', 'g shape')],
         constants={'shape': ints(2, 3, 4, 5)})
    both(models, 'expand/both_ways', [node('Expand', 'x shape')], constants={'shape': ints(5, 1)})
    both(models, 'tile', [node('Tile', 'x times')], constants={'times': ints(1, 2, 1, 3)})
    for block in (2, 3):
        shape = (2, 2 * block * block, 3, 4)
        both(models, f'depth_to_space/{block}', [node('DepthToSpace', 'x', blocksize=block)], shape=shape, opset=7)
        for mode in ('DCR', 'CRD'):
            both(models, f'depth_to_space/{block}/{mode}', [node('DepthToSpace', 'x', blocksize=block, mode=mode)],
                 shape=shape, opset=13)
        both(models, f'space_to_depth/{block}', [node('SpaceToDepth', 'x', blocksize=block)],
             shape=(2, 3, 2 * block, 3 * block))


def shapes(models):
    for name, target in (('flat', [2, -1]), ('kept', [0, -1]), ('all_kept', [0, 0, 20]), ('rows', [-1, 4]),
                         ('five', [2, 3, 5, 2, 2])):
        both(models, f'reshape/{name}', [node('Reshape', 'x shape')], constants={'shape': ints(*target)})
    both(models, 'reshape/channel_shuffle', [
        node('Reshape', 'x five', 'r'), node('Transpose', 'r', 't', perm=[0, 2, 1, 3, 4]),
        node('Reshape', 't four', 's'), node('Conv', 's w')], shape=(2, 6, 5, 4),
        constants={'five': ints(2, 2, 3, 5, 4), 'four': ints(2, -1, 5, 4), 'w': normal(4, 6, 1, 1)})
    for axis in (0, 1, 2, 3, 4):
        both(models, f'flatten/{axis}', [node('Flatten', 'x', axis=axis)], opset=9)
    both(models, 'flatten/one_pixel', [node('GlobalAveragePool', 'x', 'g'), node('Flatten', 'g')])
    both(models, 'squeeze/attribute', [node('GlobalAveragePool', 'x', 'g'), node('Squeeze', 'g', axes=[2, 3])],
         opset=11)
    both(models, 'squeeze/input', [node('GlobalAveragePool', 'x', 'g'), node('Squeeze', 'g axes')],
         constants={'axes': ints(-1, 2)}, opset=13)
    both(models, 'squeeze/all', [node('GlobalAveragePool', 'x', 'g'), node('Squeeze', 'g')], opset=13)
    both(models, 'squeeze/one_channel', [node('Squeeze', 'x axes')], constants={'axes': ints(1)}, shape=(2, 1, 5, 4))
    both(models, 'squeeze/one_row', [node('Squeeze', 'x axes')], constants={'axes': ints(2)}, shape=(2, 3, 1, 4))
    both(models, 'unsqueeze/attribute', [node('Unsqueeze', 'x', axes=[0, 2])], opset=11)
    both(models, 'unsqueeze/input', [node('Flatten', 'x', 'f'), node('Unsqueeze', 'f axes', 'u'), node('Relu', 'u')],
         constants={'axes': ints(-1, 1)})
    models.add('unsqueeze/to_a_picture', [node('Unsqueeze', 'x axes', 'u'), node('Conv', 'u w')],
               {'x': normal(2, 3)}, {'axes': ints(2, 3), 'w': normal(4, 3, 1, 1)})
    both(models, 'shape', [node('Shape', 'x')], outputs=[('y', INT64)])
    both(models, 'shape/part', [node('Shape', 'x', start=1, end=-1)], outputs=[('y', INT64)], opset=15)
    both(models, 'size', [node('Size', 'x')], outputs=[('y', INT64)])
    both(models, 'shape/view', [
        node('Shape', 'x', 's'), node('Gather', 's zero', 'n', axis=0), node('Unsqueeze', 'n', 'u', axes=[0]),
        node('Concat', 'u rest', 'target', axis=0), node('Reshape', 'x target')],
        constants={'zero': np.int64(0), 'rest': ints(-1)}, opset=11)
    both(models, 'shape/half', [
        node('Shape', 'x', 's'), node('Gather', 's one', 'c', axis=0), node('Div', 'c two', 'half'),
        node('Mul', 'half one', 'end'), node('Unsqueeze', 'end', 'ends', axes=[0]),
        node('Slice', 'x starts ends axes')], shape=(2, 6, 5, 4),
        constants={'one': np.int64(1), 'two': np.int64(2), 'starts': ints(0), 'axes': ints(1)}, opset=11)
    both(models, 'constant_of_shape', [
        node('Shape', 'x', 's'), node('ConstantOfShape', 's', 'c', value=helper.make_tensor('v', FLOAT, [1], [2.5])),
        node('Add', 'x c')])
    both(models, 'constant_of_shape/zeros', [node('Shape', 'x', 's'), node('ConstantOfShape', 's', 'c'),
                                              node('Sub', 'c x')])
    both(models, 'range', [
        node('Shape', 'x', 's'), node('Gather', 's three', 'w', axis=0), node('Range', 'zero w one', 'r'),
        node('Cast', 'r', 'f', to=FLOAT), node('Add', 'x f')],
        constants={'zero': np.int64(0), 'one': np.int64(1), 'three': np.int64(3)})
    for key, value in (('value_float', 2.5), ('value_floats', [1.0, 2.0, 3.0, 4.0])):
        both(models, f'constant/{key}', [node('Constant', [], 'c', **{key: value}), node('Mul', 'x c')], opset=13)
    both(models, 'constant/value_ints', [node('Constant', [], 'c', value_ints=[2, -1]), node('Reshape', 'x c')],
         opset=13)
    tensors = {
        'float_data': helper.make_tensor('v', FLOAT, [4], [1.0, 2.0, 3.0, 4.0]),
        'double_data': helper.make_tensor('v', TensorProto.DOUBLE, [4], [1.0, 2.0, 3.0, 4.0]),
        'int32_data': helper.make_tensor('v', INT32, [4], [1, -2, 3, 4]),
        'int64_data': helper.make_tensor('v', INT64, [4], [1, -2, 3, 4]),
        'uint8_data': helper.make_tensor('v', TensorProto.UINT8, [4], [1, 2, 3, 255]),
        'float16_data': helper.make_tensor('v', TensorProto.FLOAT16, [4], [1.0, 2.0, 3.0, 0.5]),
    }
    for key, value in tensors.items():
        both(models, f'constant/{key}', [node('Constant', [], 'c', value=value), node('Cast', 'c', 'f', to=FLOAT),
                                         node('Mul', 'x f')], opset=13)


def networks(models):
    """Blocks of well-known networks."""
    models.add('network/squeeze_and_excitation', [
        node('Conv', 'x w0 b0', 'c', pads=[1, 1, 1, 1], strides=[2, 2]), node('HardSwish', 'c', 'h'),
        node('GlobalAveragePool', 'h', 'g'), node('Conv', 'g w1 b1', 's'), node('Relu', 's', 'r'),
        node('Conv', 'r w2 b2', 'e'), node('HardSigmoid', 'e', 'gate', alpha=1 / 6), node('Mul', 'h gate', 'm'),
        node('GlobalAveragePool', 'm', 'p'), node('Flatten', 'p', 'f'), node('Gemm', 'f w3 b3', transB=1)],
        {'x': normal(2, 3, 16, 12)},
        {'w0': normal(8, 3, 3, 3), 'b0': normal(8), 'w1': normal(4, 8, 1, 1), 'b1': normal(4),
         'w2': normal(8, 4, 1, 1), 'b2': normal(8), 'w3': normal(10, 8), 'b3': normal(10)})
    models.add('network/feature_pyramid', [
        node('Conv', 'x w0', 'c1', pads=[1, 1, 1, 1], strides=[2, 2]), node('Relu', 'c1', 'r1'),
        node('Conv', 'r1 w1', 'c2', pads=[1, 1, 1, 1], strides=[2, 2]), node('Relu', 'c2', 'r2'),
        node('Conv', 'r1 l1', 'a'), node('Conv', 'r2 l2', 'b'),
        node('Resize', ['b', '', 'scales'], 'u', mode='nearest', coordinate_transformation_mode='asymmetric',
             nearest_mode='floor'),
        node('Add', 'a u', 's'), node('Conv', 's o', 'h', pads=[1, 1, 1, 1]), node('Sigmoid', 'h')],
        {'x': normal(1, 3, 16, 24)},
        {'w0': normal(4, 3, 3, 3), 'w1': normal(6, 4, 3, 3), 'l1': normal(5, 4, 1, 1), 'l2': normal(5, 6, 1, 1),
         'o': normal(2, 5, 3, 3), 'scales': np.float32([1, 1, 2, 2])}, opset=13)
    models.add('network/detection_head', [
        node('Conv', 'x w', 'c'), node('Reshape', 'c five', 'r'), node('Transpose', 'r', 't', perm=[0, 1, 3, 4, 2]),
        node('Sigmoid', 't', 's'), node('Split', 's', ['xy', 'wh', 'rest'], axis=4, split=[2, 2, 3]),
        node('Add', 'xy grid', 'g'), node('Mul', 'g stride', 'xy2'), node('Pow', 'wh two', 'wh2'),
        node('Concat', 'xy2 wh2 rest', 'j', axis=4), node('Reshape', 'j rows')],
        {'x': normal(2, 3, 4, 5)},
        {'w': normal(14, 3, 1, 1), 'five': ints(2, 2, 7, 4, 5), 'grid': normal(1, 1, 4, 5, 2),
         'stride': np.float32(8), 'two': np.float32(2), 'rows': ints(2, -1, 7)}, opset=12)
    models.add('network/preprocessing_inside', [
        node('Sub', 'x mean', 'a'), node('Div', 'a std', 'b'), node('Conv', 'b w', 'c'), node('Relu', 'c')],
        {'x': normal(2, 3, 8, 8)}, {'mean': normal(1, 3, 1, 1), 'std': positive(1, 3, 1, 1), 'w': normal(4, 3, 3, 3)})
    models.add('network/names_of_tensorflow', [
        node('Transpose', ['input:0'], 'Model/t:0', perm=[0, 3, 1, 2]), node('Conv', ['Model/t:0', 'w'], 'c:0'),
        node('Transpose', ['c:0'], ['output:0'], perm=[0, 2, 3, 1])],
        {'input:0': normal(1, 6, 5, 3)}, {'w': normal(2, 3, 3, 3)}, outputs=[('output:0', FLOAT)])


def centerface(models, path):
    """CenterFace, whose file declares pictures of 32 x 32 and takes any multiple."""
    model = onnx.load(path)
    weights = {tensor.name for tensor in model.graph.initializer}
    pictures = [value for value in model.graph.input if value.name not in weights]
    for value in pictures + list(model.graph.output):
        for at, dimension in enumerate(value.type.tensor_type.shape.dim):
            if at != 1:
                dimension.dim_param = f'{value.name}_{at}'
    for rows, columns in ((32, 32), (64, 96), (96, 160), (160, 64)):
        levels = np.random.default_rng(rows).integers(0, 256, (1, 3, rows // 8, columns // 8))
        picture = levels.repeat(8, 2).repeat(8, 3).astype(np.float32)
        models.record(f'centerface/{rows}x{columns}', model.SerializeToString(), pathlib.Path(path).name,
                      {pictures[0].name: picture}, [value.name for value in model.graph.output])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out')
    parser.add_argument('--only', help='make only the models whose name contains this')
    parser.add_argument('--centerface', metavar='FILE',
                        help='make only the answers of this CenterFace, at several sizes')
    arguments = parser.parse_args()
    models = Models(arguments.out, arguments.only)
    if arguments.centerface:
        centerface(models, arguments.centerface)
        models.finish()
        return
    families = (convolutions, transposed_convolutions, products, pools, normalizations, functions, pairs, reductions,
                resizes, movements, shapes, networks)
    for family in families:
        assert list(inspect.signature(family).parameters) == ['models']
        family(models)
    models.finish()


if __name__ == '__main__':
    main()
