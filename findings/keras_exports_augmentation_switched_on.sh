#!/usr/bin/env bash
# Keras 3.15.1 on TensorFlow 2.21.0: model.export() of a model with random augmentation layers.
#
# Guess: the SavedModel answers as the model does at inference, where these layers do nothing.
# Seen: the exported function turns every picture at random: the same picture has another answer each time. The model
# itself, called with training=False, does not; nor does the SavedModel that tf_keras 2.21.0 writes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 tf-keras==2.21.0 keras==3.15.1
cat >"$folder/show.py" <<'PYTHON'
import sys

import keras
import numpy as np
import tensorflow as tf
import tf_keras

x = np.random.default_rng(0).uniform(0, 1, (1, 8, 8, 3)).astype(np.float32)


def spread(k, path):
    """How far three answers of the exported model are from one another, and whether the model itself keeps its own."""
    L = k.layers
    model = k.Sequential([L.Input((8, 8, 3)), L.RandomRotation(0.3), L.Flatten(), L.Dense(2)])
    own = [np.asarray(model(x, training=False)) for _ in range(2)]
    assert np.array_equal(*own)
    model.export(path, verbose=False) if k is keras else model.save(path, save_format='tf')
    function = tf.saved_model.load(path).signatures['serving_default']
    (name,) = function.structured_input_signature[1]
    answers = [next(iter(function(**{name: tf.constant(x)}).values())).numpy() for _ in range(3)]
    return max(np.abs(answer - answers[0]).max() for answer in answers)


exported, saved = spread(keras, sys.argv[1] + '/keras'), spread(tf_keras, sys.argv[1] + '/tf_keras')
print(f'Keras {keras.__version__}: answers {exported:.3g} apart; tf_keras {tf_keras.__version__}: {saved:.3g}')
assert exported > 1e-3 and saved == 0
PYTHON
"$folder/python/bin/python" "$folder/show.py" "$folder" 2>/dev/null
