"""Photos and the program, for all tests."""

import json
import subprocess
import sysconfig
from pathlib import Path

import lorgnette
import pytest

ROOT = Path(__file__).parents[3]
PHOTOS = ROOT / "photos"
CAT = PHOTOS / "chelsea.jpg"
PROGRAM = Path(sysconfig.get_path("scripts")) / "lorgnette"
"""The program as the wheel installed it."""


@pytest.fixture(scope="session")
def model():
    return lorgnette.load()


def program(*arguments, code=0):
    """The program's JSON lines."""
    command = [PROGRAM, *map(str, arguments), "--format", "json"]
    run = subprocess.run(command, capture_output=True)
    assert run.returncode == code, run.stderr.decode()
    return [json.loads(line) for line in run.stdout.splitlines()]
