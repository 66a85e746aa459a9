#!/usr/bin/env python3
"""Writes crates/lorgnette/tests/preprocess_truth.json: TensorFlow's inputs for small made-up pictures.

    oracle/environment.sh DIR && DIR/bin/python oracle/preprocess_truth.py

The pictures are a rule, so that only the answers are stored: see `picture`. The TF-Slim preprocessing functions are
written out here call by call, for the tf_slim package does not hold them.
"""

import json
import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

OUT = Path(__file__).resolve().parent.parent / "crates/lorgnette/tests/preprocess_truth.json"
PROBES = 40


def picture(height, width, bits, channels=3):
    """Sample i of the flat picture is the upper bits of i * 2654435761 + 12345 (mod 2^32), softened by its place."""
    count = height * width * channels
    noise = (np.arange(count, dtype=np.uint64) * 2654435761 + 12345) % 2**32
    ramp = np.arange(count, dtype=np.uint64) * 2**32 // count
    values = (noise // 4 + ramp * 3 // 4) >> (32 - bits)
    return values.astype(np.uint8 if bits == 8 else np.uint16).reshape(height, width, channels)


def bilinear(image, height, width):
    return tf.compat.v1.image.resize_bilinear(image[None], [height, width], align_corners=False)[0]


def vgg(image, height, width):
    image = tf.cast(image, tf.float32)
    side = tf.constant(256.0 if max(height, width) <= 256 else float(round(256 * max(height, width) / 224)))
    h, w = (tf.cast(n, tf.float32) for n in image.shape[:2])
    scale = side / tf.minimum(h, w)
    new = [tf.cast(tf.math.rint(n * scale), tf.int32) for n in (h, w)]
    image = bilinear(image, *new)
    top, left = (new[0] - height) // 2, (new[1] - width) // 2
    return image[top : top + height, left : left + width] - [123.68, 116.78, 103.94]


def inception(image, height, width):
    image = tf.image.convert_image_dtype(image, tf.float32)
    image = tf.image.central_crop(image, 0.875)
    return (bilinear(image, height, width) - 0.5) * 2.0


def inception_2015(image, height, width):
    return (bilinear(tf.cast(image, tf.float32), height, width) - 128.0) * 0.0078125


def lenet(image, height, width):
    image = tf.cast(image, tf.float32)
    if image.shape[2] == 3:
        image = tf.image.rgb_to_grayscale(image)
    return (tf.image.resize_with_crop_or_pad(image, height, width) - 128.0) / 128.0


def cifarnet(image, height, width):
    image = tf.cast(image, tf.float32)
    return tf.image.per_image_standardization(tf.image.resize_with_crop_or_pad(image, height, width))


def none(image, height, width):
    return bilinear(tf.cast(image, tf.float32), height, width)


STYLES = dict(vgg=vgg, inception=inception, inception_2015=inception_2015, lenet=lenet, cifarnet=cifarnet, none=none)

PICTURES = [(31, 47), (64, 29), (300, 211), (97, 640), (1, 1), (5, 2), (257, 256)]
SIZES = [("vgg", 224, 224), ("vgg", 200, 160), ("vgg", 299, 299), ("vgg", 320, 448), ("vgg", 231, 231), ("inception", 224, 224), ("inception", 128, 160), ("inception", 299, 299), ("inception_2015", 299, 299), ("inception_2015", 60, 40), ("lenet", 28, 28), ("lenet", 33, 50), ("cifarnet", 32, 32), ("cifarnet", 45, 70), ("none", 32, 32), ("none", 100, 37)]


def case(style, height, width, size, bits, channels):
    image = picture(*size, bits, channels)
    answer = STYLES[style](image, height, width).numpy()
    assert answer.dtype == np.float32 and answer.shape[:2] == (height, width)
    flat = answer.reshape(-1)
    places = [(7 + i * 2654435761) % flat.size for i in range(PROBES)]
    return {
        "style": style,
        "height": height,
        "width": width,
        "picture": {"height": size[0], "width": size[1], "bits": bits, "channels": channels},
        "mean": float(flat.astype(np.float64).mean()),
        "l2": float(np.sqrt((flat.astype(np.float64) ** 2).sum())),
        "probes": [[p, float(flat[p])] for p in places],
    }


def main():
    cases = [case(style, height, width, size, 8, 3) for style, height, width in SIZES for size in PICTURES]
    # Only Inception reads sixteen bits as sixteen bits.
    cases += [case("inception", 224, 224, size, 16, 3) for size in PICTURES]
    # A grey file reaches LeNet as it is.
    cases += [case("lenet", 28, 28, size, 8, 1) for size in PICTURES]
    lines = ",\n".join(json.dumps(entry) for entry in cases)
    OUT.write_text(f'{{"tensorflow": "{tf.__version__}", "cases": [\n{lines}\n]}}\n')
    print(len(cases), "cases,", OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
