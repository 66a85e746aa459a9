"""TFRecord files of labelled pictures as TF-Slim, build_imagenet_data.py and TensorFlow Datasets write them.

    oracle/environment.sh DIR && DIR/bin/python oracle/records.py OUT_DIR

`expected.json` has what TensorFlow reads from them: SHA-256 of the picture, label, name of the class. The committed
copy, crates/lorgnette/tests/records.tar.gz, is packed from its output by pack_fixture.py.
"""
import hashlib
import io
import json
import os
import pathlib
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
import numpy as np
import tensorflow as tf
from PIL import Image

CLASSES = ['daisy', 'dandelion', 'roses', 'sunflowers', 'tulips']


def photo(number, ending):
    """A small picture of its own colours, encoded."""
    pixels = np.random.default_rng(number).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.kron(pixels, np.ones((4, 4, 1), np.uint8))).save(file, ending)
    return file.getvalue()


def feature(value):
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    if isinstance(value, float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def example(**values):
    named = {name.replace('__', '/'): feature(value) for name, value in values.items()}
    return tf.train.Example(features=tf.train.Features(feature=named)).SerializeToString()


def write(path, examples):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for one in examples:
            writer.write(one)


def slim(folder):
    """TF-Slim's download_and_convert_data.py: labels from 0, names in labels.txt with their numbers."""
    number = 0
    for split, shards in (('train', 2), ('validation', 1)):
        for shard in range(shards):
            records = []
            for label in range(5):
                encoded = photo(number, 'JPEG')
                records.append(example(image__encoded=encoded, image__format=b'jpg', image__class__label=label,
                                       image__height=24, image__width=32))
                number += 1
            write(folder / f'flowers_{split}-{shard:05}-of-{shards:05}.tfrecord', records)
    (folder / 'labels.txt').write_text(''.join(f'{i}:{name}\n' for i, name in enumerate(CLASSES)))


def imagenet(folder):
    """build_imagenet_data.py: labels from 1, synset and text in the record, file names without an extension."""
    names = [('n01440764', 'tench, Tinca tinca'), ('n01443537', 'goldfish, Carassius auratus')]
    for shard in range(2):
        records = []
        for label, (synset, text) in enumerate(names, 1):
            records.append(example(image__encoded=photo(100 + 2 * shard + label, 'JPEG'), image__format=b'JPEG',
                                   image__colorspace=b'RGB', image__channels=3, image__class__label=label,
                                   image__class__synset=synset.encode(), image__class__text=text.encode(),
                                   image__filename=b'x.JPEG', image__height=24, image__width=32))
        write(folder / f'validation-{shard:05}-of-00002', records)


def datasets(folder):
    """TensorFlow Datasets: image, label, names in label.labels.txt."""
    for shard in range(2):
        records = [example(image=photo(200 + 3 * shard + label, 'PNG'), label=label) for label in range(3)]
        write(folder / f'shapes-train.tfrecord-{shard:05}-of-00002', records)
    (folder / 'label.labels.txt').write_text('circle\nsquare\nstar\n')
    (folder / 'features.json').write_text(json.dumps({'featuresDict': {'features': {
        'image': {'image': {'encodingFormat': 'png'}}, 'label': {'classLabel': {'numClasses': '3'}}}}}))
    (folder / 'dataset_info.json').write_text('{"name": "shapes"}')


def numbers(folder, first):
    """Numbers without names, from 0 or from 1."""
    records = [example(image__encoded=photo(300 + first * 10 + i, 'PNG'), image__class__label=first + i) for i in range(3)]
    write(folder / 'all.tfrecord', records)


def parts(folder, picture, label, numbers):
    """A few of many classes, without names: a shard of a larger dataset."""
    records = [example(**{picture: photo(400 + number, 'PNG'), label: number}) for number in numbers]
    write(folder / 'validation-00000-of-00001', records)


def counted(folder):
    """Names without numbers, one for each of the labels 1 to 3."""
    numbers(folder, 1)
    (folder / 'labels.txt').write_text('circle\nsquare\nstar\n')


def read(folder):
    """What TensorFlow reads."""
    found = []
    for path in sorted(folder.iterdir()):
        if 'tfrec' not in path.name and '-of-' not in path.name:
            continue
        for record in tf.data.TFRecordDataset(str(path)):
            values = tf.train.Example.FromString(record.numpy()).features.feature
            image = (values.get('image/encoded') or values['image']).bytes_list.value[0]
            label = (values.get('image/class/label') or values['label']).int64_list.value[0]
            text = values['image/class/text'].bytes_list.value[0].decode() if 'image/class/text' in values else None
            found.append(dict(file=path.name, sha256=hashlib.sha256(image).hexdigest(), label=label, text=text))
    return found


def main(out):
    out = pathlib.Path(out)
    slim(out / 'slim')
    imagenet(out / 'imagenet')
    datasets(out / 'datasets')
    numbers(out / 'from_0', 0)
    numbers(out / 'from_1', 1)
    counted(out / 'counted')
    # ImageNet as TF-Slim counts it, and as others who write its form do; as TensorFlow Datasets count it.
    parts(out / 'part_slim', 'image__encoded', 'image__class__label', [1, 5, 999])
    parts(out / 'part_slim_0', 'image__encoded', 'image__class__label', [0, 4, 998])
    parts(out / 'part_datasets', 'image', 'label', [3, 5, 998])
    parts(out / 'part_datasets_0', 'image', 'label', [0, 5, 998])
    # Its test split has no labels.
    parts(out / 'unlabelled', 'image', 'label', [-1, 2, -1])
    expected = {folder.name: read(folder) for folder in sorted(out.iterdir()) if folder.is_dir()}
    (out / 'expected.json').write_text(json.dumps(expected, indent=1) + '\n')
    print(f'{sum(map(len, expected.values()))} records')


if __name__ == '__main__':
    main(sys.argv[1])
