"""``python -m lorgnette``: the program."""

from ._program import main

main()
