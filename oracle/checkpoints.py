"""Small checkpoints of both versions, written by real TensorFlow, with the values they hold.

    oracle/environment.sh DIR && DIR/bin/pip install cramjam==2.14.0
    DIR/bin/python oracle/checkpoints.py OUT
    python3 oracle/pack_fixture.py OUT crates/lorgnette-net/tests/checkpoints/checkpoints.tar.gz

OUT gets a folder a checkpoint, `values/*.npy`, and `manifest.json`: an array with, for each checkpoint, `name`, `open`
(the path to open), `version`, `what` (a sentence) and `variables`: name to `type`, `shape` and `values` (the file; null
for types that are only listed). bfloat16 is stored as the uint16 of its bits.

What TensorFlow no longer writes is made from what it did write, and read back by TensorFlow before it is stored:
compressed tables, tables of many blocks, big-endian bundles.
"""
import json
import os
import pathlib
import shutil
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
import cramjam
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import tensor_bundle_pb2

import checkpoint_tables as tables
import made_up

tf1 = tf.compat.v1
tf1.disable_eager_execution()
tf1.logging.set_verbosity(tf1.logging.ERROR)

REAL_V1 = ('float16', 'float32', 'float64', 'int8', 'uint8', 'int16', 'int32', 'int64', 'bool')
REAL_V2 = REAL_V1 + ('bfloat16', 'uint16', 'uint32', 'uint64', 'qint8', 'quint8', 'quint16', 'qint32')
LISTED_V2 = ('complex64', 'complex128', 'string')


def network():
    """The variables of a small network in TF-Slim's scopes; a scalar, an empty one and an optimiser's slot among them."""
    shapes = {
        'tiny/conv1/weights': (3, 3, 3, 8),
        'tiny/conv1/BatchNorm/beta': (8,),
        'tiny/conv1/BatchNorm/gamma': (8,),
        'tiny/conv1/BatchNorm/moving_mean': (8,),
        'tiny/conv1/BatchNorm/moving_variance': (8,),
        'tiny/conv2_depthwise/depthwise_weights': (3, 3, 8, 1),
        'tiny/conv2_pointwise/weights': (1, 1, 8, 24),
        'tiny/logits/weights': (24, 11),
        'tiny/logits/biases': (11,),
    }
    values = {name: made_up.variable(name, shape) for name, shape in shapes.items()}
    values['tiny/conv1/weights/Momentum'] = np.zeros((3, 3, 3, 8), np.float32)
    values['tiny/empty'] = np.zeros((0, 5), np.float32)
    values['tiny/mean_rgb'] = np.array([123.68, 116.78, 103.94], np.float32)
    values['global_step'] = np.array(4242, np.int64)
    return values


def of_type(name):
    """Values at the ends of a type and between."""
    dtype = tf.dtypes.as_dtype(name)
    if name == 'string':
        return np.array([b'panda', b'', b'bus'], object)
    if dtype.is_quantized:
        return of_type({'q': 'int', 'qu': 'uint'}[name.split('int')[0]] + name.split('int')[1])
    kind = dtype.as_numpy_dtype
    if dtype.is_complex:
        return np.array([1 + 2j, -3j], kind)
    if name == 'bool':
        return np.array([True, False, False, True, True])
    if dtype.is_floating:
        special = [0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan]
        return np.concatenate([np.array(special), made_up.between(-100, 100, name, (9,))]).astype(kind)
    limits = np.iinfo(kind)
    return np.array([0, 1, 127, limits.max, limits.min, limits.max // 3, limits.min // 3], kind)


def constant(value, name):
    """The initial value; quantised types have no constants of their own."""
    if name.startswith('q'):
        return tf.bitcast(tf.constant(value), tf.dtypes.as_dtype(name))
    return tf.constant(value)


def save(path, values, version, types=None, partitioner=None, devices=1):
    """Saves variables of these values with TensorFlow's own Saver."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf1.Graph().as_default():
        variables = []
        for number, (name, value) in enumerate(sorted(values.items())):
            split = partitioner if value.ndim and value.size > 20 else None
            kind = (types or {}).get(name, '')
            with tf1.device(f'/cpu:{number % devices}'):
                if split:
                    start = parts_of(value)
                    variables.append(tf1.get_variable(name, value.shape, value.dtype, start, partitioner=split, use_resource=False))
                else:
                    variables.append(tf1.Variable(constant(value, kind), name=name, use_resource=False))
        with tf1.Session(config=tf1.ConfigProto(device_count={'CPU': devices})) as session:
            session.run([part.initializer for variable in variables for part in parts(variable)])
            saver = tf1.train.Saver(variables, write_version=version, sharded=devices > 1)
            saver.save(session, str(path), write_meta_graph=False, write_state=False)


def parts_of(value):
    """An initializer that gives each part of a variable its part of `value`."""

    def initializer(shape, dtype, partition_info):
        del dtype
        cut = tuple(slice(start, start + length) for start, length in zip(partition_info.var_offset, shape))
        return tf.constant(value[cut])

    return initializer


def parts(variable):
    """A partitioned variable's parts, or the variable."""
    return list(variable) if hasattr(variable, '_get_variable_list') else [variable]


def save_quarters(path, version):
    """A variable cut in two dimensions, which only the raw operations do."""
    value = made_up.between(-1, 1, 'quarters', (5, 7))
    cuts = [(y, h, x, w) for y, h in ((0, 2), (2, 3)) for x, w in ((0, 4), (4, 3))]
    pieces = [value[y:y + h, x:x + w] for y, h, x, w in cuts]
    where = [f'5 7 {y},{h}:{x},{w}' for y, h, x, w in cuts]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf1.Graph().as_default(), tf1.Session() as session:
        names = ['quarters'] * len(cuts)
        data = [tf.constant(piece) for piece in pieces]
        if version == 1:
            session.run(tf.raw_ops.SaveSlices(filename=str(path), tensor_names=names, shapes_and_slices=where, data=data))
        else:
            session.run(tf.raw_ops.SaveV2(prefix=str(path), tensor_names=names, shape_and_slices=where, tensors=data))
    return {'quarters': value}


def rewrite(source, target, **options):
    """The table `source` with other blocks."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(tables.write(tables.read(source.read_bytes()), **options))


def swap(source, target, values):
    """The bundle `source`, of one shard, as a big-endian machine would have written it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    data = bytearray(pathlib.Path(f'{source}.data-00000-of-00001').read_bytes())
    entries = []
    for key, value in tables.read(pathlib.Path(f'{source}.index').read_bytes()):
        if key == b'':
            header = tensor_bundle_pb2.BundleHeaderProto.FromString(value)
            header.endianness = tensor_bundle_pb2.BundleHeaderProto.BIG
            entries.append((key, header.SerializeToString()))
            continue
        entry = tensor_bundle_pb2.BundleEntryProto.FromString(value)
        size = tf.dtypes.as_dtype(entry.dtype).size
        if entry.dtype not in (types_pb2.DT_STRING, types_pb2.DT_COMPLEX64, types_pb2.DT_COMPLEX128):
            stored = data[entry.offset:entry.offset + entry.size]
            turned = b''.join(stored[at:at + size][::-1] for at in range(0, len(stored), size))
            data[entry.offset:entry.offset + entry.size] = turned
            entry.crc32c = tables.masked(turned)
        entries.append((key, entry.SerializeToString()))
    pathlib.Path(f'{target}.index').write_bytes(tables.write(entries))
    pathlib.Path(f'{target}.data-00000-of-00001').write_bytes(data)


def restore(path, types):
    """What TensorFlow reads, by the operation that its Saver uses."""
    with tf1.Graph().as_default(), tf1.Session() as session:
        kinds = [tf.dtypes.as_dtype(kind) for kind in types.values()]
        read = tf.raw_ops.RestoreV2(prefix=path, tensor_names=list(types), shape_and_slices=[''] * len(types), dtypes=kinds)
        return dict(zip(types, session.run(read)))


class Fixtures:
    """A folder of checkpoints and their manifest."""

    def __init__(self, out):
        self.out = pathlib.Path(out)
        shutil.rmtree(self.out, ignore_errors=True)
        (self.out / 'values').mkdir(parents=True)
        self.manifest = []

    def add(self, name, path, version, values, what, types=None, pattern=None, check=True):
        """Notes a checkpoint, after TensorFlow itself has read it back."""
        types = types or {variable: value.dtype.name for variable, value in values.items()}
        if check:
            restored = restore(pattern or str(path), {variable: types[variable] for variable in values})
            for variable, value in values.items():
                assert restored[variable].tobytes() == value.tobytes() or types[variable] == 'string', (name, variable)
        variables = {}
        for variable, value in values.items():
            kind = types[variable]
            variables[variable] = {'type': kind, 'shape': value.shape, 'values': self.store(value, kind)}
        opened = str(path.relative_to(self.out))
        self.manifest.append({'name': name, 'open': opened, 'version': version, 'what': what, 'variables': variables})

    def store(self, value, kind):
        """The file of a value, one for equal values."""
        if kind in LISTED_V2:
            return None
        value = value.view(np.uint16) if kind == 'bfloat16' else value
        name = f'{made_up.fnv1a(repr((value.dtype.str, value.shape, value.tobytes()))):016x}.npy'
        np.save(self.out / 'values' / name, value)
        return f'values/{name}'

    def finish(self):
        """Writes the manifest."""
        lines = ',\n'.join(json.dumps(entry) for entry in self.manifest)
        (self.out / 'manifest.json').write_text(f'[\n{lines}\n]\n')


def plain(fixtures):
    values = network()
    for version in (1, 2):
        path = fixtures.out / f'plain_v{version}' / 'tiny.ckpt'
        save(path, values, version)
        fixtures.add(f'plain_v{version}', path, version, values, 'a small network')


def in_parts(fixtures):
    values = network()
    for version in (1, 2):
        path = fixtures.out / f'partitioned_v{version}' / 'tiny.ckpt'
        save(path, values, version, partitioner=tf1.fixed_size_partitioner(3))
        fixtures.add(f'partitioned_v{version}', path, version, values, 'variables in three parts each')
        path = fixtures.out / f'quarters_v{version}' / 'quarters.ckpt'
        fixtures.add(f'quarters_v{version}', path, version, save_quarters(path, version), 'a variable cut both ways')
        path = fixtures.out / f'sharded_v{version}' / 'tiny.ckpt'
        save(path, values, version, devices=3, partitioner=tf1.fixed_size_partitioner(2, axis=1))
        # People give the name alone; TensorFlow takes a pattern of V1 shards.
        pattern = None if version == 2 else f'{path}-?????-of-00003'
        fixtures.add(f'sharded_v{version}', path, version, values, 'a network in three shards', pattern=pattern)


def of_all_types(fixtures):
    for version, names in ((1, REAL_V1), (2, REAL_V2 + LISTED_V2)):
        values = {f'types/{name}': of_type(name) for name in names}
        types = {f'types/{name}': name for name in names}
        path = fixtures.out / f'types_v{version}' / 'types.ckpt'
        save(path, values, version, types)
        fixtures.add(f'types_v{version}', path, version, values, 'a variable of every type', types)
    big = fixtures.out / 'big_endian_v2' / 'types.ckpt'
    swap(path, big, values)
    fixtures.add('big_endian_v2', big, 2, values, 'the same from a big-endian machine', types, check=False)
    # TensorFlow swaps the lengths of texts too, and halves of complex numbers, which are not swapped here.
    numbers = {name: kind for name, kind in types.items() if kind in REAL_V2}
    for name, value in restore(str(big), numbers).items():
        assert value.tobytes() == values[name].tobytes(), name


def other_tables(fixtures):
    values = network()
    ways = {
        'snappy_literals': ({'compress': tables.snappy_literals}, 'blocks of snappy that only copies'),
        'snappy': ({'compress': lambda data: bytes(cramjam.snappy.compress_raw(data))}, 'blocks compressed by snappy'),
        'small_blocks': ({'block_size': 200, 'restart_interval': 3}, 'blocks of a few entries each'),
        'small_snappy': ({'block_size': 600, 'compress': lambda data: bytes(cramjam.snappy.compress_raw(data))}, 'both'),
    }
    for name, (options, what) in ways.items():
        v1 = fixtures.out / f'{name}_v1' / 'tiny.ckpt'
        rewrite(fixtures.out / 'partitioned_v1' / 'tiny.ckpt', v1, **options)
        fixtures.add(f'{name}_v1', v1, 1, values, what)
        v2 = fixtures.out / f'{name}_v2' / 'tiny.ckpt'
        rewrite(fixtures.out / 'partitioned_v2' / 'tiny.ckpt.index', v2.with_name('tiny.ckpt.index'), **options)
        data = 'tiny.ckpt.data-00000-of-00001'
        shutil.copyfile(fixtures.out / 'partitioned_v2' / data, v2.with_name(data))
        fixtures.add(f'{name}_v2', v2, 2, values, what)


def in_training(fixtures):
    """A folder as training leaves it: several steps and a `checkpoint` file."""
    path = fixtures.out / 'training' / 'model.ckpt'
    path.parent.mkdir()
    with tf1.Graph().as_default(), tf1.Session() as session:
        value = tf1.Variable(0.0, name='value', use_resource=False)
        saver = tf1.train.Saver([value], max_to_keep=2)
        for step in (90, 100, 110):
            session.run(value.assign(step))
            saver.save(session, str(path), global_step=step, write_meta_graph=False)
    # As if it had been trained elsewhere, at no particular time: paths that lead nowhere, the same in every run.
    state = (path.parent / 'checkpoint').read_text().replace(str(path.parent), '/home/trainer/run')
    kept = [line for line in state.splitlines() if 'timestamp' not in line]
    (path.parent / 'checkpoint').write_text('\n'.join(kept) + '\n')
    fixtures.add('training', path.parent, 2, {'value': np.array(110, np.float32)}, 'the latest of two', check=False)


def main(out):
    fixtures = Fixtures(out)
    plain(fixtures)
    in_parts(fixtures)
    of_all_types(fixtures)
    other_tables(fixtures)
    in_training(fixtures)
    fixtures.finish()


if __name__ == '__main__':
    main(*sys.argv[1:2])
