"""Models in the forms in which Teachable Machine exports them, and the answers of its own snippet for Python.

    oracle/environment.sh DIR && DIR/bin/python oracle/teachable.py OUT_DIR

The site itself cannot be asked here: the files have its names, shapes, nesting (Sequential models in a Sequential
model, the base a functional one), label lines and preprocessing, and a small base with weights of its own. The
committed copy, crates/lorgnette/tests/teachable.tar.gz, is packed from its output by pack_fixture.py.
"""
import json
import os
import pathlib
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
import numpy as np
import tensorflow as tf
import tf_keras as k
from PIL import Image, ImageOps

SIDE = 224
LABELS = ['Class 1', 'Sunflowers i', 'Roses']


def network():
    """A base of stride 32, pooled, and two fully connected layers, as the site's."""
    L = k.layers
    inputs = L.Input((SIDE, SIDE, 3), name='input_1')
    x = L.Conv2D(8, 16, strides=16, padding='same', use_bias=False, name='Conv1')(inputs)
    x = L.BatchNormalization(name='bn_Conv1')(x)
    x = L.ReLU(6.0, name='Conv1_relu')(x)
    x = L.DepthwiseConv2D(3, strides=2, padding='same', use_bias=False, name='expanded_conv_depthwise')(x)
    base = k.Model(inputs, L.ReLU(6.0, name='out_relu')(x), name='model1')
    features = k.Sequential([base, L.GlobalAveragePooling2D(name='global_average_pooling2d_GlobalAveragePooling2D1')], name='sequential_1')
    head = k.Sequential([L.Dense(10, activation='relu', name='dense_Dense1'), L.Dense(3, activation='softmax', use_bias=False, name='dense_Dense2')],
                        name='sequential_3')
    model = k.Sequential([features, head], name='sequential_4')
    model.build((None, SIDE, SIDE, 3))
    random = np.random.default_rng(5)
    for weight in model.weights:
        low, high = (0.5, 1.5) if 'variance' in weight.name or 'gamma' in weight.name else (-0.3, 0.3)
        weight.assign(random.uniform(low, high, weight.shape).astype(np.float32) * (4 if 'dense' in weight.name else 1))
    return model


def picture(width, height):
    """A smooth picture whose margins, which the snippet cuts off, have other colours than its middle."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    middle = np.stack([200 * x, 255 * y, 120 + 60 * x], -1)
    side = min(width, height)
    top, left = (height - side) // 2, (width - side) // 2
    pixels = np.zeros((height, width, 3)) + [0, 0, 255]
    pixels[top:top + side, left:left + side] = middle[top:top + side, left:left + side]
    return Image.fromarray(pixels.round().astype(np.uint8))


def snippet(image):
    """What the site's snippet makes of a picture."""
    image = ImageOps.fit(image.convert('RGB'), (SIDE, SIDE), Image.Resampling.LANCZOS)
    return (np.asarray(image).astype(np.float32) / 127.5 - 1)[np.newaxis]


def main(out):
    out = pathlib.Path(out)
    (out / 'pictures').mkdir(parents=True, exist_ok=True)
    model = network()
    labels = ''.join(f'{i} {name}\n' for i, name in enumerate(LABELS))
    for folder in ('keras', 'savedmodel', 'tflite', 'tflite_quantised'):
        (out / folder).mkdir(exist_ok=True)
        (out / folder / 'labels.txt').write_text(labels)
    model.save(out / 'keras/keras_model.h5')
    model.save(out / 'savedmodel/model.savedmodel', save_format='tf')
    (out / 'tflite/model_unquant.tflite').write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([snippet(picture(*size))] for size in ((300, 200), (200, 300), (224, 224)))
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    (out / 'tflite_quantised/model.tflite').write_bytes(converter.convert())
    answers = {}
    for width, height in ((300, 224), (224, 300), (448, 448)):
        name = f'{width}x{height}.png'
        image = picture(width, height)
        image.save(out / 'pictures' / name)
        answers[name] = model.predict(snippet(image), verbose=0)[0].tolist()
    (out / 'expected.json').write_text(json.dumps({'labels': LABELS, 'answers': answers}, indent=1) + '\n')
    print(answers)


if __name__ == '__main__':
    main(sys.argv[1])
