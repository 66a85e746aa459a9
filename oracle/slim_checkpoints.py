"""Real checkpoints of whole networks, both formats, through the program, and what it converts them to through TensorFlow.

    DIR/bin/python oracle/slim_checkpoints.py WORK --lorgnette target/release/lorgnette [--only PART_OF_A_NAME]

For every network of the tf_slim package, at sizes, batches, class counts and options other than the default, TensorFlow's
saver writes a V1 and a V2 checkpoint of made-up weights. Checked are:
- the program's answers from either against TensorFlow's, to the usual tolerance, and one against the other, bit by bit;
- for some, the frozen graph that the program converts to: TensorFlow runs it, to the same numbers;
- for some, the V2 checkpoint that the program converts to: TensorFlow restores it, bit by bit;
- for some, the plan file that the program converts to: the same bits as from the checkpoint;
- for one, every form of path that people pass.
Prints a line for each and closes with `N passed, N failed`.
"""
import argparse
import concurrent.futures
import multiprocessing
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
import slim_on_tf2  # noqa: F401
import numpy as np
import tensorflow as tf
import tf_slim as slim
from tf_slim.nets import alexnet, inception, overfeat, resnet_v1, resnet_v2, vgg

import made_up
from compare import difference, tolerance

tf1 = tf.compat.v1
tf1.disable_eager_execution()
tf1.logging.set_verbosity(tf1.logging.ERROR)

SCOPES = {
    'alexnet_v2': alexnet.alexnet_v2_arg_scope,
    'overfeat': overfeat.overfeat_arg_scope,
    'vgg': vgg.vgg_arg_scope,
    'inception': inception.inception_v3_arg_scope,
    'resnet_v1': resnet_v1.resnet_arg_scope,
    'resnet_v2': resnet_v2.resnet_arg_scope,
}
MODULES = (alexnet, overfeat, vgg, inception, resnet_v1, resnet_v2)


class Case:
    """A network, the batch, rows and columns of its input, its classes, its options, end points, and what else is tried."""

    def __init__(self, net, shape, classes, options=None, fetch=(), tried=()):
        self.net, self.shape, self.classes, self.options = net, shape, classes, options or {}
        self.fetch, self.tried = list(fetch), set(tried)

    @property
    def name(self):
        options = ''.join(f' {name}={value}' for name, value in self.options.items())
        return f'{self.net} {"x".join(map(str, self.shape))} {self.classes} classes{options}'


CASES = [
    Case('alexnet_v2', (2, 250, 281), 5, {'spatial_squeeze': False}, ['alexnet_v2/conv5']),
    Case('overfeat', (1, 263, 295), 17, {'spatial_squeeze': False}),
    Case('vgg_a', (1, 240, 262), 3, {'spatial_squeeze': False}, ['vgg_a/pool5']),
    Case('vgg_16', (1, 224, 320), 11, {'spatial_squeeze': False}, tried=['graph', 'plan']),
    Case('vgg_19', (2, 224, 224), 1000),
    Case('inception_v1', (3, 240, 260), 5, {'spatial_squeeze': False}, ['Mixed_4e'], ['paths', 'graph']),
    Case('inception_v2', (2, 181, 160), 7, {'depth_multiplier': 0.5, 'min_depth': 24}, ['Mixed_5a'], ['averages']),
    Case('inception_v2', (1, 256, 290), 12, {'spatial_squeeze': False}),
    Case('inception_v3', (2, 151, 203), 9, {'create_aux_logits': False}, ['Mixed_6c'], ['graph', 'checkpoint', 'plan', 'training']),
    Case('resnet_v1_50', (3, 97, 129), 1000, {}, ['resnet_v1_50/block3'], ['graph', 'checkpoint', 'sharded']),
    Case('resnet_v1_50', (1, 97, 161), 21, {'output_stride': 16, 'global_pool': False}, tried=['graph', 'partitioned']),
    Case('resnet_v1_101', (1, 65, 97), 21, {'output_stride': 8, 'global_pool': False}),
    Case('resnet_v1_152', (1, 90, 70), 4),
    Case('resnet_v1_200', (1, 64, 80), 6),
    Case('resnet_v2_50', (2, 113, 81), None, {}, ['resnet_v2_50/block4'], ['plan']),
    Case('resnet_v2_101', (1, 80, 99), 1001, {}, tried=['graph']),
    Case('resnet_v2_152', (1, 65, 65), 2, {'output_stride': 8, 'global_pool': False}),
    Case('resnet_v2_200', (1, 64, 96), 8),
]


def function(net):
    return next(getattr(module, net) for module in MODULES if hasattr(module, net))


def in_three(shape, dtype):
    """Filters of many channels in three parts, along the channels that they read."""
    return [1, 1, 3, 1] if len(shape) == 4 and shape[2] >= 3 else [1] * len(shape)


def draw(case):
    """The network; its answer is the logits, or without classes its features."""
    picture = tf1.placeholder(tf.float32, [None, *case.shape[1:], 3], name='input')
    scope = next(scope for prefix, scope in SCOPES.items() if case.net.startswith(prefix))
    options = dict(case.options)
    if case.net.startswith('resnet'):
        options['global_pool'] = options.get('global_pool', True)
    partitioner = in_three if 'partitioned' in case.tried else None
    with slim.arg_scope(scope()), tf1.variable_scope('', partitioner=partitioner):
        logits, end_points = function(case.net)(picture, num_classes=case.classes, is_training=False, **options)
    return picture, logits, end_points


def value_of(variable):
    """Made up for the variable as a whole; a part of a partitioned one has its part of it."""
    slice_info = variable._save_slice_info
    if slice_info is None:
        return made_up.variable(variable.op.name, variable.shape.as_list())
    whole = made_up.variable(slice_info.full_name, slice_info.full_shape)
    return whole[tuple(slice(start, start + size) for start, size in zip(slice_info.var_offset, slice_info.var_shape))]


def fill(session, values):
    """Gives variables their values, all in one run."""
    session.run([v.initializer for v in values], {v.initializer.inputs[1]: value for v, value in values.items()})


class Check:
    """Runs the program and notes what agrees."""

    def __init__(self, work, lorgnette):
        self.work, self.lorgnette, self.passed, self.failed = work, lorgnette, 0, 0

    def note(self, what, error, allowed):
        good = not isinstance(error, str) and error <= allowed
        self.passed, self.failed = self.passed + good, self.failed + (not good)
        shown = error if isinstance(error, str) else f'{error:9.1e}'
        print(f'{what:100} {shown}  {"ok" if good else "FAILED"}', flush=True)

    def program(self, *words):
        done = subprocess.run([self.lorgnette, *map(str, words)], capture_output=True, text=True,
                              env={**os.environ, 'LORGNETTE_HOME': str(self.work / 'home')})
        if done.returncode != 0:
            raise RuntimeError(f'lorgnette {" ".join(map(str, words))}: {done.stderr.strip()}')

    def answers(self, model, options, feed, fetches):
        out = self.work / 'out'
        shutil.rmtree(out, ignore_errors=True)
        self.program('run', model, *options, '--feed', f'input={feed}', '--out', out, '--fetch', *fetches)
        return [np.load(out / (name.replace('/', '_').replace(':', '_') + '.npy')) for name in fetches]


def option_words(case):
    """The case's options as the program takes them. The package's ResNets leave rows and columns."""
    options = {name: value for name, value in case.options.items() if name != 'create_aux_logits'}
    if case.classes is None:
        options['num_classes'] = 'none'
    if case.net.startswith('resnet'):
        options['spatial_squeeze'] = 'false'
    return [f'--net-option={name}={str(value).lower() if isinstance(value, bool) else value}' for name, value in options.items()]


def same_bits(ours, theirs):
    """0 if two lists of arrays are the same, bit by bit."""
    same = all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(ours, theirs))
    return 0.0 if same else 'other bits'


def save(case, session, folder):
    """V1 and V2 by TensorFlow's own savers; some with all that a training leaves."""
    for version, kind in (('v1', tf1.train.SaverDef.V1), ('v2', tf1.train.SaverDef.V2)):
        (folder / version).mkdir(parents=True)
        sharded = 'sharded' in case.tried
        saver = tf1.train.Saver(write_version=kind, sharded=sharded)
        saver.save(session, str(folder / version / 'model.ckpt'), write_meta_graph=False)


def add_training(case):
    """A global step, an optimiser's slots, and for some the averages that it is really about."""
    step = tf1.train.get_or_create_global_step()
    trainable = tf1.trainable_variables()
    with tf1.variable_scope('training'):
        for variable in trainable[:6]:
            tf1.get_variable(f'{variable.op.name}/Momentum', variable.shape, initializer=tf1.zeros_initializer())
    return step


def names_of(case, logits, end_points):
    """What is fetched of TensorFlow: the answer, and end points."""
    return [logits] + [end_points[name] for name in case.fetch]


def run_case(case, check):
    folder = check.work / 'case'
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pixels = made_up.between(-1, 1, 'input', (*case.shape, 3))
    np.save(folder / 'input.npy', pixels)
    tf1.reset_default_graph()
    with tf1.Session() as session:
        picture, logits, end_points = draw(case)
        own = tf1.global_variables()
        if 'training' in case.tried:
            add_training(case)
        averages = []
        if 'averages' in case.tried:
            averages = [tf1.get_variable(f'{v.op.name}/ExponentialMovingAverage', v.shape) for v in own]
        session.run([v.initializer for v in set(tf1.global_variables()) - set(own) - set(averages)])
        fill(session, {variable: value_of(variable) for variable in own})
        theirs = session.run(names_of(case, logits, end_points), {picture: pixels})
        if averages:
            fill(session, {average: value_of(variable) for variable, average in zip(own, averages)})
            fill(session, {variable: value_of(variable) * np.float32(1.5) for variable in own})
        save(case, session, folder)
    compare(case, check, folder, theirs)
    shutil.rmtree(folder)


def compare(case, check, folder, theirs):
    options, feed = option_words(case), folder / 'input.npy'
    fetches = [answer_name(case), *case.fetch]
    ours = {}
    for version in ('v1', 'v2'):
        ours[version] = check.answers(folder / version / 'model.ckpt', options, feed, fetches)
        worst = [difference(a.reshape(b.shape) if a.size == b.size else a, b) for a, b in zip(ours[version], theirs)]
        wrong = [error for error in worst if isinstance(error, str)]
        check.note(f'{case.name} {version}', wrong[0] if wrong else max(worst), tolerance())
    check.note(f'{case.name} v1 = v2', same_bits(ours['v1'], ours['v2']), 0)
    model = folder / 'v2' / 'model.ckpt'
    if 'paths' in case.tried:
        try_paths(case, check, folder, ours['v2'], fetches)
    if 'graph' in case.tried:
        try_graph(case, check, model, options, theirs[0])
    if 'checkpoint' in case.tried:
        try_checkpoint(case, check, model, options)
    if 'plan' in case.tried:
        plan = folder / 'model.plan'
        check.program('models', 'convert', model, *options, '--out', plan)
        check.note(f'{case.name} plan file', same_bits(check.answers(plan, [], feed, fetches), ours['v2']), 0)


def answer_name(case):
    """The node of the logits, or of the features of a network without classes."""
    if case.net.startswith('resnet'):
        if case.classes is None:
            return 'global_pool'
        return f'{case.net}/logits'
    if case.classes is None:
        return 'global_pool'
    return {'alexnet_v2': 'alexnet_v2/fc8', 'overfeat': 'overfeat/fc8'}.get(case.net) or (f'{case.net}/fc8' if case.net.startswith('vgg') else 'Logits')


def try_paths(case, check, folder, wanted, fetches):
    archive = folder / 'model.tar.gz'
    with tarfile.open(archive, 'w:gz', compresslevel=1) as tar:
        tar.add(folder / 'v2', 'some/folder')
    paths = [folder / 'v1', folder / 'v2', archive]
    paths += [folder / 'v2' / f'model.ckpt{ending}' for ending in ('.index', '.data-00000-of-00001')]
    for path in paths:
        found = check.answers(path, option_words(case), folder / 'input.npy', fetches)
        check.note(f'{case.name} by {path.name}', same_bits(found, wanted), 0)


def try_graph(case, check, model, options, theirs):
    """The frozen graph that the program writes, run by TensorFlow."""
    path = check.work / 'case' / 'frozen.pb'
    size = 'x'.join(map(str, case.shape[1:]))
    check.program('models', 'convert', model, *options, '--size', size, '--out', path)
    definition = tf1.GraphDef()
    definition.ParseFromString(path.read_bytes())
    with tf1.Graph().as_default() as graph:
        tf1.import_graph_def(definition, name='')
        outputs = {node.name for node in definition.node} - {name.split(':')[0] for node in definition.node for name in node.input}
        logits = [name for name in (f'{case.net}/fc8/BiasAdd', f'{case.net}/fc8/squeezed', f'{case.net}/logits/BiasAdd') if name in {n.name for n in definition.node}]
        name = logits[-1] if logits else next(n.name for n in definition.node if n.name.endswith(('Logits/SpatialSqueeze', 'Conv2d_0c_1x1/BiasAdd', 'Conv2d_1c_1x1/BiasAdd')) )
        with tf1.Session(graph=graph) as session:
            found = session.run(name + ':0', {'input:0': np.load(check.work / 'case' / 'input.npy')})
    error = difference(found.reshape(theirs.shape) if found.size == theirs.size else found, theirs)
    check.note(f'{case.name} frozen, {len(definition.node)} nodes, ends {sorted(outputs)}', error, tolerance())


def try_checkpoint(case, check, model, options):
    """The checkpoint that the program writes: TensorFlow restores every variable that it has, to the same bits."""
    path = check.work / 'case' / 'written' / 'model.ckpt'
    path.parent.mkdir()
    check.program('models', 'convert', model, *options, '--out', path)
    original, written = tf1.train.load_checkpoint(str(model)), tf1.train.load_checkpoint(str(path.parent))
    names = written.get_variable_to_shape_map()
    tf1.reset_default_graph()
    with tf1.Session() as session:
        variables = [tf1.get_variable(name, shape) for name, shape in names.items()]
        tf1.train.Saver(variables).restore(session, str(path))
        restored = session.run(variables)
    wanted = [original.get_tensor(name) for name in names]
    check.note(f'{case.name} written, {len(names)} variables', same_bits(restored, wanted) if names else 'nothing', 0)


def check_case(number, work, lorgnette):
    """Runs a case in a folder of its own; how much of it passed, and how much failed."""
    check = Check(work / str(number), lorgnette)
    try:
        run_case(CASES[number], check)
    except RuntimeError as error:
        check.note(CASES[number].name, str(error), 0)
    return check.passed, check.failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', required=True)
    parser.add_argument('--only', default='')
    arguments = parser.parse_args()
    work, lorgnette = arguments.work.resolve(), str(pathlib.Path(arguments.lorgnette).resolve())
    chosen = [number for number, case in enumerate(CASES) if arguments.only in case.name]
    # TensorFlow draws and saves on one core, so two processes share the cases.
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context('spawn')) as pool:
        checked = list(pool.map(check_case, chosen, [work] * len(chosen), [lorgnette] * len(chosen)))
    passed, failed = (sum(counts) for counts in zip(*checked)) if checked else (0, 0)
    print(f'{passed} passed, {failed} failed')
    sys.exit(1 if failed or not passed else 0)


if __name__ == '__main__':
    main()
