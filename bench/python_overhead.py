"""What the Python package adds to the program's own time, and how other engines do the same job in Python.

    python bench/python_overhead.py WORK [--photos FOLDER] [--count 1000] [--turns 5] [--threads 2] [--peer NAME[=PYTHON]]...

Run it with a Python that has the wheel; its program is the one beside that Python. `--peer` names an engine of `python_peers.py`
(onnxruntime, tensorflow, timm) and a Python that has it, if it is not this one:

    pip install onnxruntime==1.32.0 pillow
    pip install tensorflow-cpu==2.21.0
    pip install torch==2.15.0 torchvision==0.29.2 timm==1.0.31

WORK gets the photos: `--count` copies of those in the folder, each with another comment in its file, so that none is the same file.
First each peer has to compute the same: the probabilities of its network for one input are the package's, and the best class of its
whole way from file to answer is the package's for most photos (for all, where the preprocessing is the same). Then every turn measures,
one after the other,

- `lorgnette classify FOLDER --format json` as a process, and `model.classify(find_photos(folder))` in a process of its own, both from
  start to end, and the call alone;
- `model.run` on an array beside `lorgnette bench`, which times the forward pass alone, and `model.run` of a softmax of 1001 numbers,
  which is hardly more than what a call adds;
- each peer on the same folder; the model's loading is not counted.

Figures are medians over turns. The script ends with 1 if a peer computes something else. The goals are printed with the figures: at
most 1.05 times the program's time, under 30 microseconds, at least 2 times as fast as the fastest peer.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import sysconfig
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = pathlib.Path(sysconfig.get_path("scripts")) / "lorgnette"
MAX_DIFFERENCE = 1e-4
"""Between probabilities: float32 sums in another order."""
MIN_AGREEMENT = {"onnxruntime": 0.7, "tensorflow": 0.99}
"""Share of photos with the same best class. Pillow's resizing has other pixels."""

WHOLE_PROCESS = """
import sys, lorgnette
model = lorgnette.load(threads=int(sys.argv[2]))
answers = model.classify(lorgnette.find_photos(sys.argv[1]))
assert not answers.failures
"""


class Engine:
    """A process of `python_peers.py`."""

    def __init__(self, name, python, setup, threads):
        command = [python, "-W", "ignore", ROOT / "bench" / "python_peers.py", name, setup, "--threads", threads]
        command = [str(word) for word in command]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.name = name

    def ask(self, question):
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} has ended with {self.process.wait()}")
        return json.loads(line)


def set_up(folder, source, count):
    """Writes what the engines read: photos, the network, its weights, an input."""
    import lorgnette
    import numpy as np

    photos = sorted(path for path in source.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / "photos" / f"{number:05}.jpg"
        if not path.exists():
            content = photos[number % len(photos)].read_bytes()
            text = f"copy {number}".encode()
            comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
            path.write_bytes(content[:2] + comment + content[2:])
    model = lorgnette.load()
    (folder / "network.onnx").unlink(missing_ok=True)
    model.export(folder / "network.onnx")
    np.save(folder / "input.npy", model.preprocess(photos[0]))
    ends = ("weights", "biases", "gamma", "beta", "moving_mean", "moving_variance")
    names = [node for node in model.nodes if node.endswith(ends)]
    np.savez(folder / "weights.npz", **model.run({}, names))


def check(engine, package, count):
    """Returns what an engine computes otherwise than the package, as lines."""
    expected, found = package.ask("network"), engine.ask("network")
    # ONNX exports may end in logits.
    difference = max(abs(one - other) for one, other in zip(expected, found, strict=True))
    print(f"{engine.name} {engine.ask('about')}: probabilities differ by at most {difference:.1e}")
    wrong = [] if difference <= MAX_DIFFERENCE else [f"{engine.name}: another network"]
    if engine.name in MIN_AGREEMENT:
        same = sum(one == other for one, other in zip(package.ask("best"), engine.ask("best"), strict=True)) / count
        print(f"{engine.name}: the same best class for {same:.1%} of the photos")
        if same < MIN_AGREEMENT[engine.name]:
            wrong.append(f"{engine.name}: other answers")
    return wrong


def seconds(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def forward_pass(threads):
    """Median milliseconds of the forward pass alone, as `lorgnette bench` times it."""
    command = [PROGRAM, "bench", "--threads", str(threads), "--seconds", "2", "--format", "json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["median_ms"]


def run_call(model, name, value, fetch, runs=400):
    """Median milliseconds of `model.run` on an array."""
    for _ in range(20):
        model.run({name: value}, [fetch])
    return 1e3 * statistics.median(seconds(lambda: model.run({name: value}, [fetch])) for _ in range(runs))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--photos", type=pathlib.Path, default=ROOT / "photos")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME[=PYTHON]")
    arguments = parser.parse_args()
    threads, work = arguments.threads, arguments.work.resolve()
    import lorgnette
    import numpy as np

    set_up(work, arguments.photos, arguments.count)
    package = Engine("lorgnette", sys.executable, work, threads)
    peers, wrong = [], []
    for peer in arguments.peer:
        name, _, python = peer.partition("=")
        peers.append(Engine(name, python or sys.executable, work, threads))
        wrong += check(peers[-1], package, arguments.count)

    model = lorgnette.load(threads=threads)
    pixels = np.zeros((1, *model.input_size, 3), np.float32)
    logits = np.zeros((1, 1001), np.float32)
    reshaped = "MobilenetV1/Predictions/Reshape"
    command = [PROGRAM, "classify", work / "photos", "--threads", str(threads), "--format", "json"]
    whole = [sys.executable, "-c", WHOLE_PROCESS, work / "photos", str(threads)]
    times = {}

    def measure(name, value):
        times.setdefault(name, []).append(value)
        print(f"{name}: {value:.4f}", file=sys.stderr)

    for _ in range(arguments.turns):
        measure("program", seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)))
        measure("package, whole process", seconds(lambda: subprocess.run(whole, check=True)))
        measure("package, call", package.ask("time"))
        measure("forward pass, ms", forward_pass(threads))
        measure("model.run, ms", run_call(model, model.input, pixels, model.probabilities))
        measure("model.run of a softmax, ms", run_call(model, reshaped, logits, model.probabilities))
        for engine in peers:
            measure(engine.name, engine.ask("time"))
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"| {arguments.count} photos, {threads} threads, {arguments.turns} turns | median | by the program's |\n|---|--:|--:|")
    for name, median in medians.items():
        if "ms" not in name:
            print(f"| {name} | {median:.2f} s | {median / medians['program']:.3f} |")
    print(f"\nmodel.classify by the program's time: {medians['package, call'] / medians['program']:.3f} (goal: at most 1.05)")
    added = [1e3 * (run - alone) for run, alone in zip(times["model.run, ms"], times["forward pass, ms"])]
    print(
        f"model.run {medians['model.run, ms']:.3f} ms, the forward pass {medians['forward pass, ms']:.3f} ms: "
        f"{statistics.median(added):.0f} microseconds more (goal: under 30); "
        f"a softmax alone {1e3 * medians['model.run of a softmax, ms']:.0f} microseconds"
    )
    if peers:
        fastest = min(peers, key=lambda engine: medians[engine.name]).name
        print(f"the fastest peer, {fastest}, by the package's call: {medians[fastest] / medians['package, call']:.2f} (goal: at least 2)")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
