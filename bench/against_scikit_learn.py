"""Test accuracy beside scikit-learn's logistic regression, on the same features and splits.

    python against_scikit_learn.py WORK --lorgnette PATH --photos FOLDER [--seeds 5]

Each seed is another split. scikit-learn gets its default penalty (C=1), as it stops by default and as it would end up
(its biases have hardly begun to move when it stops), and the one of eight penalties that does best on validation. Last come
free biases beside penalised ones, by five-fold cross-validation of all but the test photos.
"""

import argparse
import json
import shutil
import subprocess
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold


NAMES = ("lorgnette", "scikit-learn, C=1", "scikit-learn, C=1, at end", "scikit-learn, C chosen")


def load(trace, split):
    return np.load(f"{trace}/{split}_features.npy"), np.load(f"{trace}/{split}_classes.npy").astype(int)


def log_loss(model, features, truth):
    return -np.log(model.predict_proba(features)[np.arange(len(truth)), truth] + 1e-12).mean()


def cross_validated(sets, c, is_free):
    """Accuracy and loss of what was held out, over all sets."""
    right, loss, count = 0, 0.0, 0
    for features, truth in sets:
        for here, there in StratifiedKFold(5, shuffle=True, random_state=0).split(features, truth):
            centre = features[here].mean(axis=0)
            scaled = (features - centre if is_free else features) / (features[here] - centre).std()
            whole = scaled if is_free else np.hstack([scaled, np.ones((len(scaled), 1))])
            model = LogisticRegression(C=c, fit_intercept=is_free, tol=1e-5, max_iter=2000).fit(whole[here], truth[here])
            right += (model.predict(whole[there]) == truth[there]).sum()
            loss += log_loss(model, whole[there], truth[there]) * len(there)
            count += len(there)
    return right / count, loss / count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("--lorgnette", required=True)
    parser.add_argument("--photos", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    rows, sets = [], []
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
        exact = LogisticRegression(C=1, tol=1e-8, max_iter=20000).fit(x.astype(np.float64), y)
        models = (plain, exact, chosen)
        accuracies = [ours["test_accuracy"]] + [model.score(tx, ty) for model in models]
        losses = [ours["test_loss"]] + [log_loss(model, tx, ty) for model in models]
        sets.append((np.vstack([x, vx]).astype(np.float64), np.concatenate([y, vy])))
        rows.append((accuracies, losses))
        print(f"seed {seed}: {len(y)} training, {len(vy)} validation, {len(ty)} test")
        print("  " + "; ".join(f"{name} {a:.4f}, {b:.4f}" for name, a, b in zip(NAMES, accuracies, losses)))
    mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
    for at, name in enumerate(NAMES):
        print(f"{name:<26} test accuracy {mean[0, at]:.4f} ± {spread[0, at]:.4f}, test loss {mean[1, at]:.4f}")
    for c in (0.1, 0.3, 1.0):
        free, penalised = cross_validated(sets, c, is_free=True), cross_validated(sets, c, is_free=False)
        print(f"held out, C={c}: free biases {free[0]:.4f}, {free[1]:.4f}; penalised {penalised[0]:.4f}, {penalised[1]:.4f}")


main()
