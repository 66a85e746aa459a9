"""Small frozen graphs, one an operation or pattern, with TensorFlow's answers to them.

    oracle/environment.sh DIR && DIR/bin/python oracle/operations.py OUT_DIR [--only PART_OF_A_NAME]

The committed copy, crates/lorgnette-net/tests/operations, is remade by the same command.
"""
import argparse
import inspect

from fixtures import Fixtures
from cases import batch_norm, constants, convolution, elementwise, leftovers, reducing, shaping, tool_outputs

FAMILIES = (constants, convolution, batch_norm, elementwise, reducing, shaping, leftovers, tool_outputs)


def families():
    """Every function of a family that takes `fixtures`, a file after the other."""
    for family in FAMILIES:
        for _, function in inspect.getmembers(family, inspect.isfunction):
            if function.__module__ == family.__name__ and list(inspect.signature(function).parameters) == ['fixtures']:
                yield function


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out')
    parser.add_argument('--only', help='make only the graphs whose name contains this')
    arguments = parser.parse_args()
    fixtures = Fixtures(arguments.out, arguments.only)
    for add_graphs in families():
        add_graphs(fixtures)
    fixtures.finish()


if __name__ == '__main__':
    main()
