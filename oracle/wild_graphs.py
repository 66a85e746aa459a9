"""Graphs in the forms that other people's programs leave, each with what its maker's code answers.

    python wild_graphs.py FOLDER
    python pack_fixture.py FOLDER ../crates/lorgnette/tests/wild_graphs.tar.gz

Every graph takes `photo.png` (or `photo.jpg`) the way its maker's code feeds it. `cases.json` has one entry a
graph: its file, the photo, the labels, the answer, and the rule that tells how the graph wants its picture.
"""
import io
import os
import struct
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
import numpy as np
import tensorflow as tf
from PIL import Image

from wild import Cases

tf1 = tf.compat.v1
tf1.disable_control_flow_v2()
SIDE = 32
CLASSES = 4
VGG_MEANS = np.array([123.68, 116.779, 103.939], np.float32)


class Folder(Cases):
    """The graphs written so far."""

    def __init__(self, path):
        super().__init__(path, 40, 48)
        (self.path / 'photo.png').write_bytes(tf.io.encode_png(self.pixels).numpy())
        self.jpeg = tf.io.encode_jpeg(self.pixels, quality=95).numpy()
        (self.path / 'photo.jpg').write_bytes(self.jpeg)

    def resized(self, side=SIDE, grey=False):
        """The whole picture as TensorFlow 1 resizes it, 0 to 255."""
        pixels = self.pixels[np.newaxis].astype(np.float32)
        if grey:
            pixels = tf.image.rgb_to_grayscale(pixels)
        return tf1.image.resize_bilinear(pixels, [side, side]).numpy()

    def add(self, name, build, feed, rule, what, photo_file='photo.png', tolerance=1e-4, are_scores=False):
        """Builds a graph; `build` gives the tensor to feed and the one that answers, perhaps with scores before a softmax."""
        graph = tf.Graph()
        with graph.as_default():
            source, answer = build()
            with tf1.Session() as session:
                session.run(tf1.global_variables_initializer())
                value = session.run(answer, {source: feed})
                value = np.asarray(value)
                if are_scores:
                    value = np.exp(value) / np.exp(value).sum()
                frozen = tf1.graph_util.convert_variables_to_constants(
                    session, graph.as_graph_def(), [answer.op.name]) if build.__name__ != 'training' \
                    else graph.as_graph_def()
        (self.path / f'{name}.pb').write_bytes(frozen.SerializeToString(deterministic=True))
        self.note(f'{name}.pb', value, rule, what, photo_file, tolerance)

    def begins(self, name, begin, feed, rule, what, scale=1.0, tolerance=1e-4, **kinds):
        """Builds a graph that begins with arithmetic of its own."""
        def build():
            source = placeholder(**kinds)
            return source, tf.nn.softmax(logits(features(begin(source), scale)), name='prob')
        self.add(name, build, feed, rule, what, tolerance=tolerance)

    def ending(self, name, end, what, **options):
        """Builds a graph that ends in `end` of its features."""
        def build():
            source = placeholder()
            return source, end(features(source / 255.0))
        self.add(name, build, self.resized(), 'takes 0 to 255', what, **options)

    def refuse(self, name, decode, said):
        """Writes a graph whose decoder does what is refused, and a part of what is said of it."""
        graph = tf.Graph()
        with graph.as_default():
            x = tf.cast(decode(placeholder([], tf.string, 'contents')), tf.float32)
            x = tf1.image.resize_bilinear(tf.expand_dims(x, 0) if x.shape.rank != 4 else x, [SIDE, SIDE]) / 255.0
            tf.nn.softmax(logits(features(x, channels=x.shape[-1] or 3)), name='prob')
        (self.path / f'{name}.pb').write_bytes(graph.as_graph_def().SerializeToString(deterministic=True))
        self.cases.append({'graph': f'{name}.pb', 'refused': said})


def weights(label, *shape, scale=1.0):
    """Made-up weights, the same in every run."""
    seed = sum(ord(letter) * (index + 1) for index, letter in enumerate(label))
    return (np.random.RandomState(seed).randn(*shape) * scale).astype(np.float32)


def features(x, scale=1.0, channels=3):
    """A convolution and a mean over all positions. `scale` suits the range of `x`."""
    filters = tf.constant(weights('filters', 3, 3, channels, 8, scale=0.3 / scale), name='conv/weights')
    x = tf.nn.conv2d(x, filters, 2, 'SAME', name='conv/Conv2D')
    return tf.reduce_mean(tf.nn.relu(x), [1, 2], name='pool')


def logits(x, classes=CLASSES, name='logits'):
    """A dense layer."""
    return tf.matmul(x, tf.constant(weights('dense', x.shape[-1], classes, scale=1.5)), name=name)


def placeholder(shape=(None, SIDE, SIDE, 3), dtype=tf.float32, name='input'):
    """An input."""
    return tf1.placeholder(dtype, shape, name=name)


def retrained(name='input', rank_known=True):
    """A graph as retrain.py leaves it."""
    x = placeholder(name=name)
    pooled = tf.identity(features(x), name='MobilenetV1/Logits/SpatialSqueeze')
    bottleneck = tf1.placeholder_with_default(pooled, [None, 8], 'input_1/BottleneckInputPlaceholder')
    final = tf.matmul(bottleneck, tf.constant(weights('final', 8, CLASSES, scale=1.5)),
                      name='final_training_ops/Wx_plus_b/MatMul')
    final = tf.add(final, tf.constant(weights('bias', CLASSES)), name='final_training_ops/Wx_plus_b/add')
    return x, tf.nn.softmax(final, name='final_result')


def decoding():
    """The 2015 graph's own decoder and resize in front."""
    contents = placeholder([], tf.string, 'DecodeJpeg/contents')
    x = tf.image.decode_jpeg(contents, channels=3, name='DecodeJpeg')
    x = tf1.image.resize_bilinear(tf.expand_dims(tf.cast(x, tf.float32), 0), [SIDE, SIDE], name='ResizeBilinear')
    x = tf.multiply(tf.subtract(x, 128.0, name='Sub'), 0.0078125, name='Mul')
    return contents, tf.nn.softmax(logits(features(x)), name='final_result')


def fake_quantised(x, per_channel):
    """A quantisation-aware network: batch norm folded into weights, which are quantised."""
    def quantised(x, low, high, name):
        return tf.quantization.fake_quant_with_min_max_vars(x, low, high, name=name)
    x = quantised(x, -1.0, 1.0, 'input_quant')
    folded = tf.multiply(tf.constant(weights('filters', 3, 3, 3, 8, scale=0.3)),
                         tf.constant(np.linspace(0.5, 1.5, 8).astype(np.float32)), name='mul_fold')
    if per_channel:
        low, high = np.linspace(-0.9, -0.4, 8), np.linspace(0.5, 1.1, 8)
        folded = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            folded, low.astype(np.float32), high.astype(np.float32), narrow_range=True, name='weights_quant')
    else:
        folded = quantised(folded, -0.9, 1.1, 'weights_quant')
    x = tf.nn.relu6(tf.nn.conv2d(x, folded, 2, 'SAME'))
    x = quantised(x, 0.0, 6.0, 'act_quant')
    return quantised(tf.reduce_mean(x, [1, 2]), 0.0, 6.0, 'pool_quant')


def main(path):
    """Writes the folder."""
    folder = Folder(path)
    whole = folder.resized()
    centred, unit, signed = (whole - 128) / 128, whole / 255, whole / 127.5 - 1
    bgr = whole[..., ::-1]

    def classifier(begin, end=lambda x: tf.nn.softmax(logits(x), name='prob'), scale=1.0, **kinds):
        def build():
            source = placeholder(**kinds)
            return source, end(features(begin(source), scale))
        return build

    add = folder.add
    add('retrained', retrained, centred, 'retrain.py', 'label_image.py: (x - 128) / 128')
    add('retrained_placeholder', lambda: retrained('Placeholder'), centred, 'retrain.py', 'another name of the input')
    add('decoder', decoding, folder.jpeg, 'decodes pictures', 'the 2015 graph', 'photo.jpg')
    add('hub', classifier(lambda x: tf.subtract(tf.multiply(x, 2.0, name='module_apply_default/hub_input/Mul'), 1.0,
                                                name='module_apply_default/hub_input/Sub'), name='Placeholder'),
        unit, 'takes 0 to 1', 'a TF Hub module')
    add('serving_uint8', classifier(lambda x: tf.cast(x, tf.float32) / 255.0, dtype=tf.uint8),
        np.round(whole), 'takes integers', 'a serving export', tolerance=2e-3)
    add('divides', classifier(lambda x: x / 255.0), whole, 'takes 0 to 255', 'its own division')
    add('subtracts_means', classifier(lambda x: x - VGG_MEANS, scale=128.0), whole, 'takes 0 to 255',
        'its own means of red, green and blue')
    add('rescales', classifier(lambda x: x * (1 / 127.5) + -1.0), whole, 'takes 0 to 255', 'a Rescaling layer')
    add('centres_unit', classifier(lambda x: (x - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])),
        unit, 'takes 0 to 1', "Torchvision's means and deviations")
    add('widens_unit', classifier(lambda x: x * 255.0 - VGG_MEANS, scale=128.0), unit, 'takes 0 to 1', '0 to 1, times 255')

    def split_vgg(x):
        red, green, blue = tf.split(x * 255.0, 3, 3)
        return tf.concat([blue - VGG_MEANS[2], green - VGG_MEANS[1], red - VGG_MEANS[0]], 3)
    add('reverses_itself', classifier(split_vgg, scale=128.0), unit, 'takes 0 to 1', 'a VGG that reverses its channels')
    add('caffe', classifier(lambda x: x - VGG_MEANS[::-1], scale=128.0), bgr, 'takes 0 to 255', "Caffe's means: BGR")
    add('custom_vision', classifier(lambda x: x - np.float32([104, 117, 124]), name='Placeholder', scale=128.0,
                                    end=lambda x: tf.nn.softmax(logits(x), name='loss')),
        bgr, 'Azure Custom Vision', "predict.py of Azure's samples: BGR")
    add('standardises', classifier(lambda x: (x - tf.reduce_mean(x, [1, 2, 3], keepdims=True)) * 0.01),
        whole, 'takes 0 to 255', 'subtracts the mean of the picture')
    add('symmetric_to_unit', classifier(lambda x: x * 0.5 + 0.5), signed, 'takes -1 to 1', 'brings -1 to 1 to 0 to 1')
    add('channels_first', classifier(lambda x: tf.transpose(x, [0, 2, 3, 1]) / 255.0, shape=(None, 3, SIDE, SIDE)),
        whole.transpose(0, 3, 1, 2), 'takes 0 to 255', 'channels first')
    add('no_batch', classifier(lambda x: tf.expand_dims(x, 0) / 255.0, shape=(SIDE, SIDE, 3)), whole[0],
        'takes 0 to 255', 'no batch')

    grey = folder.resized(28, grey=True)

    def flat():
        source = placeholder((None, 784), name='x')
        x = tf.reshape(source, [-1, 28, 28, 1]) / 255.0
        return source, tf.nn.softmax(logits(features(x, channels=1)), name='y')
    add('flat', flat, grey.reshape(1, 784), 'takes 0 to 255', 'grey digits in a row')

    def matrix():
        source = placeholder((None, 28, 28), name='x')
        return source, tf.nn.softmax(logits(tf.reshape(source / 255.0, [-1, 784])) * 0.1, name='y')
    add('rows_of_grey', matrix, grey[..., 0], 'takes 0 to 255', 'grey pictures without channels')

    def ending(name, end, what, **options):
        add(name, classifier(lambda x: x / 255.0, end), whole, 'takes 0 to 255', what, **options)
    softmax = lambda x: tf.nn.softmax(logits(x))
    ending('cast', lambda x: tf.cast(tf.cast(softmax(x), tf.float64), tf.float32), 'softmax, cast')
    ending('clipped', lambda x: tf.clip_by_value(softmax(x), 1e-7, 1 - 1e-7), 'softmax, clipped')
    ending('averaged', lambda x: tf.reduce_mean(tf.stack([softmax(x), softmax(x)]), 0), 'the mean of two softmaxes')
    ending('transposed', lambda x: tf.transpose(softmax(x)), 'softmax, transposed')
    ending('cut', lambda x: softmax(x)[:, 1:] / tf.reduce_sum(softmax(x)[:, 1:], 1, keepdims=True),
           'the background cut off')
    ending('reciprocal', lambda x: tf.exp(logits(x)) * tf.math.reciprocal(
        tf.reduce_sum(tf.exp(logits(x, name='again')), 1, keepdims=True)), 'softmax by hand, of two nodes')
    ending('exp_log_softmax', lambda x: tf.exp(tf.nn.log_softmax(logits(x))), 'exp of log_softmax')
    ending('log_sum_exp', lambda x: tf.exp(logits(x) - tf.reduce_logsumexp(logits(x), 1, keepdims=True)),
           'exp of the difference to the logarithm of the sum')
    ending('half_and_half', lambda x: (softmax(x) + tf.nn.softmax(logits(x) * 0.5)) / 2.0, 'an ensemble of two')
    ending('argmax', lambda x: tf.argmax(logits(x), 1, name='class'), 'ArgMax of logits')
    ending('argmax_of_softmax', lambda x: tf.cast(tf.argmax(softmax(x), 1), tf.int32), 'ArgMax, cast')
    ending('top_k', lambda x: tf.nn.top_k(softmax(x), 2)[1][:, 0], 'indices of TopK')
    ending('sigmoid_by_hand', lambda x: 1.0 / (1.0 + tf.exp(-logits(x, 1))), 'one sigmoid, written out')
    ending('one_logit', lambda x: tf.sigmoid(logits(x, 1)), 'one sigmoid')

    def two_columns(x):
        p = tf.sigmoid(logits(x, 1))
        return tf.concat([1.0 - p, p], 1)
    ending('two_columns', two_columns, 'one sigmoid and its complement')

    def training():
        source = placeholder()
        answer = tf.nn.softmax(logits(features(source / 255.0)), name='predictions')
        labels = placeholder((None,), tf.int64, 'labels')
        right = tf.cast(tf.equal(tf.argmax(answer, 1), labels), tf.float32)
        tf.reduce_mean(right, name='accuracy')
        tf.gradients(tf.reduce_sum(answer), source)
        return source, answer
    add('training', training, whole, 'takes 0 to 255', 'gradients and an accuracy beside the answer')

    # Beginnings that other programs leave.
    pixels = folder.pixels[np.newaxis].astype(np.float32)

    def resizes(x):
        return tf1.image.resize_bilinear(tf.cast(x, tf.float32), [SIDE, SIDE]) / 255.0
    add('own_resize', classifier(resizes, shape=(None, None, None, 3)), pixels, 'takes 0 to 255', 'resizes pictures of any size')
    add('own_resize_no_batch', classifier(lambda x: resizes(tf.expand_dims(x, 0)), shape=(None, None, 3)), pixels[0],
        'takes 0 to 255', 'the same without a batch')
    add('own_resize_uint8', classifier(lambda x: resizes(tf.expand_dims(x, 0)), shape=(None, None, 3), dtype=tf.uint8),
        folder.pixels, 'takes integers', 'the same of integers', tolerance=2e-3)
    add('reverses_by_stride', classifier(lambda x: x[..., ::-1] - VGG_MEANS[::-1], scale=128.0), whole, 'takes 0 to 255',
        "reverses channels by a stride, then Caffe's means")
    add('normalises_first', classifier(lambda x: tf1.nn.fused_batch_norm(
        x, np.float32([.02, .02, .02]), np.float32([-2, -1.9, -1.8]), mean=np.float32([1, 2, 3]),
        variance=np.float32([1, 1, 1]), is_training=False)[0]), whole, 'takes 0 to 255', 'a batch norm in front')
    add('standardises_itself', classifier(
        lambda x: tf.expand_dims(tf.image.per_image_standardization(tf.squeeze(x, 0)), 0), shape=(1, SIDE, SIDE, 3)),
        whole, 'takes 0 to 255', 'tf.image.per_image_standardization')
    add('converts_uint8', classifier(lambda x: tf.image.convert_image_dtype(x, tf.float32) * 2.0 - 1.0, dtype=tf.uint8),
        np.round(whole).astype(np.uint8), 'takes integers', 'tf.image.convert_image_dtype', tolerance=2e-3)
    add('float16', classifier(lambda x: tf.cast(x, tf.float32) / 255.0, dtype=tf.float16), whole.astype(np.float16),
        'takes 0 to 255', 'an input of float16', tolerance=3e-3)
    add('crops', classifier(lambda x: x[:, 2:30, 2:30, :] / 255.0), whole, 'takes 0 to 255', 'crops pictures')
    add('batch_of_eight', classifier(lambda x: x / 255.0, lambda x: softmax(x)[:1], shape=(8, SIDE, SIDE, 3)),
        np.repeat(whole, 8, 0), 'takes 0 to 255', 'a batch of eight')

    def with_default():
        source = tf1.placeholder_with_default(np.zeros((1, SIDE, SIDE, 3), np.float32), (None, SIDE, SIDE, 3), name='images')
        return source, softmax(features(source / 255.0))
    add('default_input', with_default, whole, 'takes 0 to 255', 'a placeholder with a default')

    def learning_phase():
        source = placeholder()
        is_training = tf1.placeholder_with_default(False, [], name='keras_learning_phase')
        x = features(source / 255.0)
        x = tf1.cond(is_training, lambda: tf1.nn.dropout(x, rate=0.5), lambda: tf.identity(x))
        return source, tf.nn.softmax(logits(x), name='output_node0')
    add('learning_phase', learning_phase, whole, 'takes 0 to 255', "Keras's learning phase: Switch and Merge")

    def kept():
        source = placeholder()
        x = tf1.nn.dropout(features(source / 255.0), keep_prob=tf1.placeholder_with_default(1.0, [], name='keep_prob'))
        return source, softmax(x)
    add('keep_prob', kept, whole, 'takes 0 to 255', 'dropout with a share that is fed')

    # And endings.
    ending('spatial', lambda x: tf.nn.softmax(tf.reshape(logits(x), [-1, 1, 1, CLASSES])), 'a map of one place')
    ending('independent', lambda x: tf.sigmoid(logits(x)), 'independent classes')
    ending('temperature', lambda x: tf.nn.softmax(logits(x) / 0.7), 'a temperature')
    ending('vote', lambda x: tf.add_n([0.3 * softmax(x), 0.7 * tf.nn.softmax(logits(x) * 0.3)]), 'a weighted ensemble')

    for per_channel in [False, True]:
        def quantised(per_channel=per_channel):
            source = placeholder()
            x = fake_quantised(source * (1 / 127.5) - 1.0, per_channel)
            return source, tf.nn.softmax(logits(x, 4), name='probabilities')
        add('quantised_per_channel' if per_channel else 'quantised', quantised, whole, 'takes 0 to 255',
            'trained for quantisation', tolerance=0.02)
    more_beginnings(folder)
    more_endings(folder)
    sizes_of_their_own(folder)
    further_beginnings(folder)
    further_endings(folder)
    further_decoders(folder)
    further_quantised(folder)
    maps(folder)
    constants_and_statistics(folder)
    parts_and_kernels(folder)
    lost_sides(folder)
    folder.write()


def more_beginnings(folder):
    """How else graphs take their picture: other orders, types, and ways to write the same arithmetic."""
    whole = folder.resized()

    folder.begins('halves', lambda x: (x / 255.0 - 0.5) * 2.0, whole, 'takes 0 to 255', '(x / 255 - 0.5) · 2')
    folder.begins('by_128', lambda x: (x - 127.5) / 128.0, whole, 'takes 0 to 255', '(x - 127.5) / 128')
    folder.begins('gathers_bgr', lambda x: tf.gather(x, [2, 1, 0], axis=3) - VGG_MEANS[::-1], whole, 'takes 0 to 255',
                  'gathers channels 2, 1, 0', scale=128.0)
    folder.begins('reverses_bgr', lambda x: tf.reverse(x, [-1]) - VGG_MEANS[::-1], whole, 'takes 0 to 255', 'reverses channels', scale=128.0)
    folder.begins('unstacks', lambda x: tf.stack([(c - m) / 60.0 for c, m in zip(tf.unstack(x, axis=3), VGG_MEANS)], 3), whole,
                  'takes 0 to 255', 'channels apart and together')
    folder.begins('limits', lambda x: tf.clip_by_value(x, 0.0, 255.0) / 255.0, whole, 'takes 0 to 255', 'limits of 0 and 255')
    folder.begins('integers', lambda x: tf.cast(x, tf.float32) / 255.0, np.round(whole).astype(np.int32), 'takes integers', 'int32',
                  dtype=tf.int32, tolerance=2e-3)
    folder.begins('doubles', lambda x: tf.cast(x / 255.0, tf.float32), whole.astype(np.float64), 'takes 0 to 255', 'float64', dtype=tf.float64)
    folder.begins('uint8_first', lambda x: tf.cast(tf.transpose(x, [0, 2, 3, 1]), tf.float32) / 255.0,
                  np.round(whole).astype(np.uint8).transpose(0, 3, 1, 2), 'takes integers', 'bytes, channels first',
                  dtype=tf.uint8, shape=(None, 3, SIDE, SIDE), tolerance=2e-3)
    folder.begins('greys', lambda x: tf.tile(tf.image.rgb_to_grayscale(x / 255.0), [1, 1, 1, 3]), whole, 'takes 0 to 255', 'grey made of colours')
    folder.begins('pads', lambda x: tf.pad(x / 255.0, [[0, 0], [2, 2], [2, 2], [0, 0]]), whole, 'takes 0 to 255', 'a border of zeros')
    folder.begins('deviations', lambda x: (x - VGG_MEANS) / np.float32([58.4, 57.1, 57.4]), whole, 'takes 0 to 255', 'means and deviations of pixels')


def more_endings(folder):
    """How else graphs end."""
    softmax = lambda x: tf.nn.softmax(logits(x))
    folder.ending('expanded', lambda x: tf.exp(logits(x)) / tf.expand_dims(tf.reduce_sum(tf.exp(logits(x)), 1), 1),
                  'exp by its sum, which got its dimension back')
    folder.ending('percent', lambda x: softmax(x) * 0.01 * 100.0, 'times and by a hundred')
    folder.ending('floor', lambda x: tf.maximum(softmax(x), 1e-6), 'at least a millionth')
    folder.ending('renormalised', lambda x: (softmax(x) + 1e-3) / tf.reduce_sum(softmax(x) + 1e-3, 1, keepdims=True), 'smoothed, and its sum made 1')
    folder.ending('geometric', lambda x: tf.sqrt(softmax(x) * tf.nn.softmax(logits(x) * 0.5))
                  / tf.reduce_sum(tf.sqrt(softmax(x) * tf.nn.softmax(logits(x) * 0.5)), 1, keepdims=True), 'a geometric mean of two')
    folder.ending('reordered', lambda x: tf.gather(softmax(x), [3, 1, 0, 2], axis=1), 'classes in another order')
    folder.ending('hierarchy', lambda x: tf.reshape(tf.expand_dims(tf.nn.softmax(logits(x, 2, 'kind')), 2)
                                             * tf.nn.softmax(tf.reshape(logits(x), [-1, 2, 2]), -1), [-1, 4]), 'kinds and their members')
    folder.ending('crops_averaged', lambda x: tf.reduce_mean(tf.nn.softmax(tf.stack([logits(x), logits(x * 0.9)], 1)), 1), 'the mean of two crops')
    folder.ending('masked', lambda x: tf.where(softmax(x) > 0.0, softmax(x), tf.zeros_like(softmax(x))), 'a choice by Where')
    folder.ending('rounded', lambda x: tf.round(softmax(x) * 1e6) / 1e6, 'rounded to six digits')
    folder.ending('log_probabilities', lambda x: tf.nn.log_softmax(logits(x)), 'logarithms of probabilities', are_scores=True)
    folder.ending('bare', lambda x: logits(x), 'scores', are_scores=True)
    folder.ending('tanh', lambda x: tf.tanh(logits(x)), 'tanh', are_scores=True)
    folder.ending('softsign', lambda x: tf.nn.softsign(logits(x)), 'softsign', are_scores=True)
    folder.ending('unit_length', lambda x: tf.math.l2_normalize(logits(x), 1), 'a vector of length 1', are_scores=True)
    folder.ending('argmax_one_hot', lambda x: tf.argmax(tf.nn.sigmoid(logits(x)), 1), 'ArgMax of independent classes')
    folder.ending('top_1', lambda x: tf.squeeze(tf.nn.top_k(logits(x), 1)[1], [1]), 'the index of the largest')


def sizes_of_their_own(folder):
    """Graphs that take pictures of any size and bring them to one themselves, each in its own way."""
    pixels = folder.pixels[np.newaxis].astype(np.float32)

    def resizes(name, resize, what, rule='takes 0 to 255', feed=pixels, dtype=tf.float32, shape=(None, None, None, 3),
                tolerance=1e-4):
        def build():
            source = placeholder(shape, dtype)
            x = tf.ensure_shape(resize(source), [None, SIDE, SIDE, 3])
            return source, tf.nn.softmax(logits(features(tf.cast(x, tf.float32) / 255.0)), name='prob')
        folder.add(name, build, feed, rule, what, tolerance=tolerance)
    size = [SIDE, SIDE]
    for method in ['bilinear', 'bicubic', 'nearest', 'area']:
        resizes(f'resizes_{method}', lambda x, method=method: tf.image.resize(x, size, method), f'tf.image.resize, {method}')
    resizes('resizes_bicubic_tf1', lambda x: tf1.image.resize_bicubic(x, size), 'resize_bicubic of TensorFlow 1')
    resizes('resizes_bicubic_corners', lambda x: tf1.image.resize_bicubic(x, size, align_corners=True), 'bicubic, corners aligned')
    resizes('resizes_nearest_tf1', lambda x: tf1.image.resize_nearest_neighbor(x, size, align_corners=True), 'nearest, corners aligned')
    resizes('resizes_area_tf1', lambda x: tf1.image.resize_area(x, size, align_corners=True), 'area, corners aligned')
    resizes('resizes_bilinear_corners', lambda x: tf1.image.resize_bilinear(x, size, align_corners=True), 'bilinear, corners aligned')
    resizes('crops_and_resizes', lambda x: tf.image.crop_and_resize(x, [[0.1, 0.05, 0.9, 1.1]], [0], size), 'a box that juts out')
    resizes('crops_and_resizes_nearest', lambda x: tf.image.crop_and_resize(
        x, tf.tile([[0.9, 0.1, 0.2, 0.8]], [tf.shape(x)[0], 1]), tf.range(tf.shape(x)[0]), size, 'nearest', 12.0), 'a box upside down, for each picture')
    resizes('crops_centre', lambda x: tf.image.resize(tf.image.central_crop(x, 0.7), size), 'tf.image.central_crop, then a resize')
    resizes('resizes_with_pad', lambda x: tf.image.resize_with_pad(x, SIDE, SIDE), 'tf.image.resize_with_pad')
    resizes('crops_or_pads', lambda x: tf.image.resize_with_crop_or_pad(x, SIDE, SIDE), 'tf.image.resize_with_crop_or_pad')
    resizes('keeps_ratio', lambda x: tf.image.resize_with_crop_or_pad(
        tf.image.resize(x, [36, 36], preserve_aspect_ratio=True), SIDE, SIDE), 'the ratio kept, then the centre')
    resizes('squares_first', lambda x: tf.image.resize(tf.image.resize_with_crop_or_pad(
        x, tf.reduce_min(tf.shape(x)[1:3]), tf.reduce_min(tf.shape(x)[1:3])), size), 'the largest square')
    resizes('resizes_bytes', lambda x: tf.image.resize(x, size, 'nearest'), 'nearest, of bytes', 'takes integers',
            folder.pixels[np.newaxis], tf.uint8)
    resizes('resizes_bytes_bicubic', lambda x: tf.image.resize(tf.expand_dims(x, 0), size, 'bicubic'), 'bicubic, of bytes without a batch',
            'takes integers', folder.pixels, tf.uint8, (None, None, 3))
    resizes('resizes_twice', lambda x: tf.image.resize(tf.image.resize(x, [48, 48], 'area'), size), 'resizes twice')

    def unit():
        source = placeholder((None, None, None, 3))
        x = tf.image.resize(source, size, 'bicubic') * 2.0 - 1.0
        return source, tf.nn.softmax(logits(features(x)), name='prob')
    folder.add('resizes_unit', unit, pixels / 255, 'takes 0 to 1', 'bicubic of 0 to 1')

    def planes():
        source = placeholder((None, 3, None, None))
        x = tf.image.resize(tf.transpose(source, [0, 2, 3, 1]), size, 'bicubic') / 255.0
        return source, tf.nn.softmax(logits(features(x)), name='prob')
    folder.add('resizes_planes', planes, pixels.transpose(0, 3, 1, 2), 'takes 0 to 255', 'bicubic, channels first')


def further_beginnings(folder):
    """More ways to write the same arithmetic."""
    whole = folder.resized()
    unit, signed = whole / 255, whole / 127.5 - 1

    levels = 'takes 0 to 255'
    folder.begins('flips', lambda x: (x + tf.reverse(x, [2])) / 2.0 / 255.0, whole, levels, 'the mean of a picture and its mirror image')
    folder.begins('flips_apart', lambda x: tf.concat([x / 255.0, tf.image.flip_left_right(x) / 255.0], 0)[:1], whole, levels, 'both, one after the other')
    folder.begins('saturates', lambda x: tf.cast(tf.saturate_cast(x, tf.uint8), tf.float32) / 255.0, np.round(whole), levels,
                  'tf.saturate_cast', tolerance=2e-2)
    folder.begins('inverts', lambda x: 1.0 - x / 255.0, whole, levels, 'white is 0')
    folder.begins('grey_then_scaled', lambda x: tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(x)) / 255.0, whole, levels, 'grey, then divided')
    folder.begins('grey_by_sum', lambda x: tf.tile(tf.reduce_sum(x * [0.299, 0.587, 0.114], 3, keepdims=True), [1, 1, 1, 3]) / 127.5 - 1.0,
                  whole, levels, 'grey by a weighted sum')
    folder.begins('slices_bgr', lambda x: tf.concat([x[:, :, :, 2:3] - 103.939, x[:, :, :, 1:2] - 116.779, x[:, :, :, 0:1] - 123.68], 3),
                  whole, levels, 'channels by slices, reversed', scale=128.0)
    folder.begins('slices_index', lambda x: tf.stack([x[..., 2], x[..., 1], x[..., 0]], 3) / 127.5 - 1.0, whole, levels, 'channels by number, reversed')
    folder.begins('chooses', lambda x: tf.where(x > 0.0, x, tf.zeros_like(x)) / 255.0, whole, levels, 'a choice by Where')
    folder.begins('fake_quantised_input', lambda x: tf.quantization.fake_quant_with_min_max_args(x, 0.0, 255.0) * (1 / 127.5) - 1.0, whole,
                  levels, 'rounded to 8 bits first', tolerance=5e-3)
    folder.begins('fake_quantised_signed', lambda x: tf.quantization.fake_quant_with_min_max_args(x, -1.0, 1.0), signed,
                  'takes -1 to 1', 'limited to -1 and 1', tolerance=2e-2)
    folder.begins('limited_unit', lambda x: tf.clip_by_value(x, 0.0, 1.0), unit, 'takes 0 to 1', 'limited to 0 and 1')
    folder.begins('efficient', lambda x: (x * (1 / 255.0) - np.float32([0.485, 0.456, 0.406]))
                  / tf.maximum(tf.sqrt(tf.constant([0.229 ** 2, 0.224 ** 2, 0.225 ** 2])), 1e-7), whole, levels, 'Rescaling, Normalization')
    folder.begins('bias_add', lambda x: tf.nn.bias_add(x[..., ::-1], -VGG_MEANS[::-1]), whole, levels, "Keras's Caffe mode", scale=128.0)
    folder.begins('planes_normalised', lambda x: tf.transpose((x / 255.0 - np.float32([.485, .456, .406]).reshape(1, 3, 1, 1))
                  / np.float32([.229, .224, .225]).reshape(1, 3, 1, 1), [0, 2, 3, 1]), whole.transpose(0, 3, 1, 2), levels,
                  "Torchvision's, channels first", shape=(None, 3, SIDE, SIDE))
    folder.begins('mean_picture', lambda x: (x - np.full((SIDE, SIDE, 3), 117.0, np.float32)) * 0.0078125, whole, levels, 'a mean picture')
    folder.begins('two_towers', lambda x: tf.concat([x / 255.0, x / 255.0], 1), whole, levels, 'the picture twice')
    folder.begins('noisy', lambda x: tf.identity(tf.nn.dropout(x, rate=0.0)) / 255.0, whole, levels, 'dropout of nothing')
    folder.begins('planes_of_cifar', lambda x: tf.transpose(tf.reshape(x, [-1, 3, SIDE, SIDE]), [0, 2, 3, 1]) / 255.0,
                  whole.transpose(0, 3, 1, 2).reshape(1, -1), levels, 'the planes of a picture in a row', shape=(None, SIDE * SIDE * 3))
    folder.begins('brightens', lambda x: tf.image.adjust_brightness(x / 255.0, 0.1), whole, levels, 'divided, and made brighter')
    folder.begins('deviations_alone', lambda x: x / np.float32([58.4, 57.1, 57.4]), whole, levels, 'deviations without means')
    folder.begins('tiles_means', lambda x: x - tf.tile(tf.constant(VGG_MEANS.reshape(1, 1, 1, 3)), [1, SIDE, SIDE, 1]), whole, levels,
                  'means, once for each pixel', scale=128.0)
    folder.begins('broadcasts_means', lambda x: x - tf.broadcast_to(tf.constant(VGG_MEANS), tf.shape(x)), whole, levels,
                  'means in the shape of the picture', scale=128.0)
    folder.begins('batch_norm_first', lambda x: tf1.nn.fused_batch_norm(x, np.ones(3, np.float32), np.zeros(3, np.float32), VGG_MEANS,
                  np.full(3, 3400, np.float32), is_training=False)[0], whole, levels, 'a batch norm of the picture')
    grey = folder.resized(grey=True)
    folder.begins('one_channel', lambda x: tf.tile(x / 255.0, [1, 1, 1, 3]), grey, levels, 'one channel', shape=(None, SIDE, SIDE, 1))
    folder.begins('one_channel_bytes', lambda x: tf.tile(tf.cast(x, tf.float32) / 255.0, [1, 1, 1, 3]), np.round(grey),
                  'takes integers', 'one channel of bytes', shape=(None, SIDE, SIDE, 1), dtype=tf.uint8, tolerance=2e-3)
    folder.begins('hub_resnet', lambda x: tf.subtract(tf.multiply(x, 2.0, name='module_apply_default/hub_input/Mul'), 1.0), unit, 'takes 0 to 1',
                  'another TF Hub module')

    def hub_retrained():
        source = placeholder(name='Placeholder')
        x = tf.multiply(source, 2.0, name='module_apply_default/hub_input/Mul')
        x = tf.subtract(x, 1.0, name='module_apply_default/hub_input/Sub')
        pooled = tf.identity(features(x), name='module_apply_default/hub_output/feature_vector/SpatialSqueeze')
        bottleneck = tf1.placeholder_with_default(pooled, [None, 8], 'input/BottleneckInputPlaceholder')
        final = tf.matmul(bottleneck, tf.constant(weights('final', 8, CLASSES, scale=1.5)), name='final_retrain_ops/Wx_plus_b/MatMul')
        return source, tf.nn.softmax(tf.add(final, tf.constant(weights('bias', CLASSES))), name='final_result')
    folder.add('hub_retrained', hub_retrained, unit, 'takes 0 to 1', 'retrain.py on a TF Hub module')


def further_endings(folder):
    """More ways to end."""
    whole = folder.resized()
    softmax = lambda x: tf.nn.softmax(logits(x))

    folder.ending('half_precision', lambda x: tf.cast(tf.cast(softmax(x), tf.float16), tf.float32), 'softmax, cast to float16 and back', tolerance=1e-3)
    folder.ending('complement', lambda x: 1.0 - (1.0 - softmax(x)), 'the complement of the complement')
    folder.ending('by_sum', lambda x: tf.abs(logits(x)) / tf.reduce_sum(tf.abs(logits(x)), 1, keepdims=True), 'scores by their sum')
    folder.ending('evidence', lambda x: (tf.nn.softplus(logits(x)) + 1.0) / tf.reduce_sum(tf.nn.softplus(logits(x)) + 1.0, 1, keepdims=True),
                  'evidence by its sum')
    folder.ending('sharpened', lambda x: tf.square(softmax(x)) / tf.reduce_sum(tf.square(softmax(x)), 1, keepdims=True), 'squares by their sum')
    folder.ending('largest_first', lambda x: tf.exp(logits(x) - tf.reduce_max(logits(x), 1, keepdims=True))
                  / tf.reduce_sum(tf.exp(logits(x) - tf.reduce_max(logits(x), 1, keepdims=True)), 1, keepdims=True), 'softmax by hand, the largest taken off')
    folder.ending('checked', lambda x: tf.debugging.check_numerics(tf.stop_gradient(softmax(x)), 'nan'), 'softmax, checked')
    folder.ending('reversed', lambda x: tf.reverse(softmax(x), [1]), 'softmax, reversed')
    folder.ending('small_dropped', lambda x: tf.where(softmax(x) < 0.01, tf.zeros([1, CLASSES]), softmax(x)), 'small ones dropped')
    folder.ending('sigmoids_normalised', lambda x: tf.sigmoid(logits(x)) / tf.reduce_sum(tf.sigmoid(logits(x)), 1, keepdims=True), 'sigmoids by their sum')
    folder.ending('chained', lambda x: tf.squeeze(tf.expand_dims(tf.clip_by_value(tf.cast(softmax(x), tf.float64), 1e-9, 1.0), 0), 0),
                  'softmax, cast, clipped, expanded, squeezed')
    folder.ending('classes_axis_last', lambda x: tf.nn.softmax(tf.reshape(logits(x), [-1, CLASSES, 1, 1]), axis=1), 'softmax over the second of four dimensions')
    folder.ending('argmax_32', lambda x: tf.argmax(softmax(x), -1, output_type=tf.int32), 'ArgMax of int32')
    folder.ending('argmax_plus_one', lambda x: tf.expand_dims(tf.argmax(softmax(x), 1), 1), 'ArgMax with its dimension back')
    folder.ending('top_2_of_scores', lambda x: tf.nn.top_k(logits(x), 2).indices[0, 0], 'the first index of TopK')
    folder.ending('sign', lambda x: 1.0 - tf.sigmoid(logits(x, 1)), 'the complement of one sigmoid')
    folder.ending('clipped_sigmoid', lambda x: tf.clip_by_value(tf.sigmoid(logits(x, 1)), 0.0, 1.0), 'one sigmoid, clipped')
    folder.ending('sigmoid_row', lambda x: tf.sigmoid(tf.reshape(logits(x, 1), [-1])), 'one sigmoid without its dimension')
    folder.ending('hard_sigmoid', lambda x: tf.clip_by_value(logits(x, 1) * 0.2 + 0.5, 0.0, 1.0), 'a hard sigmoid')

    folder.ending('roots', lambda x: tf.sqrt(softmax(x)), 'square roots of probabilities')
    folder.ending('powers', lambda x: tf.pow(softmax(x), 1.5), 'powers of probabilities')

    def two_answers():
        source = placeholder()
        answer = tf.nn.softmax(logits(features(source / 255.0)), name='probabilities')
        tf.argmax(answer, 1, name='classes')
        tf.reduce_max(answer, 1, name='best')
        return source, answer
    two_answers.__name__ = 'training'
    folder.add('two_answers', two_answers, whole, 'takes 0 to 255', 'classes and the best beside the probabilities')


def further_decoders(folder):
    """Graphs that decode pictures, with each attribute."""
    tall = np.arange(64 * 56 * 3, dtype=np.uint16).reshape(64, 56, 3) * 5
    (folder.path / 'deep.png').write_bytes(tf.io.encode_png(tall).numpy())
    deep = (folder.path / 'deep.png').read_bytes()
    plain = (folder.path / 'photo.png').read_bytes()

    def decodes(name, decode, contents, photo_file, what, scale=255.0, tolerance=1e-4):
        def build():
            source = placeholder([], tf.string, 'contents')
            x = tf.cast(decode(source), tf.float32)
            x = tf1.image.resize_bilinear(tf.expand_dims(x, 0), [SIDE, SIDE]) / scale
            channels = x.shape[-1] or 3
            return source, tf.nn.softmax(logits(features(x, channels=channels)), name='prob')
        folder.add(name, build, contents, 'decodes pictures', what, photo_file, tolerance)
    decodes('decodes_image_float', lambda c: tf.io.decode_image(c, 3, tf.float32, expand_animations=False), plain, 'photo.png', 'DecodeImage, float32', 1.0)
    decodes('decodes_image', lambda c: tf.io.decode_image(c, 3, expand_animations=False), deep, 'deep.png', 'DecodeImage of 16 bits')
    decodes('decodes_png_16', lambda c: tf.io.decode_png(c, 3, tf.uint16), deep, 'deep.png', 'DecodePng, uint16', 65535.0)
    decodes('decodes_png_16_of_8', lambda c: tf.io.decode_png(c, 3, tf.uint16), plain, 'photo.png', 'DecodePng, uint16 of 8 bits', 65535.0)
    decodes('decodes_png_grey', lambda c: tf.io.decode_png(c, 1), plain, 'photo.png', 'DecodePng, one channel')
    decodes('decodes_jpeg_grey', lambda c: tf.io.decode_jpeg(c, 1), folder.jpeg, 'photo.jpg', 'DecodeJpeg, one channel')
    # libjpeg-turbo computes the colours of the window's outermost columns as if the picture ended there.
    decodes('decodes_window', lambda c: tf.io.decode_and_crop_jpeg(c, [3, 5, 30, 33], 3), folder.jpeg, 'photo.jpg', 'DecodeAndCropJpeg',
            tolerance=3e-4)
    decodes('decodes_rows', lambda c: tf.io.decode_and_crop_jpeg(c, [3, 0, 30, 48], 3), folder.jpeg, 'photo.jpg', 'rows by DecodeAndCropJpeg')
    decodes('decodes_jpeg_fast', lambda c: tf.io.decode_jpeg(c, 3, dct_method='INTEGER_FAST'), folder.jpeg, 'photo.jpg', 'DecodeJpeg, INTEGER_FAST')
    decodes('decodes_and_crops', lambda c: tf.image.central_crop(tf.io.decode_jpeg(c, 3), 0.875), folder.jpeg, 'photo.jpg',
            'DecodeJpeg, tf.image.central_crop')
    decodes('decodes_and_standardises', lambda c: tf.image.per_image_standardization(tf.io.decode_jpeg(c, 3)), folder.jpeg, 'photo.jpg',
            'DecodeJpeg, tf.image.per_image_standardization', 1.0)
    framed = framed_gif(folder.pixels)
    (folder.path / 'framed.gif').write_bytes(framed)
    decodes('decodes_frame', lambda c: tf.io.decode_image(c, 3, expand_animations=False), framed, 'framed.gif',
            'DecodeImage of a GIF whose frame is not its screen')
    decodes('decodes_converted', lambda c: tf.image.convert_image_dtype(tf.io.decode_png(c, 3, tf.uint16), tf.float32), deep, 'deep.png',
            'DecodePng of 16 bits, tf.image.convert_image_dtype', 1.0)

    refuse = folder.refuse
    refuse('refused_alpha', lambda c: tf.io.decode_png(c, 4), 'it gives 4 channels')
    refuse('refused_uint16', lambda c: tf.io.decode_image(c, 3, tf.uint16, expand_animations=False), 'it gives uint16')
    refuse('refused_ratio', lambda c: tf.io.decode_jpeg(c, 3, ratio=2), 'it decodes pictures at 1/2 of their size')
    refuse('refused_method', lambda c: tf.io.decode_jpeg(c, 3, dct_method='INTEGER_ACCURATE'), 'its dct_method is INTEGER_ACCURATE')
    refuse('refused_upscaling', lambda c: tf.io.decode_jpeg(c, 3, fancy_upscaling=False), 'its fancy_upscaling is off')
    refuse('refused_animation', tf.io.decode_gif, 'it gives all pictures of an animation')
    refuse('refused_window', lambda c: tf.io.decode_and_crop_jpeg(c, tf.concat([[0, 0], tf.image.extract_jpeg_shape(c)[:2] // 2], 0), 3),
           'its crop window is computed')


def framed_gif(pixels):
    """A GIF whose frame is smaller than its screen and lies within it: its description of screen and frame is changed."""
    image = io.BytesIO()
    Image.fromarray(pixels[:16, :20]).quantize(16).save(image, 'GIF')
    gif = bytearray(image.getvalue())
    gif[6:10] = struct.pack('<HH', 48, 40)
    frame = gif.index(struct.pack('<BHHHH', 0x2c, 0, 0, 20, 16))
    gif[frame + 1:frame + 5] = struct.pack('<HH', 7, 5)
    return bytes(gif)


def further_quantised(folder):
    """More networks that were trained for quantisation."""
    whole = folder.resized()

    def trained(name, quantise, what, tolerance=0.02):
        def build():
            source = placeholder()
            x = source * (1 / 127.5) - 1.0
            filters = quantise(tf.constant(weights('filters', 3, 3, 3, 8, scale=0.3)), 'weights')
            x = quantise(tf.nn.relu6(tf.nn.conv2d(x, filters, 2, 'SAME')), 'act')
            return source, tf.nn.softmax(logits(tf.reduce_mean(x, [1, 2])), name='probabilities')
        folder.add(name, build, whole, 'takes 0 to 255', what, tolerance=tolerance)
    args, variables = tf.quantization.fake_quant_with_min_max_args, tf.quantization.fake_quant_with_min_max_vars
    trained('quantised_by_args', lambda x, kind: args(x, -1.0, 1.0) if kind == 'weights' else args(x, 0.0, 6.0), 'FakeQuantWithMinMaxArgs')
    trained('quantised_to_4_bits', lambda x, kind: variables(x, -1.0, 1.0, 4) if kind == 'weights' else x, 'weights of 4 bits')
    trained('quantised_narrow', lambda x, kind: variables(x, -0.9, 0.9, narrow_range=True) if kind == 'weights' else variables(x, 0.0, 5.5),
            'a narrow range of weights')
    trained('quantised_and_back', lambda x, kind: tf.quantization.quantize_and_dequantize_v2(x, -1.0, 1.0, range_given=True) if kind == 'weights'
            else tf.quantization.quantize_and_dequantize_v2(x, 0.0, 6.0, signed_input=False, range_given=True), 'QuantizeAndDequantize')
    ends = np.linspace(0.5, 1.1, 8).astype(np.float32)
    # Versions 2 and 4 of the operation refuse a range for each channel in TensorFlow 2.21.
    trained('quantised_and_back_per_channel', lambda x, kind: tf.raw_ops.QuantizeAndDequantizeV3(
        input=x, input_min=-ends, input_max=ends, num_bits=8, range_given=True, narrow_range=True, axis=3) if kind == 'weights' else x, 'QuantizeAndDequantize of each channel')


def maps(folder):
    """Graphs that take the pictures of a batch one by one in a loop, as programs that serve models do."""
    def as_slim(contents):
        """inception_preprocessing.py, as TensorFlow Serving's inception_saved_model.py calls it."""
        x = tf.image.convert_image_dtype(tf.io.decode_jpeg(contents, 3), tf.float32)
        x = tf.expand_dims(tf.image.central_crop(x, 0.875), 0)
        x = tf.squeeze(tf1.image.resize_bilinear(x, [SIDE, SIDE]), [0])
        return (x - 0.5) * 2.0

    def as_keras(contents):
        """A serving function of TensorFlow 2."""
        return tf.image.resize(tf.io.decode_image(contents, 3, expand_animations=False), [SIDE, SIDE]) / 255.0

    def standardised(picture):
        """A batch of pictures of one size, each standardised by itself."""
        return tf.image.per_image_standardization(tf.image.resize(picture, [SIDE, SIDE]))

    def mapped(each, source):
        x = tf.map_fn(each, source, fn_output_signature=tf.float32)
        return tf.nn.softmax(logits(features(tf.ensure_shape(x, [None, SIDE, SIDE, 3]))), name='prob')

    def loop(name, each, feed, rule, what, photo_file, dtype=tf.string, shape=(None,)):
        def build():
            source = placeholder(shape, dtype)
            return source, mapped(each, source)
        folder.add(name, build, feed, rule, what, photo_file)
    pixels = folder.pixels[np.newaxis].astype(np.float32)
    loop('maps_decoder', as_slim, [folder.jpeg], 'decodes pictures', 'tf.map_fn of TF-Slim\'s preprocessing', 'photo.jpg')
    loop('maps_any_decoder', as_keras, [folder.jpeg], 'decodes pictures', 'tf.map_fn of DecodeImage', 'photo.jpg')
    loop('maps_standardised', standardised, pixels, 'takes 0 to 255', 'tf.map_fn of tf.image.per_image_standardization',
         'photo.png', tf.float32, (None, None, None, 3))

    def frozen(name, each, spec, feed, rule, what, photo_file, lower):
        """As TensorFlow 2 freezes it: a loop of TensorLists, lowered to one of TensorFlow 1 or with functions."""
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
        tf1.enable_control_flow_v2()
        function = tf.function(lambda source: mapped(each, source), input_signature=[spec]).get_concrete_function()
        tf1.disable_control_flow_v2()
        graph = convert_variables_to_constants_v2(function, lower_control_flow=lower).graph.as_graph_def()
        (folder.path / f'{name}.pb').write_bytes(graph.SerializeToString(deterministic=True))
        folder.note(f'{name}.pb', function(tf.constant(feed)).numpy(), rule, what, photo_file)
    texts = tf.TensorSpec([None], tf.string)
    pictures = tf.TensorSpec([None, None, None, 3], tf.float32)
    for lower in [True, False]:
        suffix = '' if lower else '_in_functions'
        frozen(f'maps_lists{suffix}', as_keras, texts, [folder.jpeg], 'decodes pictures', 'tf.map_fn of TensorFlow 2', 'photo.jpg', lower)
        frozen(f'maps_lists_standardised{suffix}', standardised, pictures, pixels, 'takes 0 to 255', 'the same of pixels', 'photo.png', lower)


def constants_and_statistics(folder):
    """Constants that are computed, channels by products, and pictures that are scaled by their own numbers."""
    whole = folder.resized()

    def begins(name, begin, feed, rule, what, scale=1.0, tolerance=1e-4, **kinds):
        def build():
            source = placeholder(**kinds)
            return source, tf.nn.softmax(logits(features(begin(source), scale)), name='prob')
        folder.add(name, build, feed, rule, what, tolerance=tolerance)
    levels = 'takes 0 to 255'
    begins('computed_constants', lambda x: (x - tf.reduce_mean(tf.constant([123., 117., 104.]))) / tf.sqrt(tf.constant(3600.)), whole,
           levels, 'a mean and a deviation that the graph computes')
    reverse = np.eye(3, dtype=np.float32)[::-1]
    begins('reverses_by_matrix', lambda x: tf.tensordot(x, tf.constant(reverse), [[3], [0]]) - VGG_MEANS[::-1], whole, levels,
           'a matrix reverses channels', scale=128.0)
    begins('reverses_by_convolution', lambda x: tf.nn.conv2d(x, tf.constant(reverse.reshape(1, 1, 3, 3)), 1, 'SAME') - VGG_MEANS[::-1],
           whole, levels, 'a convolution reverses channels', scale=128.0)
    begins('scales_by_convolution', lambda x: tf.nn.depthwise_conv2d(x, tf.constant(np.full((1, 1, 3, 1), 1 / 127.5, np.float32)), [1] * 4, 'SAME')
           - 1.0, whole,
           levels, 'a depthwise convolution scales')
    begins('signed_bytes', lambda x: (tf.cast(x, tf.float32) + 128.0) / 255.0, (np.round(whole) - 128).astype(np.int8), 'takes integers',
           'int8', dtype=tf.int8, tolerance=2e-3)
    begins('by_its_maximum', lambda x: x / tf.reduce_max(x), whole, levels, 'by the largest value of the picture')
    begins('between_its_extremes', lambda x: (x - tf.reduce_min(x)) / (tf.reduce_max(x) - tf.reduce_min(x)), whole, levels,
           'between the extremes of the picture')
    begins('by_its_length', lambda x: tf.nn.l2_normalize(x, [1, 2, 3]) * 30.0, whole, levels, 'a picture of length 1')

    def by_tanh():
        source = placeholder()
        return source, 0.5 * (tf.tanh(0.5 * logits(features(source / 255.0), 1)) + 1.0)
    folder.add('sigmoid_by_tanh', by_tanh, whole, levels, 'one sigmoid by tanh')

    def grouped():
        source = placeholder()
        x = tf.nn.relu(tf.nn.conv2d(source / 255.0, tf.constant(weights('first', 3, 3, 3, 8, scale=0.3)), 2, 'SAME'))
        x = tf.nn.relu(tf.nn.conv2d(x, tf.constant(weights('grouped', 3, 3, 2, 12, scale=0.3)), 1, 'SAME'))
        x = tf.nn.relu(tf.nn.conv2d(x, tf.constant(weights('each', 3, 3, 1, 24, scale=0.3)), 1, 'SAME'))
        return source, tf.nn.softmax(logits(tf.reduce_mean(x, [1, 2])), name='prob')
    folder.add('groups_of_channels', grouped, whole, levels, 'convolutions of groups of channels and of single ones')


def parts_and_kernels(folder):
    """Channels in parts of given lengths, remainders, resizes by kernels, and the best probability as output."""
    whole = folder.resized()
    levels = 'takes 0 to 255'

    def reversed_parts(x):
        red, green, blue = tf.split(x, [1, 1, 1], 3)
        return tf.concat([blue - VGG_MEANS[2], green - VGG_MEANS[1], red - VGG_MEANS[0]], 3)
    folder.begins('reverses_parts', reversed_parts, whole, levels, 'parts of given lengths, put together in the opposite order', scale=128.0)
    folder.begins('joins_parts', lambda x: tf.concat(tf.split(x, [1, 2], 3), 3) / 255.0, whole, levels, 'parts of given lengths, put together again')
    folder.begins('splits_rows', lambda x: tf.concat(tf.split(x / 255.0, [10, 22], 1), 1), whole, levels, 'rows in parts of given lengths')
    folder.begins('remainders', lambda x: tf.math.floormod(x, 256.0) / 255.0, whole, levels, 'remainders of 256')

    pixels = folder.pixels[np.newaxis].astype(np.float32)
    kernels = [('bilinear', True), ('bicubic', True), ('lanczos3', False), ('lanczos5', True), ('gaussian', False), ('gaussian', True),
               ('mitchellcubic', True)]
    for method, antialias in kernels:
        def resizes(x, method=method, antialias=antialias):
            x = tf.image.resize(x, [SIDE, SIDE], method, antialias=antialias)
            return tf.ensure_shape(x, [None, SIDE, SIDE, 3]) / 255.0
        name = f'resizes_{method}_antialias' if antialias else f'resizes_{method}'
        folder.begins(name, resizes, pixels, levels, f'tf.image.resize by {method}', shape=(None, None, None, 3))

    def shifted(x):
        return tf.raw_ops.ScaleAndTranslate(images=x / 255.0, size=[SIDE, SIDE], scale=[1.3, 0.7], translation=[-3.5, 4.25],
                                            kernel_type='triangle', antialias=True)
    folder.begins('scales_and_translates', shifted, whole, levels, 'ScaleAndTranslate beyond the picture')

    def best():
        source = placeholder()
        answer = tf.nn.softmax(logits(features(source / 255.0)))
        tf.reduce_max(answer, 1, name='best')
        return source, answer
    best.__name__ = 'training'
    folder.add('best_probability', best, whole, levels, 'the best probability')


def lost_sides(folder):
    """MobileNets whose placeholder lost its shape, and whose file's name does not tell it."""
    def without_shape(name, side, window, feed, rule, retrained):
        def build():
            x = source = placeholder((1, side, side, 3))
            for layer in range(5):
                filters = weights(f'layer {layer}', 3, 3, x.shape[-1], 8, scale=0.3)
                x = tf.nn.conv2d(x, tf.constant(filters), 2, 'SAME', name=f'MobilenetV1/MobilenetV1/Conv2d_{layer}/Conv2D')
                x = tf.nn.relu6(x)
            x = tf.nn.avg_pool2d(x, window, 2, 'VALID', name='MobilenetV1/Logits/AvgPool_1a/AvgPool')
            x = tf.reshape(x, [-1, 8], name='MobilenetV1/Predictions/Reshape')
            if retrained:
                x = tf1.placeholder_with_default(x, [None, 8], 'input/BottleneckInputPlaceholder')
            x = logits(x, name='final_training_ops/Wx_plus_b/MatMul' if retrained else 'MobilenetV1/Logits/MatMul')
            return source, tf.nn.softmax(x, name='final_result' if retrained else 'MobilenetV1/Predictions/Reshape_1')
        folder.add(name, build, feed, rule, f'{side} pixels, of which nothing tells but the last pool')
        path = folder.path / f'{name}.pb'
        graph = tf1.GraphDef.FromString(path.read_bytes())
        for node in graph.node:
            if node.op == 'Placeholder':
                del node.attr['shape']
        path.write_bytes(graph.SerializeToString(deterministic=True))

    for name, side, window in [('renamed', 192, 6), ('renamed_small', 160, 5)]:
        part = tf.image.central_crop(folder.pixels.astype(np.float32), 0.875)
        feed = tf1.image.resize_bilinear(part[np.newaxis], [side, side]).numpy() / 127.5 - 1
        without_shape(name, side, window, feed, 'of the family', False)
        without_shape(f'{name}_retrained', side, window, (folder.resized(side) - 128) / 128, 'retrain.py', True)


if __name__ == '__main__':
    main(sys.argv[1])
