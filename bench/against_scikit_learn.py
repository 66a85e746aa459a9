"""Test accuracy beside scikit-learn's logistic regression, on the same features and splits.

    python against_scikit_learn.py WORK --lorgnette PATH --photos FOLDER [--seeds 5]

Each seed is another split. scikit-learn gets its default penalty (C=1), and the one of eight that does best on validation.
"""

import argparse
import json
import shutil
import subprocess
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression


def load(trace, split):
    return np.load(f"{trace}/{split}_features.npy"), np.load(f"{trace}/{split}_classes.npy").astype(int)


def log_loss(model, features, truth):
    return -np.log(model.predict_proba(features)[np.arange(len(truth)), truth] + 1e-12).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("--lorgnette", required=True)
    parser.add_argument("--photos", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    rows = []
    for seed in range(arguments.seeds):
        trace, out = f"{arguments.work}/{seed}/trace", f"{arguments.work}/{seed}/model"
        shutil.rmtree(f"{arguments.work}/{seed}", ignore_errors=True)
        command = [arguments.lorgnette, "train", arguments.photos, "--out", out, "--seed", str(seed), "--trace", trace]
        command += ["--cache", f"{arguments.work}/features.cache", "--format", "json", "--quiet"]
        ours = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["metrics"]
        (x, y), (vx, vy), (tx, ty) = (load(trace, split) for split in ("training", "validation", "test"))
        fitted = {c: LogisticRegression(C=c, max_iter=2000).fit(x, y) for c in 10.0 ** np.arange(-4, 4)}
        chosen = min(fitted.values(), key=lambda model: log_loss(model, vx, vy))
        plain = fitted[1.0]
        row = [ours["test_accuracy"], plain.score(tx, ty), chosen.score(tx, ty)]
        row += [ours["test_loss"], log_loss(plain, tx, ty), log_loss(chosen, tx, ty)]
        rows.append(row)
        print(f"seed {seed}: {len(y)} training, {len(vy)} validation, {len(ty)} test: accuracy {row[0]:.4f}; scikit-learn C=1 {row[1]:.4f}, C chosen {row[2]:.4f}; loss {row[3]:.4f}, {row[4]:.4f}, {row[5]:.4f}")
    mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
    for name, at in (("lorgnette", 0), ("scikit-learn, C=1", 1), ("scikit-learn, C chosen", 2)):
        print(f"{name:<24} test accuracy {mean[at]:.4f} ± {spread[at]:.4f}, test loss {mean[at + 3]:.4f}")


main()
