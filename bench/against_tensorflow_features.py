"""Features of a folder of photos: `lorgnette train` beside a TensorFlow pipeline, in turns.

    python against_tensorflow_features.py WORK --lorgnette PATH --photos FOLDER [--turns 3] [--more WORDS]

TensorFlow does what retrain.py did: one photo at a time, decoded, cropped and resized by its own operations, through the
embedded network (MobileNet V1) up to its features; the session and one warming photo are not counted. Lorgnette's time is
the whole `train`, from the start of the process to the written report and model, with an empty cache.
"""

import argparse
import glob
import os
import shutil
import statistics
import subprocess
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import tensorflow as tf

MODEL = os.path.join(os.path.dirname(__file__), "..", "crates", "lorgnette", "models", "mobilenet_v1_1.0_224.pb")
FEATURES = "MobilenetV1/Logits/AvgPool_1a/AvgPool:0"


class Pipeline:
    def __init__(self):
        definition = tf.compat.v1.GraphDef()
        definition.ParseFromString(open(MODEL, "rb").read())
        graph = tf.Graph()
        with graph.as_default():
            self.photo = tf.compat.v1.placeholder(tf.string)
            pixels = tf.image.convert_image_dtype(tf.image.decode_jpeg(self.photo, channels=3), tf.float32)
            cropped = tf.expand_dims(tf.image.central_crop(pixels, 0.875), 0)
            resized = tf.compat.v1.image.resize_bilinear(cropped, [224, 224], align_corners=False)
            (self.features,) = tf.import_graph_def(definition, {"input:0": (resized - 0.5) * 2}, [FEATURES])
        self.session = tf.compat.v1.Session(graph=graph)

    def run(self, photos):
        started = time.time()
        for photo in photos:
            self.session.run(self.features, {self.photo: open(photo, "rb").read()})
        return time.time() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("--lorgnette", required=True)
    parser.add_argument("--photos", required=True)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--more", default="", help="more options of `lorgnette train`, such as '--precision bf16'")
    arguments = parser.parse_args()
    photos = sorted(glob.glob(os.path.join(arguments.photos, "*", "*.jpg")))
    pipeline = Pipeline()
    pipeline.run(photos[:1])
    ratios = []
    for turn in range(arguments.turns):
        shutil.rmtree(arguments.work, ignore_errors=True)
        os.makedirs(arguments.work)
        theirs = pipeline.run(photos)
        command = [arguments.lorgnette, "train", arguments.photos, "--out", f"{arguments.work}/model", "--cache", f"{arguments.work}/cache", "--verbose", "--time", *arguments.more.split()]
        started = time.time()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        ours = time.time() - started
        features = next(line for line in done.stderr.splitlines() if "computed a second" in line)
        seconds = float(features.split(": ")[1].split(" s,")[0])
        ratios.append((theirs / seconds, theirs / ours))
        print(f"turn {turn + 1}: TensorFlow {len(photos) / theirs:.1f} photos/s ({theirs:.2f} s); Lorgnette {len(photos) / seconds:.1f} photos/s ({seconds:.2f} s), whole training {ours:.2f} s")
    # The stages of the last turn; those within the features as if all threads did them at once.
    lines = done.stderr.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("stage"))
    print("\n".join(lines[head:-1]))
    features, whole = (statistics.median(column) for column in zip(*ratios))
    print(f"median of the ratios: features {features:.2f} times as fast; a whole training in {1 / whole:.2f} of the time of TensorFlow's features")


main()
