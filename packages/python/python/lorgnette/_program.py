"""The program ``lorgnette``, as the package puts it on the PATH."""

import sys

from ._lorgnette import program


def main() -> None:
    """Runs the program with the arguments of this process, and ends with its exit code."""
    sys.exit(program(["lorgnette", *sys.argv[1:]]))
