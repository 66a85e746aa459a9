"""A folder of frozen graphs with TensorFlow's answers to them.

    NAME.pb   NAME.inputs/TENSOR.npy   NAME.outputs/TENSOR.npy   manifest.json

`manifest.json` is a JSON array with one line a graph; see `README.md` beside this file.
"""
import contextlib
import json
import os
import pathlib

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
# Some of the nodes Grappler writes only run in oneDNN's kernels.
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
import slim_on_tf2  # noqa: F401  (before anything that imports tf_keras)
import numpy as np
import tensorflow as tf

import made_up

tf1 = tf.compat.v1
# The graphs we import were written by TensorFlow 1: Switch and Merge, plain variables.
tf1.disable_control_flow_v2()
tf1.disable_resource_variables()
tf1.logging.set_verbosity(tf1.logging.ERROR)


def file_name(tensor):
    """The file of a tensor, by the same rule as `lorgnette run`: out:0 becomes out_0.npy."""
    return tensor.replace('/', '_').replace(':', '_') + '.npy'


class Sketch:
    """A graph being drawn: TensorFlow's graph, nodes written by hand after it, what to feed and what to fetch."""

    def __init__(self, name, what):
        self.name, self.what = name, what
        self.feeds, self.fetches = {}, []
        self.by_hand = tf1.GraphDef()
        self.rewrites = []
        self.producer = None
        self.tolerance = None
        self.graph = tf1.Graph()

    def numbers(self, label, shape, low=-1.0, high=1.0):
        """Made-up float32 numbers, the same in every run."""
        return made_up.between(low, high, f'{self.name}/{label}', shape)

    def const(self, label, *shape, low=-1.0, high=1.0):
        """A constant of made-up numbers."""
        return tf.constant(self.numbers(label, shape, low, high), name=label)

    def input(self, *shape, name='input', declared='same', low=-1.0, high=1.0):
        """A float placeholder that is fed `shape` and declares `declared` (None: unknown rank)."""
        return self.feed(self.numbers(name, shape, low, high), name, declared)

    def feed(self, value, name='input', declared='same'):
        """A placeholder that is fed `value`."""
        self.feeds[f'{name}:0'] = value
        return tf1.placeholder(value.dtype, value.shape if declared == 'same' else declared, name=name)

    def fetch(self, *tensors):
        """Asks for tensors, by name or as TensorFlow's objects."""
        self.fetches += [t if isinstance(t, str) else t.name for t in tensors]

    def node(self, name, op, inputs, **attributes):
        """Writes a node by hand, for what TensorFlow 2's Python no longer writes. Returns its name."""
        node = self.by_hand.node.add(name=name, op=op, input=inputs)
        for key, value in attributes.items():
            set_attribute(node.attr[key], value)
        return name

    def hand_const(self, name, value):
        """A constant written by hand."""
        proto = tf.make_tensor_proto(value)
        return self.node(name, 'Const', [], dtype=tf.as_dtype(proto.dtype), value=proto)

    def graph_def(self):
        """The finished GraphDef: variables frozen, nodes by hand appended, rewrites applied."""
        graph_def = freeze(self.graph, self.fetches)
        graph_def.node.extend(self.by_hand.node)
        if self.producer:
            graph_def.versions.producer = self.producer
        for rewrite in self.rewrites:
            graph_def = rewrite(graph_def, node_names(self.feeds), node_names(self.fetches))
        return graph_def


def node_names(tensors):
    """The nodes of tensors, each once."""
    return list(dict.fromkeys(tensor.split(':')[0] for tensor in tensors))


def set_attribute(attribute, value):
    """Stores a Python value in an AttrValue, by the value's type."""
    if isinstance(value, bytes):
        attribute.s = value
    elif isinstance(value, bool):
        attribute.b = value
    elif isinstance(value, int):
        attribute.i = value
    elif isinstance(value, float):
        attribute.f = value
    elif isinstance(value, tf.DType):
        attribute.type = value.as_datatype_enum
    elif isinstance(value, tf.TensorShape):
        attribute.shape.CopyFrom(value.as_proto())
    elif isinstance(value, list):
        set_list(attribute.list, value)
    else:
        attribute.tensor.CopyFrom(value)


def set_list(field, values):
    """Stores a list of numbers, texts, types or shapes in an AttrValue."""
    for value in values:
        if isinstance(value, bytes):
            field.s.append(value)
        elif isinstance(value, tf.DType):
            field.type.append(value.as_datatype_enum)
        elif isinstance(value, int):
            field.i.append(value)
        elif isinstance(value, float):
            field.f.append(value)
        else:
            field.shape.add().CopyFrom(value.as_proto())


def freeze(graph, fetches):
    """The GraphDef, with variables (if it has any) replaced by constants of made-up numbers."""
    with graph.as_default():
        variables = tf1.global_variables()
        if not variables:
            return graph.as_graph_def()
        with tf1.Session(graph=graph) as session:
            assign(session, [v.initializer for v in variables], [(v.op.name, v.shape.as_list()) for v in variables])
            return tf1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), node_names(fetches))


def assign(session, initializers, variables):
    """Runs the initialisers, all at once, with made-up numbers in place of what they would assign."""
    values = [made_up.variable(name, shape) for name, shape in variables]
    session.run(initializers, {op.inputs[1]: value for op, value in zip(initializers, values)})


def run(graph_def, feeds, fetches):
    """What TensorFlow answers, in a graph and session of its own."""
    with tf1.Graph().as_default():
        tf1.import_graph_def(graph_def, name='')
        with tf1.Session() as session:
            return session.run(fetches, feeds)


class Fixtures:
    """Writes the folder."""

    def __init__(self, folder, only=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.only, self.lines = only, []

    @contextlib.contextmanager
    def case(self, name, what):
        """`with fixtures.case(name, sentence) as net:` draws one graph; leaving the block stores it."""
        sketch = Sketch(name, what)
        with sketch.graph.as_default():
            yield sketch
        if self.only is None or self.only in name:
            self.store(sketch)

    def store(self, sketch):
        """Writes the graph, reads it back, and writes what TensorFlow makes of the copy on disk."""
        path = self.folder / f'{sketch.name}.pb'
        path.write_bytes(sketch.graph_def().SerializeToString(deterministic=True))
        again = tf1.GraphDef.FromString(path.read_bytes())
        try:
            answers = run(again, sketch.feeds, sketch.fetches)
        except Exception as error:
            raise RuntimeError(f'{sketch.name}: TensorFlow refuses this graph') from error
        line = dict(name=sketch.name, graph=path.name, feeds=self.arrays(f'{sketch.name}.inputs', sketch.feeds),
                    fetches=self.arrays(f'{sketch.name}.outputs', dict(zip(sketch.fetches, answers))), what=sketch.what)
        if sketch.tolerance:
            line['tolerance'] = sketch.tolerance
        assert line['name'] not in [other['name'] for other in self.lines], f'two cases are called {sketch.name}'
        self.lines.append(line)

    def arrays(self, folder, tensors):
        """Writes arrays as .npy files; returns their paths as the manifest wants them."""
        (self.folder / folder).mkdir(exist_ok=True)
        for name, value in tensors.items():
            value = np.asarray(value)
            assert value.dtype.kind != 'f' or np.isfinite(value).all(), f'{folder}: {name} is not finite'
            np.save(self.folder / folder / file_name(name), value)
        return {name: f'{folder}/{file_name(name)}' for name in tensors}

    def finish(self):
        """Writes the manifest and says what was made."""
        lines = ',\n'.join(json.dumps(line) for line in self.lines)
        (self.folder / 'manifest.json').write_text(f'[\n{lines}\n]\n')
        size = sum(file.stat().st_size for file in self.folder.rglob('*') if file.is_file())
        print(f'{len(self.lines)} graphs, {size / 1e6:.2f} MB, in {self.folder}')
