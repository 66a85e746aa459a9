"""The tutorial's recipe and retrain.py's, in TensorFlow, step by step against what `lorgnette train --trace` wrote.

    python train_recipe.py WORK --lorgnette PATH [--photos FOLDER]

Lorgnette trains and writes its initial values, features, batches and the loss of each step. TensorFlow starts from the same
values and takes the same batches, by its own GradientDescentOptimizer and exponential_decay. Every loss, and the weights in
the end, must be the same to the tolerance.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import tensorflow as tf

# Losses are means of a hundred float32 cross entropies, and errors of the weights add up over the steps.
LOSS = 1e-4
# Of the largest weight.
WEIGHTS = 1e-3


def tensorflow_losses(trace, classes, decay):
    """The loss of each step, and the weights after the last, as TensorFlow computes them."""
    features = np.load(f"{trace}/training_features.npy")
    truth = np.load(f"{trace}/training_classes.npy").astype(np.int64)
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        x = tf.compat.v1.placeholder(tf.float32, [None, features.shape[1]])
        y = tf.compat.v1.placeholder(tf.int64, [None])
        weights = tf.compat.v1.get_variable("weights", initializer=np.load(f"{trace}/initial_weights.npy"), use_resource=False)
        biases = tf.compat.v1.get_variable("biases", initializer=np.load(f"{trace}/initial_biases.npy"), use_resource=False)
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=tf.matmul(x, weights) + biases)
        )
        step = tf.compat.v1.train.get_or_create_global_step()
        rate = 0.01
        if decay:
            rate = tf.compat.v1.train.exponential_decay(0.01, step, 500, 0.9, staircase=True)
        train = tf.compat.v1.train.GradientDescentOptimizer(rate).minimize(loss, global_step=step)
        session.run(tf.compat.v1.global_variables_initializer())
        losses = []
        with open(f"{trace}/steps.csv", newline="") as lines:
            for line in csv.DictReader(lines):
                batch = np.array(line["batch"].split(), dtype=np.int64)
                found, _ = session.run([loss, train], {x: features[batch], y: truth[batch]})
                losses.append((float(line["loss"]), float(found)))
        return losses, session.run([weights, biases])


def check(recipe, arguments):
    trace, out = f"{arguments.work}/{recipe}/trace", f"{arguments.work}/{recipe}/model"
    shutil.rmtree(f"{arguments.work}/{recipe}", ignore_errors=True)
    command = [arguments.lorgnette, "train", arguments.photos, "--out", out, "--recipe", recipe, "--steps", str(arguments.steps)]
    command += ["--trace", trace, "--cache", f"{arguments.work}/features.cache", "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    losses, (weights, biases) = tensorflow_losses(trace, None, recipe == "tutorial")
    assert len(losses) == arguments.steps, f"{len(losses)} steps were traced"
    off = max(abs(ours - theirs) / max(1.0, theirs) for ours, theirs in losses)
    ours = np.load(f"{out}/weights.npy")
    weights_off = np.abs(ours - weights).max() / np.abs(weights).max()
    biases_off = np.abs(np.load(f"{out}/biases.npy") - biases).max() / np.abs(biases).max()
    print(
        f"{recipe}: {len(losses)} steps, loss {losses[0][1]:.4f} to {losses[-1][1]:.4f}; largest difference of a loss {off:.1e}, "
        f"of a weight {weights_off:.1e}, of a bias {biases_off:.1e} of the largest"
    )
    return off <= LOSS and max(weights_off, biases_off) <= WEIGHTS


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("--lorgnette", required=True)
    parser.add_argument("--photos", required=True)
    parser.add_argument("--steps", type=int, default=1200)
    arguments = parser.parse_args()
    verdicts = [check(recipe, arguments) for recipe in ("tutorial", "retrain")]
    sys.exit(0 if all(verdicts) else "the losses are not TensorFlow's")


main()
