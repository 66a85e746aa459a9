"""Small TensorFlow Lite files, one an operator, with the answers of LiteRT's reference kernels.

    oracle/environment.sh DIR && DIR/bin/python oracle/tflite_imports.py OUT_DIR [--only PART_OF_A_NAME] [--files FILE... [--resolver xnnpack]]

With --files, whole networks are copied instead and LiteRT's answers written beside them: those of its reference kernels, or those that it computes by default. The committed copy, crates/lorgnette-net/tests/tflite.tar.gz, is packed from its output by pack_fixture.py.
"""
import argparse
import inspect
import pathlib

from lite import float_cases, quantized_cases, wide_cases
from lite.fixtures import Fixtures

FAMILIES = (float_cases, quantized_cases, wide_cases)


def families():
    """Every function of a family that takes `fixtures`, a file after the other."""
    for family in FAMILIES:
        for _, function in inspect.getmembers(family, inspect.isfunction):
            if function.__module__ == family.__name__ and list(inspect.signature(function).parameters) == ['fixtures']:
                yield function


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out')
    parser.add_argument('--only', help='make only the files whose name contains this')
    parser.add_argument('--files', nargs='+', type=pathlib.Path, help='whole networks in place of the small files')
    parser.add_argument('--resolver', choices=['reference', 'xnnpack'], default='reference', help="LiteRT's kernels for whole networks")
    arguments = parser.parse_args()
    fixtures = Fixtures(arguments.out, arguments.only)
    for path in arguments.files or []:
        fixtures.file(path, arguments.resolver)
    for add_files in [] if arguments.files else families():
        add_files(fixtures)
    fixtures.finish()


if __name__ == '__main__':
    main()
