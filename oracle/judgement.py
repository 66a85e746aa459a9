"""A model that `lorgnette train` made, judged by others: its figures, its exports, its event files, its report.

    DIR/bin/python oracle/judgement.py WORK --lorgnette target/release/lorgnette [--screenshots DIR]

Photos of three made-up classes are drawn, and a model is trained on them. Checked are:
- `lorgnette evaluate`: accuracy, top five, loss, per-class figures and confusion, computed again here from what
  `lorgnette classify` says of each photo;
- the frozen graph in TensorFlow, the ONNX file in ONNX Runtime, both to the numbers of `lorgnette run`; the checkpoint,
  which TensorFlow restores to the weights of the head;
- TensorBoard's own answers over HTTP: scalars against epochs.csv, histograms, the picture, the projector's tensor, labels
  and pictures;
- report.html: whole by itself, and, where Chromium is, drawn by it with every picture in it.
Prints a line for each and closes with `N passed, N failed`.
"""
import argparse
import csv
import html.parser
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
import numpy as np
from PIL import Image

import made_up
from compare import difference, tolerance
from tensorboard_graph import fetch_bytes, free_port

CLASSES = ('blue & <round>', 'green stripes', 'grün kariert')
PHOTOS = 24


def draw(kind, number):
    """A photo of a class: its pattern in colours of its own, under noise that is now and then too much."""
    dice = np.random.default_rng(1000 * kind + number)
    y, x = np.mgrid[0:160, 0:200] + dice.uniform(-40, 40, 2)[:, None, None]
    scale = dice.uniform(8, 20)
    pattern = (np.hypot(x - 100, y - 80) < 3 * scale, np.sin(x / scale) > 0, (np.sin(x / scale) > 0) ^ (np.sin(y / scale) > 0))[kind]
    colour = np.array([(60, 80, 200), (60, 180, 70), (80, 170, 120)][kind]) + dice.uniform(-50, 50, 3)
    picture = np.where(pattern[..., None], colour, dice.uniform(120, 240, 3))
    picture = picture + dice.normal(0, dice.uniform(5, 90), picture.shape)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def make_photos(folder):
    for kind, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(PHOTOS):
            # Every sixth lies in the wrong folder, so that there is something to be confused.
            drawn = kind if number % 6 else (kind + 1) % len(CLASSES)
            draw(drawn, number).save(folder / name / f'photo {number:02}.jpg', quality=90)


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def check_figures(lorgnette, model, photos):
    """Every figure of `evaluate`, from the probabilities that `classify` gives."""
    said = json.loads(run(lorgnette, 'evaluate', model, photos, '--format', 'json'))
    answers = [json.loads(line) for line in run(lorgnette, 'classify', photos, '--model', model, '--format', 'json').splitlines()]
    names = said['classes']
    truth = np.array([names.index(pathlib.Path(answer['photo']).parent.name) for answer in answers])
    scores = np.zeros((len(answers), len(names)))
    for row, answer in zip(scores, answers):
        for guess in answer['predictions']:
            row[guess['index']] = guess['probability']
    guesses = scores.argmax(1)
    confusion = np.zeros((len(names), len(names)), int)
    np.add.at(confusion, (truth, guesses), 1)
    assert said['confusion'] == confusion.tolist(), (said['confusion'], confusion)
    assert said['photos'] == len(answers) and said['top5'] == 1.0
    wanted = {
        'accuracy': (truth == guesses).mean(),
        'loss': -np.log(scores[np.arange(len(truth)), truth]).mean(),
        'balanced_accuracy': (confusion.diagonal() / confusion.sum(1)).mean(),
        'f1': (2 * confusion.diagonal() / (confusion.sum(0) + confusion.sum(1))).mean(),
    }
    for figure, value in wanted.items():
        assert abs(said[figure] - value) < 1e-6, (figure, said[figure], value)
    done = subprocess.run([lorgnette, 'evaluate', model, photos, '--assert-accuracy', '1.0', '--quiet'], capture_output=True)
    assert done.returncode == (0 if said['accuracy'] == 1.0 else 1)
    return f'{len(answers)} photos, accuracy {said["accuracy"]:.4f}, loss {said["loss"]:.4f}: the same'


def answers(lorgnette, model, work):
    """Prepared pictures, and the answers of `lorgnette run` to them."""
    pictures = made_up.image(3, 224, 224)
    np.save(work / 'x.npy', pictures)
    run(lorgnette, 'run', model, '--feed', f'input={work / "x.npy"}', '--fetch', 'final_result', '--out', work / 'answers')
    return pictures, np.load(work / 'answers' / 'final_result.npy')


def same(found, wanted):
    error = difference(np.asarray(found), wanted)
    assert not isinstance(error, str), error
    assert error <= tolerance(), f'{error:.1e} is more than {tolerance():g}'
    return error


def check_frozen(lorgnette, model, work):
    import tensorflow as tf
    out = work / 'exported'
    run(lorgnette, 'export', model, '--to', 'frozen', '--out', out)
    (file,) = out.glob('*.pb')
    assert file.with_suffix('.labels.txt').read_text().splitlines() == list(CLASSES)
    pictures, wanted = answers(lorgnette, model, work)
    graph = tf.compat.v1.GraphDef.FromString(file.read_bytes())
    with tf.Graph().as_default():
        tf.import_graph_def(graph, name='')
        with tf.compat.v1.Session() as session:
            # The embedded network's own graph is for one picture at a time.
            found = np.concatenate([session.run('final_result:0', {'input:0': pictures[i:i + 1]}) for i in range(3)])
    # And the program takes its own export for what it is.
    again = json.loads(run(lorgnette, 'evaluate', file, work / 'photos', '--format', 'json'))
    first = json.loads(run(lorgnette, 'evaluate', model, work / 'photos', '--format', 'json'))
    assert again['confusion'] == first['confusion'] and again['classes'] == first['classes']
    return f'TensorFlow finds final_result within {same(found, wanted):.1e}; the same confusion from the graph'


def check_onnx(lorgnette, model, work):
    import onnx
    import onnxruntime
    file = work / 'exported' / 'model.onnx'
    run(lorgnette, 'export', model, '--to', 'onnx', '--out', file)
    onnx.checker.check_model(str(file), full_check=True)
    notes = {entry.key: entry.value for entry in onnx.load(str(file)).metadata_props}
    assert json.loads(notes['lorgnette.classes']) == list(CLASSES), notes
    pictures, wanted = answers(lorgnette, model, work)
    session = onnxruntime.InferenceSession(str(file), providers=['CPUExecutionProvider'])
    found, = session.run(['final_result'], {'input': pictures})
    return f'ONNX Runtime finds final_result within {same(found, wanted):.1e}'


def check_checkpoint(lorgnette, model, work):
    import tensorflow as tf
    run(lorgnette, 'export', model, '--to', 'checkpoint', '--out', work / 'exported' / 'model.ckpt')
    reader = tf.train.load_checkpoint(str(work / 'exported' / 'model.ckpt'))
    weights = reader.get_tensor('final_training_ops/weights/final_weights')
    assert (weights == np.load(model / 'weights.npy')).all()
    return f'TensorFlow restores {len(reader.get_variable_to_shape_map())} variables, the head bit by bit'


class Server:
    """Real TensorBoard."""

    def __init__(self, folder):
        self.port = free_port()
        words = [sys.executable, '-m', 'tensorboard.main', '--logdir', str(folder), '--port', str(self.port), '--load_fast=false']
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()

    def data(self, plugin, route, binary=False, **query):
        found = fetch_bytes(f'http://127.0.0.1:{self.port}/data/plugin/{plugin}/{route}?{urllib.parse.urlencode(query)}')
        return found if binary else found.decode()

    def wait_for(self, plugin, route, wanted):
        until = time.time() + 90
        while True:
            found = json.loads(self.data(plugin, route) or '{}')
            if all(run in found for run in wanted):
                return found
            assert time.time() < until, f'TensorBoard has {list(found)} of {wanted}'
            time.sleep(1)


def check_tensorboard(model, screenshots):
    folder = model / 'tensorboard'
    epochs = list(csv.DictReader((model / 'epochs.csv').open()))
    photos = sum(1 for _ in (folder / 'labels.tsv').open()) - 1
    with Server(folder) as server:
        server.wait_for('scalars', 'tags', ['training', 'validation', 'test'])
        for run_name in ('training', 'validation'):
            for tag in ('accuracy', 'loss'):
                shown = json.loads(server.data('scalars', 'scalars', run=run_name, tag=tag))
                wanted = [(int(epoch['epoch']), float(epoch[f'{run_name} {tag}'])) for epoch in epochs]
                assert len(shown) == len(wanted), (run_name, tag)
                for (_, step, value), (epoch, known) in zip(shown, wanted):
                    assert step == epoch and abs(value - known) < 1e-5, (run_name, tag, step, value, known)
        histograms = server.wait_for('histograms', 'tags', ['training'])['training']
        for tag in histograms:
            (_, _, buckets), = json.loads(server.data('histograms', 'histograms', run='training', tag=tag))
            assert sum(count for _, _, count in buckets) > 0, tag
        weights = np.load(model / 'weights.npy')
        (_, _, buckets), = json.loads(server.data('histograms', 'histograms', run='training', tag='weights'))
        assert abs(sum(count for _, _, count in buckets) - weights.size) < 0.5
        assert 'confusion' in server.wait_for('images', 'tags', ['test'])['test']
        info = json.loads(server.data('projector', 'info', run='.'))
        (embedding,) = info['embeddings']
        tensor = server.data('projector', 'tensor', run='.', name='features', binary=True)
        values = np.frombuffer(tensor, np.float32).reshape(photos, -1)
        wanted = np.loadtxt(folder / 'features.tsv', dtype=np.float32)
        assert (values == wanted).all() and embedding['tensorName'] == 'features'
        assert len(server.data('projector', 'metadata', run='.', name='features').splitlines()) == photos + 1
        picture = Image.open(io.BytesIO(server.data('projector', 'sprite_image', run='.', name='features', binary=True)))
        side = int(np.ceil(np.sqrt(photos)))
        assert picture.size == (48 * side, 48 * side), picture.size
        for page in ('scalars', 'histograms', 'images', 'projector') if screenshots else ():
            photograph(f'http://127.0.0.1:{server.port}/#{page}', screenshots / f'tensorboard_{page}.png', wait=15)
    return f'{len(epochs)} epochs, {len(histograms)} histograms, {photos} photos of {values.shape[1]} features in the projector'


class Page(html.parser.HTMLParser):
    """What a page reads from elsewhere, and how many pictures it has."""

    def __init__(self):
        super().__init__()
        self.foreign, self.pictures, self.open, self.unclosed = [], 0, [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ('src', 'href', 'srcset', 'data') and not (value or '').startswith('data:'):
                self.foreign.append((tag, value))
        self.pictures += tag == 'img'
        if tag not in ('meta', 'img', 'br', 'input', 'rect', 'polyline', 'circle', 'path'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in ('rect', 'polyline', 'circle', 'path'):
            return
        if not self.open or self.open.pop() != tag:
            self.unclosed.append(tag)


def check_report(model, screenshots):
    file = model / 'report.html'
    text = file.read_text()
    page = Page()
    page.feed(text)
    assert not page.foreign, page.foreign[:3]
    assert not page.open and not page.unclosed, (page.open, page.unclosed)
    assert '<round>' not in text and 'blue &amp; &lt;round&gt;' in text
    for name in ('confusion.png', 'confusion_normalised.svg', 'confusion.csv', 'classes.csv', 'photos.csv', 'photos.png', 'curves.svg', 'reliability.png', 'features.png'):
        assert (model / name).stat().st_size > 100, name
    drawn = 'no Chromium here to draw it'
    if shutil.which('chromium'):
        drawn = f'{pictures_drawn(file)} of {page.pictures} pictures drawn by Chromium'
        assert drawn.split()[0] == str(page.pictures), drawn
        if screenshots:
            photograph(f'file://{file.resolve()}', screenshots / 'report.png', height=5200)
    return f'{len(text) >> 10} KiB, nothing from elsewhere; {drawn}'


CHROMIUM = ('chromium', '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--hide-scrollbars',
            '--disable-background-networking', '--disable-component-update', '--disable-sync')


def chromium(*words):
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run([*CHROMIUM, f'--user-data-dir={profile}', *words], capture_output=True, text=True, timeout=120)
    return done.stdout


def pictures_drawn(file):
    """How many pictures of a page have pixels, as the browser itself counts them."""
    counting = ('<script>addEventListener("load", () => { for (const i of document.images) i.loading = "eager"; setTimeout(() => { '
                'document.title = [...document.images].filter(i => i.naturalWidth).length + " pictures"; }, 5000); });</script>')
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / 'report.html'
        copy.write_text(file.read_text() + counting)
        # On a busy machine the browser's own clock may run out before its pictures are decoded.
        for budget in (20_000, 60_000, 180_000):
            dom = chromium(f'--virtual-time-budget={budget}', '--dump-dom', f'file://{copy}')
            title = dom.split('<title>')[1].split('</title>')[0]
            if title.endswith(' pictures'):
                return int(title.split()[0])
    raise AssertionError(f'Chromium did not come to count the pictures: {title!r}')


def photograph(url, path, wait=0, height=900):
    waiting = [f'--virtual-time-budget={1000 * wait}'] if wait else []
    chromium(f'--window-size=1280,{height}', *waiting, f'--screenshot={path}', url)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', required=True)
    parser.add_argument('--screenshots', type=pathlib.Path)
    arguments = parser.parse_args()
    work, lorgnette = arguments.work, arguments.lorgnette
    shutil.rmtree(work, ignore_errors=True)
    make_photos(work / 'photos')
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    model = work / 'made.model'
    run(lorgnette, 'train', work / 'photos', '--out', model, '--cache', work / 'features.cache', '--projector')
    checks = {
        'figures': lambda: check_figures(lorgnette, model, work / 'photos'),
        'frozen graph': lambda: check_frozen(lorgnette, model, work),
        'ONNX': lambda: check_onnx(lorgnette, model, work),
        'checkpoint': lambda: check_checkpoint(lorgnette, model, work),
        'TensorBoard': lambda: check_tensorboard(model, arguments.screenshots),
        'report': lambda: check_report(model, arguments.screenshots),
    }
    failed = 0
    for name, check in checks.items():
        try:
            print(f'{name:14} ok: {check()}', flush=True)
        except Exception as why:  # noqa: BLE001: the others go on
            failed += 1
            more = (why.stderr or '').strip().splitlines()[-1:] if isinstance(why, subprocess.CalledProcessError) else []
            print(f'{name:14} FAILED: {type(why).__name__}: {str(why)[:400]} {" ".join(more)}', flush=True)
    print(f'{len(checks) - failed} passed, {failed} failed')
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
