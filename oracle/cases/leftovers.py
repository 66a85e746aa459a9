"""What training leaves in a frozen graph: dropout, conditionals on `is_training`, quantised weights, photo decoding."""
import numpy as np
import tensorflow as tf

from cases.constants import tensor

raw, tf1 = tf.raw_ops, tf.compat.v1


def old_dropout(x, keep, seed=1):
    """Dropout as TensorFlow 1 wrote it: x / keep * floor(keep + random)."""
    noise = raw.RandomUniform(shape=tf.shape(x), dtype=tf.float32, seed=seed)
    noise = noise * (tf.constant(1.0) - tf.constant(0.0)) + tf.constant(0.0)
    return raw.RealDiv(x=x, y=keep) * tf.floor(keep + noise)


def new_dropout(x, rate, choose):
    """Dropout as later versions wrote it: x * 1 / (1 - rate), kept where random >= rate."""
    noise = raw.RandomUniform(shape=tf.shape(x), dtype=tf.float32, seed=1)
    keep = raw.GreaterEqual(x=noise, y=rate)
    scaled = x * (1.0 / (1.0 - rate))
    return raw.SelectV2(condition=keep, t=scaled, e=0.0) if choose else scaled * tf.cast(keep, tf.float32)


def dropouts(fixtures):
    """Dropout that keeps everything, in each of its forms; nothing random is left in the answer."""
    head = lambda net: tf.nn.relu(tf.matmul(net.input(2, 6, declared=[None, 6]), net.const('weights', 6, 5)))
    with fixtures.case('dropout_old_keep_1', 'x / 1 * floor(1 + random), keep_prob constant.') as net:
        net.fetch(old_dropout(head(net), tf.constant(1.0)) * 2)
    with fixtures.case('dropout_old_keep_default_1', 'The same, keep_prob a PlaceholderWithDefault of 1 that is not fed.') as net:
        net.fetch(old_dropout(head(net), tf1.placeholder_with_default(1.0, [], 'keep_prob')) * 2)
    with fixtures.case('dropout_old_keep_fed', 'The same, keep_prob a placeholder that is fed 1.') as net:
        net.fetch(old_dropout(head(net), net.feed(np.float32(1), 'keep_prob')) * 2)
    for choose in (False, True):
        name = 'select' if choose else 'cast'
        with fixtures.case(f'dropout_rate_0_{name}', f'GreaterEqual(random, 0), by {name}.') as net:
            net.fetch(new_dropout(head(net), tf.constant(0.0), choose) + 1)
        with fixtures.case(f'dropout_rate_default_0_{name}', f'The same by {name}, the rate 1 - PlaceholderWithDefault(1).') as net:
            net.fetch(new_dropout(head(net), 1.0 - tf1.placeholder_with_default(1.0, [], 'keep_prob'), choose) + 1)
    with fixtures.case('dropout_api_rate_0_fed', 'tf.nn.dropout with a rate that is fed 0.') as net:
        net.fetch(tf1.nn.dropout(head(net), rate=net.feed(np.float32(0), 'rate')))


def batch_norm(net, x, label):
    """FusedBatchNormV3 with made-up constants."""
    channels = x.shape[-1]
    return raw.FusedBatchNormV3(x=x, scale=net.const(f'{label}/gamma', channels, low=0.5, high=1.5), offset=net.const(f'{label}/beta', channels),
                                mean=net.const(f'{label}/mean', channels), variance=net.const(f'{label}/variance', channels, low=0.5, high=1.5),
                                epsilon=1e-3, is_training=False).y


def by_batch(x):
    """The branch for training: moments of the batch itself."""
    mean, variance = tf.nn.moments(x, [0, 1, 2])
    return tf.nn.batch_normalization(x, mean, variance, None, None, 1e-3)


PREDICATES = {
    'constant_false': lambda: tf.constant(False, name='is_training'),
    'constant_true': lambda: tf.constant(True, name='is_inference'),
    'default_false': lambda: tf1.placeholder_with_default(False, [], 'is_training'),
    'not_default_true': lambda: tf.logical_not(tf1.placeholder_with_default(True, [], 'is_inference')),
    'not_constant': lambda: tf.logical_not(tf.constant(False)),
    'and_of_constants': lambda: tf.logical_and(tf.constant(True), tf.identity(tf.constant(False))),
    'comparison': lambda: tf.equal(tf.constant(3), tf.constant(4)),
}


def conditionals(fixtures):
    """tf.cond of version 1: Switch and Merge, decided by what is known before the network runs."""
    for name, predicate in PREDICATES.items():
        with fixtures.case(f'cond_{name}', f'Batch norm by Switch and Merge, predicate {name}.') as net:
            x = tf.nn.conv2d(net.input(2, 4, 4, 3), net.const('weights', 3, 3, 3, 4), 1, 'SAME')
            moments = [net.const(f'moments/{i}', 4, low=0.5, high=1.5) for i in range(4)]
            infer = lambda: tf.nn.batch_normalization(x, *moments, 1e-3)
            net.fetch(tf.nn.relu(tf1.cond(predicate(), lambda: by_batch(x), infer)))
    with fixtures.case('cond_fed', 'A predicate that is fed.') as net:
        x = net.input(2, 4, 4, 3)
        net.fetch(tf1.cond(net.feed(np.bool_(False), 'is_training'), lambda: by_batch(x), lambda: tf.nn.relu(x)))
    with fixtures.case('cond_constants_in_branches', 'Branches that are constants, alive only by control edges to the Switch.') as net:
        x = net.input(2, 3)
        training = tf.constant(False, name='is_training')
        scale = tf1.cond(training, lambda: tf.constant(0.0), lambda: tf.constant([1.0, 2.0, 3.0]))
        keep = tf1.cond(training, lambda: tf.constant(0.5), lambda: tf.constant(1.0))
        net.fetch(x * scale / keep)
    with fixtures.case('cond_two_results', 'A cond of two results: mean and variance.') as net:
        x = net.input(2, 3, 3, 2)
        moving = net.const('mean', 2), net.const('variance', 2, low=0.5, high=1.5)
        mean, variance = tf1.cond(tf.constant(False), lambda: tf.nn.moments(x, [0, 1, 2]), lambda: tuple(map(tf.identity, moving)))
        net.fetch(tf.nn.batch_normalization(x, mean, variance, None, None, 1e-3))
    with fixtures.case('cond_nested', 'A cond inside a branch of a cond.') as net:
        x = net.input(1, 3, 3, 2)
        training = tf1.placeholder_with_default(False, [], 'is_training')
        inner = lambda: tf1.cond(tf.logical_not(training), lambda: tf.nn.relu(x), lambda: x * 100)
        net.fetch(tf1.cond(training, lambda: by_batch(x), lambda: inner() + tf.constant(0.5)))
    with fixtures.case('cond_nested_other_way', 'A cond inside the branch that is not taken.') as net:
        x = net.input(1, 3, 3, 2)
        false = tf.constant(False)
        dead = lambda: tf1.cond(false, lambda: by_batch(x), lambda: x * 3)
        net.fetch(tf1.cond(false, dead, lambda: x - 1))
    with fixtures.case('cond_dropout', 'TF-Slim`s dropout around a cond: random in the dead branch.'.replace('`', "'")) as net:
        x = tf.nn.relu(net.input(2, 6))
        net.fetch(tf1.cond(tf.constant(False), lambda: old_dropout(x, tf.constant(0.5)), lambda: tf.identity(x)) * 2)
    with fixtures.case('cond_merge_index_unused', 'Switch and Merge by hand, the Merge`s value_index not used, both Switch outputs used.'.replace('`', "'")) as net:
        x = net.input(2, 3)
        false, true = raw.Switch(data=x, pred=tf.constant(True))
        net.fetch(raw.Merge(inputs=[false * 2, tf.nn.relu(true)]).output)
    with fixtures.case('cond_chain', 'Three blocks, each behind its own cond on the same default.') as net:
        training = tf1.placeholder_with_default(False, [], 'is_training')
        x = net.input(1, 4, 4, 3)
        for i in range(3):
            y = tf.nn.conv2d(x, net.const(f'{i}/weights', 3, 3, 3, 3), 1, 'SAME')
            gamma = net.const(f'{i}/gamma', 3)
            x = x + tf.nn.relu(tf1.cond(training, lambda y=y: by_batch(y), lambda y=y, gamma=gamma: y * gamma))
        net.fetch(x)


def quantized_weights(fixtures):
    """Weights as bytes behind Dequantize, as transform_graph's quantize_weights leaves them."""
    codes = np.arange(3 * 3 * 2 * 4, dtype=np.uint8).reshape(3, 3, 2, 4) * 3
    modes = {'min_combined': (b'MIN_COMBINED', tf.quint8), 'min_first': (b'MIN_FIRST', tf.quint8), 'scaled': (b'SCALED', tf.quint8),
             'min_combined_signed': (b'MIN_COMBINED', tf.qint8), 'min_first_signed': (b'MIN_FIRST', tf.qint8), 'scaled_signed': (b'SCALED', tf.qint8), 'default': (None, tf.quint8)}
    for name, (mode, kind) in modes.items():
        with fixtures.case(f'dequantize_{name}', f'Convolution weights behind Dequantize, {name}.') as net:
            net.input(1, 4, 4, 2)
            net.node('codes', 'Const', [], dtype=kind, value=tensor(kind, codes.shape, tensor_content=codes.tobytes()))
            net.hand_const('min', np.float32(-0.8)), net.hand_const('max', np.float32(1.1))
            net.node('weights', 'Dequantize', ['codes', 'min', 'max'], T=kind, **({'mode': mode} if mode else {}))
            net.node('conv', 'Conv2D', ['input', 'weights'], T=tf.float32, strides=[1, 1, 1, 1], padding=b'SAME')
            net.fetch('conv:0', 'weights:0')
    with fixtures.case('fake_quantize', 'FakeQuantWithMinMaxVars on weights and on activations, as quantised training leaves it.') as net:
        weights = raw.FakeQuantWithMinMaxVars(inputs=net.const('weights', 3, 3, 2, 4), min=-0.9, max=0.95, narrow_range=True)
        x = tf.nn.relu(tf.nn.conv2d(net.input(1, 4, 4, 2), weights, 1, 'SAME'))
        net.fetch(raw.FakeQuantWithMinMaxVars(inputs=x, min=0.0, max=6.0))
        net.tolerance = 5e-3  # half a step of 6/255 may tip either way


def photo_fronts(fixtures):
    """Graphs that begin with DecodeJpeg; the decoded photo is fed in its place, as an array of bytes."""
    for align in (False, True):
        with fixtures.case(f'decode_jpeg_front{"_align_corners" if align else ""}', 'DecodeJpeg, Cast, ExpandDims, ResizeBilinear, Sub, Mul, convolution; fed at DecodeJpeg:0.') as net:
            contents = tf1.placeholder(tf.string, [], 'DecodeJpeg/contents')
            x = tf.expand_dims(tf.cast(raw.DecodeJpeg(contents=contents, channels=3, name='DecodeJpeg'), tf.float32, name='Cast'), 0)
            x = raw.ResizeBilinear(images=x, size=[9, 9], align_corners=align, name='ResizeBilinear')
            x = tf.multiply(tf.subtract(x, 128.0, name='Sub'), 0.0078125, name='Mul')
            net.feeds['DecodeJpeg:0'] = net.numbers('photo', (13, 17, 3), 0, 256).astype(np.uint8)
            net.fetch('Mul:0', tf.nn.conv2d(x, net.const('weights', 3, 3, 3, 4), 2, 'VALID'))
    with fixtures.case('convert_image_dtype_front', 'A byte photo by convert_image_dtype, central crop, resize, (x - 0.5) * 2.') as net:
        x = tf.image.convert_image_dtype(net.feed(net.numbers('photo', (16, 24, 3), 0, 256).astype(np.uint8)), tf.float32)
        x = tf.expand_dims(tf.image.central_crop(x, 0.875), 0)
        net.fetch((raw.ResizeBilinear(images=x, size=[8, 8]) - 0.5) * 2.0)
    with fixtures.case('feed_inside', 'A value fed in the middle of a graph, so that nothing before it runs.') as net:
        x = tf.nn.relu(net.feed(np.zeros((1, 4, 4, 3), np.float32)), name='middle')
        net.feeds = {'middle:0': net.numbers('middle', (1, 4, 4, 3))}
        net.fetch(tf.nn.conv2d(x, net.const('weights', 3, 3, 3, 2), 1, 'SAME'))
    with fixtures.case('vgg_means_front', 'Means of the three channels subtracted, channels turned round.') as net:
        x = net.input(1, 5, 5, 3, low=0.0, high=255.0) - tf.constant([123.68, 116.78, 103.94])
        net.fetch(tf.nn.conv2d(x[..., ::-1], net.const('weights', 3, 3, 3, 4), 1, 'SAME'))


def standardisation(fixtures):
    """Per-image standardisation inside a graph (cifarnet)."""
    with fixtures.case('standardisation', 'Mean, variance, square root, at least 1 / sqrt(N), subtract and divide.') as net:
        net.fetch(tf.image.per_image_standardization(net.input(6, 6, 3, low=0.0, high=255.0)))


def retrained(fixtures):
    """A retrain.py graph: a small body, the bottleneck behind a PlaceholderWithDefault, the new final layer."""
    for fed in (False, True):
        with fixtures.case(f'retrained{"_fed_at_bottleneck" if fed else ""}', 'A retrain.py graph with final_result, run from the picture or from the bottleneck.') as net:
            x = (raw.ResizeBilinear(images=net.input(1, 8, 8, 3, name='Mul', declared=[1, 8, 8, 3]), size=[9, 9]))
            x = tf.nn.relu(tf.nn.conv2d(x, net.const('conv/weights', 3, 3, 3, 12), 2, 'VALID'))
            pool = tf.reshape(tf.nn.avg_pool2d(x, 4, 1, 'VALID', name='pool_3'), [1, 12], name='pool_3/_reshape')
            bottleneck = tf1.placeholder_with_default(pool, [None, 12], 'input/BottleneckInputPlaceholder')
            raw.Placeholder(dtype=tf.int64, shape=[None], name='input/GroundTruthInput')
            weights = tf.identity(net.const('final_training_ops/weights/final_weights', 12, 5), name='final_training_ops/weights/final_weights/read')
            biases = tf.identity(net.const('final_training_ops/biases/final_biases', 5), name='final_training_ops/biases/final_biases/read')
            logits = tf.add(tf.matmul(bottleneck, weights), biases, name='final_training_ops/Wx_plus_b/add')
            if fed:
                net.feeds = {'input/BottleneckInputPlaceholder:0': net.numbers('bottleneck', (4, 12))}
            net.fetch(logits, tf.nn.softmax(logits, name='final_result'))
