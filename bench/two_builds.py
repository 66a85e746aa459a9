"""Two builds of the program side by side, in turns: seconds and memory of each, and the ratios.

    python3 bench/two_builds.py EARLIER NEW WORK --photos FOLDER [--rounds 9] [--only ROW,...] [--threads 2]

Each row runs both programs as whole processes, one after the other, ROUNDS times after a first turn that does not count:

- a network: `classify` of the folder's photos with weights made up in WORK (each build packs its own plan file);
- `dense vgg_16`: the steps of VGG-16 at 768 x 1024, as `explain --time` sums them;
- `folder`: `classify` of the folder with the embedded network;
- `start`: `classify` of one photo with the embedded network;
- `map`, `blur`: of the folder's first photos, at one scale; `index`, of the folder;
- `train`: of the folder's photos in two classes, without a cache of features; `search`, in the library of `index`;
- `low limit`: `map` with `--memory-limit 1024`, under which freed memory goes back to the system at once.

The checks of hostile files are in all of them: checksums where plan files and libraries are opened, finite answers in every row, metadata
in `blur`, the lock and the digests of a model's folder in `train`.

A ratio above 1 means that NEW is faster, or takes less memory. Both builds must print the same classes, or the row fails.
Ratios are taken pair by pair; the table has their median, and the ratio of the best times.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

NETWORKS = ['vgg_16', 'inception_v3', 'resnet_v1_50', 'mobilenet_v1', 'mobilenet_v2', 'nasnet_mobile']
ROWS = [*NETWORKS, 'dense vgg_16', 'folder', 'start', 'map', 'low limit', 'blur', 'index', 'search', 'train']


class Run:
    """One finished process: its wall seconds, its peak resident memory in MB, and what it printed."""

    def __init__(self, words):
        with tempfile.TemporaryFile() as printed:
            start = time.perf_counter()
            process = subprocess.Popen([str(word) for word in words], stdout=printed, stderr=subprocess.PIPE)
            errors = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            self.seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                sys.exit(f'{" ".join(map(str, words))}: exit code {process.returncode}\n{errors.decode()}')
            printed.seek(0)
            self.printed = printed.read().decode()
        self.megabytes = usage.ru_maxrss / 1000


def first_classes(printed):
    """The photos' first classes in the JSON lines of `classify`."""
    return [json.loads(line)['predictions'][0]['index'] for line in printed.splitlines()]


def plan_file(program, checkpoint, work, name):
    path = work / f'{checkpoint.stem}-{name}.plan'
    if not path.exists():
        subprocess.run([program, 'models', 'convert', checkpoint, '--out', path, '--quiet'], check=True)
    return path


def commands(row, programs, work, photos, threads):
    """The command lines of both programs, and how their answers are compared."""
    common = ['--threads', threads, '--quiet']
    if row in NETWORKS:
        checkpoint = work / row / f'{row}.ckpt'
        if not checkpoint.with_suffix('.ckpt.index').exists():
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([programs['new'], 'models', 'convert', row, '--random-weights', '--out', checkpoint, '--quiet'], check=True)
        return {
            name: [program, 'classify', '--model', plan_file(program, checkpoint, work, name), *photos, '--format', 'json', *common]
            for name, program in programs.items()
        }
    if row == 'dense vgg_16':
        words = ['explain', 'vgg_16', '--random-weights', '--net-option', 'spatial_squeeze=false', '--size', '768x1024', '--time', '--format', 'json', *common]
    elif row == 'folder':
        words = ['classify', *photos, '--format', 'json', *common]
    elif row == 'start':
        words = ['classify', photos[0], '--format', 'json', *common]
    elif row == 'map':
        words = ['map', *photos[:8], '--scale', '1', '--format', 'json', *common]
    elif row == 'low limit':
        words = ['map', *photos[:8], '--scale', '1', '--memory-limit', '1024', '--format', 'json', *common]
    else:
        words = None
    if words:
        return {name: [program, *words] for name, program in programs.items()}
    return {name: with_outputs(row, program, work / f'{row}-{name}', photos, common) for name, program in programs.items()}


def with_outputs(row, program, out, photos, common):
    """The command line of a verb that writes to `out`, which is empty before each run."""
    fresh = ['sh', '-c', f'rm -rf "{out}"; mkdir -p "{out}"; exec "$0" "$@"', program]
    if row == 'blur':
        return [*fresh, 'blur', *photos[:8], '--scale', '1', '--class', 'dog', '--out', out, *common]
    if row == 'index':
        return [*fresh, 'index', *photos, '--library', out / 'photos.lgn', *common]
    if row == 'search':
        out.mkdir(parents=True, exist_ok=True)
        library = out / 'photos.lgn'
        if not library.exists():
            subprocess.run([program, 'index', *photos, '--library', library, *common], check=True, stdout=subprocess.DEVNULL)
        return [program, 'search', 'animal or vehicle', '--library', library, '--format', 'json', *common]
    table = out.parent / f'{out.name}.csv'
    table.write_text('path,label\n' + ''.join(f'"{photo.resolve()}",{"ab"[at % 2]}\n' for at, photo in enumerate(photos)))
    return [*fresh, 'train', table, '--out', out / 'model', '--cache', out / 'cache', *common]


def seconds(row, run):
    if row == 'dense vgg_16':
        return sum(step['ms'] for step in json.loads(run.printed)['steps']) / 1000
    return run.seconds


def measure(row, programs, arguments):
    words = commands(row, programs, arguments.work, arguments.files, str(arguments.threads))
    first = {name: Run(words[name]) for name in programs}
    if row in (*NETWORKS, 'folder', 'start'):
        earlier, new = (first_classes(first[name].printed) for name in ('earlier', 'new'))
        if earlier != new:
            sys.exit(f'{row}: the builds disagree about {sum(a != b for a, b in zip(earlier, new))} of {len(new)} first classes')
    rounds = 3 * arguments.rounds if row == 'start' else arguments.rounds
    turns = []
    for turn in range(rounds):
        order = ['earlier', 'new'] if turn % 2 == 0 else ['new', 'earlier']
        turns.append({name: Run(words[name]) for name in order})
    times = {name: [seconds(row, turn[name]) for turn in turns] for name in programs}
    memory = {name: statistics.median(turn[name].megabytes for turn in turns) for name in programs}
    ratio = statistics.median(a / b for a, b in zip(times['earlier'], times['new']))
    best = min(times['earlier']) / min(times['new'])
    print(
        f'| {row} | {min(times["earlier"]):.3f} | {min(times["new"]):.3f} | {ratio:.3f} | {best:.3f} '
        f'| {memory["earlier"]:.0f} | {memory["new"]:.0f} | {memory["earlier"] / memory["new"]:.3f} |',
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('earlier', type=pathlib.Path)
    parser.add_argument('new', type=pathlib.Path)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--photos', type=pathlib.Path, required=True, help='a folder of JPEG photos')
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--only', help='rows, with commas between')
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    arguments.files = sorted(arguments.photos.iterdir())[:64]
    programs = {'earlier': arguments.earlier.resolve(), 'new': arguments.new.resolve()}
    print(f'{arguments.rounds} turns, {arguments.threads} threads, {len(arguments.files)} photos\n')
    print('| | earlier, best s | new, best s | ratio of pairs | ratio of the best | earlier MB | new MB | ratio |')
    print('|---|--:|--:|--:|--:|--:|--:|--:|')
    for row in arguments.only.split(',') if arguments.only else ROWS:
        measure(row, programs, arguments)


if __name__ == '__main__':
    main()
