"""Whole networks as TensorFlow Lite files of int8, and one whose weights alone are integers, made by TensorFlow's converter from Keras with made-up weights.

    oracle/environment.sh DIR && DIR/bin/python oracle/tflite_networks.py OUT_DIR
    DIR/bin/python oracle/tflite_imports.py ANSWERS --files OUT_DIR/*.tflite

The second command adds the bytes of every tensor by LiteRT's reference kernels.
"""
import argparse
import pathlib
import re

import flatbuffers
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

import made_up

APPLICATIONS = {
    'mobilenet_v1': lambda: tf.keras.applications.MobileNet((96, 96, 3), alpha=0.25, weights=None, classes=101),
    'mobilenet_v2': lambda: tf.keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None, classes=101),
    'mobilenet_v3': lambda: tf.keras.applications.MobileNetV3Small((96, 96, 3), weights=None, classes=101, include_preprocessing=False),
    'resnet_v2': lambda: tf.keras.applications.ResNet50V2(input_shape=(64, 64, 3), weights=None, classes=101),
}


def hybrid():
    """Layers whose weights alone become integers: convolutions, depthwise ones, a fully connected one."""
    x = picture = tf.keras.Input((24, 24, 3))
    x = tf.keras.layers.Conv2D(48, 3, strides=2, padding='same', activation='relu6')(x)
    x = tf.keras.layers.DepthwiseConv2D(3, padding='same', activation='relu')(x)
    x = tf.keras.layers.Conv2D(40, 1)(x)
    x = tf.keras.layers.DepthwiseConv2D(7, padding='same')(x)
    x = tf.keras.layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(picture, tf.keras.layers.Dense(64)(x))


def fill(model, name):
    """Gives every variable made-up numbers: filters of the size that keeps activations, statistics near those of a norm."""
    for variable in model.variables:
        shape, label = tuple(variable.shape), f'{name}/{variable.path}'
        if variable.path.endswith('variance'):
            value = made_up.between(0.5, 1.5, label, shape)
        elif variable.path.endswith('gamma'):
            value = made_up.between(0.7, 1.3, label, shape)
        elif len(shape) > 1:
            depth = np.prod(shape[:2]) if 'depthwise' in variable.path else np.prod(shape[:-1])
            value = made_up.between(-1.0, 1.0, label, shape) * np.sqrt(6 / depth)
        else:
            value = made_up.between(-0.3, 0.3, label, shape)
        variable.assign(value.astype(np.float32))


def convert(name, model):
    """The network as a file of int8, calibrated on a few made-up pictures."""
    shape = (1, *model.input_shape[1:])
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([made_up.between(-1.0, 1.0, f'{name}/{i}', shape)] for i in range(4))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return shorten_names(converter.convert())


def convert_weights(model):
    """The network with weights of int8 and activations of float32."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return shorten_names(converter.convert())


def shorten_names(content):
    """The converter joins the names of all layers that became one; these are too long for files."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for index, tensor in enumerate(model.subgraphs[0].tensors):
        last = tensor.name.decode().split(';')[0].rsplit('/', 1)[-1]
        tensor.name = f'{index:03}_{re.sub("[^A-Za-z0-9_]", "_", last)[:40]}'
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b'TFL3')
    return bytes(builder.Output())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', type=pathlib.Path)
    parser.add_argument('--only', help='make only the network of this name')
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, build in APPLICATIONS.items():
        if arguments.only in (None, name):
            model = build()
            fill(model, name)
            (arguments.out / f'{name}_int8.tflite').write_bytes(convert(name, model))
            print(name, flush=True)
    if arguments.only in (None, 'dynamic_range'):
        model = hybrid()
        fill(model, 'dynamic_range')
        (arguments.out / 'dynamic_range.tflite').write_bytes(convert_weights(model))


if __name__ == '__main__':
    main()
