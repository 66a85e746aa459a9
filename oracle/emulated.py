#!/usr/bin/env python3
"""The program on another CPU, emulated, beside the program of this machine: whole networks, from a photo to the answer.

    oracle/emulated.py WORK --lorgnette PROGRAM --emulated PROGRAM --runner 'qemu-aarch64 -cpu max …'

Both name, map, embed and blur the same photos with the embedded network, find faces, and name a photo by networks of the
zoo with random weights. Numbers must agree to 1e-5 (logits of more than ten and features to 1e-5 of themselves and of the
largest, pixels to 1e-5 of a thousand), everything else exactly. Networks of 8-bit integers must give the same bits.
"""
import argparse
import json
import math
import pathlib
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOLERANCE = 1e-5
NETWORKS = ('mobilenet_v2_035', 'mobilenet_v3_small', 'inception_v1', 'resnet_v2_50')
INTEGER_NETWORKS = ('embedded', 'mobilenet_v3_small')


class Programs:
    """The program of this machine, and the emulated one."""

    def __init__(self, native, emulated, runner):
        self.native, self.emulated = [native], [*runner, emulated]
        self.faults, self.checks = [], 0

    def answer(self, program, words):
        command = [*map(str, program), *map(str, words), '--format', 'json', '--quiet']
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f'{shlex.join(command)} ends with {done.returncode}: {done.stderr.strip()[-300:]}')
        return [json.loads(line) for line in done.stdout.splitlines()]

    def check(self, name, *words, exact=False):
        """Compares the answers of both; prints the largest difference and the time of emulation."""
        self.checks += 1
        try:
            expected = self.answer(self.native, words)
            started = time.monotonic()
            found = self.answer(self.emulated, words)
            took = time.monotonic() - started
            largest = difference(found, expected, name, 0.0 if exact else TOLERANCE)
        except (RuntimeError, ValueError) as error:
            self.faults.append(str(error))
            print(f'{name}: {error}', flush=True)
            return
        print(f'{name:40} {largest:8.1e}  {took:6.1f} s', flush=True)


def difference(found, expected, path, tolerance, scale=1.0):
    """The largest difference of two answers; an error where it exceeds `tolerance` of `scale`."""
    if isinstance(expected, bool) or not isinstance(expected, (int, float, list, dict)):
        if found != expected:
            raise ValueError(f'{path}: {found}, not {expected}')
        return 0.0
    if isinstance(expected, (int, float)):
        off = abs(found - expected) if isinstance(found, (int, float)) else math.inf
        if not off <= tolerance * scale:
            raise ValueError(f'{path}: {found}, not {expected}')
        return off
    if type(found) is not type(expected) or len(found) != len(expected):
        raise ValueError(f'{path}: another number of values, or other values')
    if isinstance(expected, list):
        if expected and all(isinstance(value, float) for value in expected):
            scale = max(scale, *map(abs, expected))
        pairs = [(f'{path}[{i}]', *pair, scale) for i, pair in enumerate(zip(found, expected))]
    else:
        if list(found) != list(expected):
            raise ValueError(f'{path}: {list(found)}, not {list(expected)}')
        # Logits are of about ten, of random weights more; boxes and landmarks are in pixels.
        scales = {'logit': max(10.0, abs(expected.get('logit', 0.0))), 'box': 1000.0, 'landmarks': 1000.0}
        pairs = [(f'{path}.{key}', found[key], expected[key], scales.get(key, scale)) for key in expected]
    return max((difference(a, b, where, tolerance, scale) for where, a, b, scale in pairs), default=0.0)


def made(work, name, *command):
    """A file that this machine's program makes."""
    file = work / name
    if not file.exists():
        subprocess.run([*map(str, command), '--out', str(file)], cwd=ROOT, check=True, capture_output=True)
    return file


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', type=pathlib.Path, required=True, help='of this machine')
    parser.add_argument('--emulated', type=pathlib.Path, required=True, help='of the other CPU')
    parser.add_argument('--runner', required=True, help='the emulator, with its options')
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    native = arguments.lorgnette.resolve()
    programs = Programs(native, arguments.emulated.resolve(), shlex.split(arguments.runner))
    photos = [f'photos/{name}.jpg' for name in ('chelsea', 'coffee', 'astronaut')]

    programs.check('classify', 'classify', *photos)
    programs.check('embed', 'embed', photos[0])
    programs.check('map', 'map', photos[0], '--scale', '1')
    programs.check('faces', 'faces', photos[2])
    programs.check('blur', 'blur', photos[0], '--class', 'cat', '--dry-run')
    for name in NETWORKS:
        model = made(work, f'{name}.pb', native, 'models', 'convert', name, '--random-weights', '--net-option', 'num_classes=101')
        programs.check(name, 'classify', photos[0], '--model', model)
    for name in INTEGER_NETWORKS:
        zoo = [] if name == 'embedded' else [name, '--random-weights', '--net-option', 'num_classes=101']
        model = made(work, f'{name}.tflite', native, 'models', 'quantise', *zoo, '--calibrate', 'photos', '--min-agreement', '0')
        programs.check(f'{name}, 8-bit integers', 'classify', *photos, '--model', model, exact=True)
    print(f'{programs.checks} checks, {len(programs.faults)} differ')
    sys.exit(bool(programs.faults))


if __name__ == '__main__':
    main()
