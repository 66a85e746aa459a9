"""Small models in the forms that people have, written by real TensorFlow, with its answers.

    DIR/bin/python oracle/models.py OUT
    DIR/bin/python oracle/pack_fixture.py OUT crates/lorgnette-net/tests/models.tar.gz

OUT gets a folder a model and `manifest.json`: an array with, for each, `name`, `what` (a sentence), `open` (the paths by
which it can be opened), `averages` (whether moving averages of the weights are wanted), `feed` and `fetch` (tensor names),
`input` and `output` (.npy).
"""
import contextlib
import json
import os
import pathlib
import shutil
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
import slim_on_tf2  # noqa: F401
import numpy as np
import tensorflow as tf
import tf_slim as slim

import made_up

tf1 = tf.compat.v1
tf1.disable_eager_execution()
tf1.logging.set_verbosity(tf1.logging.ERROR)
tf1.disable_resource_variables()
# As the TensorFlow of TF-Slim wrote conditions: Switch and Merge, not functions.
tf1.disable_control_flow_v2()

CLASSES = 6
SIZE = (12, 10)


def network(picture, is_training=False):
    """Two layers and a classifier, in a scope that no published network has."""
    normalizer = {'is_training': is_training, 'decay': 0.9, 'epsilon': 0.001, 'scale': True}
    with tf1.variable_scope('Pocket'):
        net = slim.conv2d(picture, 8, 3, stride=2, normalizer_fn=slim.batch_norm, normalizer_params=normalizer, scope='conv1')
        net = slim.separable_conv2d(net, 12, 3, 1, normalizer_fn=slim.batch_norm, normalizer_params=normalizer, scope='conv2')
        net = tf.reduce_mean(net, [1, 2], name='pool')
        net = slim.dropout(net, 0.5, is_training=is_training, scope='dropout')
        logits = slim.fully_connected(net, CLASSES, activation_fn=None, scope='logits')
        return logits, tf.nn.softmax(logits, name='Predictions')


def initialise(session):
    """Averages start from their variables, which must be there by then."""
    def is_average(variable):
        return variable.op.name.endswith('/ExponentialMovingAverage')
    variables = tf1.global_variables()
    session.run([v.initializer for v in variables if not is_average(v)])
    session.run([v.initializer for v in variables if is_average(v)])


def fill(session):
    for variable in tf1.global_variables():
        shape = variable.shape.as_list()
        name = variable.op.name
        if variable.dtype.base_dtype != tf.float32 or name.endswith('/Momentum'):
            continue
        base = name.split('/ExponentialMovingAverage')[0]
        value = np.asarray(made_up.variable(base, shape), np.float32).reshape(shape)
        # An average that lags behind its variable.
        variable.load(value * np.float32(0.5) if base != name else value, session)


class Models:
    def __init__(self, out):
        self.out, self.entries = pathlib.Path(out), []
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)

    @contextlib.contextmanager
    def model(self, name, what, opened, averages=True):
        folder = self.out / name
        folder.mkdir()
        entry = {'name': name, 'what': what, 'open': [f'{name}/{path}' if path else name for path in opened], 'averages': averages}
        tf1.reset_default_graph()
        with tf1.Session() as session:
            yield folder, entry, session
        self.entries.append(entry)

    def answer(self, entry, session, feed, fetch, value, settings=None):
        """Runs the graph and notes input and output."""
        output = session.run(fetch, {feed: value, **(settings or {})})
        name = entry['name']
        np.save(self.out / f'{name}.input.npy', value)
        np.save(self.out / f'{name}.output.npy', output)
        entry.update(feed=feed, fetch=fetch, input=f'{name}.input.npy', output=f'{name}.output.npy')

    def finish(self):
        lines = ',\n'.join(json.dumps(entry) for entry in self.entries)
        (self.out / 'manifest.json').write_text(f'[\n{lines}\n]\n')


def picture():
    return made_up.between(-1, 1, 'picture', (2, *SIZE, 3)).astype(np.float32)


def draw(session, training=None):
    placeholder = tf1.placeholder(tf.float32, [None, *SIZE, 3], name='input')
    result = network(placeholder) if training is None else network(placeholder, training)
    initialise(session)
    return result


def write_graph(session, folder, name):
    (folder / name).write_bytes(session.graph.as_graph_def().SerializeToString())


def frozen(session, outputs):
    return tf1.graph_util.convert_variables_to_constants(session, session.graph.as_graph_def(), outputs)


def exported(models):
    """What TF-Slim's export_inference_graph.py leaves, and the checkpoint."""
    for version, kind in (('v1', tf1.train.SaverDef.V1), ('v2', tf1.train.SaverDef.V2)):
        opened = ['inference_graph.pb', '']
        with models.model(f'exported_{version}', 'an exported inference graph beside its checkpoint', opened) as (folder, entry, session):
            draw(session)
            fill(session)
            write_graph(session, folder, 'inference_graph.pb')
            tf1.train.Saver(write_version=kind).save(session, str(folder / 'model.ckpt-7'), write_meta_graph=False, write_state=False)
            models.answer(entry, session, 'input:0', 'Pocket/Predictions:0', picture())


def evaluated(models):
    """The graph of an evaluation, as a saver keeps it; with both kinds of variable."""
    for kind, use in (('reference', False), ('resource', True)):
        opened = ['model.ckpt-100.meta', 'model.ckpt-100', 'model.ckpt-100.index', 'model.ckpt-100.data-00000-of-00001', '']
        with models.model(f'meta_{kind}', f'a checkpoint with its .meta, {kind} variables', opened) as (folder, entry, session):
            with tf1.variable_scope('', use_resource=use):
                draw(session)
            fill(session)
            tf1.train.Saver().save(session, str(folder / 'model.ckpt'), global_step=100)
            models.answer(entry, session, 'input:0', 'Pocket/Predictions:0', picture())


def trained(models):
    """The graph of a training: a flag, dropout, an optimiser, summaries, averages."""
    with models.model('meta_training', 'a training with everything about it', ['model.ckpt-5.meta']) as (folder, entry, session):
        flag = tf1.placeholder(tf.bool, [], name='is_training')
        labels = tf1.placeholder(tf.int64, [None], name='labels')
        placeholder = tf1.placeholder(tf.float32, [None, *SIZE, 3], name='input')
        logits, predictions = network(placeholder, flag)
        loss = tf1.losses.sparse_softmax_cross_entropy(labels, logits)
        step = tf1.train.get_or_create_global_step()
        train = tf1.train.MomentumOptimizer(0.1, 0.9).minimize(loss, step)
        averages = tf1.train.ExponentialMovingAverage(0.9)
        with tf.control_dependencies([train]):
            averages.apply(tf1.trainable_variables())
        tf1.summary.scalar('loss', loss)
        initialise(session)
        fill(session)
        tf1.train.Saver().save(session, str(folder / 'model.ckpt'), global_step=5)
        entry['averages'] = False
        models.answer(entry, session, 'input:0', 'Pocket/Predictions:0', picture(), {'is_training:0': False})


def averaged(models):
    """A checkpoint with moving averages, which an evaluation restores in place of the variables."""
    with models.model('averages', 'moving averages in place of variables', ['inference_graph.pb']) as (folder, entry, session):
        draw(session)
        graph = session.graph.as_graph_def()
        averages = tf1.train.ExponentialMovingAverage(0.9)
        averages.apply(tf1.trainable_variables())
        initialise(session)
        fill(session)
        tf1.train.Saver().save(session, str(folder / 'model.ckpt'), write_meta_graph=False)
        (folder / 'inference_graph.pb').write_bytes(graph.SerializeToString())
        for variable in tf1.trainable_variables():
            variable.load(session.run(averages.average(variable)), session)
        models.answer(entry, session, 'input:0', 'Pocket/Predictions:0', picture())


def retrained(models):
    """What retrain.py leaves: a frozen graph that ends in final_result, and labels.txt."""
    with models.model('retrained', 'a retrained graph and labels.txt', ['output_graph.pb', '']) as (folder, entry, session):
        placeholder = tf1.placeholder(tf.float32, [None, *SIZE, 3], name='Placeholder')
        logits, _ = network(placeholder)
        tf.nn.softmax(logits, name='final_result')
        initialise(session)
        fill(session)
        (folder / 'output_graph.pb').write_bytes(frozen(session, ['final_result']).SerializeToString())
        names = ['daisy', 'dandelion', 'roses', 'sunflowers', 'tulips', 'Gänseblümchen']
        (folder / 'labels.txt').write_text(''.join(f'{name}\n' for name in names))
        models.answer(entry, session, 'Placeholder:0', 'final_result:0', picture())


LABEL_MAP = '''# -*- protobuffer -*-
# LabelMap of a network of six outputs, in an order of its own.
entry {
  target_class: 3
  target_class_string: "n02084071"
}
entry {
  target_class: 1
  target_class_string: "n02121808"
}
entry { target_class: 4 target_class_string: "n02374451" }
'''
HUMAN = 'n02084071\tdog, domestic dog, Canis familiaris\nn02121808\tdomestic cat, house cat\nn02374451\thorse, Equus caballus\n'


def decoding(models):
    """A graph of the 2015 kind: it decodes and resizes the photo itself, and has its two label files beside it."""
    with models.model('decoding', 'a graph that decodes photos, with a label map', ['classify_image_graph_def.pb', '']) as (folder, entry, session):
        contents = tf1.placeholder_with_default(tf.constant(b''), [], name='DecodeJpeg/contents')
        pixels = tf.cast(tf.image.decode_jpeg(contents, channels=3, name='DecodeJpeg'), tf.float32, name='Cast')
        resized = tf1.image.resize_bilinear(tf.expand_dims(pixels, 0), list(SIZE), name='ResizeBilinear')
        scaled = tf.multiply(tf.subtract(resized, 128.0, name='Sub'), 1 / 128, name='Mul')
        logits, _ = network(scaled)
        tf.nn.softmax(logits, name='softmax')
        initialise(session)
        fill(session)
        (folder / 'classify_image_graph_def.pb').write_bytes(frozen(session, ['softmax']).SerializeToString())
        (folder / 'imagenet_2012_challenge_label_map_proto.pbtxt').write_text(LABEL_MAP)
        (folder / 'imagenet_synset_to_human_label_map.txt').write_text(HUMAN)
        pixels = made_up.between(0, 255, 'photo', (20, 30, 3)).astype(np.uint8)
        models.answer(entry, session, 'DecodeJpeg:0', 'softmax:0', pixels)


if __name__ == '__main__':
    models = Models(sys.argv[1])
    for make in (exported, evaluated, trained, averaged, retrained, decoding):
        make(models)
    models.finish()
