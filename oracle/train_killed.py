"""A training that is killed again and again must end in the same model, bit for bit.

    python3 train_killed.py WORK --lorgnette PATH --photos FOLDER [--kills 50] [--per-class N] [--seed 0]

Kills come at random moments, without a warning (SIGKILL): while photos are read, while features are computed and written,
while the layer is trained, while the model is written. Each time `--resume` goes on. No Python packages are needed.
"""

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import time

# What must be the same; epochs.csv and the report have times in them.
FILES = ["model.json", "weights.npy", "biases.npy", "labels.txt", "split.csv", "left_out.csv", "photos.csv", "confusion.csv"]


def digests(folder):
    return {name: hashlib.sha256(open(os.path.join(folder, name), "rb").read()).hexdigest() for name in FILES}


def few(arguments):
    """A folder of so many photos of each class."""
    folder = os.path.join(arguments.work, "photos")
    shutil.rmtree(folder, ignore_errors=True)
    for name in sorted(os.listdir(arguments.photos)):
        os.makedirs(os.path.join(folder, name))
        for photo in sorted(os.listdir(os.path.join(arguments.photos, name)))[:arguments.per_class]:
            shutil.copy(os.path.join(arguments.photos, name, photo), os.path.join(folder, name))
    return folder


def command(arguments, out, cache, recipe):
    given = [arguments.lorgnette, "train", arguments.photos, "--out", out, "--cache", cache, "--resume", "--quiet"]
    return given + recipe


def size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def check(arguments, name, recipe, kills, has_features):
    work = os.path.join(arguments.work, name)
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    # Both models have the same name, which is in model.json.
    whole, killed = os.path.join(work, "whole", "model"), os.path.join(work, "killed", "model")
    if has_features:
        subprocess.run(command(arguments, os.path.join(work, "first", "model"), os.path.join(work, "whole.cache"), ["--steps", "1", "--recipe", "tutorial"]), check=True, stdout=subprocess.DEVNULL)
    started = time.time()
    subprocess.run(command(arguments, whole, os.path.join(work, "whole.cache"), recipe), check=True, stdout=subprocess.DEVNULL)
    seconds = time.time() - started
    # With the features at hand, all kills hit what comes after them.
    cache = os.path.join(work, "whole.cache" if has_features else "killed.cache")
    dice = random.Random(arguments.seed)
    stages = {"before the features": 0, "in the features": 0, "in the training": 0, "in the writing": 0, "too late": 0}
    while sum(stages.values()) - stages["too late"] < kills:
        process = subprocess.Popen(command(arguments, killed, cache, recipe), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = size(cache)
        try:
            process.wait(dice.uniform(0.0, max(0.5, seconds / 4)))
            stages["too late"] += 1
            # It is whole: begin again, so that all kills hit something.
            shutil.rmtree(os.path.dirname(killed))
            if not has_features:
                os.remove(cache)
            continue
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if os.path.exists(os.path.join(killed, "split.csv")):
            stages["in the writing"] += 1
        elif os.path.exists(os.path.join(killed, "left_out.csv")):
            stages["in the training"] += 1
        elif size(cache) > before:
            stages["in the features"] += 1
        else:
            stages["before the features"] += 1
    subprocess.run(command(arguments, killed, cache, recipe), check=True, stdout=subprocess.DEVNULL)
    same = digests(whole) == digests(killed)
    hits = ", ".join(f"{count} {stage}" for stage, count in stages.items() if count)
    print(f"{name}: {kills} kills ({hits}): {'the same model, bit for bit' if same else 'ANOTHER MODEL'}")
    return same


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("--lorgnette", required=True)
    parser.add_argument("--photos", required=True)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--per-class", type=int, help="take only so many photos of each class")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.per_class:
        arguments.photos = few(arguments)
    half = arguments.kills // 2
    long = ["--recipe", "tutorial", "--steps", "20000"]
    verdicts = [check(arguments, "default", [], arguments.kills - half, False), check(arguments, "long", long, half, True)]
    sys.exit(0 if all(verdicts) else 1)


main()
