"""Convolutions of every geometry, with what stands around them in networks."""
import tensorflow as tf

raw, tf1 = tf.raw_ops, tf.compat.v1


def geometries(fixtures):
    """Kernel sizes, strides and paddings on even and odd sizes."""
    for kernel in ((1, 1), (3, 3), (5, 5), (7, 7), (1, 7), (7, 1), (1, 3), (2, 2)):
        for stride in (1, 2):
            for padding in ('SAME', 'VALID'):
                name = f'conv_{kernel[0]}x{kernel[1]}_stride_{stride}_{padding.lower()}'
                with fixtures.case(name, f'{padding} convolution on an odd and on an even side.') as net:
                    weights = net.const('weights', *kernel, 3, 5)
                    net.fetch(tf.nn.conv2d(net.input(1, 9, 8, 3), weights, stride, padding))


def unusual(fixtures):
    """Strides that differ, strides past the kernel, one channel, many channels, batches, explicit paddings."""
    shapes = {
        'one_channel': ((2, 6, 6, 1), (3, 3, 1, 4), [1, 1, 1, 1], 'SAME'),
        'many_channels_in': ((1, 3, 3, 100), (3, 3, 100, 7), [1, 1, 1, 1], 'SAME'),
        'many_channels_out': ((1, 3, 3, 3), (3, 3, 3, 97), [1, 1, 1, 1], 'SAME'),
        'pointwise_wide': ((1, 5, 4, 70), (1, 1, 70, 33), [1, 1, 1, 1], 'VALID'),
        'strides_differ': ((1, 9, 9, 3), (3, 3, 3, 4), [1, 2, 1, 1], 'SAME'),
        'stride_past_kernel': ((1, 9, 10, 3), (2, 2, 3, 4), [1, 3, 3, 1], 'SAME'),
        'pointwise_stride_2': ((2, 5, 7, 3), (1, 1, 3, 4), [1, 2, 2, 1], 'SAME'),
        'stride_4_of_11': ((1, 27, 23, 3), (11, 11, 3, 4), [1, 4, 4, 1], 'VALID'),
        'kernel_as_large_as_map': ((2, 4, 5, 3), (4, 5, 3, 6), [1, 1, 1, 1], 'VALID'),
        'kernel_larger_than_map_same': ((1, 2, 3, 3), (7, 7, 3, 4), [1, 1, 1, 1], 'SAME'),
        'batch_3_not_square': ((3, 5, 8, 4), (3, 3, 4, 4), [1, 1, 1, 1], 'SAME'),
        'explicit': ((1, 6, 7, 3), (3, 3, 3, 4), [1, 2, 2, 1], [[0, 0], [1, 0], [2, 1], [0, 0]]),
        'explicit_stride_1': ((1, 6, 7, 3), (5, 3, 3, 4), [1, 1, 1, 1], [[0, 0], [3, 2], [1, 1], [0, 0]]),
        'winograd_sized': ((1, 14, 15, 16), (3, 3, 16, 16), [1, 1, 1, 1], 'SAME'),
    }
    for name, (shape, kernel, strides, padding) in shapes.items():
        with fixtures.case(f'conv_{name}', f'A convolution: input {shape}, kernel {kernel}, strides {strides}, {padding}.') as net:
            net.fetch(tf.nn.conv2d(net.input(*shape), net.const('weights', *kernel), strides, padding))


def dilated(fixtures):
    """Dilation as an attribute, and as TensorFlow 1 wrote it: SpaceToBatchND, a VALID convolution, BatchToSpaceND."""
    for rate in ((2, 2), (3, 3), (1, 2), (4, 2)):
        for padding in ('SAME', 'VALID'):
            with fixtures.case(f'conv_dilated_{rate[0]}x{rate[1]}_{padding.lower()}', f'The attribute dilations = {rate}.') as net:
                net.fetch(tf.nn.conv2d(net.input(1, 13, 12, 3), net.const('weights', 3, 3, 3, 4), 1, padding, dilations=rate))
    for rate, height, width in ((2, 8, 8), (2, 7, 9), (4, 10, 11)):
        with fixtures.case(f'conv_space_to_batch_{rate}_{height}x{width}', f'Dilation {rate} around a VALID convolution.') as net:
            pad = [[rate, rate + (-height - 2 * rate) % rate], [rate, rate + (-width - 2 * rate) % rate]]
            crop = [[0, pad[0][1] - rate], [0, pad[1][1] - rate]]
            x = raw.SpaceToBatchND(input=net.input(2, height, width, 3), block_shape=[rate, rate], paddings=pad)
            x = tf.nn.conv2d(x, net.const('weights', 3, 3, 3, 4), 1, 'VALID')
            x = raw.BatchToSpaceND(input=x, block_shape=[rate, rate], crops=crop)
            net.fetch(tf.nn.relu(tf.nn.bias_add(x, net.const('biases', 4))))
    with fixtures.case('conv_space_to_batch_valid', 'Dilation of a VALID convolution: no padding, only crops.') as net:
        x = raw.SpaceToBatchND(input=net.input(1, 9, 9, 3), block_shape=[2, 2], paddings=[[0, 1], [0, 1]])
        x = tf.nn.conv2d(x, net.const('weights', 3, 3, 3, 4), 1, 'VALID')
        net.fetch(raw.BatchToSpaceND(input=x, block_shape=[2, 2], crops=[[0, 1], [0, 1]]))


def depthwise(fixtures):
    """DepthwiseConv2dNative, with one and two outputs a channel, and separable convolutions built on it."""
    for multiplier in (1, 2):
        for kernel, stride, padding in ((3, 1, 'SAME'), (3, 2, 'SAME'), (3, 2, 'VALID'), (5, 1, 'SAME'), (5, 2, 'SAME'), (7, 2, 'SAME'), (1, 1, 'VALID')):
            with fixtures.case(f'depthwise_{kernel}x{kernel}_stride_{stride}_{padding.lower()}_multiplier_{multiplier}', 'Depthwise convolution.') as net:
                weights = net.const('depthwise_weights', kernel, kernel, 5, multiplier)
                net.fetch(tf.nn.depthwise_conv2d(net.input(2, 9, 10, 5), weights, [1, stride, stride, 1], padding))
    with fixtures.case('depthwise_one_channel_multiplier_8', 'Depthwise convolution of a grey picture.') as net:
        net.fetch(tf.nn.depthwise_conv2d(net.input(1, 6, 6, 1), net.const('weights', 3, 3, 1, 8), [1, 1, 1, 1], 'SAME'))
    with fixtures.case('depthwise_many_channels', 'Depthwise convolution of 67 channels, then Relu6.') as net:
        net.fetch(tf.nn.relu6(tf.nn.depthwise_conv2d(net.input(1, 5, 5, 67), net.const('weights', 3, 3, 67, 1), [1, 1, 1, 1], 'SAME')))
    with fixtures.case('depthwise_explicit', 'Depthwise convolution of explicit paddings.') as net:
        x, weights = net.input(1, 6, 7, 4), net.const('weights', 3, 3, 4, 1)
        net.fetch(raw.DepthwiseConv2dNative(input=x, filter=weights, strides=[1, 2, 2, 1], padding='EXPLICIT', explicit_paddings=[0, 0, 1, 0, 0, 1, 0, 0]))
    for multiplier in (1, 2):
        with fixtures.case(f'depthwise_space_to_batch_multiplier_{multiplier}', 'A dilated depthwise convolution: TensorFlow writes SpaceToBatchND around it.') as net:
            weights = net.const('weights', 3, 3, 4, multiplier)
            net.fetch(tf.nn.depthwise_conv2d(net.input(1, 8, 9, 4), weights, [1, 1, 1, 1], 'SAME', dilations=[2, 2]))
    for stride in (1, 2):
        with fixtures.case(f'separable_stride_{stride}', 'A separable convolution with bias and Relu.') as net:
            x = tf.nn.separable_conv2d(net.input(1, 7, 7, 3), net.const('depthwise', 3, 3, 3, 2), net.const('pointwise', 1, 1, 6, 5), [1, stride, stride, 1], 'SAME')
            net.fetch(tf.nn.relu(tf.nn.bias_add(x, net.const('biases', 5))))


def padded_in_front(fixtures):
    """Pad and a VALID convolution, as TF-Slim's `conv2d_same` writes every strided 3x3 and 7x7 of a ResNet."""
    for kernel, (height, width) in ((3, (7, 8)), (7, (14, 15))):
        with fixtures.case(f'pad_conv_{kernel}x{kernel}', 'Pad, then a VALID convolution of stride 2, then Relu.') as net:
            before = (kernel - 1) // 2
            x = tf.pad(net.input(2, height, width, 3), [[0, 0], [before, kernel - 1 - before], [before, kernel - 1 - before], [0, 0]])
            net.fetch(tf.nn.relu(tf.nn.conv2d(x, net.const('weights', kernel, kernel, 3, 4), 2, 'VALID')))
    with fixtures.case('pad_conv_same', 'Pad in front of a SAME convolution: both pad.') as net:
        x = tf.pad(net.input(1, 5, 6, 3), [[0, 0], [1, 2], [0, 1], [0, 0]])
        net.fetch(tf.nn.conv2d(x, net.const('weights', 3, 3, 3, 4), 2, 'SAME'))
    with fixtures.case('pad_v2_conv', 'PadV2 of a value that is not zero in front of a VALID convolution.') as net:
        x = raw.PadV2(input=net.input(1, 5, 5, 3), paddings=[[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=0.5)
        net.fetch(tf.nn.conv2d(x, net.const('weights', 3, 3, 3, 4), 1, 'VALID'))
    with fixtures.case('pad_depthwise', 'Pad, then a VALID depthwise convolution of stride 2, as Keras writes MobileNet.') as net:
        x = tf.pad(net.input(1, 6, 7, 4), [[0, 0], [0, 1], [0, 1], [0, 0]])
        net.fetch(tf.nn.relu6(tf.nn.depthwise_conv2d(x, net.const('weights', 3, 3, 4, 1), [1, 2, 2, 1], 'VALID')))
    with fixtures.case('pad_max_pool', 'Pad, then a VALID maximum: the padding takes part as zeros.') as net:
        x = tf.pad(net.input(1, 6, 7, 3, low=-2.0, high=-1.0), [[0, 0], [1, 1], [1, 1], [0, 0]])
        net.fetch(tf.nn.max_pool2d(x, 3, 2, 'VALID'))
    with fixtures.case('pad_used_twice', 'A Pad that feeds a convolution and is an output too.') as net:
        x = tf.pad(net.input(1, 4, 4, 2), [[0, 0], [1, 1], [1, 1], [0, 0]])
        net.fetch(tf.nn.conv2d(x, net.const('weights', 3, 3, 2, 3), 1, 'VALID'), x)


def with_neighbours(fixtures):
    """Convolutions whose values are used more than once, so that fusing them must not hide or change anything."""
    conv = lambda net, x, label, cin, cout: tf.nn.bias_add(tf.nn.conv2d(x, net.const(f'{label}/weights', 3, 3, cin, cout), 1, 'SAME'), net.const(f'{label}/biases', cout))
    with fixtures.case('residual_conv_plus_conv', 'The sum of two convolutions, then Relu.') as net:
        x = net.input(1, 5, 5, 3)
        net.fetch(tf.nn.relu(conv(net, x, 'a', 3, 4) + conv(net, x, 'b', 3, 4)))
    with fixtures.case('residual_input_plus_conv', 'Input plus convolution, Relu, and again.') as net:
        x = net.input(2, 5, 4, 4)
        x = tf.nn.relu(x + conv(net, x, 'a', 4, 4))
        net.fetch(tf.nn.relu(conv(net, x, 'b', 4, 4) + x))
    with fixtures.case('residual_scaled', 'Input plus 0.17 times a convolution, as in Inception-ResNet.') as net:
        x = net.input(1, 4, 4, 3)
        net.fetch(tf.nn.relu(x + 0.17 * conv(net, x, 'a', 3, 3)))
    with fixtures.case('residual_relu_first', 'The Relu of a convolution plus the input, without a Relu after the sum.') as net:
        x = net.input(1, 4, 4, 3)
        net.fetch(tf.nn.relu(conv(net, x, 'a', 3, 3)) + x)
    with fixtures.case('conv_used_twice', 'A convolution used with its Relu and without.') as net:
        x = conv(net, net.input(1, 4, 4, 3), 'a', 3, 4)
        net.fetch(tf.nn.relu(x) * x)
    with fixtures.case('conv_added_to_itself', 'Add(x, x) of a convolution, then Relu.') as net:
        x = conv(net, net.input(1, 4, 4, 3), 'a', 3, 4)
        net.fetch(tf.nn.relu(x + x))
    with fixtures.case('conv_added_to_its_relu', 'A convolution plus its own Relu.') as net:
        x = conv(net, net.input(1, 4, 4, 3), 'a', 3, 4)
        net.fetch(x + tf.nn.relu(x))
    with fixtures.case('conv_every_step_fetched', 'Convolution, bias, batch norm and Relu, each of them an output.') as net:
        x = tf.nn.conv2d(net.input(1, 4, 4, 3), net.const('weights', 3, 3, 3, 4), 1, 'SAME')
        biased = tf.nn.bias_add(x, net.const('biases', 4))
        normal = raw.FusedBatchNormV3(x=biased, scale=net.const('gamma', 4), offset=net.const('beta', 4), mean=net.const('mean', 4),
                                      variance=net.const('variance', 4, low=0.5, high=1.5), epsilon=1e-3, is_training=False).y
        net.fetch(x, biased, normal, tf.nn.relu(normal))
    with fixtures.case('conv_shared_weights', 'One constant used by two convolutions, one of them under a batch norm.') as net:
        x, weights = net.input(1, 4, 4, 3), net.const('weights', 3, 3, 3, 3)
        left = tf.nn.conv2d(x, weights, 1, 'SAME')
        right = tf.nn.conv2d(tf.nn.relu(left), weights, 2, 'SAME') * net.const('scale', 3)
        net.fetch(left, right)
    with fixtures.case('conv_weights_computed', 'Weights that are a product of constants, folded before packing.') as net:
        weights = net.const('weights', 3, 3, 2, 4) * net.const('scale', 4) + 0.1
        net.fetch(tf.nn.conv2d(net.input(1, 4, 4, 2), weights, 1, 'SAME'))
    with fixtures.case('conv_bias_by_add', 'A bias added by Add on either side, and a scalar.') as net:
        x = tf.nn.conv2d(net.input(1, 4, 4, 2), net.const('weights', 3, 3, 2, 4), 1, 'SAME')
        net.fetch(raw.Add(x=net.const('bias', 4), y=raw.Add(x=x, y=net.const('biases', 1, 1, 1, 4))) + 0.5)
    with fixtures.case('conv_bias_then_map', 'A convolution plus a constant map of one number a pixel.') as net:
        x = tf.nn.conv2d(net.input(2, 4, 4, 2), net.const('weights', 3, 3, 2, 4), 1, 'SAME')
        net.fetch(tf.nn.relu(x + net.const('map', 1, 4, 4, 1)))
    with fixtures.case('conv_relu_then_relu6', 'Relu then Relu6 then Minimum: three clamps.') as net:
        x = conv(net, net.input(1, 4, 4, 3, low=-3.0, high=3.0), 'a', 3, 4)
        net.fetch(tf.minimum(tf.nn.relu6(tf.nn.relu(x)), 2.0))
    with fixtures.case('conv_mixed_towers', 'An Inception module: four towers joined by channels.') as net:
        x = net.input(1, 6, 6, 3)
        pool = tf.nn.avg_pool2d(x, 3, 1, 'SAME')
        towers = [conv(net, x, 'a', 3, 4), conv(net, tf.nn.relu(conv(net, x, 'b', 3, 2)), 'c', 2, 5), conv(net, pool, 'd', 3, 3), pool]
        net.fetch(tf.nn.relu(tf.concat(towers, 3)))
    with fixtures.case('conv_in_two_concats', 'One value in two concatenations, and twice in one.') as net:
        x = tf.nn.relu(conv(net, net.input(1, 4, 4, 3), 'a', 3, 2))
        y = conv(net, x, 'b', 2, 3)
        net.fetch(tf.concat([x, y, x], 3), tf.concat([tf.concat([y, x], 3), y], 3))
    with fixtures.case('conv_output_is_input_of_concat_and_fetched', 'A tower of a concatenation is an output too.') as net:
        x = net.input(1, 4, 4, 3)
        tower = tf.nn.relu(conv(net, x, 'a', 3, 2))
        net.fetch(tower, tf.concat([tower, x], 3))
