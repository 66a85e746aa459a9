"""Operations that move numbers without changing them, and the arithmetic of shapes around them."""
import numpy as np
import tensorflow as tf

raw, tf1 = tf.raw_ops, tf.compat.v1


def reshapes(fixtures):
    """Reshape, Squeeze, ExpandDims with constant axes."""
    shapes = {
        'reshape_minus_one': lambda x: tf.reshape(x, [2, -1]),
        'reshape_constant': lambda x: tf.reshape(x, [4, 3, 5]),
        'reshape_int64': lambda x: tf.reshape(x, tf.constant([-1, 15], tf.int64)),
        'squeeze_axes': lambda x: tf.squeeze(x, [1]),
        'squeeze_all': tf.squeeze,
        'squeeze_negative_axis': lambda x: tf.squeeze(x, [-3]),
        'expand_dims_front': lambda x: tf.expand_dims(x, 0),
        'expand_dims_back': lambda x: tf.expand_dims(x, -1),
        'expand_dims_middle_int64': lambda x: tf.expand_dims(x, tf.constant(2, tf.int64)),
    }
    for name, function in shapes.items():
        with fixtures.case(name, f'{name} of a [4,1,3,5] map.') as net:
            net.fetch(function(net.input(4, 1, 3, 5)))
    with fixtures.case('reshape_to_scalar_and_back', 'One number as a scalar, and as a map again.') as net:
        net.fetch(tf.reshape(tf.reshape(net.input(1, 1), []), [1, 1, 1, 1]))
    with fixtures.case('reshape_of_constant', 'A constant reshaped before it is used.') as net:
        net.fetch(net.input(2, 3, 4) * tf.reshape(net.const('constant', 12), [1, 3, 4]))


def computed_shapes(fixtures):
    """Shapes computed from the Shape of the network's own values."""
    for kind in (tf.int32, tf.int64):
        with fixtures.case(f'flatten_slim_{kind.name}', "TF-Slim's flatten: Shape, StridedSlice, Pack with -1, Reshape.") as net:
            x = net.input(2, 3, 4, 5, declared=[None, 3, 4, 5])
            batch = tf.shape(x, out_type=kind)[0]
            net.fetch(tf.matmul(tf.reshape(x, tf.stack([batch, tf.constant(-1, kind)])), net.const('weights', 60, 3)))
    with fixtures.case('flatten_slim_old', "TF-Slim's older flatten: Shape, Slice, Prod, ExpandDims, ConcatV2, Reshape.") as net:
        x = net.input(2, 3, 4, 5, declared=[None, 3, 4, 5])
        shape = tf.shape(x)
        rest = tf.expand_dims(tf.reduce_prod(tf.slice(shape, [1], [3])), 0)
        net.fetch(tf.reshape(x, tf.concat([tf.slice(shape, [0], [1]), rest], 0)))
    with fixtures.case('reshape_back_to_shape', 'Reshape to a matrix and back to Shape of the value before.') as net:
        x = net.input(2, 3, 4, 5, declared=[None] * 4)
        net.fetch(tf.reshape(tf.reshape(x, [-1, 5]) * 2, tf.shape(x)))
    with fixtures.case('shape_as_output', 'Shape, Size and Rank as outputs, of a value whose batch is not known.') as net:
        x = tf.nn.max_pool2d(net.input(2, 5, 6, 3, declared=[None, 5, 6, 3]), 2, 2, 'SAME')
        net.fetch(tf.shape(x), tf.size(x), tf.cast(tf.rank(x), tf.float32))
    with fixtures.case('shape_arithmetic', 'Sizes doubled by Mul, divided by FloorDiv, cast to float and back.') as net:
        x = net.input(1, 4, 6, 3, declared=[None, None, None, 3])
        half = tf.cast(tf.cast(tf.shape(x)[1:3], tf.float32) * 0.5, tf.int32)
        net.fetch(tf.reshape(x, tf.stack([tf.shape(x)[0], half[0] * 2, half[1] * 2, tf.shape(x)[3]])))
    with fixtures.case('fill_of_batch', 'Fill of a shape taken from the input, and ones_like and zeros_like.') as net:
        x = net.input(2, 3, declared=[None, 3])
        net.fetch(tf.fill(tf.stack([tf.shape(x)[0], 3]), 0.5) + tf.ones_like(x) + tf.zeros_like(x) + x)


def slices(fixtures):
    """StridedSlice with every mask, Slice, and what the Python brackets write."""
    brackets = {
        'begin_and_end_mask': lambda x: x[:, 1:3, :, 2:],
        'strides': lambda x: x[:, ::2, 1::2, :],
        'negative_strides': lambda x: x[:, ::-1, :, ::-1],
        'negative_strides_and_bounds': lambda x: x[:, -1:0:-2, -2:-5:-1, :],
        'shrink': lambda x: x[1, :, 2, :],
        'shrink_negative': lambda x: x[-1, :, :, -2],
        'ellipsis': lambda x: x[..., 1:3],
        'ellipsis_in_the_middle': lambda x: x[0, ..., 2],
        'ellipsis_of_nothing': lambda x: x[:, :, :, :, ...],
        'new_axis': lambda x: x[:, tf.newaxis, :, 1, tf.newaxis],
        'past_the_end': lambda x: x[:, 2:100, -100:2, :],
        'bgr_to_rgb': lambda x: x[..., ::-1],
        'quarter_by_negative_bounds': lambda x: x[:, 1:-1, 1:-1, :],
    }
    for name, bracket in brackets.items():
        with fixtures.case(f'strided_slice_{name}', f'StridedSlice: {name}.') as net:
            net.fetch(bracket(net.input(2, 5, 6, 4)))
    with fixtures.case('strided_slice_shape_vector', 'The inner numbers of a Shape.') as net:
        x = net.input(2, 5, 6, 4, declared=[None] * 4)
        net.fetch(tf.reshape(x, tf.concat([tf.shape(x)[:1], [-1], tf.shape(x)[-1:]], 0)))
    with fixtures.case('slice', 'Slice, with -1 for the rest.') as net:
        net.fetch(tf.slice(net.input(2, 5, 6, 4), [0, 1, 2, 1], [-1, 3, -1, 2]))
    with fixtures.case('nasnet_shifted_path', "NASNet's second path: Pad, StridedSlice by one pixel, a pool of size 1 and stride 2.") as net:
        x = net.input(1, 6, 6, 3)
        shifted = tf.pad(x, [[0, 0], [0, 1], [0, 1], [0, 0]])[:, 1:, 1:, :]
        paths = [tf.nn.avg_pool2d(path, 1, 2, 'VALID') for path in (x, shifted)]
        net.fetch(tf.concat(paths, 3))


def joins(fixtures):
    """Concatenation along every axis, in the old form and the new, and its opposites."""
    for axis in (3, -1, 1, 2, 0):
        for version in ('', 'V2'):
            with fixtures.case(f'concat{version.lower() and "_v2"}_axis_{axis}'.replace('-', 'minus_'), f'Concat{version} of three maps.') as net:
                sizes = [[2, 3, 4, 5] for _ in range(3)]
                for i, size in enumerate(sizes):
                    size[axis] += i
                parts = [net.input(*size, name=f'input_{i}') for i, size in enumerate(sizes)]
                if version:
                    net.fetch(raw.ConcatV2(values=parts, axis=axis))
                elif axis >= 0:
                    net.fetch(raw.Concat(concat_dim=axis, values=parts))
                else:
                    net.fetch(raw.Concat(concat_dim=axis, values=parts[:2]))
    with fixtures.case('concat_of_one', 'ConcatV2 of a single value.') as net:
        net.fetch(raw.ConcatV2(values=[tf.nn.relu(net.input(1, 2, 2, 3)), net.const('none', 1, 2, 2, 0)], axis=3))
    with fixtures.case('concat_of_vectors', 'Two matrices side by side.') as net:
        net.fetch(tf.concat([net.input(2, 3, name='x'), net.input(2, 4, name='y')], 1))
    with fixtures.case('concat_with_constant', 'A map and a constant map.') as net:
        net.fetch(tf.concat([net.input(1, 2, 3, 2), net.const('constant', 1, 2, 3, 3)], 3))
    with fixtures.case('pack', 'Pack of two maps along the front and along the end.') as net:
        x, y = net.input(2, 3, name='x'), net.input(2, 3, name='y')
        net.fetch(tf.stack([x, y]), tf.stack([x, y], -1))
    with fixtures.case('split', 'Split in three by channels, put together the other way round.') as net:
        net.fetch(tf.concat(tf.split(net.input(1, 3, 4, 6), 3, 3)[::-1], 3))
    with fixtures.case('split_v', 'SplitV into 1, 2 and the rest (-1).') as net:
        net.fetch(*tf.split(net.input(2, 3, 6), tf.constant([1, 2, -1]), 2))
    with fixtures.case('unpack', 'Unpack along the channels: RGB to BGR with a mean subtracted from each.') as net:
        red, green, blue = tf.unstack(net.input(1, 3, 4, 3), axis=3)
        net.fetch(tf.stack([blue - 0.1, green - 0.2, red - 0.3], 3))
    with fixtures.case('split_mean_concat', 'VGG preprocessing in the graph: Split, Sub a mean, ConcatV2.') as net:
        channels = tf.split(net.input(1, 4, 4, 3, low=0.0, high=255.0), 3, 3)
        net.fetch(tf.concat([channel - mean for channel, mean in zip(channels[::-1], (103.939, 116.779, 123.68))], 3))


def pads(fixtures):
    """Pad with zeros, with a number, and by reflection."""
    edges = [[0, 0], [1, 2], [3, 0], [0, 0]]
    with fixtures.case('pad_zeros', 'Pad.') as net:
        net.fetch(tf.pad(net.input(2, 4, 5, 3), edges))
    with fixtures.case('pad_int64', 'Pad whose paddings are int64, in batch and channels too.') as net:
        net.fetch(tf.pad(net.input(1, 2, 3, 2), tf.constant([[1, 0], [0, 0], [1, 1], [0, 3]], tf.int64)))
    with fixtures.case('pad_channels', 'Channels padded for a residual sum.') as net:
        net.fetch(tf.pad(net.input(1, 3, 3, 2), [[0, 0], [0, 0], [0, 0], [1, 1]]) + net.input(1, 3, 3, 4, name='other'))
    with fixtures.case('pad_v2', 'PadV2 with a number.') as net:
        net.fetch(raw.PadV2(input=net.input(2, 4, 5, 3), paddings=edges, constant_values=-1.5))
    for mode in ('REFLECT', 'SYMMETRIC'):
        with fixtures.case(f'mirror_pad_{mode.lower()}', f'MirrorPad {mode}.') as net:
            net.fetch(raw.MirrorPad(input=net.input(2, 4, 5, 3), paddings=edges, mode=mode))
    with fixtures.case('pad_matrix', 'Pad of a matrix.') as net:
        net.fetch(tf.pad(net.input(2, 3), [[1, 0], [0, 2]]))


def moves(fixtures):
    """Transpose, Tile, Gather, Reverse, Range and the block moves."""
    for name, order in (('to_nchw', [0, 3, 1, 2]), ('to_nhwc', [0, 2, 3, 1]), ('swap', [0, 2, 1, 3]), ('reverse', [3, 2, 1, 0])):
        with fixtures.case(f'transpose_{name}', f'Transpose {order}.') as net:
            net.fetch(tf.transpose(net.input(2, 3, 4, 5), order))
    with fixtures.case('transpose_there_and_back', 'A convolution between two transposes that undo each other.') as net:
        x = tf.transpose(net.input(1, 3, 4, 5), [0, 2, 3, 1])
        x = tf.nn.conv2d(x, net.const('weights', 3, 3, 3, 4), 1, 'SAME')
        net.fetch(tf.transpose(x, [0, 3, 1, 2]))
    with fixtures.case('transpose_matrix_constant', 'Constant weights stored transposed.') as net:
        net.fetch(tf.matmul(net.input(2, 4), tf.transpose(net.const('weights', 3, 4))))
    with fixtures.case('tile', 'Tile of a map by rows and channels.') as net:
        net.fetch(tf.tile(net.input(2, 2, 3, 2), [1, 2, 1, 3]))
    with fixtures.case('gather_v2_axis', 'GatherV2 along the channels with constant indices.') as net:
        net.fetch(tf.gather(net.input(2, 2, 3, 4), tf.constant([3, 0, 0]), axis=3))
    with fixtures.case('reverse_v2', 'ReverseV2 of columns and channels.') as net:
        net.fetch(tf.reverse(net.input(1, 2, 3, 3), [2, -1]))
    with fixtures.case('range_of_shape', 'Range up to the size of the input, cast and added.') as net:
        x = net.input(2, 5, declared=[None, None])
        net.fetch(x + tf.cast(tf.range(0, tf.shape(x)[1], 1), tf.float32))
    with fixtures.case('space_to_batch_alone', 'SpaceToBatchND and, of another value, BatchToSpaceND, with nothing between.') as net:
        x = net.input(4, 4, 3, 2)
        net.fetch(raw.SpaceToBatchND(input=x, block_shape=[2, 3], paddings=[[1, 1], [2, 1]]), raw.BatchToSpaceND(input=x, block_shape=[2, 2], crops=[[1, 0], [0, 1]]))
    with fixtures.case('broadcast_to', 'BroadcastTo of a vector.') as net:
        net.fetch(tf.broadcast_to(net.input(3), [2, 2, 3]))


def resizes(fixtures):
    """Resizes in TensorFlow's conventions, up and down, by constant and by computed sizes; boxes cut out and resized."""
    modes = {'legacy': {}, 'align_corners': dict(align_corners=True), 'half_pixel': dict(half_pixel_centers=True)}
    kinds = (('bilinear', raw.ResizeBilinear), ('nearest', raw.ResizeNearestNeighbor), ('bicubic', raw.ResizeBicubic))
    for kind, resize in kinds:
        for mode, attributes in modes.items():
            for size in ((11, 9), (3, 4), (5, 7), (1, 1), (14, 3)):
                with fixtures.case(f'resize_{kind}_{mode}_to_{size[0]}x{size[1]}', f'{kind} resize of a 5x7 map, {mode}.') as net:
                    net.fetch(resize(images=net.input(1, 5, 7, 3, low=0.0, high=255.0), size=list(size), **attributes))
        with fixtures.case(f'resize_{kind}_computed_size', f'{kind} resize to twice the Shape of the input, batch 2.') as net:
            x = net.input(2, 3, 4, 2, declared=[None, None, None, 2])
            net.fetch(resize(images=x, size=tf.shape(x)[1:3] * 2))
    with fixtures.case('resize_bilinear_uint8', 'ResizeBilinear takes bytes and gives floats.') as net:
        value = net.numbers('input', (1, 5, 4, 3), 0, 255).astype(np.uint8)
        net.fetch(raw.ResizeBilinear(images=net.feed(value), size=[7, 3]))
    with fixtures.case('resize_bicubic_uint8', 'ResizeBicubic takes bytes and gives floats.') as net:
        value = net.numbers('input', (1, 5, 4, 3), 0, 255).astype(np.uint8)
        net.fetch(raw.ResizeBicubic(images=net.feed(value), size=[7, 3], half_pixel_centers=True))
    for corners in (False, True):
        for size in ((11, 9), (3, 4), (5, 7), (1, 1), (14, 3)):
            name = f'resize_area_{"align_corners" if corners else "legacy"}_to_{size[0]}x{size[1]}'
            with fixtures.case(name, 'Means of areas of a 5x7 map.') as net:
                net.fetch(raw.ResizeArea(images=net.input(1, 5, 7, 3, low=0.0, high=255.0), size=list(size), align_corners=corners))
    with fixtures.case('resize_area_uint8', 'ResizeArea takes bytes and gives floats; two pictures of two channels.') as net:
        value = net.numbers('input', (2, 5, 4, 2), 0, 255).astype(np.uint8)
        net.fetch(raw.ResizeArea(images=net.feed(value), size=[3, 3]))
    boxes = [[0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9], [0.9, 0.8, 0.2, 0.1], [-0.3, 0.5, 0.4, 1.6], [0.5, 0.5, 0.5, 0.5]]
    for method in ('bilinear', 'nearest'):
        for size in ((3, 4), (1, 1), (1, 6), (9, 8)):
            with fixtures.case(f'crop_and_resize_{method}_to_{size[0]}x{size[1]}', 'Boxes of two 6x5 maps, upside down and beyond the edge.') as net:
                net.fetch(tf.image.crop_and_resize(net.input(2, 6, 5, 3), boxes, [0, 1, 1, 0, 1], size, method, -2.5))
    with fixtures.case('crop_and_resize_of_each', 'One box for each picture of a batch whose size is not known.') as net:
        x = net.input(2, 6, 5, 3, declared=[None] * 4)
        count = tf.shape(x)[0]
        net.fetch(tf.image.crop_and_resize(x, tf.tile([[0.1, 0.1, 0.8, 0.9]], [count, 1]), tf.range(count), [4, 4]))
    with fixtures.case('resize_bilinear_large_ratio', 'A photo-like resize, 64x48 to 7x7 without antialiasing.') as net:
        net.fetch(raw.ResizeBilinear(images=net.input(1, 64, 48, 3, low=0.0, high=255.0), size=[7, 7]))
