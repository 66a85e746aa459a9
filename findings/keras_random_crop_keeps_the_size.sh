#!/usr/bin/env bash
# Keras 3.15.1 on TensorFlow 2.21.0: a model that begins with RandomCrop, at inference.
#
# Guess: with training off the layer makes the size that it was given, by cropping or by scaling down, as its output shape
# says; tf_keras 2.21.0 answers with 24 x 24.
# Seen: the picture passes as it is. The model's output_shape says 24 x 24, the answer of predict has 32 x 40.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1
cat >"$folder/show.py" <<'PYTHON'
import keras
import numpy as np

pictures = np.random.default_rng(0).uniform(0, 1, (1, 32, 40, 3)).astype(np.float32)
inputs = keras.Input((32, 40, 3))
model = keras.Model(inputs, keras.layers.RandomCrop(24, 24)(inputs))
answer = np.asarray(model.predict(pictures, verbose=0))
print(f'Keras {keras.__version__}: output_shape {model.output_shape}, predict gives {answer.shape}')
assert model.output_shape == (None, 24, 24, 3) and np.array_equal(answer, pictures)
PYTHON
"$folder/python/bin/python" "$folder/show.py" 2>/dev/null
