#!/usr/bin/env bash
# TensorFlow 2.21.0: tf.io.decode_gif of a GIF whose first frame is smaller than its screen.
#
# Guess: a picture of the screen's size with the frame where the file puts it, as the format says and Pillow 12.3.0 does.
# Seen: a picture of the frame's size, in which the frame still lies at its place on the screen; what juts out is cut off
# and the rest is black. A frame in the lower right corner of a larger screen gives an entirely black picture.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 pillow==12.3.0
cat >"$folder/show.py" <<'PYTHON'
import io
import struct

import numpy as np
import tensorflow as tf
from PIL import Image


def gif(screen, place):
    """A red frame of 20 x 16, its first row black, at a place of a screen."""
    frame = Image.fromarray(np.repeat(np.arange(16) > 0, 20).reshape(16, 20).astype(np.uint8), 'P')
    frame.putpalette([0, 0, 0, 255, 0, 0] + 254 * [0, 0, 0])
    file = io.BytesIO()
    frame.save(file, 'GIF')
    data = bytearray(file.getvalue())
    data[6:10] = struct.pack('<HH', *screen)
    start = data.index(b',')
    data[start + 1:start + 5] = struct.pack('<HH', *place)
    return bytes(data)


for place, red in (((0, 0), 300), ((10, 5), 100), ((28, 24), 0)):
    data = gif((48, 40), place)
    seen = tf.io.decode_gif(data).numpy()[0]
    pillow = Image.open(io.BytesIO(data)).convert('RGB')
    count = int((seen[..., 0] > 200).sum())
    print(f'frame at {place}: TensorFlow {seen.shape[1]} x {seen.shape[0]}, {count} red pixels; Pillow {pillow.width} x {pillow.height}')
    assert seen.shape == (16, 20, 3) and pillow.size == (48, 40) and count == red
    assert int((np.asarray(pillow)[..., 0] > 200).sum()) == 300
PYTHON
"$folder/python/bin/python" "$folder/show.py" 2>/dev/null
