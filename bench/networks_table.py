"""The table of docs/networks.md: what each network of the zoo weighs and costs, measured with checkpoints of made-up weights.

    python3 bench/networks_table.py WORK --lorgnette target/release/lorgnette > docs/networks.md

For each network `lorgnette models convert --random-weights` writes a V2 checkpoint, `lorgnette bench` opens and runs it in
a process of its own, and the checkpoint is removed. Load time is from the call of `open` to a plan whose weights are packed,
with the file in the system's cache; peak memory is the resident memory of that process, the runs included.
"""
import argparse
import json
import pathlib
import platform
import re
import shutil
import subprocess

NETS = pathlib.Path(__file__).resolve().parents[1] / 'crates/lorgnette-net/src/zoo.rs'


def names():
    """The zoo's networks, in its order."""
    table = re.search(r'pub static NETS.*?\];', NETS.read_text(), re.S)[0]
    return [name.lower() for name in re.findall(r'::([A-Z0-9_]+),', table)]


def run(*words):
    return subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True).stdout


def measure(lorgnette, work, name):
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    head = run(lorgnette, 'graph', name).splitlines()[0]
    parameters, macs = re.fullmatch(r'\w+: (.*) parameters, (.*) multiplications', head).groups()
    run(lorgnette, 'models', 'convert', name, '--random-weights', '--out', work / 'model.ckpt')
    size = sum(path.stat().st_size for path in work.glob('model.ckpt.*'))
    # Opened twice: the first brings the file into the system's cache.
    for _ in range(2):
        found = json.loads(run(lorgnette, 'bench', work / 'model.ckpt', '--net', name, '--seconds', 2, '--format', 'json'))
    shutil.rmtree(work)
    return parameters, macs, size, found


def processor():
    text = pathlib.Path('/proc/cpuinfo').read_text()
    return re.search(r'model name\s*: (.*)', text)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', required=True)
    arguments = parser.parse_args()
    rows = []
    for name in names():
        parameters, macs, size, found = measure(arguments.lorgnette, arguments.work / 'model', name)
        weights = size / 1e6
        rows.append(f'| {name} | {found["height"]} | {parameters} | {macs} | {weights:.1f} MB | {found["load_s"] * 1000:.0f} ms | '
                    f'{found["peak_rss_mb"]:.0f} MB | {found["median_ms"]:.1f} ms |')
    print('# The networks of the zoo\n')
    print(f'Measured on {processor()} ({platform.machine()}), {found["threads"]} threads, {found["level"]}, float32, one picture at a '
          'time, with made-up weights,\nby `python3 bench/networks_table.py WORK --lorgnette target/release/lorgnette`. Machines differ; rows of one '
          'table can be compared.\n')
    print('Parameters are weights, biases, and factors and offsets of batch norms. A multiplication counts with its addition.\n'
          'Load time is opening the checkpoint, verifying and packing every weight; peak memory is that of the whole process.\n')
    print('| network | side | parameters | multiplications | checkpoint | load | peak memory | forward pass |')
    print('|---|--:|--:|--:|--:|--:|--:|--:|')
    print('\n'.join(rows))


if __name__ == '__main__':
    main()
