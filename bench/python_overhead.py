"""What the Python package adds to the program's own time, and how other engines do the same job in Python.

    python bench/python_overhead.py WORK [--photos FOLDER] [--count 1000] [--turns 5] [--threads 2] [--peers onnxruntime tensorflow timm]

Run it with a Python that has the wheel; its program is the one beside that Python. WORK gets the photos: `--count` copies of those in
the folder, each with another comment in its file, so that none is the same file. Every turn measures, one after the other,

- `lorgnette classify FOLDER --format json` as a process, and `model.classify(find_photos(folder))` in a process of its own, both from
  start to end, and the call alone;
- `model.run` on an array beside `lorgnette bench`, which times the forward pass alone;
- each peer on the same folder, as its documentation shows it: open, preprocess, run, the five best; the model's loading is not counted.

Figures are medians over turns. A peer that is not installed is named and left out. ONNX Runtime's network is this package's export of
the embedded one, TensorFlow's the embedded graph itself; timm's is its own MobileNet V1 (`mobilenetv1_100`) with made-up weights.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import sysconfig
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
GRAPH = ROOT / "crates" / "lorgnette" / "models" / "mobilenet_v1_1.0_224.pb"
PROGRAM = pathlib.Path(sysconfig.get_path("scripts")) / "lorgnette"

WHOLE_PROCESS = """
import sys, lorgnette
model = lorgnette.load(threads=int(sys.argv[2]))
answers = model.classify(lorgnette.find_photos(sys.argv[1]))
assert not answers.failures
"""


def copies(source, folder, count):
    """Fills a folder with copies of the JPEGs of another, each with a comment of its own."""
    photos = sorted(path for path in source.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{number:05}.jpg"
        if not path.exists():
            content = photos[number % len(photos)].read_bytes()
            text = f"copy {number}".encode()
            comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
            path.write_bytes(content[:2] + comment + content[2:])
    return folder


def seconds(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def five_best(scores):
    import numpy as np

    return np.argsort(-scores)[:5]


class Package:
    """This package, called in this process."""

    def __init__(self, threads):
        import lorgnette

        self.model = lorgnette.load(threads=threads)
        self.find = lorgnette.find_photos

    def run(self, folder):
        assert not self.model.classify(self.find(folder)).failures


class OnnxRuntime:
    """As its documentation shows it: Pillow, numpy, a session."""

    def __init__(self, threads, work):
        import lorgnette
        import onnxruntime

        path = lorgnette.load().export(work / "onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0]

    def run(self, folder):
        import numpy as np
        from PIL import Image

        channels_first = self.input.shape[1] == 3
        for path in sorted(folder.iterdir()):
            pixels = np.asarray(Image.open(path).convert("RGB").resize((224, 224)), np.float32)
            value = (pixels / 127.5 - 1)[None]
            value = value.transpose(0, 3, 1, 2) if channels_first else value
            outputs = self.session.run(None, {self.input.name: np.ascontiguousarray(value)})
            five_best(outputs[-1].reshape(-1))


class TensorFlow:
    """A frozen graph and TensorFlow's own preprocessing, one photo a run."""

    def __init__(self, threads, work):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        definition = tf.compat.v1.GraphDef()
        definition.ParseFromString(GRAPH.read_bytes())
        graph = tf.Graph()
        with graph.as_default():
            self.photo = tf.compat.v1.placeholder(tf.string)
            pixels = tf.image.convert_image_dtype(tf.image.decode_jpeg(self.photo, channels=3), tf.float32)
            cropped = tf.expand_dims(tf.image.central_crop(pixels, 0.875), 0)
            resized = tf.compat.v1.image.resize_bilinear(cropped, [224, 224])
            fetch = "MobilenetV1/Predictions/Softmax:0"
            (self.scores,) = tf.import_graph_def(definition, {"input:0": (resized - 0.5) * 2}, [fetch])
        self.session = tf.compat.v1.Session(graph=graph)

    def run(self, folder):
        for path in sorted(folder.iterdir()):
            scores = self.session.run(self.scores, {self.photo: path.read_bytes()})
            five_best(scores.reshape(-1))


class Timm:
    """create_model, create_transform, one photo a run."""

    def __init__(self, threads, work):
        import timm
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        self.model = timm.create_model("mobilenetv1_100", pretrained=False).eval()
        config = timm.data.resolve_data_config({}, model=self.model)
        self.transform = timm.data.create_transform(**config)

    def run(self, folder):
        from PIL import Image

        with self.torch.inference_mode():
            for path in sorted(folder.iterdir()):
                value = self.transform(Image.open(path).convert("RGB"))[None]
                self.model(value).softmax(-1).topk(5)


PEERS = {"onnxruntime": OnnxRuntime, "tensorflow": TensorFlow, "timm": Timm}


def forward_pass(threads):
    """Milliseconds of the forward pass alone, as `lorgnette bench` times it."""
    command = [PROGRAM, "bench", "--threads", str(threads), "--seconds", "2", "--format", "json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["median_ms"]


def run_call(package, runs=300):
    """Median milliseconds of `model.run` on an array."""
    import numpy as np

    model = package.model
    value = np.zeros((1, *model.input_size, 3), np.float32)
    fetch = model.probabilities
    for _ in range(20):
        model.run({model.input: value}, fetch)
    name = model.input
    return 1e3 * statistics.median(seconds(lambda: model.run({name: value}, fetch)) for _ in range(runs))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--photos", type=pathlib.Path, default=ROOT / "photos")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    arguments = parser.parse_args()
    threads = arguments.threads
    folder = copies(arguments.photos, arguments.work / "photos", arguments.count)
    package, engines = Package(threads), {}
    for name in arguments.peers:
        try:
            engines[name] = PEERS[name](threads, arguments.work)
        except ImportError as error:
            print(f"{name}: not installed ({error})", file=sys.stderr)
    command = [PROGRAM, "classify", folder, "--threads", str(threads), "--format", "json"]
    whole = [sys.executable, "-c", WHOLE_PROCESS, folder, str(threads)]
    times = {}

    def measure(name, value):
        times.setdefault(name, []).append(value)
        print(f"{name}: {value:.4f}", file=sys.stderr)

    for _ in range(arguments.turns):
        measure("program", seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)))
        measure("package, whole process", seconds(lambda: subprocess.run(whole, check=True)))
        measure("package, call", seconds(lambda: package.run(folder)))
        measure("forward pass, ms", forward_pass(threads))
        measure("model.run, ms", run_call(package))
        for name, engine in engines.items():
            measure(name, seconds(lambda: engine.run(folder)))
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"| {arguments.count} photos, {threads} threads, {arguments.turns} turns | median | by the program's |\n|---|--:|--:|")
    for name, median in medians.items():
        if "ms" not in name:
            print(f"| {name} | {median:.2f} s | {median / medians['program']:.3f} |")
    added = 1e3 * (medians["model.run, ms"] - medians["forward pass, ms"])
    print(f"\n`model.run` {medians['model.run, ms']:.3f} ms, the forward pass {medians['forward pass, ms']:.3f} ms: {added:.0f} microseconds more")


if __name__ == "__main__":
    main()
