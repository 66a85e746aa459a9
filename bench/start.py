"""How long the program takes from its start to an answer, and how much memory: the embedded network, VGG-16 from checkpoints and a plan file.

    python3 bench/start.py WORK --lorgnette target/release/lorgnette [--tensorflow ENVIRONMENT] [--net vgg_16] [--rounds 7]

On the first run the network is written to WORK with made-up weights: as a V2 checkpoint, with TensorFlow (an environment that
oracle/environment.sh made) as a V1 checkpoint, and as a plan file. Every way is then a process of its own, in turns, from a photo to
its answer; the first turn brings the files into the system's cache and does not count. Times are medians and the best; memory is the peak
that the system tells, and of it what is the process's own (the rest are pages of mapped files, which the system can take back).
"""
import argparse
import pathlib
import re
import statistics
import subprocess
import time

import against_onnxruntime as against

ROOT = pathlib.Path(__file__).resolve().parents[1]

# What TF-Slim's published checkpoints are: version 1, by name.
TO_V1 = '''
import sys
import tensorflow as tf
tf1 = tf.compat.v1
tf1.disable_eager_execution()
reader = tf1.train.load_checkpoint(sys.argv[1])
variables = [tf1.Variable(reader.get_tensor(name), name=name) for name in reader.get_variable_to_shape_map()]
with tf1.Session() as session:
    for variable in variables:
        session.run(variable.initializer)
    tf1.train.Saver(variables, write_version=tf1.train.SaverDef.V1).save(session, sys.argv[2], write_meta_graph=False)
'''


def make_models(work, net, lorgnette, tensorflow):
    """The ways to start, by name: what `--model` is given."""
    work.mkdir(parents=True, exist_ok=True)
    v2, v1, plan = work / f'{net}_v2' / f'{net}.ckpt', work / f'{net}_v1' / f'{net}.ckpt', work / f'{net}.plan'
    if not v2.with_suffix('.ckpt.index').exists():
        v2.parent.mkdir(exist_ok=True)
        subprocess.run([lorgnette, 'models', 'convert', net, '--random-weights', '--out', v2], check=True)
    if tensorflow and not v1.exists():
        v1.parent.mkdir(exist_ok=True)
        subprocess.run([tensorflow / 'bin' / 'python', '-c', TO_V1, v2, v1], check=True, stderr=subprocess.DEVNULL)
    subprocess.run([lorgnette, 'models', 'convert', v2, '--out', plan], check=True)
    ways = {'embedded': None, f'{net}, V2 checkpoint': v2, f'{net}, V1 checkpoint': v1, f'{net}, plan file': plan}
    return {name: path for name, path in ways.items() if path is None or pathlib.Path(path).exists() or path == v2}


def own_memory(words):
    """The most anonymous memory of a process, in MB, as looked at every millisecond; it is slowed by that, and not timed."""
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        try:
            found = re.search(r'RssAnon:\s*(\d+)', pathlib.Path(f'/proc/{process.pid}/status').read_text())
            most = max(most, int(found[1]) if found else 0)
        except OSError:
            break
        time.sleep(0.001)
    process.wait()
    return most * 1024 / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path, metavar='WORK')
    parser.add_argument('--lorgnette', type=pathlib.Path, default=ROOT / 'target' / 'release' / 'lorgnette')
    parser.add_argument('--tensorflow', type=pathlib.Path)
    parser.add_argument('--net', default='vgg_16')
    parser.add_argument('--photo', type=pathlib.Path, default=ROOT / 'photos' / 'chelsea.jpg')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--threads', type=int, default=2)
    arguments = parser.parse_args()
    models = make_models(arguments.work.resolve(), arguments.net, arguments.lorgnette, arguments.tensorflow)
    classify = [arguments.lorgnette, 'classify', arguments.photo, '--threads', arguments.threads]
    ways = {name: [*classify, *(['--model', path] if path else [])] for name, path in models.items()}
    runs = {name: [] for name in ways}
    for turn in range(arguments.rounds + 1):
        for name, words in ways.items():
            seconds, memory, _ = against.measure(words)
            if turn > 0:
                runs[name].append((seconds, memory))
    print('| from | median s | best s | peak MB | of it its own |\n|---|--:|--:|--:|--:|')
    for name, measured in runs.items():
        seconds, memory = zip(*measured)
        print(f'| {name} | {statistics.median(seconds):.3f} | {min(seconds):.3f} | {statistics.median(memory):.0f} | {own_memory(ways[name]):.0f} |')


if __name__ == '__main__':
    main()
