"""Float32 files: every operator of image networks, and float16 weights."""
import numpy as np

from lite.drawing import Drawing, NONE, RELU, RELU6, RELU_N1_TO_1, SAME, VALID, options


def convolutions(fixtures):
    """CONV_2D in its paddings, strides, dilations, activations; DEPTHWISE_CONV_2D; TRANSPOSE_CONV."""
    cases = [
        ('conv_same', SAME, (1, 1), (1, 1), NONE, (3, 3), 'A convolution that keeps the size'),
        ('conv_valid_stride', VALID, (2, 2), (1, 1), RELU, (3, 3), 'Steps of two, windows inside'),
        ('conv_same_stride', SAME, (2, 1), (1, 1), RELU6, (3, 2), 'Different steps, padding that is not even'),
        ('conv_dilated', SAME, (1, 1), (2, 3), RELU_N1_TO_1, (3, 3), 'Taps apart from one another'),
        ('conv_point', SAME, (1, 1), (1, 1), NONE, (1, 1), 'One pixel at a time'),
    ]
    for name, padding, strides, dilations, activation, window, what in cases:
        with fixtures.case(name, what) as lite:
            x = lite.input(1, 9, 8, 5, low=-2, high=2)
            weights = lite.constant('filter', lite.numbers('filter', (6, *window, 5)))
            bias = lite.constant('bias', lite.numbers('bias', (6,)))
            kind = options('Conv2D', padding=padding, stride_h=strides[0], stride_w=strides[1],
                           dilation_h_factor=dilations[0], dilation_w_factor=dilations[1],
                           fused_activation_function=activation)
            lite.fetch(lite.compute('CONV_2D', [x, weights, bias], kind))
    with fixtures.case('conv_grouped', 'Two groups of channels, each with filters of its own') as lite:
        x = lite.input(1, 6, 5, 8)
        weights = lite.constant('filter', lite.numbers('filter', (6, 3, 3, 4)))
        bias = lite.constant('bias', lite.numbers('bias', (6,)))
        lite.fetch(lite.compute('CONV_2D', [x, weights, bias],
                                options('Conv2D', padding=SAME, stride_h=1, stride_w=1)))
    for multiplier, dilation, stride, padding in [(1, 1, 1, SAME), (1, 1, 2, SAME), (2, 1, 1, VALID), (1, 2, 1, SAME)]:
        name = f'depthwise_{multiplier}_{dilation}_{stride}'
        with fixtures.case(name, 'A filter for each channel') as lite:
            x = lite.input(1, 8, 9, 4)
            weights = lite.constant('filter', lite.numbers('filter', (1, 3, 3, 4 * multiplier)))
            bias = lite.constant('bias', lite.numbers('bias', (4 * multiplier,)))
            kind = options('DepthwiseConv2D', padding=padding, stride_h=stride, stride_w=stride,
                           depth_multiplier=multiplier, dilation_h_factor=dilation, dilation_w_factor=dilation,
                           fused_activation_function=RELU6)
            lite.fetch(lite.compute('DEPTHWISE_CONV_2D', [x, weights, bias], kind))
    with fixtures.case('half_weights', 'Weights of float16 behind DEQUANTIZE') as lite:
        x = lite.input(1, 6, 6, 3)
        weights = lite.constant('half_filter', lite.numbers('filter', (4, 3, 3, 3)).astype(np.float16))
        weights = lite.compute('DEQUANTIZE', [weights], options('Dequantize'), name='filter')
        bias = lite.constant('half_bias', lite.numbers('bias', (4,)).astype(np.float16))
        bias = lite.compute('DEQUANTIZE', [bias], options('Dequantize'), name='bias')
        lite.fetch(lite.compute('CONV_2D', [x, weights, bias],
                                options('Conv2D', padding=SAME, stride_h=2, stride_w=2)))


    with fixtures.case('integer_weights', 'Weights of int8, a scale for each output channel, behind DEQUANTIZE') as lite:
        x = lite.input(1, 6, 6, 3)
        weights = lite.constant('stored', lite.integers('filter', (4, 3, 3, 3), -127, 127, np.int8),
                                scale=[0.01, 0.02, 0.005, 0.013], zero=0, dimension=0)
        weights = lite.compute('DEQUANTIZE', [weights], options('Dequantize'), name='filter')
        bias = lite.constant('bias', lite.numbers('bias', (4,)))
        lite.fetch(lite.compute('CONV_2D', [x, weights, bias],
                                options('Conv2D', padding=SAME, stride_h=2, stride_w=2)))


def refused(fixtures):
    """A file that is sound and not known; LiteRT does not run it either."""
    lite = Drawing('unknown_operators', 'Two operators of an application, and one that is known')
    known = lite.compute('RELU', [lite.input(1, 2, 2, 3)], name='known')
    first, second = lite.tensor('first', 'float32', (1, 4)), lite.tensor('second', 'float32', (1, 4))
    lite.operator('CUSTOM', [known], [first], custom='Fancy')
    lite.operator('CUSTOM', [first], [second], custom='Fancier')
    lite.operator('NON_MAX_SUPPRESSION_V5', [known], [lite.tensor('third', 'float32', (1, 4))])
    lite.fetch(known, second)
    fixtures.write(lite)


def transposed_convolutions(fixtures):
    """TRANSPOSE_CONV in both paddings, with and without overlap."""
    cases = [(SAME, 2, 3, (1, 8, 10, 4)), (VALID, 2, 3, (1, 9, 11, 4)), (SAME, 2, 2, (1, 8, 10, 4)),
             (SAME, 1, 3, (1, 4, 5, 4)), (VALID, 3, 2, (1, 11, 14, 4)), (SAME, 2, 4, (1, 7, 9, 4))]
    for index, (padding, stride, window, shape) in enumerate(cases):
        with fixtures.case(f'transpose_conv_{index}', f'A window of {window}, steps of {stride}') as lite:
            x = lite.input(1, 4, 5, 3)
            size = lite.constant('size', np.int32(shape))
            weights = lite.constant('filter', lite.numbers('filter', (4, window, window, 3)))
            inputs = [size, weights, x]
            if index % 2:
                inputs.append(lite.constant('bias', lite.numbers('bias', (4,))))
            kind = options('TransposeConv', padding=padding, stride_h=stride, stride_w=stride)
            lite.fetch(lite.compute('TRANSPOSE_CONV', inputs, kind))


def fully_connected(fixtures):
    """FULLY_CONNECTED of two and of more dimensions."""
    for name, shape, keep, activation in [('dense', (2, 7), False, RELU), ('dense_flattened', (1, 2, 2, 7), False, NONE),
                                          ('dense_kept', (1, 3, 7), True, NONE)]:
        with fixtures.case(name, 'A fully connected layer') as lite:
            x = lite.input(*shape)
            inner = 28 if name == 'dense_flattened' else 7
            weights = lite.constant('weights', lite.numbers('weights', (5, inner)))
            bias = lite.constant('bias', lite.numbers('bias', (5,)))
            kind = options('FullyConnected', fused_activation_function=activation, keep_num_dims=keep)
            lite.fetch(lite.compute('FULLY_CONNECTED', [x, weights, bias], kind))


    with fixtures.case('dense_without_bias', 'A fully connected layer whose bias is left out') as lite:
        x, weights = lite.input(3, 7), lite.constant('weights', lite.numbers('weights', (5, 7)))
        lite.fetch(lite.compute('FULLY_CONNECTED', [x, weights, -1], options('FullyConnected')))


def pools(fixtures):
    """Pools in both paddings."""
    for builtin, padding, stride, window in [('AVERAGE_POOL_2D', SAME, 2, 3), ('AVERAGE_POOL_2D', VALID, 1, 4),
                                             ('MAX_POOL_2D', SAME, 2, 3), ('MAX_POOL_2D', VALID, 2, 2),
                                             ('L2_POOL_2D', SAME, 2, 3)]:
        with fixtures.case(f'{builtin.lower()}_{padding}_{window}', 'What becomes of a window') as lite:
            x = lite.input(1, 7, 8, 3, low=-3, high=3)
            kind = options('Pool2D', padding=padding, stride_h=stride, stride_w=stride, filter_height=window,
                           filter_width=window, fused_activation_function=RELU6 if window == 3 else NONE)
            lite.fetch(lite.compute(builtin, [x], kind))


def elementwise(fixtures):
    """Functions of one value and of two."""
    for builtin, low, high in [('RELU', -2, 2), ('RELU6', -3, 9), ('RELU_N1_TO_1', -2, 2), ('LOGISTIC', -6, 6),
                               ('TANH', -4, 4), ('ABS', -2, 2), ('EXP', -2, 2), ('LOG', 0.1, 4), ('SQRT', 0.1, 4),
                               ('RSQRT', 0.1, 4), ('NEG', -2, 2), ('SQUARE', -2, 2), ('FLOOR', -3, 3), ('CEIL', -3, 3),
                               ('ROUND', -3, 3), ('ELU', -3, 3), ('HARD_SWISH', -5, 5), ('RELU_0_TO_1', -2, 2),
                               ('SIGN', -2, 2)]:
        with fixtures.case(builtin.lower(), 'A function of each value') as lite:
            if builtin in ('CEIL', 'ROUND', 'ELU'):
                lite.resolver = 'optimized'
            lite.fetch(lite.compute(builtin, [lite.input(1, 3, 4, 5, low=low, high=high)]))
    for approximate in (False, True):
        with fixtures.case(f'gelu_{approximate}', 'Gauss error linear units') as lite:
            x = lite.input(1, 3, 4, 5, low=-4, high=4)
            lite.fetch(lite.compute('GELU', [x], options('Gelu', approximate=approximate)))
    with fixtures.case('leaky_relu', 'A slope for what is negative') as lite:
        lite.fetch(lite.compute('LEAKY_RELU', [lite.input(1, 4, 4, 3)], options('LeakyRelu', alpha=0.3)))
    with fixtures.case('prelu', 'A slope for each channel') as lite:
        alpha = lite.constant('alpha', lite.numbers('alpha', (1, 1, 3)))
        lite.fetch(lite.compute('PRELU', [lite.input(1, 4, 4, 3), alpha]))
    for kind, builtin, activation in [('Add', 'ADD', RELU6), ('Sub', 'SUB', NONE), ('Mul', 'MUL', RELU_N1_TO_1),
                                      ('Div', 'DIV', RELU)]:
        for shape in [(1, 4, 5, 3), (1, 1, 1, 3), (1,)]:
            with fixtures.case(f'{builtin.lower()}_{len(shape)}_{shape[-1] * shape[0] * len(shape)}_{shape[0:2][-1]}',
                               'Two operands, one of them stretched') as lite:
                x = lite.input(1, 4, 5, 3, low=-3, high=3)
                y = lite.constant('other', lite.numbers('other', shape, 0.5, 2))
                lite.fetch(lite.compute(builtin, [x, y], options(kind, fused_activation_function=activation)))
    for builtin in ['MAXIMUM', 'MINIMUM', 'SQUARED_DIFFERENCE', 'POW', 'FLOOR_DIV']:
        with fixtures.case(builtin.lower(), 'Two operands of one shape') as lite:
            x, y = lite.input(1, 4, 5, 3, low=0.5, high=3), lite.input(1, 4, 5, 3, name='other', low=0.5, high=2)
            lite.fetch(lite.compute(builtin, [x, y]))
    for builtin in ['GREATER', 'LESS_EQUAL']:
        with fixtures.case(f'{builtin.lower()}_select', 'A choice between two tensors') as lite:
            x, y = lite.input(1, 4, 5, 3), lite.input(1, 4, 5, 3, name='other')
            chosen = lite.compute(builtin, [x, y], dtype='bool', name='chosen')
            lite.fetch(lite.compute('SELECT_V2', [chosen, x, y], options('SelectV2')))


def rows(fixtures):
    """Softmax, reductions, places of extremes, normalisation."""
    for beta, shape in [(1.0, (2, 9)), (0.5, (2, 9)), (1.0, (1, 3, 4, 5))]:
        with fixtures.case(f'softmax_{len(shape)}_{beta}', 'Probabilities') as lite:
            lite.fetch(lite.compute('SOFTMAX', [lite.input(*shape, low=-4, high=4)], options('Softmax', beta=beta)))
    with fixtures.case('log_softmax', 'Logarithms of probabilities') as lite:
        lite.fetch(lite.compute('LOG_SOFTMAX', [lite.input(2, 9, low=-4, high=4)], options('LogSoftmax')))
    for builtin in ['MEAN', 'SUM', 'REDUCE_MAX', 'REDUCE_MIN', 'REDUCE_PROD']:
        for keep, axes in [(True, [1, 2]), (False, [-1])]:
            with fixtures.case(f'{builtin.lower()}_{keep}', 'A reduction') as lite:
                x, axes = lite.input(1, 4, 5, 3, low=-2, high=2), lite.constant('axes', np.int32(axes))
                lite.fetch(lite.compute(builtin, [x, axes], options('Reducer', keep_dims=keep)))
    for builtin, kind in [('ARG_MAX', 'ArgMax'), ('ARG_MIN', 'ArgMin')]:
        with fixtures.case(builtin.lower(), 'Where the extreme is') as lite:
            x, axis = lite.input(1, 4, 5, 3), lite.constant('axis', np.int32(-1))
            kind = options(kind, output_type=2)
            lite.fetch(lite.compute(builtin, [x, axis], kind, dtype='int32'))
    with fixtures.case('topk', 'The largest values and where they are') as lite:
        x, k = lite.input(2, 9), lite.constant('k', np.int32(3))
        values, indices = lite.tensor('values', 'float32'), lite.tensor('indices', 'int32')
        lite.operator('TOPK_V2', [x, k], [values, indices], options('TopKV2'))
        lite.fetch(values, indices)
    with fixtures.case('l2_normalization', 'Vectors of length one') as lite:
        lite.fetch(lite.compute('L2_NORMALIZATION', [lite.input(1, 3, 4, 5)], options('L2Norm')))
    with fixtures.case('local_response_normalization', 'Weighed by neighbouring channels') as lite:
        # The reference kernel leaves the last channel of each neighbourhood out; the one that runs by default does not.
        lite.resolver = 'optimized'
        kind = options('LocalResponseNormalization', radius=2, bias=1.0, alpha=0.3, beta=0.75)
        lite.fetch(lite.compute('LOCAL_RESPONSE_NORMALIZATION', [lite.input(1, 3, 4, 7)], kind))


def resizes(fixtures):
    """Both resizes with every flag."""
    for builtin, kind in [('RESIZE_BILINEAR', 'ResizeBilinear'), ('RESIZE_NEAREST_NEIGHBOR', 'ResizeNearestNeighbor')]:
        for align, half in [(False, False), (True, False), (False, True)]:
            for size in [(7, 9), (3, 2)]:
                with fixtures.case(f'{builtin.lower()}_{align}_{half}_{size[0]}', 'Another size') as lite:
                    x, to = lite.input(1, 5, 4, 3), lite.constant('size', np.int32(size))
                    kinds = options(kind, align_corners=align, half_pixel_centers=half)
                    lite.fetch(lite.compute(builtin, [x, to], kinds))


def movement(fixtures):
    """What only moves values about."""
    with fixtures.case('concatenation', 'Side by side along channels') as lite:
        parts = [lite.input(1, 3, 4, 2), lite.input(1, 3, 4, 3, name='other')]
        lite.fetch(lite.compute('CONCATENATION', parts, options('Concatenation', axis=3)))
    with fixtures.case('concatenation_negative', 'Side by side along rows') as lite:
        parts = [lite.input(1, 3, 4, 2), lite.input(1, 2, 4, 2, name='other')]
        lite.fetch(lite.compute('CONCATENATION', parts, options('Concatenation', axis=-3)))
    with fixtures.case('reshape', 'A shape as an input') as lite:
        x, shape = lite.input(1, 3, 4, 2), lite.constant('shape', np.int32([1, 24]))
        lite.fetch(lite.compute('RESHAPE', [x, shape], options('Reshape', new_shape=[1, 24])))
    with fixtures.case('reshape_option', 'A shape as an option, one length left open') as lite:
        lite.fetch(lite.compute('RESHAPE', [lite.input(1, 3, 4, 2)], options('Reshape', new_shape=[-1, 6])))
    with fixtures.case('squeeze', 'Dimensions of length one removed') as lite:
        lite.fetch(lite.compute('SQUEEZE', [lite.input(1, 1, 1, 5)], options('Squeeze', squeeze_dims=[1, 2])))
    with fixtures.case('expand_dims', 'A dimension of length one added') as lite:
        x, axis = lite.input(2, 5), lite.constant('axis', np.int32(1))
        lite.fetch(lite.compute('EXPAND_DIMS', [x, axis], options('ExpandDims')))
    paddings = np.int32([[0, 0], [1, 2], [2, 0], [0, 1]])
    with fixtures.case('pad', 'Zeros around') as lite:
        x, around = lite.input(1, 3, 4, 2), lite.constant('paddings', paddings)
        lite.fetch(lite.compute('PAD', [x, around], options('Pad')))
    with fixtures.case('padv2', 'A value around') as lite:
        x, around = lite.input(1, 3, 4, 2), lite.constant('paddings', paddings)
        lite.fetch(lite.compute('PADV2', [x, around, lite.constant('value', np.float32(-1.5))], options('PadV2')))
    for mode in (0, 1):
        with fixtures.case(f'mirror_pad_{mode}', 'A mirror image around') as lite:
            x, around = lite.input(1, 3, 4, 2), lite.constant('paddings', paddings)
            lite.fetch(lite.compute('MIRROR_PAD', [x, around], options('MirrorPad', mode=mode)))
    with fixtures.case('transpose', 'Dimensions in another order') as lite:
        x, order = lite.input(2, 3, 4, 5), lite.constant('order', np.int32([0, 3, 1, 2]))
        lite.fetch(lite.compute('TRANSPOSE', [x, order], options('Transpose')))
    with fixtures.case('strided_slice', 'Every second column, one row') as lite:
        x = lite.input(1, 5, 6, 3)
        ends = [lite.constant(n, np.int32(v)) for n, v in
                [('begin', [0, 1, 0, 0]), ('end', [1, 2, 6, 0]), ('strides', [1, 1, 2, 1])]]
        kind = options('StridedSlice', begin_mask=0, end_mask=8, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=2)
        lite.fetch(lite.compute('STRIDED_SLICE', [x, *ends], kind))
    with fixtures.case('slice', 'A part') as lite:
        x = lite.input(1, 5, 6, 3)
        ends = [lite.constant('begin', np.int32([0, 1, 2, 0])), lite.constant('size', np.int32([1, 3, -1, 2]))]
        lite.fetch(lite.compute('SLICE', [x, *ends], options('Slice')))
    with fixtures.case('split', 'Equal parts, the second and the third fetched') as lite:
        x, axis = lite.input(1, 3, 4, 6), lite.constant('axis', np.int32(3))
        parts = [lite.tensor(f'part:{i}', 'float32') for i in range(3)]
        lite.operator('SPLIT', [axis, x], parts, options('Split', num_splits=3))
        lite.fetch(parts[1], parts[2])
    with fixtures.case('split_v', 'Parts of different lengths') as lite:
        x, sizes, axis = lite.input(1, 3, 4, 6), lite.constant('sizes', np.int32([1, 5])), lite.constant('axis', np.int32(3))
        parts = [lite.tensor(f'part{i}', 'float32') for i in range(2)]
        lite.operator('SPLIT_V', [x, sizes, axis], parts, options('SplitV', num_splits=2))
        lite.fetch(*parts)
    with fixtures.case('pack', 'Stacked along a new axis') as lite:
        parts = [lite.input(1, 3, 4), lite.input(1, 3, 4, name='other')]
        lite.fetch(lite.compute('PACK', parts, options('Pack', values_count=2, axis=-1)))
    with fixtures.case('unpack', 'Slices') as lite:
        parts = [lite.tensor(f'part{i}', 'float32') for i in range(3)]
        lite.operator('UNPACK', [lite.input(1, 3, 4)], parts, options('Unpack', num=3, axis=1))
        lite.fetch(*parts)
    with fixtures.case('gather', 'Some channels, in another order') as lite:
        x, indices = lite.input(1, 3, 4, 6), lite.constant('indices', np.int32([5, 0, 2]))
        lite.fetch(lite.compute('GATHER', [x, indices], options('Gather', axis=3)))
    for builtin, kind, shape in [('SPACE_TO_DEPTH', 'SpaceToDepth', (1, 4, 6, 3)),
                                 ('DEPTH_TO_SPACE', 'DepthToSpace', (1, 2, 3, 12))]:
        with fixtures.case(builtin.lower(), 'Blocks of pixels as channels, or the reverse') as lite:
            lite.fetch(lite.compute(builtin, [lite.input(*shape)], options(kind, block_size=2)))
    for builtin, kind, shape in [('SPACE_TO_BATCH_ND', 'SpaceToBatchND', (1, 5, 6, 3)),
                                 ('BATCH_TO_SPACE_ND', 'BatchToSpaceND', (4, 2, 3, 3))]:
        with fixtures.case(builtin.lower(), 'Pixels dealt out to the batch, or the reverse') as lite:
            blocks = lite.constant('block', np.int32([2, 2]))
            around = lite.constant('around', np.int32([[0, 1], [0, 0]]))
            lite.fetch(lite.compute(builtin, [lite.input(*shape), blocks, around], options(kind)))
    with fixtures.case('tile', 'Repeated') as lite:
        x, times = lite.input(1, 2, 3), lite.constant('times', np.int32([2, 1, 3]))
        lite.fetch(lite.compute('TILE', [x, times], options('Tile')))
    with fixtures.case('broadcast_to', 'Stretched') as lite:
        lite.versions['BROADCAST_TO'] = 2
        x, shape = lite.input(1, 1, 3), lite.constant('shape', np.int32([2, 4, 3]))
        lite.fetch(lite.compute('BROADCAST_TO', [x, shape], options('BroadcastTo')))
    with fixtures.case('reverse', 'Back to front') as lite:
        x, axes = lite.input(1, 4, 3), lite.constant('axes', np.int32([1]))
        lite.fetch(lite.compute('REVERSE_V2', [x, axes], options('ReverseV2')))
    with fixtures.case('cast', 'Numbers of another type') as lite:
        x = lite.input(1, 4, 3, low=-5, high=5)
        lite.fetch(lite.compute('CAST', [x], options('Cast', in_data_type=0, out_data_type=2), dtype='int32'))
    with fixtures.case('shape_arithmetic', 'A shape that is computed, twice as large') as lite:
        x = lite.input(1, 3, 4, 2)
        shape = lite.compute('SHAPE', [x], options('Shape', out_type=2), dtype='int32', name='shape')
        ends = [lite.constant(n, np.int32(v)) for n, v in [('begin', [1]), ('end', [3]), ('strides', [1])]]
        size = lite.compute('STRIDED_SLICE', [shape, *ends], options('StridedSlice'), dtype='int32', name='size')
        two = lite.constant('two', np.int32(2))
        size = lite.compute('MUL', [size, two], options('Mul'), dtype='int32', name='doubled')
        kind = options('ResizeBilinear', align_corners=False, half_pixel_centers=True)
        lite.fetch(lite.compute('RESIZE_BILINEAR', [x, size], kind))
