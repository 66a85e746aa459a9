"""Lorgnette beside ONNX Runtime, on the same MobileNet V1: from photo to answer, a whole process at a time, and the forward pass alone.

    python3 bench/against_onnxruntime.py DIR PHOTO --lorgnette target/release/lorgnette [--rounds 20] [--threads 2] [--tensorflow ENVIRONMENT]

DIR is made on the first run: an environment with onnxruntime, Pillow and numpy, and the ONNX model, converted by tf2onnx
from the frozen graph. Each round starts each program once, in turns, and the kernel says what the process took: wall
time and peak resident memory. The page cache is warm after a first, uncounted round.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
GRAPH = ROOT / 'crates' / 'lorgnette' / 'models' / 'mobilenet_v1_1.0_224.pb'
RUNTIME = ('onnxruntime==1.31.1', 'pillow==13.0.0', 'numpy==2.4.6')
CONVERTER = ('tf2onnx==1.17.0', 'onnx==1.23.2')
OUTPUT = 'MobilenetV1/Predictions/Softmax:0'

# What a user of ONNX Runtime writes: no more imports, no fewer steps.
CLASSIFY = '''
import sys
import numpy as np
import onnxruntime
from PIL import Image
model, path = sys.argv[1:]
photo = Image.open(path).convert('RGB')
width, height = photo.size
left, top = round(width * 0.0625), round(height * 0.0625)
photo = photo.crop((left, top, width - left, height - top)).resize((224, 224), Image.BILINEAR)
pixels = (np.asarray(photo, np.float32) / 255 - 0.5) * 2
session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
probabilities = session.run(None, {session.get_inputs()[0].name: pixels.transpose(2, 0, 1)[None]})[0][0]
for index in probabilities.argsort()[::-1][:5]:
    print(index, probabilities[index])
'''

# The forward pass alone, as `lorgnette bench` times it: input in memory, so many seconds, the median.
FORWARD = '''
import sys, time
import numpy as np
import onnxruntime
model, threads, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
feed = {session.get_inputs()[0].name: np.random.default_rng(0).uniform(-1, 1, (1, 3, 224, 224)).astype('f4')}
for _ in range(5):
    session.run(None, feed)
times, end = [], time.perf_counter() + seconds
while time.perf_counter() < end:
    started = time.perf_counter()
    session.run(None, feed)
    times.append(time.perf_counter() - started)
print(sorted(times)[len(times) // 2] * 1e3)
'''
FORWARD_SECONDS = 1.0


def make_runtime(folder):
    """An environment with ONNX Runtime; returns its Python."""
    python = folder / 'runtime' / 'bin' / 'python'
    stamp = folder / 'runtime' / '.packages'
    if not stamp.exists() or stamp.read_text() != ' '.join(RUNTIME):
        subprocess.run([sys.executable, '-m', 'venv', folder / 'runtime'], check=True)
        subprocess.run([python, '-m', 'pip', 'install', '--quiet', *RUNTIME], check=True)
        stamp.write_text(' '.join(RUNTIME))
    return python


def make_model(folder, graph, tensorflow):
    """The frozen graph as ONNX, its input in ONNX's own axis order; returns its path."""
    model = folder / 'mobilenet_v1.onnx'
    if not model.exists():
        environment = tensorflow or folder / 'tensorflow'
        subprocess.run(['bash', ROOT / 'oracle' / 'environment.sh', environment], check=True)
        python, packages = environment / 'bin' / 'python', folder / 'tf2onnx'
        # Beside TensorFlow, not into it: its own dependencies stay as they are pinned.
        subprocess.run([python, '-m', 'pip', 'install', '--quiet', '--no-deps', '--upgrade', '--target', packages, *CONVERTER], check=True)
        convert = [python, '-m', 'tf2onnx.convert', '--graphdef', graph, '--inputs', 'input:0[1,224,224,3]', '--inputs-as-nchw', 'input:0',
                   '--outputs', OUTPUT, '--opset', '15', '--output', model]
        subprocess.run(convert, check=True, env=dict(os.environ, PYTHONPATH=str(packages), TF_CPP_MIN_LOG_LEVEL='3'), stderr=subprocess.DEVNULL)
    return model


def measure(words):
    """Starts a process and waits for it. Returns (seconds, peak resident MB, what it printed)."""
    started = time.perf_counter()
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode != 0:
        raise SystemExit(f'{words[0]} ended with exit code {process.returncode}')
    return seconds, usage.ru_maxrss * 1024 / 1e6, printed.decode()


def report(name, runs):
    """One line: median and best time, median of the peak memories."""
    seconds, memory = [run[0] for run in runs], statistics.median(run[1] for run in runs)
    # Linux counts the pages of this script, which a child holds until it becomes its own program.
    floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    at_most = ' or less' if memory < 1.1 * floor else ''
    print(f'{name:12} median {statistics.median(seconds) * 1e3:7.1f} ms   best {min(seconds) * 1e3:7.1f} ms   peak memory {memory:6.1f} MB{at_most}')


def ratio(theirs, ours, part):
    """The median over the rounds of theirs by ours: drift of the machine cancels within a round."""
    return statistics.median(a[part] / b[part] for a, b in zip(theirs, ours))


def compare_starts(programs, rounds):
    """Whole processes in turns."""
    for name, words in programs.items():
        print(f'{name} answers:\n{measure(words)[2].rstrip()}\n')
    runs = {name: [] for name in programs}
    for _ in range(rounds):
        for name, words in programs.items():
            runs[name].append(measure(words))
    for name in programs:
        report(name, runs[name])
    theirs, ours = runs['onnxruntime'], runs['lorgnette']
    print(f'lorgnette starts and answers {ratio(theirs, ours, 0):.1f} times faster, in 1/{ratio(theirs, ours, 1):.1f} of the memory ({rounds} rounds in turns)')


def compare_forward(programs, rounds):
    """Medians of the forward pass, in turns."""
    pairs = []
    for _ in range(rounds):
        theirs = float(measure(programs['onnxruntime'])[2])
        ours = json.loads(measure(programs['lorgnette'])[2])['median_ms']
        pairs.append((theirs, ours))
    theirs, ours = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    print(f'forward pass: onnxruntime {theirs:.2f} ms, lorgnette {ours:.2f} ms; the ratio taken in turns {statistics.median(a / b for a, b in pairs):.2f}')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=pathlib.Path, metavar='DIR')
    parser.add_argument('photo', type=pathlib.Path)
    parser.add_argument('--lorgnette', required=True)
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--graph', type=pathlib.Path, default=GRAPH)
    parser.add_argument('--tensorflow', type=pathlib.Path, help='an environment made by environment.sh; else DIR gets its own')
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    python, model = make_runtime(folder), make_model(folder, arguments.graph, arguments.tensorflow)
    script = folder / 'classify.py'
    script.write_text(CLASSIFY)
    forward = folder / 'forward.py'
    forward.write_text(FORWARD)
    lorgnette, threads = arguments.lorgnette, arguments.threads
    compare_starts({'onnxruntime': [python, script, model, arguments.photo], 'lorgnette': [lorgnette, 'classify', arguments.photo]}, arguments.rounds)
    compare_forward({'onnxruntime': [python, forward, model, threads, FORWARD_SECONDS],
                     'lorgnette': [lorgnette, 'bench', '--threads', threads, '--seconds', FORWARD_SECONDS, '--format', 'json']}, arguments.rounds)


if __name__ == '__main__':
    main()
