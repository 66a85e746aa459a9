"""Networks drawn by hand after their papers, for the families the tf_slim package lacks. Each returns its end points."""
import slim_on_tf2  # noqa: F401
import numpy as np
import tensorflow as tf
import tf_slim as slim

tf1 = tf.compat.v1


def hard_sigmoid(x):
    """As TF-Slim's MobileNet V3 writes it."""
    return tf.nn.relu6(x + np.float32(3)) * np.float32(0.16667)


def hard_swish(x):
    """As TF-Slim's MobileNet V3 writes it."""
    with tf.name_scope('hard_swish'):
        return x * tf.nn.relu6(x + np.float32(3)) * np.float32(1 / 6)


def mobile_scope(fused):
    """Batch norm with gamma and no bias anywhere."""
    norm = dict(is_training=False, scale=True, epsilon=1e-3, fused=fused)
    return slim.arg_scope([slim.conv2d, slim.separable_conv2d], normalizer_fn=slim.batch_norm, normalizer_params=norm, activation_fn=tf.nn.relu6)


def classes(x, count):
    """The end every MobileNet has: mean, dropout, 1x1 convolution with bias, Squeeze, Softmax."""
    pooled = slim.avg_pool2d(x, x.shape[1:3].as_list(), padding='VALID', scope='AvgPool_1a')
    x = slim.dropout(pooled, 0.999, is_training=False, scope='Dropout_1b')
    x = slim.conv2d(x, count, 1, activation_fn=None, normalizer_fn=None, scope='Conv2d_1c_1x1')
    logits = tf.squeeze(x, [1, 2], name='SpatialSqueeze')
    return [pooled, logits, tf.nn.softmax(logits, name='Predictions')]


def mobilenet_v1(x, count, fused=True):
    """Depthwise separable convolutions, https://arxiv.org/abs/1704.04861, a quarter wide."""
    with tf1.variable_scope('MobilenetV1'), mobile_scope(fused):
        x = slim.conv2d(x, 8, 3, stride=2, scope='Conv2d_0')
        rows = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)] + 5 * [(128, 1)] + [(256, 2), (256, 1)]
        for i, (depth, stride) in enumerate(rows, 1):
            x = slim.separable_conv2d(x, None, 3, depth_multiplier=1, stride=stride, scope=f'Conv2d_{i}_depthwise')
            x = slim.conv2d(x, depth, 1, scope=f'Conv2d_{i}_pointwise')
        return [x] + classes(x, count)


def inverted_residual(x, depth, stride, expansion, scope):
    """MobileNet V2's block: expand, depthwise, project without activation, add."""
    with tf1.variable_scope(scope):
        y = slim.conv2d(x, expansion * x.shape[-1], 1, scope='expand') if expansion > 1 else x
        y = slim.separable_conv2d(y, None, 3, depth_multiplier=1, stride=stride, scope='depthwise')
        y = slim.conv2d(y, depth, 1, activation_fn=None, scope='project')
        return tf.add(x, y, name='add') if stride == 1 and x.shape[-1] == depth else tf.identity(y, name='output')


def mobilenet_v2(x, count, fused=True):
    """Inverted residuals, https://arxiv.org/abs/1801.04381, half wide and shorter."""
    with tf1.variable_scope('MobilenetV2'), mobile_scope(fused):
        x = slim.conv2d(x, 16, 3, stride=2, scope='Conv')
        rows = [(8, 1, 1), (12, 2, 6), (12, 1, 6), (16, 2, 6), (16, 1, 6), (32, 2, 6), (32, 1, 6), (48, 1, 6), (80, 2, 6), (80, 1, 6)]
        for i, (depth, stride, expansion) in enumerate(rows):
            x = inverted_residual(x, depth, stride, expansion, f'expanded_conv_{i}')
        x = slim.conv2d(x, 160, 1, scope='Conv_1')
        return [x] + classes(x, count)


def squeeze_excite(x, depth):
    """Mean, two 1x1 convolutions with biases, hard sigmoid, product."""
    with tf1.variable_scope('squeeze_excite'), slim.arg_scope([slim.conv2d], normalizer_fn=None):
        s = tf.reduce_mean(x, [1, 2], keepdims=True)
        s = slim.conv2d(s, depth, 1, activation_fn=tf.nn.relu, scope='Conv')
        return x * slim.conv2d(s, x.shape[-1], 1, activation_fn=hard_sigmoid, scope='Conv_1')


def mobilenet_v3(x, count, fused=True):
    """Squeeze-excite and hard-swish, https://arxiv.org/abs/1905.02244, after the small variant."""
    with tf1.variable_scope('MobilenetV3'), mobile_scope(fused):
        x = slim.conv2d(x, 16, 3, stride=2, activation_fn=hard_swish, scope='Conv')
        rows = [(3, 16, 16, True, tf.nn.relu, 2), (3, 40, 24, False, tf.nn.relu, 2), (3, 56, 24, False, tf.nn.relu, 1), (5, 64, 40, True, hard_swish, 2), (5, 120, 40, True, hard_swish, 1)]
        for i, row in enumerate(rows):
            x = mobile_v3_block(x, row, f'expanded_conv_{i}')
        x = slim.conv2d(x, 144, 1, activation_fn=hard_swish, scope='Conv_1')
        return [x] + classes(x, count)


def mobile_v3_block(x, row, scope):
    """One row of the paper's table: kernel, expansion, depth, squeeze-excite or not, activation, stride."""
    kernel, expansion, depth, excited, activation, stride = row
    with tf1.variable_scope(scope), slim.arg_scope([slim.conv2d, slim.separable_conv2d], activation_fn=activation):
        y = slim.conv2d(x, expansion, 1, scope='expand')
        y = slim.separable_conv2d(y, None, kernel, depth_multiplier=1, stride=stride, scope='depthwise')
        y = squeeze_excite(y, max(8, expansion // 4)) if excited else y
        y = slim.conv2d(y, depth, 1, activation_fn=None, scope='project')
        return x + y if stride == 1 and x.shape[-1] == depth else y


def lenet(x, count):
    """TF-Slim's LeNet."""
    with tf1.variable_scope('LeNet'):
        x = slim.max_pool2d(slim.conv2d(x, 32, 5, scope='conv1'), 2, 2, scope='pool1')
        x = slim.max_pool2d(slim.conv2d(x, 64, 5, scope='conv2'), 2, 2, scope='pool2')
        x = slim.fully_connected(slim.flatten(x), 96, scope='fc3')
        logits = slim.fully_connected(slim.dropout(x, 0.5, is_training=False), count, activation_fn=None, scope='fc4')
        return [x, logits, slim.softmax(logits, scope='Predictions')]


def cifarnet(x, count):
    """TF-Slim's CifarNet: local response normalisation before and after a pool."""
    with tf1.variable_scope('CifarNet'):
        x = slim.max_pool2d(slim.conv2d(x, 64, 5, scope='conv1'), 2, 2, scope='pool1')
        x = tf1.nn.lrn(x, 4, bias=1.0, alpha=0.001 / 9, beta=0.75, name='norm1')
        x = tf1.nn.lrn(slim.conv2d(x, 64, 5, scope='conv2'), 4, bias=1.0, alpha=0.001 / 9, beta=0.75, name='norm2')
        x = slim.flatten(slim.max_pool2d(x, 2, 2, scope='pool2'))
        x = slim.fully_connected(slim.fully_connected(x, 96, scope='fc3'), 48, scope='fc4')
        logits = slim.fully_connected(x, count, activation_fn=None, scope='logits')
        return [logits, slim.softmax(logits, scope='Predictions')]


class Net2015:
    """Nodes by hand in the manner of the 2015 Inception: names, op versions and control edges no API writes any more."""

    def __init__(self, net):
        self.net = net
        net.producer = 8

    def front(self, side):
        """DecodeJpeg to the resized, scaled picture."""
        n = self.net
        n.node('DecodeJpeg/contents', 'Const', [], dtype=tf.string, value=tf.make_tensor_proto(b''))
        n.node('DecodeJpeg', 'DecodeJpeg', ['DecodeJpeg/contents'], channels=3, ratio=1, fancy_upscaling=True, try_recover_truncated=False, acceptable_fraction=1.0)
        n.node('Cast', 'Cast', ['DecodeJpeg'], SrcT=tf.uint8, DstT=tf.float32)
        n.node('ExpandDims', 'ExpandDims', ['Cast', n.hand_const('ExpandDims/dim', np.int32(0))], T=tf.float32)
        n.node('ResizeBilinear', 'ResizeBilinear', ['ExpandDims', n.hand_const('ResizeBilinear/size', np.array([side, side], np.int32))], T=tf.float32, align_corners=False)
        n.node('Sub', 'Sub', ['ResizeBilinear', n.hand_const('Sub/y', np.float32(128))], T=tf.float32)
        return n.node('Mul', 'Mul', ['Sub', n.hand_const('Mul/y', np.float32(1 / 128))], T=tf.float32)

    def conv(self, name, source, shape, stride=1, padding=b'SAME', scale=False):
        """Conv2D, BatchNormWithGlobalNormalization, CheckNumerics by a control edge, Relu."""
        n, count = self.net, shape[-1]
        weights = n.hand_const(f'{name}/conv2d_params', n.numbers(f'{name}/weights', shape) * np.float32(np.sqrt(6 / np.prod(shape[:3]))))
        n.node(f'{name}/Conv2D', 'Conv2D', [source, weights], T=tf.float32, strides=[1, stride, stride, 1], padding=padding, use_cudnn_on_gpu=True)
        moments = [n.hand_const(f'{name}/batchnorm/{leaf}', n.numbers(f'{name}/{leaf}', (count,), low, high))
                   for leaf, low, high in (('moving_mean', -0.1, 0.1), ('moving_variance', 0.5, 1.5), ('beta', -0.1, 0.1), ('gamma', 0.5, 1.5))]
        n.node(f'{name}/batchnorm', 'BatchNormWithGlobalNormalization', [f'{name}/Conv2D', *moments], T=tf.float32, variance_epsilon=0.001, scale_after_normalization=scale)
        n.node(f'{name}/CheckNumerics', 'CheckNumerics', [f'{name}/batchnorm'], T=tf.float32, message=b'not finite')
        n.node(f'{name}/control_dependency', 'Identity', [f'{name}/batchnorm', f'^{name}/CheckNumerics'], T=tf.float32)
        return n.node(name, 'Relu', [f'{name}/control_dependency'], T=tf.float32)

    def pool(self, name, source, op, size, stride, padding):
        return self.net.node(name, op, [source], T=tf.float32, ksize=[1, size, size, 1], strides=[1, stride, stride, 1], padding=padding)

    def mixed(self, name, source, channels):
        """A small Inception module; returns its join and the channels of it."""
        towers = [self.conv(f'{name}/conv', source, (1, 1, channels, 8)),
                  self.conv(f'{name}/tower/conv_1', self.conv(f'{name}/tower/conv', source, (1, 1, channels, 6)), (1, 7, 6, 10), scale=True),
                  self.conv(f'{name}/tower_1/conv', self.pool(f'{name}/tower_1/pool', source, 'AvgPool', 3, 1, b'SAME'), (1, 1, channels, 6))]
        axis = self.net.hand_const(f'{name}/join/concat_dim', np.int32(3))
        return self.net.node(f'{name}/join', 'Concat', [axis, *towers], N=len(towers), T=tf.float32), 24

    def end(self, source, channels, size, count):
        """pool_3, its reshape, and the classes."""
        n = self.net
        self.pool('pool_3', source, 'AvgPool', size, 1, b'VALID')
        n.node('pool_3/_reshape', 'Reshape', ['pool_3', n.hand_const('pool_3/_reshape/shape', np.array([1, channels], np.int32))], T=tf.float32)
        n.node('softmax/logits/MatMul', 'MatMul', ['pool_3/_reshape', n.hand_const('softmax/weights', n.numbers('softmax/weights', (channels, count)))], T=tf.float32)
        n.node('softmax/logits', 'BiasAdd', ['softmax/logits/MatMul', n.hand_const('softmax/biases', n.numbers('softmax/biases', (count,)))], T=tf.float32)
        n.node('softmax', 'Softmax', ['softmax/logits'], T=tf.float32)


def inception_2015(net):
    """The shape of classify_image_graph_def.pb in small: fed at DecodeJpeg:0 with a photo's bytes."""
    draw = Net2015(net)
    x = draw.conv('conv', draw.front(75), (3, 3, 3, 8), 2, b'VALID')
    x = draw.pool('pool', draw.conv('conv_1', x, (3, 3, 8, 12)), 'MaxPool', 3, 2, b'VALID')
    x, channels = draw.mixed('mixed', x, 12)
    x, channels = draw.mixed('mixed_1', draw.pool('pool_1', x, 'MaxPool', 3, 2, b'VALID'), channels)
    draw.end(x, channels, 8, 30)
    net.feeds['DecodeJpeg:0'] = net.numbers('photo', (93, 120, 3), 0, 256).astype(np.uint8)
    net.fetch('Mul:0', 'mixed/join:0', 'pool_3:0', 'softmax/logits:0', 'softmax:0')
