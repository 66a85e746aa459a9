"""The graph of 2015 with its photo, against TensorFlow's answers in the reference data beside the repository.

    DIR/bin/python oracle/inception_2015.py REFERENCE PHOTO WORK --lorgnette target/release/lorgnette

REFERENCE has `make_inception_2015.py` and `inception_2015.json`: probes of nine tensors, and the logits. The program is
given the photo itself and asked for all nine at once; then each of those tensors is fed in place of the photo.
"""
import argparse
import json
import pathlib
import subprocess
import sys

import numpy as np

from compare import tolerance

FED = ['DecodeJpeg', 'Cast', 'ResizeBilinear', 'Mul', 'pool_3', 'pool_3/_reshape']


def run(lorgnette, graph, feed, names, out):
    """What the program answers."""
    words = [lorgnette, 'run', graph, '--feed', feed, '--out', out, '--fetch', *(f'{name}:0' for name in names)]
    subprocess.run(list(map(str, words)), check=True, capture_output=True)
    return {name: np.load(pathlib.Path(out) / (name.replace('/', '_') + '_0.npy')) for name in names}


def furthest(found, wanted, largest):
    return float(np.abs(np.asarray(found, 'f8') - np.asarray(wanted, 'f8')).max() / largest)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('reference', type=pathlib.Path)
    parser.add_argument('photo', type=pathlib.Path)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', required=True)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    graph, again = arguments.work / 'inception_2015.pb', arguments.work / 'again.json'
    maker = arguments.reference / 'make_inception_2015.py'
    subprocess.run([sys.executable, maker, graph, arguments.photo, again], check=True, capture_output=True)
    truth = json.loads((arguments.reference / 'inception_2015.json').read_text())
    names = [point['tensor'] for point in truth['end_points']]
    answers = run(arguments.lorgnette, graph, f'DecodeJpeg/contents:0={arguments.photo}', sorted({*names, *FED}), arguments.work)
    failed = 0

    def report(what, error):
        nonlocal failed
        failed += error > tolerance()
        print(f'{what:40} {error:9.1e}  {"ok" if error <= tolerance() else "FAILED"}')

    for point in truth['end_points']:
        found = answers[point['tensor']]
        indices, wanted = zip(*point['probe'])
        shapes = list(found.shape) == point['shape']
        largest = max(np.abs(found).max(), 1e-30)
        report(point['tensor'], furthest(found.ravel()[list(indices)], wanted, largest) if shapes else np.inf)
    logits = np.array(truth['logits'])
    report('softmax/logits, all of them', furthest(answers['softmax/logits'].ravel(), logits, np.abs(logits).max()))
    for name in FED:
        feed = arguments.work / (name.replace('/', '_') + '_0.npy')
        answer = run(arguments.lorgnette, graph, f'{name}:0={feed}', ['softmax/logits'], arguments.work / 'fed')
        report(f'softmax/logits from {name}:0', furthest(answer['softmax/logits'].ravel(), logits, np.abs(logits).max()))
    print(f'{len(names)} end points, {failed} failed')
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
