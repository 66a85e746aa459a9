#!/usr/bin/env python3
"""Instructions of convolutions on 64-bit Arm, counted under qemu, and what they say about time on three CPUs.

    .ci/arm.sh layer                                   # builds the example `layer` and the plugin
    python3 bench/arm/instructions.py [--level neon] [--precision float32] [--markdown] [LAYER...]

Nothing here is measured in seconds: emulation has no time. Instructions are exact. An estimate is the larger of two
limits, as if all else were hidden: the multiply-adds by the CPU's vector pipes, and all instructions by its width.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get('LORGNETTE_ARM_TARGET_DIR', ROOT / 'target' / 'arm'))

# Height, width, input channels, output channels, window, stride.
LAYERS = {
    'VGG-16 conv1_2': (224, 224, 64, 64, 3, 1),
    'VGG-16 conv2_2': (112, 112, 128, 128, 3, 1),
    'VGG-16 conv3_2': (56, 56, 256, 256, 3, 1),
    'VGG-16 conv4_2': (28, 28, 512, 512, 3, 1),
    'VGG-16 conv5_2': (14, 14, 512, 512, 3, 1),
    'ResNet-50 conv2 3x3': (56, 56, 64, 64, 3, 1),
    'ResNet-50 conv2 1x1 out': (56, 56, 64, 256, 1, 1),
    'ResNet-50 conv2 1x1 in': (56, 56, 256, 64, 1, 1),
    'ResNet-50 conv3 3x3': (28, 28, 128, 128, 3, 1),
    'ResNet-50 conv4 1x1 in': (14, 14, 1024, 256, 1, 1),
    'ResNet-50 conv4 3x3': (14, 14, 256, 256, 3, 1),
    'ResNet-50 conv5 1x1 out': (7, 7, 512, 2048, 1, 1),
}

# Vector multiply-adds and instructions a cycle, and cycles a second.
# - Apple M1, performance core: four 128-bit pipes, eight instructions (Dougall Johnson, "Apple M1 Firestorm
#   Microarchitecture"), 3.2 GHz.
# - Neoverse N2: two 128-bit pipes of FMLA, five instructions decoded (Arm Neoverse N2 Software Optimization Guide,
#   PJDOC-466751330-18256), 3.0 GHz.
# - Cortex-A76: two 128-bit pipes, four instructions decoded (Arm Cortex-A76 Software Optimization Guide,
#   PJDOC-466751330-7215), 2.8 GHz.
CPUS = {'M1': (4, 8, 3.2e9), 'N2': (2, 5, 3.0e9), 'A76': (2, 4, 2.8e9)}


def count(shape, arguments):
    """The chosen kernel, and [all, multiply-adds] of each function in one run: two runs less one."""
    kernel, once = count_runs(1, shape, arguments)
    _, twice = count_runs(2, shape, arguments)
    return kernel, {name: [b - a for a, b in zip(once.get(name, [0, 0]), numbers)] for name, numbers in twice.items()}


def count_runs(runs, shape, arguments):
    """The chosen kernel, and [all, multiply-adds] of each function of the process."""
    numbers, sysroot = [str(number) for number in (runs, *shape)], '/usr/aarch64-linux-gnu'
    with tempfile.NamedTemporaryFile('r') as counts:
        command = ['qemu-aarch64', '-cpu', arguments.cpu, '-L', sysroot, '-E', f'LD_LIBRARY_PATH={sysroot}/lib',
                   '-plugin', TARGET / 'libcount.so', '-d', 'plugin', '-D', counts.name,
                   TARGET / 'layer', arguments.level, arguments.precision, *numbers]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        functions = {}
        for line in counts:
            total, products, name = line.rstrip('\n').split(' ', 2)
            functions[name] = [int(total), int(products)]
    return printed[0].replace('_', ' '), functions


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('layers', nargs='*', metavar='LAYER', help='parts of names of layers; default: all')
    parser.add_argument('--level', default='neon')
    parser.add_argument('--precision', default='float32')
    parser.add_argument('--cpu', default='max')
    parser.add_argument('--markdown', action='store_true')
    parser.add_argument('--functions', action='store_true', help='prints the functions of each layer too')
    arguments = parser.parse_args()
    separator = ' | ' if arguments.markdown else '  '
    names = [name for name in LAYERS if not arguments.layers or any(part in name for part in arguments.layers)]
    header = ['layer', 'kernel', 'multiply-adds, M', 'instructions, M', 'of a tile', 'of all', *(f'{cpu}, ms' for cpu in CPUS)]
    if arguments.markdown:
        print(f'| {" | ".join(header)} |\n|---|---|{"--:|" * (len(header) - 2)}')
    else:
        print(separator.join(header))
    for name in names:
        kernel, own = count(LAYERS[name], arguments)
        total, products = (sum(numbers[i] for numbers in own.values()) for i in (0, 1))
        # The tiles are the functions that multiply most: one for each number of pixels.
        tiles = [numbers for numbers in own.values() if numbers[1] > products / 20 and numbers[1] > numbers[0] / 2]
        tile = [sum(numbers[i] for numbers in tiles) for i in (0, 1)]
        times = [1e3 * max(products / pipes, total / width) / hertz for pipes, width, hertz in CPUS.values()]
        row = [name, kernel, f'{products / 1e6:.1f}', f'{total / 1e6:.1f}', f'{100 * tile[1] / tile[0]:.1f} %',
               f'{100 * products / total:.1f} %', *(f'{time:.2f}' for time in times)]
        print(f'| {" | ".join(row)} |' if arguments.markdown else separator.join(row), flush=True)
        if arguments.functions:
            for function, (every, multiplied) in sorted(own.items(), key=lambda item: -item[1][0])[:12]:
                print(f'    {every:12} {multiplied:12} {function}', file=sys.stderr)


if __name__ == '__main__':
    main()
