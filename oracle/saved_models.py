"""Small SavedModels and Keras models in every form that is read, with TensorFlow's answers.

    oracle/environment.sh DIR && DIR/bin/python oracle/saved_models.py OUT_DIR [--only PART_OF_A_NAME] [--applications]

The committed copy, crates/lorgnette-net/tests/saved_models.tar.gz, is packed from its output by pack_fixture.py.
With --applications, networks of keras.applications are written instead, each in the three files that Keras knows.
`compare.py` runs the models through the program.
"""
import argparse
import inspect
import json
import os
import pathlib
import shutil

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
import numpy as np
import tensorflow as tf
import tf_keras
import keras

v1 = tf.compat.v1


class Models:
    """Writes models, what is fed, and what TensorFlow answers, with a manifest of all."""

    def __init__(self, out, only):
        self.out = pathlib.Path(out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.only, self.entries = only, []

    def wanted(self, name):
        return self.only is None or self.only in name

    def path(self, name):
        """Where a model is written; what is there is removed."""
        path = self.out / name
        if path.is_dir():
            shutil.rmtree(path)
        return str(path)

    def record(self, graph, feeds, answers, what, name=None):
        name = name or graph
        entry = {'name': name, 'graph': graph, 'feeds': {}, 'fetches': {}, 'what': what}
        for kind, arrays in (('feeds', feeds), ('fetches', answers)):
            for key, array in arrays.items():
                path = f'{name}.{key}.npy'.replace('/', '_').replace(':', '_')
                np.save(self.out / path, np.asarray(array))
                entry[kind][key] = path
        self.entries.append(entry)

    def finish(self):
        self.entries.sort(key=lambda entry: entry['name'])
        (self.out / 'manifest.json').write_text(json.dumps(self.entries, indent=1) + '\n')
        print(f'{len(self.entries)} models')


def numbers(*shape, low=-1.0, high=1.0, seed=7):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def stir(model, seed=3):
    """Gives every weight a value that no initialiser gives: statistics that are not 0 and 1, offsets that are not 0."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        name = getattr(weight, 'path', None) or weight.name
        shape = tuple(weight.shape)
        if not np.issubdtype(np.dtype(weight.dtype if isinstance(weight.dtype, str) else weight.dtype.name), np.floating):
            continue
        if 'variance' in name:
            value = random.uniform(0.5, 1.5, shape)
        elif 'gamma' in name or 'layer_scale' in name:
            value = random.uniform(0.6, 1.2, shape)
        elif len(shape) < 2:
            value = random.uniform(-0.2, 0.2, shape)
        else:
            fan = np.prod(shape[:-1])
            value = random.normal(size=shape) / np.sqrt(fan)
        weight.assign(value.astype(np.float32))


# SavedModels of TensorFlow 2.

def module_with_nested_functions(models):
    """A tf.Module whose signature calls functions that call functions, one of them twice."""
    name = 'tf2_nested_functions'

    class Net(tf.Module):
        def __init__(self):
            super().__init__()
            self.filter = tf.Variable(numbers(3, 3, 3, 4, seed=1), name='conv/filter')
            self.scale = tf.Variable(numbers(4, low=0.5, seed=2), name='conv/scale')
            self.shift = tf.Variable(numbers(4, seed=3), name='conv/shift')
            self.mean = tf.Variable(numbers(4, seed=4), name='conv/mean', trainable=False)
            self.variance = tf.Variable(numbers(4, low=0.5, seed=5), name='conv/variance', trainable=False)
            self.matrix = tf.Variable(numbers(4, 4, seed=6), name='mix')
            self.last = tf.Variable(numbers(4, 5, seed=8), name='last')

        @tf.function
        def mix(self, x):
            return tf.nn.relu(tf.matmul(x, self.matrix)) + 0.1

        @tf.function
        def norm(self, x):
            y, _, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=x, scale=self.scale, offset=self.shift, mean=self.mean, variance=self.variance, is_training=False)
            return y, variance

        @tf.function(input_signature=[tf.TensorSpec([None, 12, 10, 3], tf.float32, name='picture')])
        def serve(self, picture):
            x = tf.nn.conv2d(picture * 2 - 1, self.filter, 2, 'SAME')
            x, variance = self.norm(x)
            x = tf.reduce_mean(tf.nn.relu(x), [1, 2]) + variance
            x = self.mix(self.mix(x))
            logits = tf.matmul(x, self.last)
            return {'probabilities': tf.nn.softmax(logits), 'logits': logits, 'classes': tf.argmax(logits, 1)}

    net = Net()
    tf.saved_model.save(net, models.path(name), signatures=net.serve)
    feed = numbers(2, 12, 10, 3, low=0)
    answers = net.serve(feed)
    models.record(name, {'picture': feed}, {key: answers[key] for key in ('probabilities', 'logits')}, inspect.getdoc(module_with_nested_functions))


def module_with_branches(models):
    """A tf.cond on a flag that is a constant, and one whose other branch cannot be run."""
    name = 'tf2_branches'

    class Net(tf.Module):
        def __init__(self):
            super().__init__()
            self.training = False
            self.matrix = tf.Variable(numbers(12, 6, seed=1))

        @tf.function(input_signature=[tf.TensorSpec([None, 2, 2, 3], tf.float32, name='x')])
        def serve(self, x):
            training = tf.constant(self.training)
            x = tf.reshape(x, [-1, 12])
            x = tf.cond(training, lambda: tf.random.stateless_uniform([1, 12], [1, 2]) + x, lambda: x * 2)
            y = tf.cond(tf.logical_not(training), lambda: tf.matmul(x, self.matrix), lambda: tf.matmul(-x, self.matrix))
            return {'y': tf.nn.softmax(y)}

    net = Net()
    tf.saved_model.save(net, models.path(name), signatures=net.serve)
    feed = numbers(3, 2, 2, 3)
    models.record(name, {'x': feed}, {'y': net.serve(feed)['y']}, inspect.getdoc(module_with_branches))


def module_with_bytes(models):
    """Pictures as uint8, in the order of blue, green and red, made what the layers want by the model itself."""
    name = 'tf2_bytes'

    class Net(tf.Module):
        def __init__(self):
            super().__init__()
            self.filter = tf.Variable(numbers(2, 2, 3, 4, seed=1))

        @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.uint8, name='image_bytes')])
        def serve(self, image):
            x = tf.cast(image, tf.float32)[..., ::-1] / 127.5 - 1
            x = tf.image.resize(x, [6, 6])
            return {'scores': tf.sigmoid(tf.reduce_max(tf.nn.conv2d(x, self.filter, 1, 'VALID'), [1, 2]))}

    net = Net()
    tf.saved_model.save(net, models.path(name), signatures={'serving_default': net.serve, 'again': net.serve})
    feed = np.random.default_rng(4).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    models.record(name, {'image_bytes': feed}, {'scores': net.serve(feed)['scores']}, inspect.getdoc(module_with_bytes))


def module_that_decodes(models):
    """A signature that takes files, by which TensorFlow Serving is asked, beside one that takes pixels."""
    name = 'tf2_decodes'

    class Net(tf.Module):
        def __init__(self):
            super().__init__()
            self.filter = tf.Variable(numbers(2, 2, 3, 4, seed=1))

        def scores(self, x):
            return tf.nn.softmax(tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(x, self.filter, 1, 'VALID')), [1, 2]))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name='files')])
        def serve(self, files):
            def each(file):
                x = tf.image.convert_image_dtype(tf.io.decode_png(file, 3), tf.float32)
                return tf.image.resize(x, [6, 5])
            return {'scores': self.scores(tf.map_fn(each, files, fn_output_signature=tf.float32))}

        @tf.function(input_signature=[tf.TensorSpec([None, 6, 5, 3], tf.float32, name='pixels')])
        def pixels(self, pixels):
            return {'scores': self.scores(pixels * 2.0 - 1.0)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name='numbers')])
        def parse(self, texts):
            x = tf.map_fn(lambda text: tf.io.parse_tensor(text, tf.float32), texts, fn_output_signature=tf.float32)
            return {'scores': self.scores(tf.reshape(x, [-1, 6, 5, 3]))}

    net = Net()
    tf.saved_model.save(net, models.path(name), signatures={'serving_default': net.serve, 'pixels': net.pixels})
    feed = numbers(2, 6, 5, 3, low=0)
    tf.saved_model.save(net, models.path('tf2_parses'), signatures={'serving_default': net.parse, 'pixels': net.pixels})
    models.record('tf2_parses', {'pixels': feed}, {'scores': net.pixels(feed)['scores']}, 'A signature that takes tensors as text, beside one that takes pixels.')


def tf1_pixels_within(models):
    """A signature of files and one of pixels, which are a placeholder with the decoded ones as default."""
    name = 'tf1_pixels_within'
    with tf.Graph().as_default(), v1.Session() as session:
        files = v1.placeholder(tf.string, [None], 'files')
        def decode(file):
            return v1.image.resize_bilinear(tf.cast(tf.io.decode_jpeg(file, 3), tf.float32)[tf.newaxis], [6, 5])[0]
        pixels = v1.placeholder_with_default(v1.map_fn(decode, files, dtype=tf.float32), [None, 6, 5, 3], name='pixels')
        filters = v1.get_variable('filters', initializer=numbers(2, 2, 3, 4, seed=1))
        scores = tf.nn.softmax(tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(pixels / 255.0, filters, 1, 'VALID')), [1, 2]))
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.builder.SavedModelBuilder(models.path(name))
        signature = v1.saved_model.predict_signature_def
        builder.add_meta_graph_and_variables(session, ['serve'], {
            'serving_default': signature({'files': files}, {'scores': scores}), 'pixels': signature({'pixels': pixels}, {'scores': scores})})
        builder.save()
        feed = numbers(2, 6, 5, 3, low=0, high=255)
        models.record(name, {'pixels': feed}, {'scores': session.run(scores, {pixels: feed})}, inspect.getdoc(tf1_pixels_within))


def module_with_map(models):
    """A tf.map_fn over the pictures of a batch: a loop in functions, with variables in its body."""
    name = 'tf2_map'

    class Net(tf.Module):
        def __init__(self):
            super().__init__()
            self.shift = tf.Variable(0.25, name='shift')
            self.filter = tf.Variable(numbers(2, 2, 3, 4, seed=1))

        @tf.function(input_signature=[tf.TensorSpec([None, 8, 9, 3], tf.float32, name='pictures')])
        def serve(self, pictures):
            def each(picture):
                return tf.image.per_image_standardization(picture) + self.shift
            x = tf.map_fn(each, pictures)
            return {'scores': tf.nn.softmax(tf.reduce_max(tf.nn.conv2d(x, self.filter, 1, 'VALID'), [1, 2]))}

    net = Net()
    tf.saved_model.save(net, models.path(name), signatures=net.serve)
    feed = numbers(1, 8, 9, 3, low=0, high=200)
    models.record(name, {'pictures': feed}, {'scores': net.serve(feed)['scores']}, inspect.getdoc(module_with_map))


# SavedModels of TensorFlow 1.

def tf1_graph(resources):
    graph = tf.Graph()
    with graph.as_default():
        x = v1.placeholder(tf.float32, [None, 9, 9, 3], name='pixels')
        is_training = v1.placeholder_with_default(False, [], name='is_training')
        with v1.variable_scope('net', use_resource=resources):
            kernel = v1.get_variable('kernel', initializer=numbers(3, 3, 3, 4, seed=1))
            bias = v1.get_variable('bias', initializer=numbers(4, seed=2))
            matrix = v1.get_variable('matrix', initializer=numbers(4, 3, seed=3))
            y = tf.nn.relu(tf.nn.conv2d(x, kernel, 2, 'VALID') + bias)
            y = tf.reduce_mean(y, [1, 2])
            with v1.control_dependencies([]):
                v1.disable_control_flow_v2()
                y = v1.cond(is_training, lambda: y * 3, lambda: y / 2)
            scores = tf.nn.softmax(tf.matmul(y, matrix), name='scores')
    return graph, x, scores


def tf1_case(models, name, resources, what):
    graph, x, scores = tf1_graph(resources)
    with v1.Session(graph=graph) as session, graph.as_default():
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, models.path(name), {'pixels': x}, {'classes': tf.argmax(scores, 1), 'scores': scores})
        feed = numbers(2, 9, 9, 3)
        models.record(name, {'pixels': feed}, {'scores': session.run(scores, {x: feed})}, what)


def tf1_variables(models):
    tf1_case(models, 'tf1_variables', False, 'Variables of TensorFlow 1, a branch by is_training, classes beside scores.')


def tf1_resources(models):
    tf1_case(models, 'tf1_resources', True, 'The same with resource variables.')


def tf1_hub(models):
    """Two graphs, tagged with nothing and with train, whose signature is called default, as TF Hub's first modules are."""
    name = 'tf1_hub'
    path = models.path(name)
    builder = v1.saved_model.Builder(path)
    feed = numbers(2, 9, 9, 3)
    for tags, resources in ((['train'], False), ([], False)):
        graph, x, scores = tf1_graph(resources)
        with v1.Session(graph=graph) as session, graph.as_default():
            session.run(v1.global_variables_initializer())
            shown = v1.saved_model.build_signature_def(
                {'images': v1.saved_model.build_tensor_info(x)}, {'default': v1.saved_model.build_tensor_info(scores)})
            if tags:
                builder.add_meta_graph_and_variables(session, tags, {'default': shown})
            else:
                builder.add_meta_graph(tags, {'default': shown})
            answer = session.run(scores, {x: feed})
    builder.save()
    models.record(name, {'images': feed}, {'default': answer}, inspect.getdoc(tf1_hub))


# Keras models.

def every_layer(k):
    """A functional model of most layers."""
    L, is_3 = k.layers, k is keras
    inputs = L.Input((16, 14, 3), name='pixels')
    x = L.Rescaling(1 / 64, offset=-0.5, name='rescale')(inputs)
    x = L.RandomFlip(name='flip')(x)
    x = L.ZeroPadding2D(((0, 0), (0, 2)), name='pad')(x)
    x = L.Conv2D(8, 3, strides=2, padding='same', use_bias=False, name='stem')(x)
    x = L.BatchNormalization(name='stem_bn')(x)
    x = L.ReLU(6.0, name='stem_relu')(x)
    a = L.DepthwiseConv2D(3, padding='same', depth_multiplier=2, activation='swish', name='depthwise')(x)
    b = L.SeparableConv2D(16, (3, 1), padding='same', activation='elu', name='separable')(x)
    x = L.Add(name='sum')([a, b])
    c = L.Conv2D(16, 3, padding='same', activation='gelu', name='curved')(x)
    d = L.Conv2D(16, 3, padding='same', dilation_rate=2, activation='hard_sigmoid', name='dilated')(x)
    x = L.Multiply(name='product')([c, d])
    x = L.LeakyReLU(0.2, name='leaky')(x)
    x = L.PReLU(shared_axes=[1, 2], name='prelu')(x)
    x = L.LayerNormalization(name='layer_norm')(x)
    e = L.UpSampling2D(2, interpolation='bilinear', name='up')(L.MaxPooling2D(2, name='max')(x))
    f = L.UpSampling2D((2, 2), name='up_nearest')(L.AveragePooling2D(3, 2, padding='same', name='average')(x))
    x = L.Concatenate(name='joined')([e, f])
    x = L.Cropping2D(((1, 0), (0, 1)), name='crop')(x)
    x = L.Dense(12, activation='tanh', name='pixelwise')(x)
    x = L.Resizing(5, 4, name='resize')(x)
    g, h = L.GlobalAveragePooling2D(name='gap')(x), L.GlobalMaxPooling2D(name='gmp')(x)
    squeezed = L.GlobalAveragePooling2D(keepdims=True, name='keep')(x)
    gate = L.Conv2D(12, 1, activation='sigmoid', name='gate')(squeezed)
    x = L.Multiply(name='excite')([x, gate])
    x = L.Permute((2, 1, 3), name='permuted')(x)
    i = L.Dense(12, activation='softplus', name='flat_dense')(L.Flatten(name='flat')(x))
    x = L.Maximum(name='largest')([L.Average(name='mean')([g, h]), L.Subtract(name='difference')([g, i])])
    x = L.Reshape((2, 2, 3), name='square')(x)
    x = L.Reshape((12,), name='line')(x)
    x = L.BatchNormalization(scale=False, name='late_bn')(x)
    x = L.Activation('selu', name='selu')(x)
    x = L.Dropout(0.5, name='drop')(x)
    return k.Model(inputs, L.Softmax(name='answer')(L.Dense(5, name='logits')(x)), name='every_layer')


def transposed(k):
    """Transposed convolutions, of strides that are larger and smaller than their windows."""
    L = k.layers
    inputs = L.Input((4, 5, 3), name='pixels')
    a = L.Conv2DTranspose(4, 3, strides=2, padding='same', activation='relu', name='same')(inputs)
    b = L.Conv2DTranspose(4, (2, 4), strides=(2, 3), name='valid')(a)
    c = L.Conv2DTranspose(2, 1, strides=2, padding='same', name='sparse')(b)
    d = L.Conv2DTranspose(2, (1, 2), strides=(3, 1), use_bias=False, name='sparse_valid')(c)
    return k.Model(inputs, L.Softmax(name='answer')(L.GlobalAveragePooling2D(name='pool')(L.Conv2D(3, 3, name='last')(d))), name='transposed')


def groups(k):
    """Convolutions of groups of channels."""
    L = k.layers
    inputs = L.Input((7, 6, 3), name='pixels')
    x = L.Conv2D(12, 3, activation='relu', name='stem')(inputs)
    x = L.Conv2D(8, 3, padding='same', groups=4, activation='relu', name='grouped')(x)
    x = L.Conv2D(8, (1, 2), groups=2, use_bias=False, name='halves')(x)
    return k.Model(inputs, L.Softmax(name='answer')(L.GlobalAveragePooling2D(name='pool')(x)), name='groups')


def activations(k):
    """Activations by name and as layers, whose formulas differ between versions."""
    L = k.layers
    inputs = L.Input((4, 4, 3), name='pixels')
    names = ['relu', 'elu', 'selu', 'softplus', 'softsign', 'tanh', 'sigmoid', 'hard_sigmoid', 'exponential', 'linear', 'swish', 'gelu']
    if k is keras:
        names += ['relu6', 'silu', 'hard_silu', 'mish', 'leaky_relu', 'log_softmax']
    parts = [L.Activation(name, name=f'as_{name}')(inputs) for name in names]
    parts += [L.ReLU(max_value=1.0, negative_slope=0.1, name='relu_slope')(inputs), L.ReLU(max_value=0.5, name='relu_max')(inputs),
              L.ELU(0.7, name='elu_layer')(inputs), L.Softmax(name='softmax_layer')(inputs)]
    return k.Model(inputs, L.Concatenate(name='all')(parts), name='activations')


def nested(k):
    """A base inside of a Sequential model inside of a functional one, used twice, with layers of the same names."""
    L = k.layers
    base_in = L.Input((8, 8, 3), name='base_in')
    x = L.Conv2D(4, 3, name='conv')(base_in)
    x = L.BatchNormalization(name='bn')(x)
    base = k.Model(base_in, L.ReLU(name='relu')(x), name='base')
    base.trainable = False
    tower = k.Sequential([base, L.GlobalAveragePooling2D(name='pool')], name='tower')
    head = k.Sequential([L.Input((4,)), L.Dense(6, activation='relu', name='dense'), L.Dense(3, use_bias=False, name='dense_1')], name='head')
    inputs = L.Input((8, 8, 3), name='pixels')
    both = L.Add(name='both')([tower(inputs), tower(L.Rescaling(0.5, name='half')(inputs))])
    return k.Model(inputs, L.Softmax(name='answer')(head(both)), name='nested')


def sequential(k):
    """A Sequential model without an input of its own, one layer used for its augmentation alone."""
    L = k.layers
    model = k.Sequential([L.RandomRotation(0.1, name='turn'), L.Rescaling(1 / 255, name='unit'), L.Conv2D(4, 3, activation='relu', name='conv'),
                          L.MaxPooling2D(name='pool'), L.Conv2D(4, 2, name='conv_1'), L.Flatten(name='flat'), L.Dropout(0.2),
                          L.Dense(4, activation='softmax', name='answer')], name='plain')
    model.build((None, 10, 9, 3))
    return model


def functions(k):
    """Arithmetic between layers: preprocessing as keras.applications does it, and hard activations of formulas."""
    L = k.layers
    inputs = L.Input((6, 6, 3), name='pixels')
    x = inputs[..., ::-1]
    x = x - np.array([103.939, 116.779, 123.68], np.float32) if k is keras else k.applications.vgg16.preprocess_input(inputs)
    x = (x / 127.5) * 0.5 + 1.0
    x = L.Conv2D(4, 3, name='conv')(x)
    gate = L.ReLU(6.0, name='gate')(x + 3.0) * (1.0 / 6.0)
    x = L.Multiply(name='swished')([x, gate])
    x = L.GlobalAveragePooling2D(name='pool')(x)
    return k.Model(inputs, L.Dense(3, activation='softmax', name='answer')(2.0 - x), name='functions')


def parts(k):
    """Functions between layers that take tensors apart and put them together, as preprocess_input of ResNet does."""
    L = k.layers
    inputs = L.Input((6, 8, 3), name='pixels')
    rows = np.linspace(0, 1, 6, dtype=np.float32).reshape(6, 1, 1)
    if k is keras:
        ops = keras.ops
        x = keras.applications.resnet50.preprocess_input(inputs)
        small = ops.image.resize(inputs, (3, 4))
        stack, join, mean, widen, narrow = ops.stack, ops.concatenate, ops.mean, ops.expand_dims, ops.squeeze
    else:
        x = tf.stack([inputs[..., 2], inputs[..., 1], inputs[..., 0]], axis=-1) - np.float32([103.939, 116.779, 123.68])
        small = tf.image.resize(inputs, [3, 4], method='nearest')
        stack, join, mean, widen, narrow = tf.stack, tf.concat, tf.reduce_mean, tf.expand_dims, tf.squeeze
    x = L.Conv2D(4, 3, padding='same', name='conv')(x / 64.0 + rows)
    x = join([x[:, 1:5, ::2], stack([x[:, :4, at] for at in (-1, 0, 3, 2)], axis=2)], axis=-1)
    pooled = join([mean(x, axis=[1, 2]), mean(small / 255.0, axis=(1, 2))], axis=1)
    pooled = narrow(widen(pooled, 1), 1)
    return k.Model(inputs, L.Dense(3, activation='softmax', name='answer')(pooled), name='parts')


def slashes(k):
    """A base whose layers have slashes in their names, as DenseNet's have, within a model."""
    L = k.layers
    base_in = L.Input((8, 8, 3), name='base_in')
    x = L.Conv2D(4, 3, use_bias=False, name='conv1/conv')(base_in)
    x = L.BatchNormalization(name='conv1/bn')(x)
    x = L.Conv2D(4, 3, use_bias=False, name='conv')(L.ReLU(name='conv1/relu')(x))
    base = k.Model(base_in, L.ReLU(name='relu')(L.BatchNormalization(name='bn')(x)), name='base')
    inputs = L.Input((8, 8, 3), name='pixels')
    pooled = L.GlobalAveragePooling2D(name='pool')(base(inputs))
    return k.Model(inputs, L.Dense(3, activation='softmax', name='answer')(pooled), name='slashes')


def resized(k):
    """Crops, borders and sizes of layers that keep the aspect ratio, and random ones, which do less at inference."""
    L = k.layers
    inputs = L.Input((11, 17, 3), name='pixels')
    parts = [L.CenterCrop(6, 5, name='middle')(inputs), L.CenterCrop(11, 4, name='columns')(inputs),
             L.Resizing(6, 5, crop_to_aspect_ratio=True, name='cut')(inputs), L.Resizing(4, 9, crop_to_aspect_ratio=True, name='cut_wide')(inputs),
             L.Resizing(5, 7, interpolation='area', name='area')(inputs), L.RandomCrop(6, 5, name='random')(inputs)]
    if k is keras:
        parts += [L.Resizing(8, 5, pad_to_aspect_ratio=True, name='framed')(inputs),
                  L.Resizing(5, 9, pad_to_aspect_ratio=True, fill_value=0.5, interpolation='nearest', name='framed_wide')(inputs)]
    parts = [L.Conv2D(4, 2, name=f'conv_{number}')(part) for number, part in enumerate(parts)]
    x = L.Concatenate(name='joined')([L.GlobalAveragePooling2D(name=f'pool_{number}')(part) for number, part in enumerate(parts)])
    return k.Model(inputs, L.Softmax(name='answer')(L.Dense(5, name='logits')(x)), name='resized')


def normalized(k):
    """Normalization layers with what they were adapted to, and with constants."""
    L = k.layers
    inputs = L.Input((6, 5, 3), name='pixels')
    learned = L.Normalization(name='learned')
    learned.adapt(numbers(4, 6, 5, 3, low=0, high=200, seed=9))
    x = learned(inputs)
    x = L.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 4.0, 9.0], name='given')(x)
    x = L.Conv2D(4, 3, activation='relu', name='conv')(x)
    return k.Model(inputs, L.Dense(3, activation='softmax', name='answer')(L.Flatten(name='flat')(x)), name='normalized')


def group_norms(k):
    """Norms of groups of channels, of each channel, and vectors of length 1."""
    L = k.layers
    inputs = L.Input((7, 6, 3), name='pixels')
    x = L.Conv2D(12, 3, activation='relu', name='stem')(inputs)
    x = L.GroupNormalization(4, name='groups')(x)
    x = L.GroupNormalization(-1, epsilon=0.01, scale=False, name='each')(x)
    x = L.UnitNormalization(name='unit')(x)
    return k.Model(inputs, L.Dense(3, activation='softmax', name='answer')(L.GlobalMaxPooling2D(name='pool')(x)), name='group_norms')


def channels_first(k):
    """Pictures whose channels come first, in every layer that has an order of dimensions."""
    L, first = k.layers, dict(data_format='channels_first')
    inputs = L.Input((3, 12, 10), name='pixels')
    x = L.ZeroPadding2D(((0, 1), (2, 0)), name='pad', **first)(inputs)
    x = L.Conv2D(8, 3, activation='relu', name='stem', **first)(x)
    x = L.BatchNormalization(axis=1, name='bn')(x)
    x = L.DepthwiseConv2D(3, padding='same', name='depthwise', **first)(x)
    x = L.MaxPooling2D(name='max', **first)(x)
    x = L.UpSampling2D(2, name='up', **first)(x)
    a = L.GlobalAveragePooling2D(name='gap', **first)(x)
    b = L.Dense(8, name='flat_dense')(L.Flatten(name='flat', **first)(L.AveragePooling2D(3, name='average', **first)(x)))
    return k.Model(inputs, L.Dense(3, activation='softmax', name='answer')(L.Add(name='both')([a, b])), name='channels_first')


KERAS = {'group_norms': (group_norms, 'answer', (2, 7, 6, 3)), 'channels_first': (channels_first, 'answer', (2, 3, 12, 10)), 'transposed': (transposed, 'answer', (2, 4, 5, 3)), 'groups': (groups, 'answer', (2, 7, 6, 3)), 'layers': (every_layer, 'answer', (2, 16, 14, 3)), 'activations': (activations, 'all', (2, 4, 4, 3)),
         'nested': (nested, 'answer', (2, 8, 8, 3)), 'sequential': (sequential, 'answer', (2, 10, 9, 3)),
         'functions': (functions, 'answer', (2, 6, 6, 3)), 'parts': (parts, 'answer', (2, 6, 8, 3)), 'slashes': (slashes, 'answer', (2, 8, 8, 3)), 'resized': (resized, 'answer', (2, 11, 17, 3)), 'normalized': (normalized, 'answer', (2, 6, 5, 3))}


def keras_files(models, model, name, k, feed, output, what):
    """One model in every file that this Keras writes."""
    answer = np.asarray(model(feed, training=False))
    version = 'keras3' if k is keras else 'keras2'
    key = model.input_names[0] if k is tf_keras else model._layers[0].name
    # tf_keras 2.21 cannot write the ellipsis of a slice into .keras files.
    endings = ('h5',) if version == 'keras2' and name in ('functions', 'parts') else ('keras', 'h5')
    for ending in endings:
        graph = f'{version}_{name}.{ending}'
        model.save(models.path(graph))
        models.record(graph, {key: feed}, {output: answer}, what)
    # Keras 3.15 exports random layers as they are in training: their answers differ from run to run. Transposed
    # convolutions are not read from graphs, nor are the branches that tf_keras writes for crops.
    if (k is keras and name in ('layers', 'sequential')) or name in ('transposed', 'resized'):
        return
    graph = f'{version}_{name}_saved'
    if k is keras:
        model.export(models.path(graph), verbose=False)
    else:
        model.save(models.path(graph), save_format='tf')
    loaded = tf.saved_model.load(models.out / graph).signatures['serving_default']
    (fed,) = loaded.structured_input_signature[1]
    (fetched,) = loaded.structured_outputs
    models.record(graph, {fed: feed}, {fetched: answer}, f'{what} As a SavedModel.')


def random_layers(models):
    """A model that Keras 3 exports with its augmentation. There is no answer to compare with."""
    model = keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.RandomRotation(0.1), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.export(models.path('keras3_random_saved'), verbose=False)


def keras_models(models):
    for k in (keras, tf_keras):
        for name, (make, output, shape) in KERAS.items():
            version = 'keras3' if k is keras else 'keras2'
            # Keras 3 takes no slashes in names.
            if not models.wanted(f'{version}_{name}') or (k is keras and name == 'slashes'):
                continue
            k.backend.clear_session()
            model = make(k)
            if name != 'normalized':
                stir(model)
            scale = 255 if name in ('sequential', 'functions', 'normalized', 'parts') else 2
            feed = numbers(*shape, low=0 if scale == 255 else -2, high=scale)
            if name == 'sequential':
                output = model.layers[-1].name
            keras_files(models, model, name, k, feed, output, make.__doc__)


# Whole networks, each in one form, so that every form has several.

APPLICATIONS = {
    'keras3': [('MobileNet', 'keras'), ('MobileNetV2', 'h5'), ('MobileNetV3Small', 'keras'), ('EfficientNetV2B0', 'keras'), ('DenseNet121', 'h5'),
               ('ResNet50', 'keras'), ('InceptionV3', 'h5'), ('Xception', 'keras'), ('NASNetMobile', 'h5'), ('ConvNeXtTiny', 'keras')],
    'keras2': [('MobileNetV2', 'keras'), ('MobileNetV3Large', 'h5'), ('EfficientNetB0', 'h5'), ('ResNet50V2', 'saved')]}
# Networks with their preprocessing inside.
TAKE_LEVELS = ('MobileNetV3', 'Efficient', 'ConvNeXt')


def applications(models):
    for version, k in (('keras3', keras), ('keras2', tf_keras)):
        for name, form in APPLICATIONS[version]:
            if not models.wanted(f'{version}_{name}'):
                continue
            k.backend.clear_session()
            side = 224 if name == 'NASNetMobile' else 96
            model = getattr(k.applications, name)(weights=None, input_shape=(side, side, 3), classes=20)
            stir(model)
            low, high = (0, 255) if name.startswith(TAKE_LEVELS) else (-1, 1)
            feed = numbers(1, side, side, 3, low=low, high=high)
            answer = np.asarray(model(feed, training=False))
            fed, fetched = model.layers[0].name, model.layers[-1].name
            graph = f'{version}_{name}_saved' if form == 'saved' else f'{version}_{name}.{form}'
            if form == 'saved':
                model.save(models.path(graph), save_format='tf')
                signature = tf.saved_model.load(models.out / graph).signatures['serving_default']
                (fed,), (fetched,) = signature.structured_input_signature[1], signature.structured_outputs
            else:
                model.save(models.path(graph))
            models.record(graph, {fed: feed}, {fetched: answer}, f'{name} of keras.applications, weights of its own.')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out')
    parser.add_argument('--only', help='make only the models whose name contains this')
    parser.add_argument('--applications', action='store_true', help='networks of keras.applications in place of small models')
    arguments = parser.parse_args()
    models = Models(arguments.out, arguments.only)
    if arguments.applications:
        applications(models)
    else:
        for make in (module_with_nested_functions, module_with_branches, module_with_bytes, module_that_decodes, tf1_pixels_within, module_with_map, tf1_variables, tf1_resources, tf1_hub):
            make(models)
        random_layers(models)
        keras_models(models)
    models.finish()


if __name__ == '__main__':
    main()
