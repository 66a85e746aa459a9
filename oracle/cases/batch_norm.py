"""Batch norm in every form in which it was ever frozen, behind everything it stands behind."""
import tensorflow as tf

raw, tf1 = tf.raw_ops, tf.compat.v1


class Moments:
    """The four vectors of a batch norm."""

    def __init__(self, net, channels, label='BatchNorm'):
        self.gamma = net.const(f'{label}/gamma', channels, low=0.5, high=1.5)
        self.beta = net.const(f'{label}/beta', channels)
        self.mean = net.const(f'{label}/moving_mean', channels)
        self.variance = net.const(f'{label}/moving_variance', channels, low=0.5, high=1.5)


def arithmetic(x, m, gamma=True, epsilon=1e-3):
    """The order of `tf.nn.batch_normalization`: x * inv + (beta - mean * inv)."""
    return tf.nn.batch_normalization(x, m.mean, m.variance, m.beta, m.gamma if gamma else None, epsilon)


def textbook(x, m):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, an operation at a time."""
    return (x - m.mean) / tf.sqrt(m.variance + 1e-3) * m.gamma + m.beta


def centred(x, m):
    """(x - mean) * (rsqrt(variance + epsilon) * gamma) + beta, with constants of shape [1, 1, 1, C]."""
    wide = lambda v: tf.reshape(v, [1, 1, 1, -1])
    return (x - wide(m.mean)) * (tf.math.rsqrt(wide(m.variance) + 1e-3) * wide(m.gamma)) + wide(m.beta)


def fused(version, epsilon=1e-3):
    """FusedBatchNorm, V2 or V3."""
    operation = getattr(raw, f'FusedBatchNorm{version}')
    return lambda x, m: operation(x=x, scale=m.gamma, offset=m.beta, mean=m.mean, variance=m.variance, epsilon=epsilon, is_training=False).y


FORMS = {
    'arithmetic': arithmetic,
    'arithmetic_without_gamma': lambda x, m: arithmetic(x, m, gamma=False),
    'textbook': textbook,
    'centred': centred,
    'fused': fused(''),
    'fused_v2': fused('V2'),
    'fused_v3': fused('V3'),
    'fused_v3_epsilon_1e-5': fused('V3', 1.001e-5),
    'fused_v3_epsilon_large': fused('V3', 0.1),
}


def conv(net, x, cin, cout, label='conv'):
    """A 3x3 convolution without bias."""
    return tf.nn.conv2d(x, net.const(f'{label}/weights', 3, 3, cin, cout), 1, 'SAME')


def forms(fixtures):
    """Each form alone, behind a convolution with Relu, and in front of one (pre-activation)."""
    for name, form in FORMS.items():
        with fixtures.case(f'batch_norm_{name}_alone', 'Batch norm of the input.') as net:
            net.fetch(form(net.input(2, 3, 4, 5), Moments(net, 5)))
        with fixtures.case(f'batch_norm_{name}_after_conv', 'Convolution, batch norm, Relu.') as net:
            net.fetch(tf.nn.relu(form(conv(net, net.input(2, 5, 4, 3), 3, 5), Moments(net, 5))))
        with fixtures.case(f'batch_norm_{name}_before_conv', 'Batch norm, Relu, convolution: pre-activation.') as net:
            net.fetch(conv(net, tf.nn.relu(form(net.input(1, 5, 5, 3), Moments(net, 3))), 3, 4))


def places(fixtures):
    """Behind what a batch norm may stand, in the arithmetic and in the fused form."""
    for name in ('arithmetic', 'fused_v3'):
        form = FORMS[name]
        with fixtures.case(f'batch_norm_{name}_after_depthwise', 'Depthwise convolution of multiplier 2, batch norm, Relu6.') as net:
            x = tf.nn.depthwise_conv2d(net.input(1, 5, 5, 3), net.const('weights', 3, 3, 3, 2), [1, 1, 1, 1], 'SAME')
            net.fetch(tf.nn.relu6(form(x, Moments(net, 6))))
        with fixtures.case(f'batch_norm_{name}_after_bias', 'Convolution with bias, then batch norm.') as net:
            x = tf.nn.bias_add(conv(net, net.input(1, 4, 4, 3), 3, 4), net.const('biases', 4))
            net.fetch(form(x, Moments(net, 4)))
        with fixtures.case(f'batch_norm_{name}_after_relu', 'Convolution, Relu, then batch norm: it cannot fold backwards.') as net:
            net.fetch(form(tf.nn.relu(conv(net, net.input(1, 4, 4, 3), 3, 4)), Moments(net, 4)))
        with fixtures.case(f'batch_norm_{name}_after_concat', 'Batch norm of a concatenation of two convolutions.') as net:
            x = net.input(1, 4, 4, 3)
            x = tf.concat([conv(net, x, 3, 2, 'a'), conv(net, x, 3, 3, 'b')], 3)
            net.fetch(tf.nn.relu(form(x, Moments(net, 5))))
        with fixtures.case(f'batch_norm_{name}_after_pool', 'Batch norm of an average.') as net:
            net.fetch(form(tf.nn.avg_pool2d(net.input(1, 4, 4, 3), 2, 2, 'VALID'), Moments(net, 3)))
        with fixtures.case(f'batch_norm_{name}_after_add', 'Batch norm of a residual sum that is used again.') as net:
            x = net.input(1, 4, 4, 3)
            x = x + conv(net, x, 3, 3)
            net.fetch(x + tf.nn.relu(form(x, Moments(net, 3))))
        with fixtures.case(f'batch_norm_{name}_of_conv_used_twice', 'A convolution used by a batch norm and by itself.') as net:
            x = conv(net, net.input(1, 4, 4, 3), 3, 4)
            net.fetch(form(x, Moments(net, 4)) + x)
        with fixtures.case(f'batch_norm_{name}_twice', 'Two batch norms in a row behind a convolution.') as net:
            x = form(conv(net, net.input(1, 4, 4, 3), 3, 4), Moments(net, 4, 'first'))
            net.fetch(form(x, Moments(net, 4, 'second')))
        with fixtures.case(f'batch_norm_{name}_after_dilated', 'SpaceToBatchND, convolution, BatchToSpaceND, batch norm.') as net:
            x = raw.SpaceToBatchND(input=net.input(1, 6, 6, 3), block_shape=[2, 2], paddings=[[2, 2], [2, 2]])
            x = tf.nn.conv2d(x, net.const('weights', 3, 3, 3, 4), 1, 'VALID')
            x = raw.BatchToSpaceND(input=x, block_shape=[2, 2], crops=[[0, 0], [0, 0]])
            net.fetch(tf.nn.relu(form(x, Moments(net, 4))))
        with fixtures.case(f'batch_norm_{name}_on_padded', 'Batch norm, Pad, convolution: the padding is zero after the batch norm.') as net:
            x = tf.pad(form(net.input(1, 4, 4, 3), Moments(net, 3)), [[0, 0], [1, 1], [1, 1], [0, 0]])
            net.fetch(tf.nn.conv2d(x, net.const('weights', 3, 3, 3, 4), 1, 'VALID'))
    for name in ('arithmetic', 'arithmetic_without_gamma', 'textbook'):
        with fixtures.case(f'batch_norm_{name}_after_matmul', 'Fully connected layer, batch norm, Relu.') as net:
            x = tf.matmul(net.input(3, 6), net.const('weights', 6, 4))
            net.fetch(tf.nn.relu(FORMS[name](x, Moments(net, 4))))


def global_normalization(fixtures):
    """BatchNormWithGlobalNormalization: gamma counts only where scale_after_normalization says so."""
    for scale in (True, False):
        for place in ('alone', 'after_conv'):
            name = f'batch_norm_global_{"scaled" if scale else "not_scaled"}_{place}'
            with fixtures.case(name, f'BatchNormWithGlobalNormalization, scale_after_normalization={scale}.') as net:
                source = net.input(1, 5, 4, 3)
                if place == 'after_conv':
                    source = conv(net, source, 3, 3)
                net.producer = 8
                m = Moments(net, 3)
                inputs = [t.op.name for t in (source, m.mean, m.variance, m.beta, m.gamma)]
                net.node('batchnorm', 'BatchNormWithGlobalNormalization', inputs, T=tf.float32, variance_epsilon=0.001, scale_after_normalization=scale)
                net.node('out', 'Relu', ['batchnorm'], T=tf.float32)
                net.fetch('out:0')
