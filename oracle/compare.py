"""Runs `lorgnette run` on every graph of a folder made by `operations.py` or `networks.py` and compares with TensorFlow.

    python3 oracle/compare.py --lorgnette target/release/lorgnette DIR... [--only PART_OF_A_NAME] [--failures]

Needs numpy alone. Prints one line a graph and closes with `N passed, N failed`; exit code 1 if any failed.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np



def tolerance():
    """Largest difference allowed, as a share of the tensor's largest magnitude: said once, for Rust and Python."""
    said = (pathlib.Path(__file__).parent / 'src/tolerance.rs').read_text()
    return float(re.search(r'const ACTIVATION: f32 = ([0-9.e-]+);', said).group(1))


def entries(folders, only):
    """Every line of every manifest, with the folder it stands in."""
    for folder in folders:
        for line in json.loads((folder / 'manifest.json').read_text()):
            if only is None or only in line['name']:
                yield folder, line


def command(lorgnette, folder, entry, out):
    """The command line for one graph."""
    words = [lorgnette, 'run', folder / entry['graph'], '--out', out, *entry.get('options', [])]
    for tensor, path in entry['feeds'].items():
        words += ['--feed', f'{tensor}={folder / path}']
    for tensor in entry['fetches']:
        words += ['--fetch', tensor]
    return list(map(str, words))


def difference(ours, theirs):
    """The largest difference relative to the largest magnitude; a message where the arrays cannot be compared."""
    if ours.shape != theirs.shape:
        return f'shape {list(ours.shape)}, TensorFlow has {list(theirs.shape)}'
    if ours.dtype != theirs.dtype:
        return f'type {ours.dtype}, TensorFlow has {theirs.dtype}'
    if ours.size == 0:
        return 0.0
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    if not np.isfinite(a).all():
        return 'holds a number that is not finite'
    scale = np.abs(b).max()
    return float(np.abs(a - b).max() / scale) if scale > 0 else float(np.abs(a).max())


def judge(folder, entry, out):
    """The worst error over all outputs of one graph, or the first message."""
    worst = 0.0
    for tensor, path in entry['fetches'].items():
        ours = pathlib.Path(out) / (tensor.replace('/', '_').replace(':', '_') + '.npy')
        if not ours.exists():
            return f'{tensor}: did not write {ours.name}'
        error = difference(np.load(ours), np.load(folder / path))
        if isinstance(error, str):
            return f'{tensor}: {error}'
        worst = max(worst, error)
    return worst


def check(lorgnette, folder, entry, seconds):
    """Runs one graph. Returns (error or None, what went wrong or None)."""
    with tempfile.TemporaryDirectory() as out:
        try:
            done = subprocess.run(command(lorgnette, folder, entry, out), capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return None, f'took more than {seconds} s'
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ['(nothing on standard error)'])[-1]
            return None, f'exit code {done.returncode}: {last}'
        verdict = judge(folder, entry, out)
    if isinstance(verdict, str):
        return None, verdict
    allowed = entry.get('tolerance', tolerance())
    return verdict, None if verdict <= allowed else f'more than {allowed:g}'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folders', nargs='+', type=pathlib.Path, metavar='DIR')
    parser.add_argument('--lorgnette', required=True, help='the program')
    parser.add_argument('--only', help='only the graphs whose name contains this')
    parser.add_argument('--failures', action='store_true', help='print only the graphs that fail')
    parser.add_argument('--seconds', type=float, default=120, help='for one graph')
    arguments = parser.parse_args()
    if shutil.which(arguments.lorgnette) is None:
        parser.error(f'{arguments.lorgnette} is not a program')
    work = list(entries(arguments.folders, arguments.only))
    failed = 0
    # A process a graph: starting them is most of the time, so as many at once as there are cores.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda item: check(arguments.lorgnette, *item, arguments.seconds), work)
        for (_, entry), (error, wrong) in zip(work, results):
            failed += wrong is not None
            if wrong or not arguments.failures:
                shown = f'{error:9.1e}' if error is not None else '        -'
                print(f'{entry["name"]:58} {shown}  {"FAILED: " + wrong if wrong else "ok"}')
    print(f'{len(work) - failed} passed, {failed} failed')
    # A folder without graphs must not look like success.
    sys.exit(1 if failed or not work else 0)


if __name__ == '__main__':
    main()
