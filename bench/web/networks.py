"""The frozen MobileNet V1 as ONNX Runtime Web and TensorFlow.js take it.

    python3 bench/web/networks.py DIR [--tensorflow ENVIRONMENT]

ONNX is made by tf2onnx. The graph model of TensorFlow.js is what its own converter makes of this network: batch norms in
the filters, each convolution with its bias and its Relu6 in one node.
"""
import argparse
import json
import pathlib
import subprocess
import sys

BENCH = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BENCH))
from against_onnxruntime import GRAPH, make_model  # noqa: E402

# Runs where TensorFlow is.
TFJS = '''
import json, pathlib, sys
import numpy as np
import tensorflow as tf
folder, graph = pathlib.Path(sys.argv[1]), tf.compat.v1.GraphDef()
graph.ParseFromString(pathlib.Path(sys.argv[2]).read_bytes())
nodes = {node.name: node for node in graph.node}
def value_of(name):
    node = nodes[name.split(':')[0]]
    if node.op == 'Const':
        return tf.make_ndarray(node.attr['value'].tensor)
    inputs = [value_of(name) for name in node.input]
    return {'Identity': lambda x: x, 'Rsqrt': lambda x: 1 / np.sqrt(x), 'Add': np.add, 'Sub': np.subtract, 'Mul': np.multiply}[node.op](*inputs)

def after(node):
    return next(reader for reader in graph.node if node.name in reader.input)

def other(node, name):
    return value_of(next(given for given in node.input if given != name))

class Model:
    def __init__(self):
        self.nodes, self.weights, self.data = [], [], []

    def add(self, name, op, inputs=(), **attributes):
        self.nodes.append({'name': name, 'op': op, 'input': list(inputs), 'attr': {'T': {'type': 'DT_FLOAT'}, **attributes}})
        return name

    def weight(self, name, value, dtype='float32'):
        value = np.ascontiguousarray(value, dtype)
        shape = {'dim': [{'size': str(size)} for size in value.shape]}
        kind = {'float32': 'DT_FLOAT', 'int32': 'DT_INT32'}[dtype]
        self.nodes.append({'name': name, 'op': 'Const', 'attr': {'dtype': {'type': kind}, 'value': {'tensor': {'dtype': kind, 'tensorShape': shape}}}})
        self.weights.append({'name': name, 'shape': list(value.shape), 'dtype': dtype})
        self.data.append(value.tobytes())
        return name

def text(*words):
    import base64
    return {'list': {'s': [base64.b64encode(word.encode()).decode() for word in words]}}

def numbers(*values):
    return {'list': {'i': [str(value) for value in values]}}

import base64
WINDOW = {'padding': {'s': base64.b64encode(b'SAME').decode()}, 'data_format': {'s': base64.b64encode(b'NHWC').decode()}, 'dilations': numbers(1, 1, 1, 1)}
FUSED = {'fused_ops': text('BiasAdd', 'Relu6'), 'num_args': {'i': '1'}, 'epsilon': {'f': 0.0}}

model = Model()
x = model.add('input', 'Placeholder', dtype={'type': 'DT_FLOAT'}, shape={'shape': {'dim': [{'size': '1'}, {'size': '224'}, {'size': '224'}, {'size': '3'}]}})
for node in graph.node:
    if node.op not in ('Conv2D', 'DepthwiseConv2dNative'):
        continue
    weights, strides = value_of(node.input[1]), numbers(*node.attr['strides'].list.i)
    name, reader = node.name, after(node)
    if reader.op == 'BiasAdd':
        pool = model.weight('axes', [1, 2], 'int32')
        x = model.add('pool', 'Mean', [x, pool], keep_dims={'b': True}, Tidx={'type': 'DT_INT32'})
        filters, bias = model.weight(name + '/filter', weights), model.weight(name + '/bias', value_of(reader.input[1]))
        fused = {**FUSED, 'fused_ops': text('BiasAdd')}
        x = model.add(name, '_FusedConv2D', [x, filters, bias], strides=strides, **WINDOW, **fused)
        continue
    # A batch norm is a factor and a summand.
    scale, bias = other(reader, node.name), other(after(reader), reader.name)
    if node.op == 'Conv2D':
        filters, op = weights * scale, '_FusedConv2D'
    else:
        filters, op = weights * scale.reshape(weights.shape[2:]), 'FusedDepthwiseConv2dNative'
    filters, bias = model.weight(name + '/filter', filters), model.weight(name + '/bias', bias)
    x = model.add(name, op, [x, filters, bias], strides=strides, **WINDOW, **FUSED)
x = model.add('scores', 'Reshape', [x, model.weight('shape', [1, 1001], 'int32')], Tshape={'type': 'DT_INT32'})
x = model.add('probabilities', 'Softmax', [x])
tensor = lambda name, *shape: {'name': name + ':0', 'dtype': 'DT_FLOAT', 'tensorShape': {'dim': [{'size': str(size)} for size in shape]}}
folder.mkdir(parents=True, exist_ok=True)
(folder / 'weights.bin').write_bytes(b''.join(model.data))
(folder / 'model.json').write_text(json.dumps({
    'format': 'graph-model', 'modelTopology': {'node': model.nodes, 'library': {}, 'versions': {}},
    'signature': {'inputs': {'input': tensor('input', 1, 224, 224, 3)}, 'outputs': {'probabilities': tensor('probabilities', 1, 1001)}},
    'weightsManifest': [{'paths': ['weights.bin'], 'weights': model.weights}],
}))
print(len(model.nodes), 'nodes')
'''


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=pathlib.Path)
    parser.add_argument('--tensorflow', type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    print(make_model(arguments.folder, GRAPH, arguments.tensorflow))
    python = (arguments.tensorflow or arguments.folder / 'tensorflow') / 'bin' / 'python'
    if not (arguments.folder / 'tfjs' / 'model.json').exists():
        subprocess.run([python, '-c', TFJS, arguments.folder / 'tfjs', GRAPH], check=True, stderr=subprocess.DEVNULL)


if __name__ == '__main__':
    main()
