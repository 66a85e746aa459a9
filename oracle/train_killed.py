"""A training that is killed again and again must end in the same model, bit for bit.

    python3 train_killed.py WORK --lorgnette PATH --photos FOLDER [--kills 50] [--per-class N] [--seed 0]
    python3 train_killed.py WORK --lorgnette PATH --photos FOLDER --overwrite --kills 100 --per-class 6

Kills come at random moments, without a warning (SIGKILL): while photos are read, while features are computed and written,
while the layer is trained, while the model is written. Each time `--resume` goes on. With `--overwrite`, trainings of two
folders write over one model in turns, features at hand; after each kill the folder is the one or the other, bit for bit,
with its report. Every third kill waits until files are being written. No Python packages are needed.
"""

import argparse
import glob
import hashlib
import os
import random
import shutil
import subprocess
import sys
import time

# The model and its report, which are replaced as a whole.
REPORT = ["photos.csv", "confusion.csv", "classes.csv", "suspects.csv", "confusion.png", "confusion.svg", "photos.png", "features.png"]
MODEL = ["model.json", "weights.npy", "biases.npy", "labels.txt", "split.csv", "left_out.csv"] + REPORT
# Folder of files that are complete and on their way to their places.
COMMIT = ".lorgnette-commit"
# What must be the same; epochs.csv and the report have times in them.
FILES = ["model.json", "weights.npy", "biases.npy", "labels.txt", "split.csv", "left_out.csv", "photos.csv", "confusion.csv"]


def placed(folder, name):
    """The path of a file, which may be on its way to its place."""
    committed = os.path.join(folder, COMMIT, name)
    return committed if os.path.exists(committed) else os.path.join(folder, name)


def digests(folder, names=FILES):
    return {name: hashlib.sha256(open(placed(folder, name), "rb").read()).hexdigest() for name in names}


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


def overwritten(arguments):
    """Kills trainings that write over a model, at moments spread over a whole run and more densely over its end."""
    work = os.path.join(arguments.work, "overwrite")
    shutil.rmtree(work, ignore_errors=True)
    cache, model = os.path.join(work, "cache"), os.path.join(work, "turns", "model")
    folders = {name: os.path.join(work, name) for name in ("old", "new")}
    kinds = sorted(os.listdir(arguments.photos))
    for name, folder in folders.items():
        for kind in kinds:
            shutil.copytree(os.path.join(arguments.photos, kind), os.path.join(folder, f"{name} {kind}"))

    def training(name, out):
        return [arguments.lorgnette, "train", folders[name], "--out", out, "--cache", cache, "--overwrite", "--quiet"]

    wanted = {}
    for name in folders:
        whole = os.path.join(work, f"whole {name}", "model")
        subprocess.run(training(name, whole), check=True, stdout=subprocess.DEVNULL)
        wanted[name] = digests(whole, MODEL)
    started = time.time()
    subprocess.run(training("old", model), check=True, stdout=subprocess.DEVNULL)
    seconds = time.time() - started
    dice, found, killed, moving, staged = random.Random(arguments.seed), {"old": 0, "new": 0}, 0, 0, 0
    while killed < arguments.kills:
        began = time.time()
        process = subprocess.Popen(training(["new", "old"][killed % 2], model), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if killed % 3 == 2:
            # Until the first files are being written; what follows takes up to the end.
            while process.poll() is None and not glob.glob(os.path.join(model, f".lorgnette-new-{process.pid}-*")):
                time.sleep(0.001)
            wait = dice.uniform(0.0, max(0.05, 1.1 * seconds - (time.time() - began)))
        else:
            wait = seconds * dice.uniform(0.0, 1.1)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
        moving += os.path.exists(os.path.join(model, COMMIT))
        staged += bool(glob.glob(os.path.join(model, f".lorgnette-new-{process.pid}-*", "weights.npy")))
        names = [name for name, digest in wanted.items() if digest == digests(model, MODEL)]
        # The report has times in it, and the names of its classes.
        page = open(placed(model, "report.html")).read()
        if len(names) != 1 or [name for name in wanted if f"{name} {kinds[0]}" in page] != names:
            print(f"overwrite: after {killed} kills the folder is NEITHER THE OLD MODEL NOR THE NEW ONE")
            return False
        found[names[0]] += 1
    left = [name for name in os.listdir(model) if name.startswith(".lorgnette")]
    subprocess.run(training("new", model), check=True, stdout=subprocess.DEVNULL)
    still = [name for name in os.listdir(model) + os.listdir(os.path.dirname(model)) if name.startswith(".lorgnette")]
    print(f"overwrite: {killed} kills, {staged} of them while a model waited for its report, {moving} while files took their places: "
          f"a whole model with its report after each ({found['old']} times the one, {found['new']} times the other); "
          f"{len(left)} temporary files, {len(still)} after the next training")
    return not still and digests(model, MODEL) == wanted["new"]


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
    parser.add_argument("--overwrite", action="store_true", help="kill trainings that write over a model")
    arguments = parser.parse_args()
    if arguments.per_class:
        arguments.photos = few(arguments)
    if arguments.overwrite:
        sys.exit(0 if overwritten(arguments) else 1)
    half = arguments.kills // 2
    long = ["--recipe", "tutorial", "--steps", "20000"]
    verdicts = [check(arguments, "default", [], arguments.kills - half, False), check(arguments, "long", long, half, True)]
    sys.exit(0 if all(verdicts) else 1)


main()
