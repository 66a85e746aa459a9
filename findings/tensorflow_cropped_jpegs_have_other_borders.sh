#!/usr/bin/env bash
# TensorFlow 2.21.0: tf.io.decode_and_crop_jpeg of a JPEG whose colours have half the size (4:2:0).
#
# Guess: the pixels of tf.io.decode_jpeg in the window, as its documentation has it; only faster.
# Seen: the first or last column of the window has other colours, by up to 12 levels here: they are interpolated as if
# the photo ended at the window. Inside, and in windows that begin and end where blocks do, all pixels are the same; so
# are those of a JPEG with colours of full size.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0
cat >"$folder/show.py" <<'PYTHON'
import numpy as np
import tensorflow as tf

rows, columns = np.mgrid[:96, :128]
waves = [np.sin(columns / 5 + rows / 9), np.cos(columns / 7), np.sin(rows / 4)]
photo = np.stack([128 + 100 * wave for wave in waves], axis=-1).astype(np.uint8)
found = {}
for halved in (True, False):
    jpeg = tf.io.encode_jpeg(photo, chroma_downsampling=halved, quality=95)
    whole = tf.io.decode_jpeg(jpeg).numpy().astype(int)
    for top, left, height, width in ((16, 16, 64, 48), (8, 8, 48, 48), (5, 3, 60, 61)):
        part = tf.io.decode_and_crop_jpeg(jpeg, (top, left, height, width)).numpy()
        apart = np.abs(part - whole[top:top + height, left:left + width]).max(axis=-1)
        where = sorted(set(np.nonzero(apart)[1].tolist()))
        print(f'{"half" if halved else "full"} colours, {width} x {height} from {left}, {top}: {apart.max()} levels, columns {where}')
        found[halved, width] = max(found.get((halved, width), 0), int(apart.max()))
        assert set(where) <= {0, width - 1}
assert found == {(True, 48): 12, (True, 61): 10, (False, 48): 0, (False, 61): 0}, found
PYTHON
"$folder/python/bin/python" "$folder/show.py" 2>/dev/null
