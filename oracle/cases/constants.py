"""Constants in every encoding of TensorProto, placeholders of every kind, and nodes that only pass their input on."""
import numpy as np
import tensorflow as tf

raw, tf1 = tf.raw_ops, tf.compat.v1


def tensor(kind, shape, **fields):
    """A TensorProto by hand: TensorFlow's Python chooses the encoding itself."""
    proto = tf1.make_tensor_proto(np.zeros((), kind.as_numpy_dtype if kind != tf.bool else bool))
    proto.Clear()
    proto.dtype = kind.as_datatype_enum
    proto.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
    for field, value in fields.items():
        if field == 'tensor_content':
            proto.tensor_content = value
        else:
            getattr(proto, field).extend(value)
    return proto


def float_encodings(fixtures):
    """Float constants: raw bytes, a list, a list cut short (its last number repeats), one number for all, none."""
    six = np.arange(6, dtype=np.float32) / 4 - 0.5
    encodings = {
        'content': ([2, 3], dict(tensor_content=six.tobytes())),
        'list': ([2, 3], dict(float_val=six.tolist())),
        'list_cut_short': ([2, 3], dict(float_val=[1.0, 2.0, 3.5])),
        'splat': ([2, 3], dict(float_val=[0.25])),
        'splat_content_of_one': ([1, 1, 1, 1], dict(tensor_content=np.float32(0.75).tobytes())),
        'no_values': ([2, 3], {}),
        'scalar': ([], dict(float_val=[-1.5])),
        'scalar_content': ([], dict(tensor_content=np.float32(2.5).tobytes())),
    }
    for name, (shape, fields) in encodings.items():
        with fixtures.case(f'const_float_{name}', f'A float constant stored as {name}, added to the input.') as net:
            net.input(2, 3)
            net.node('constant', 'Const', [], dtype=tf.float32, value=tensor(tf.float32, shape, **fields))
            net.node('out', 'Add', ['input', 'constant'], T=tf.float32)
            net.fetch('out:0', 'constant:0')


def other_encodings(fixtures):
    """Constants of other types, which reach the network through a Cast."""
    half = np.array([0.5, -1.25, 65504, 6e-8, 0, 1 / 3], np.float16)
    encodings = {
        'half_list': (tf.float16, dict(half_val=half.view(np.uint16).tolist())),
        'half_splat': (tf.float16, dict(half_val=[int(half[1:2].view(np.uint16)[0])])),
        'half_content': (tf.float16, dict(tensor_content=half.tobytes())),
        'bfloat16_list': (tf.bfloat16, dict(half_val=[0x3F80, 0xBF00, 0x4049, 0, 0x8000, 0x4780])),
        'double_list': (tf.float64, dict(double_val=[0.1, -2.5, 1e-30, 7, 8, 9])),
        'double_content': (tf.float64, dict(tensor_content=np.linspace(-1, 1, 6).tobytes())),
        'int32_list': (tf.int32, dict(int_val=[1, -2, 3, 40000, -5, 6])),
        'int32_splat': (tf.int32, dict(int_val=[-7])),
        'int32_content': (tf.int32, dict(tensor_content=np.arange(-3, 3, dtype=np.int32).tobytes())),
        'int64_list': (tf.int64, dict(int64_val=[1, -2, 3, 1 << 33, -5, 6])),
        'int64_content': (tf.int64, dict(tensor_content=np.arange(-3, 3, dtype=np.int64).tobytes())),
        'uint8_list': (tf.uint8, dict(int_val=[0, 1, 127, 128, 254, 255])),
        'uint8_content': (tf.uint8, dict(tensor_content=bytes([0, 1, 127, 128, 254, 255]))),
        'int8_list': (tf.int8, dict(int_val=[0, 1, 127, -128, -1, 5])),
        'int16_list': (tf.int16, dict(int_val=[0, 1, 127, -128, -30000, 5])),
        'bool_list': (tf.bool, dict(bool_val=[True, False, True, True, False, False])),
        'bool_splat': (tf.bool, dict(bool_val=[True])),
        'bool_content': (tf.bool, dict(tensor_content=bytes([1, 0, 0, 1, 1, 0]))),
    }
    for name, (kind, fields) in encodings.items():
        with fixtures.case(f'const_{name}', f'A {kind.name} constant ({name}), cast to float, times the input.') as net:
            net.input(2, 3)
            net.node('constant', 'Const', [], dtype=kind, value=tensor(kind, [2, 3], **fields))
            net.node('cast', 'Cast', ['constant'], SrcT=kind, DstT=tf.float32)
            net.node('out', 'Mul', ['input', 'cast'], T=tf.float32)
            net.fetch('out:0')


def empty(fixtures):
    """Constants without elements, as the axes of a reduction over nothing and the shape of a scalar."""
    with fixtures.case('const_empty_axes', 'A Mean over an empty list of axes changes nothing.') as net:
        x = net.input(2, 3)
        net.fetch(raw.Mean(input=x, axis=tf.constant([], tf.int32)))
    with fixtures.case('const_empty_shape', 'A Reshape to the empty shape makes a scalar of one number.') as net:
        x = net.input(1, 1, 1, 1)
        net.fetch(tf.reshape(x, tf.constant([], tf.int32)))
    with fixtures.case('concat_with_empty', 'A concatenation with a constant of no channels.') as net:
        x = net.input(1, 2, 2, 3)
        net.fetch(tf.concat([x, tf.zeros([1, 2, 2, 0])], 3))


def half_weights(fixtures):
    """Weights stored as float16 to halve a file, widened by a Cast in front of their convolution."""
    with fixtures.case('conv_float16_weights', 'Convolution, bias and batch norm whose constants are float16 behind Cast.') as net:
        x = net.input(1, 5, 5, 3)
        widen = lambda label, *shape, **range_: tf.cast(tf.constant(net.numbers(label, shape, **range_).astype(np.float16), name=label), tf.float32)
        x = tf.nn.bias_add(tf.nn.conv2d(x, widen('weights', 3, 3, 3, 4), 1, 'SAME'), widen('biases', 4))
        y = raw.FusedBatchNormV3(x=x, scale=widen('gamma', 4), offset=widen('beta', 4), mean=widen('mean', 4),
                                 variance=widen('variance', 4, low=0.5, high=1.5), epsilon=1e-3, is_training=False).y
        net.fetch(tf.nn.relu(y))


def passing_on(fixtures):
    """Nodes that change nothing at inference."""
    nodes = {
        'identity': lambda x: tf.identity(tf.identity(x)),
        'identity_n': lambda x: raw.IdentityN(input=[tf.nn.relu(x), x])[0],
        'stop_gradient': tf.stop_gradient,
        'check_numerics': lambda x: tf1.check_numerics(x, 'the input has a number that is not finite'),
        'snapshot': lambda x: raw.Snapshot(input=x),
        'prevent_gradient': lambda x: raw.PreventGradient(input=x, message='no'),
        'placeholder_with_default_chain': lambda x: raw.PlaceholderWithDefault(input=x, shape=[2, 3, 3, 2]),
    }
    for name, node in nodes.items():
        with fixtures.case(f'pass_{name}', f'{name} between a convolution and its Relu.') as net:
            x = tf.nn.conv2d(net.input(2, 3, 3, 2), net.const('weights', 3, 3, 2, 4), 1, 'SAME')
            x = tf.nn.relu(node(x) if 'default' not in name else raw.PlaceholderWithDefault(input=x, shape=[2, 3, 3, 4]))
            net.fetch(x)
    with fixtures.case('pass_identity_of_input', 'The input straight to the output through an Identity.') as net:
        net.fetch(tf.identity(net.input(2, 3), name='output'))
    with fixtures.case('pass_identity_of_weights', 'Weights read through an Identity, as frozen variables are.') as net:
        weights = tf.identity(net.const('weights', 1, 1, 3, 4), name='weights/read')
        net.fetch(tf.nn.conv2d(net.input(1, 4, 4, 3), weights, 1, 'SAME'))


def control_edges(fixtures):
    """Edges `^name` that order nodes and carry no data, in front of and behind data edges."""
    with fixtures.case('control_edges', 'Control edges to CheckNumerics, NoOp and a constant, as in the 2015 graph.') as net:
        net.input(1, 3, 3, 2)
        net.node('check', 'CheckNumerics', ['input'], T=tf.float32, message=b'not finite')
        net.node('dependency', 'Identity', ['input', '^check'], T=tf.float32)
        net.node('nothing', 'NoOp', ['^check', '^dependency'])
        net.node('two', 'Const', ['^nothing', '^check'], dtype=tf.float32, value=tf.make_tensor_proto(np.float32(2)))
        net.node('out', 'Mul', ['dependency', 'two', '^nothing'], T=tf.float32)
        net.fetch('out:0')
    with fixtures.case('control_edge_to_dead_end', 'A control edge to a node that prints: it must be ignored.') as net:
        net.input(2, 3)
        net.node('text', 'Const', [], dtype=tf.string, value=tf.make_tensor_proto(b'words'))
        net.node('print', 'PrintV2', ['text'], output_stream=b'stderr')
        net.node('out', 'Relu', ['input', '^print'], T=tf.float32)
        net.fetch('out:0')


def placeholders(fixtures):
    """Placeholders whose batch, size or rank is not known before they are fed, and those with a default."""
    for name, declared in (('unknown_batch', [None, 4, 5, 3]), ('unknown_size', [None, None, None, 3]), ('unknown_rank', None)):
        with fixtures.case(f'placeholder_{name}', f'A placeholder of {name} in front of a convolution and a mean.') as net:
            x = net.input(2, 4, 5, 3, declared=declared)
            x = tf.nn.conv2d(x, net.const('weights', 3, 3, 3, 2), 2, 'SAME')
            net.fetch(tf.reduce_mean(x, [1, 2]))
    with fixtures.case('placeholder_without_shape_attribute', "A placeholder node without the attribute 'shape`.") as net:
        net.feeds['input:0'] = net.numbers('input', (2, 3))
        net.node('input', 'Placeholder', [], dtype=tf.float32)
        net.node('out', 'Relu', ['input'], T=tf.float32)
        net.fetch('out:0')
    for fed in (True, False):
        with fixtures.case(f'placeholder_with_default_{"fed" if fed else "not_fed"}', 'A second input that has a default value.') as net:
            x = net.input(2, 3, 3, 2)
            scale = tf1.placeholder_with_default(net.numbers('default', (2,)), [2], 'scale')
            if fed:
                net.feeds['scale:0'] = net.numbers('scale', (2,))
            net.fetch(tf.nn.relu(x * scale))
    with fixtures.case('two_inputs', 'A graph with two inputs of different shapes.') as net:
        left, right = net.input(1, 4, 4, 2, name='left'), net.input(1, 2, 2, 2, name='right')
        left = tf.nn.conv2d(left, net.const('weights', 3, 3, 2, 2), 2, 'SAME')
        net.fetch(tf.concat([left, right], 3), left + right)


def oddities(fixtures):
    """What a graph may hold beside the network: other nodes, other attributes, any order."""
    with fixtures.case('unused_unknown_nodes', 'Nodes of kinds nobody knows (summaries, queues, savers) beside the network.') as net:
        x = tf.nn.relu(net.input(2, 3))
        net.fetch(x)
        tf1.summary.histogram('activations', x)
        raw.FIFOQueueV2(component_types=[tf.float32])
        raw.RandomShuffle(value=x)
        tf1.audio.encode_wav(tf.reshape(x, [-1, 1]), 8000)
    with fixtures.case('unknown_attributes', 'Attributes with a leading underscore, devices and an experimental debug name on every node.') as net:
        x = tf.nn.conv2d(net.input(1, 3, 3, 2), net.const('weights', 3, 3, 2, 4), 1, 'SAME')
        net.fetch(tf.nn.relu(x))
        net.rewrites.append(decorate)
    with fixtures.case('nodes_out_of_order', 'The nodes of a small network in reverse order.') as net:
        x = tf.nn.conv2d(net.input(1, 4, 4, 2), net.const('weights', 3, 3, 2, 4), 1, 'SAME')
        net.fetch(tf.nn.relu(tf.nn.bias_add(x, net.const('biases', 4)) + 1))
        net.rewrites.append(backwards)
    with fixtures.case('missing_default_attributes', 'A convolution and a pool without attributes that have defaults.') as net:
        x = tf.nn.conv2d(net.input(1, 4, 4, 2), net.const('weights', 3, 3, 2, 4), 2, 'SAME')
        net.fetch(tf.nn.max_pool2d(tf.nn.bias_add(x, net.const('biases', 4)), 2, 1, 'VALID'))
        net.rewrites.append(without_defaults)
    with fixtures.case('second_output_by_name', "An input that names the second output of a Split, 'split:1`.") as net:
        first, second, third = tf.split(net.input(1, 2, 2, 6), 3, 3)
        net.fetch(tf.nn.relu(second) + tf.abs(third), third)


def decorate(graph_def, _inputs, _outputs):
    """Adds what tools leave on nodes and engines must ignore."""
    for node in graph_def.node:
        node.attr['_something'].s = b'unknown'
        node.attr['_class'].list.s.append(b'loc:@weights')
        node.attr['_output_shapes'].list.shape.add().unknown_rank = True
        node.device = '/job:localhost/replica:0/task:0/device:CPU:0'
        node.experimental_debug_info.original_node_names.append('elsewhere')
    return graph_def


def backwards(graph_def, _inputs, _outputs):
    """Reverses the order of the nodes."""
    nodes = list(graph_def.node)[::-1]
    del graph_def.node[:]
    graph_def.node.extend(nodes)
    return graph_def


def without_defaults(graph_def, _inputs, _outputs):
    """Removes attributes that have a default, as graphs written before those attributes existed lack them."""
    for node in graph_def.node:
        for key in ('data_format', 'dilations', 'explicit_paddings', 'use_cudnn_on_gpu'):
            node.attr.pop(key, None)
    return graph_def
