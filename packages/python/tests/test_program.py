"""The program in the wheel, Ctrl-C, and the processors that a process may use."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import lorgnette
import pytest
from conftest import CAT, PROGRAM

LONG_CALLS = {
    "classify": "model.classify([photo] * 100000)",
    "map": "model.map([lorgnette.np.zeros((4000, 6000, 3), 'uint8')], scales=[1], output_stride=8, tile=512)",
    "generator": "model.classify(photo for _ in iter(int, 1))",
}


def test_the_program_is_installed():
    run = subprocess.run([PROGRAM, "--version"], capture_output=True, check=True, text=True)
    assert run.stdout.split() == ["lorgnette", lorgnette.__version__]
    module = [sys.executable, "-m", "lorgnette", "--version"]
    assert subprocess.run(module, capture_output=True, text=True).stdout == run.stdout
    wrong = subprocess.run([PROGRAM, "clasify"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "classify" in wrong.stderr and wrong.stdout == ""
    failed = subprocess.run([PROGRAM, "classify", "nowhere.jpg"], capture_output=True, text=True)
    assert failed.returncode == 2 and "nowhere.jpg" in failed.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is a console script")
def test_the_program_starts_without_python():
    assert PROGRAM.read_bytes().startswith(b"\x7fELF")
    # No Python starts in such an environment.
    nowhere = {"PYTHONHOME": "/nowhere", "PATH": "/nowhere"}
    run = subprocess.run([PROGRAM, "classify", CAT], env=nowhere, capture_output=True, text=True)
    assert run.returncode == 0 and "Egyptian cat" in run.stdout, run.stderr


def test_a_program_without_its_package_says_so(tmp_path):
    (tmp_path / "bin").mkdir()
    alone = tmp_path / "bin" / "lorgnette"
    alone.write_bytes(PROGRAM.read_bytes())
    alone.chmod(0o755)
    run = subprocess.run([alone, "--version"], env={"PATH": "/nowhere"}, capture_output=True, text=True)
    assert run.returncode == 2 and "install the package" in run.stderr
    # Beside a Python that has the package, that runs it.
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    environment = {**os.environ, "PYTHONPATH": str(Path(lorgnette.__file__).parents[1])}
    run = subprocess.run([alone, "--version"], env=environment, capture_output=True, text=True)
    assert run.stdout.split() == ["lorgnette", lorgnette.__version__], run.stderr


def test_a_closed_pipe_ends_the_program():
    command = f"'{PROGRAM}' classify '{CAT}' '{CAT}' --format csv | head -n 1"
    run = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert run.returncode == 0 and run.stderr == "" and run.stdout.startswith("photo,")


@pytest.mark.parametrize("name", LONG_CALLS)
def test_ctrl_c_ends_long_calls(name):
    lines = [
        "import lorgnette, numpy, signal, sys",
        # A shell starts what runs in its background with the signal ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)",
        "lorgnette.np = numpy",
        "model, photo = lorgnette.load(), sys.argv[1]",
        "model.classify(photo)",
        "print('begun', flush=True)",
        "try:",
        f"    {LONG_CALLS[name]}",
        "except KeyboardInterrupt:",
        "    print('ended', len(model.classify(photo).names))",
    ]
    command = [sys.executable, "-c", "\n".join(lines), str(CAT)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.5)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert out == "ended 5\n" and process.returncode == 0
    assert time.monotonic() - started < 20


def test_other_threads_run_meanwhile(model):
    import threading

    turns = 0
    is_done = threading.Event()

    def count():
        nonlocal turns
        while not is_done.is_set():
            turns += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    started = time.monotonic()
    model.classify([CAT] * 20)
    seconds = time.monotonic() - started
    is_done.set()
    thread.join()
    assert turns > 50 * seconds


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_threads_are_those_that_the_process_may_use():
    script = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "import lorgnette; print(lorgnette.load().threads)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "1\n"
