"""What `lorgnette export --to onnx` writes, in ONNX Runtime: the numbers, the file's own sanity, the transpositions in it.

    DIR/bin/python oracle/onnx_exports.py WORK --lorgnette target/release/lorgnette [--networks DIR] [--only PART] [--all]

Networks of the zoo get made-up weights; the program's own answers to two pictures, from the same weights frozen, are what
ONNX Runtime must find (that these are TensorFlow's is shown elsewhere: `compare.py`). `--all` takes all 38, else one of
each family. `--networks` is a folder made by `networks.py`: its graphs are exported, and ONNX Runtime must find
TensorFlow's own answers. Prints a line for each and closes with `N passed, N failed`.
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime

import made_up
from compare import difference, tolerance

# One of each family, the smaller where there is a choice.
ZOO = (
    'alexnet_v2', 'cifarnet', 'inception_v1', 'inception_v2', 'inception_v3', 'inception_v4', 'inception_resnet_v2', 'lenet',
    'mobilenet_v1_025', 'mobilenet_v2_035', 'mobilenet_v3_small', 'mobilenet_v3_large', 'nasnet_mobile', 'overfeat',
    'pnasnet_mobile', 'resnet_v1_50', 'resnet_v2_50', 'vgg_a',
)

# Rows and columns of the small graph in the manner of 2015 (`hand_nets.inception_2015`), behind its decoder.
SIDE_2015 = 75


class Failure(Exception):
    """What went wrong with one network."""


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Failure((done.stderr.strip().splitlines() or ['(nothing on standard error)'])[-1])
    return done.stdout


def session(path):
    """ONNX Runtime's session, after ONNX's own checker."""
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])


def transpositions(path):
    nodes = onnx.load(str(path), load_external_data=False).graph.node
    return sum(node.op_type == 'Transpose' for node in nodes), len(nodes)


def worst(found, wanted):
    """The largest difference of all outputs, the scores first; a failure where they cannot be compared.

    A probability changes by as much as the scores do, absolutely: where made-up weights give scores of a thousand, a
    millionth of them is a thousandth of a probability.
    """
    errors = [difference(ours, theirs) for ours, theirs in zip(found, wanted)]
    for error in errors:
        if isinstance(error, str):
            raise Failure(error)
    scale = max(1.0, float(np.abs(wanted[0]).max()))
    return max([errors[0]] + [error / scale for error in errors[1:]])


def zoo(lorgnette, net, work):
    """A network of the zoo: the program's answers to two pictures, and ONNX Runtime's."""
    onnx_file, frozen = work / 'net.onnx', work / 'net.pb'
    for form, file in (('onnx', onnx_file), ('frozen', frozen)):
        run(lorgnette, 'export', net, '--random-weights', '--to', form, '--out', file, '--force')
    found = session(onnx_file)
    _, height, width, channels = found.get_inputs()[0].shape
    pictures = made_up.image(2, height, width, channels)
    np.save(work / 'x.npy', pictures)
    outputs = [output.name for output in found.get_outputs()]
    words = [word for name in outputs for word in ('--fetch', name)]
    run(lorgnette, 'run', frozen, '--feed', f'{found.get_inputs()[0].name}={work / "x.npy"}', *words, '--out', work / 'answers')
    wanted = [np.load(work / 'answers' / (name.replace('/', '_') + '.npy')) for name in outputs]
    return worst(found.run(None, {found.get_inputs()[0].name: pictures}), wanted), transpositions(onnx_file)


def answers_of(folder, entry):
    return {name.split(':')[0]: np.load(folder / path) for name, path in entry['fetches'].items()}


def one_a_picture(values):
    """Whether these are scores of a picture, not of its places: what `export` writes."""
    return values.ndim == 2 or 1 in values.shape[1:3]


def network(lorgnette, folder, entry, work):
    """A graph with TensorFlow's answers."""
    (feed, picture), = entry['feeds'].items()
    pictures = np.load(folder / picture)
    file = work / 'net.onnx'
    if pictures.ndim == 3:
        return behind_the_decoder(lorgnette, folder / entry['graph'], work)
    size = 'x'.join(map(str, pictures.shape[1:3]))
    input_name = feed.split(':')[0]
    answers = answers_of(folder, entry)
    output = next(name for name, values in answers.items() if one_a_picture(values))
    run(lorgnette, 'export', folder / entry['graph'], '--to', 'onnx', '--out', file, '--size', size,
        '--input', input_name, '--output', output, '--force')
    found = session(file)
    outputs = [output.name for output in found.get_outputs()]
    known = [name for name in outputs if name in answers]
    if not known:
        raise Failure(f'none of {outputs} is among {list(answers)}')
    values = found.run(known, {input_name: pictures})
    return worst(values, [answers[name] for name in known]), transpositions(file)


def behind_the_decoder(lorgnette, graph, work):
    """A graph that decodes photos itself, as that of 2015 does: refused, and exported from where the pictures are ready."""
    file = work / 'net.onnx'
    try:
        run(lorgnette, 'export', graph, '--to', 'onnx', '--out', file)
    except Failure as refusal:
        if '--input' not in str(refusal):
            raise
    else:
        raise Failure('a photo of any size cannot be an input of ONNX, but was exported')
    run(lorgnette, 'export', graph, '--to', 'onnx', '--out', file, '--input', 'Mul', '--size', SIDE_2015, '--force')
    found = session(file)
    outputs = [output.name for output in found.get_outputs()]
    shape = [length if isinstance(length, int) else 1 for length in found.get_inputs()[0].shape]
    pictures = made_up.image(*shape)
    np.save(work / 'x.npy', pictures)
    words = [word for name in outputs for word in ('--fetch', name)]
    run(lorgnette, 'run', graph, '--feed', f'Mul={work / "x.npy"}', *words, '--out', work / 'answers')
    wanted = [np.load(work / 'answers' / (name.replace('/', '_') + '.npy')) for name in outputs]
    return worst(found.run(None, {'Mul': pictures}), wanted), transpositions(file)


def cases(arguments):
    """What is tried, by name."""
    if arguments.networks:
        for entry in json.loads((arguments.networks / 'manifest.json').read_text()):
            decodes = np.load(arguments.networks / next(iter(entry['feeds'].values())), mmap_mode='r').ndim == 3
            if decodes or any(one_a_picture(values) for values in answers_of(arguments.networks, entry).values()):
                yield entry['name'], lambda work, entry=entry: network(arguments.lorgnette, arguments.networks, entry, work)
    nets = ZOO
    if arguments.all:
        table = pathlib.Path(__file__).resolve().parents[1] / 'docs/networks.md'
        nets = re.findall(r'^\| ([a-z][a-z0-9_]*) \| \d', table.read_text(), re.MULTILINE)
    for net in nets:
        yield net, lambda work, net=net: zoo(arguments.lorgnette, net, work)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path, help='a folder for files, emptied')
    parser.add_argument('--lorgnette', required=True)
    parser.add_argument('--networks', type=pathlib.Path)
    parser.add_argument('--only')
    parser.add_argument('--all', action='store_true')
    arguments = parser.parse_args()
    passed = failed = 0
    for name, check in cases(arguments):
        if arguments.only and arguments.only not in name:
            continue
        shutil.rmtree(arguments.work, ignore_errors=True)
        arguments.work.mkdir(parents=True)
        try:
            error, (turns, nodes) = check(arguments.work)
            verdict = 'ok' if error <= tolerance() else f'FAILED: more than {tolerance():g}'
            print(f'{name:44} {error:9.1e}  {nodes:4} nodes, {turns} transpositions  {verdict}', flush=True)
        except Exception as why:  # noqa: BLE001: the others go on
            verdict = f'FAILED: {type(why).__name__}: {str(why)[:300]!r}'
            print(f'{name:44}         -  {verdict}', flush=True)
        passed, failed = passed + (verdict == 'ok'), failed + (verdict != 'ok')
    shutil.rmtree(arguments.work, ignore_errors=True)
    print(f'{passed} passed, {failed} failed')
    sys.exit(1 if failed or not passed else 0)


if __name__ == '__main__':
    main()
