"""How well a class is found by its probability at a place, and by how much it stands out there: how much higher its score is
than at nine places in ten of the photo.

    python3 oracle/pasted.py cut PHOTOS CUTOUTS
    python3 oracle/stands_out.py PHOTOS CUTOUTS WORK --lorgnette PROGRAM [--count 200] [--size 120] [--scale 2.26] [--seed N]
        [--without PHOTOS]

PHOTOS are named SYNSET_name, as ../shared/photos has; `blur`'s constants were chosen on EliSchwartz/imagenet-sample-images from
GitHub, one photo of each class, without the classes of ../shared/photos. Each scene is a photo of 800 x 600 pixels with one
cutout of a given size, seen at one scale. Found is the cutout's class in the middle of the cutout; found falsely is any of
the other classes, but for the photo's own, anywhere else. Printed is which share of the cutouts is found if so many pairs of
a photo and a class are found falsely.

Needs numpy and Pillow.
"""
import argparse
import json
import pathlib
import random

import numpy as np

from pasted import Scene, middle, run

SHAPE = 800, 600
RATES = .001, .003, .01, .02, .05
COMMON_SHARE = .9


def synset(path):
    return path.name.split('_')[0].split('.')[0]


def statistics(scores):
    """Of each cell and class: the logarithm of its probability, and how far it stands out, in deviations over the classes."""
    probabilities = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    common = np.quantile(scores, COMMON_SHARE, axis=(0, 1))
    return {'probability': probabilities, 'stands out': (scores - common) / np.sqrt((scores.std(-1) ** 2).mean())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('photos', type=pathlib.Path)
    parser.add_argument('cutouts', type=pathlib.Path)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', required=True)
    parser.add_argument('--count', type=int, default=200)
    parser.add_argument('--size', type=int, default=120)
    parser.add_argument('--scale', default='2.26')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--without', type=pathlib.Path, nargs='*', default=[])
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    rnd = random.Random(arguments.seed)
    left_out = {synset(path) for folder in arguments.without for path in folder.glob('n*_*')}
    photos = [path for path in sorted(arguments.photos.glob('n*_*')) if synset(path) not in left_out]
    cutouts = [path for path in sorted(arguments.cutouts.glob('*.png')) if synset(path) not in left_out]
    found, false = {}, {}
    for number in range(arguments.count):
        ground, cutout = rnd.choice(photos), rnd.choice(cutouts)
        scene = Scene(cutout, ground, arguments.size, SHAPE, f'{arguments.seed}-{number}')
        y, x = middle(scene.inside)
        path = arguments.work / 'scene.png'
        scene.picture.save(path, compress_level=1)
        if not number:
            every = json.loads(run(arguments.lorgnette, 'classify', path, '--top', 1001, '--format', 'json'))['predictions']
            index_of = {entry['synset']: entry['index'] for entry in every if entry.get('synset')}
        answer = json.loads(run(arguments.lorgnette, 'map', path, '--scale', arguments.scale, '--npy', arguments.work / 'npy',
                                '--format', 'json'))
        scores = np.load(arguments.work / 'npy' / 'scene.npy').astype(np.float64)
        down, across = (first + answer['stride'] * np.arange(cells) for first, cells in zip(answer['first'], scores.shape))
        near = lambda reach: (abs(down - y) <= reach)[:, None] & (abs(across - x) <= reach)
        own = index_of[synset(cutout)]
        others = sorted(set(index_of.values()) - {own, index_of[synset(ground)]})
        thing, elsewhere = near(.3 * arguments.size), ~near(arguments.size + 15)
        for name, values in statistics(scores).items():
            found.setdefault(name, []).append(values[thing][:, own].max())
            false.setdefault(name, []).append(values[elsewhere][:, others].max(0))
    print('| found falsely | ' + ' | '.join(found) + ' | least |\n|--:|' + '--:|' * (len(found) + 1))
    for rate in RATES:
        limits = {name: np.quantile(np.concatenate(values), 1 - rate) for name, values in false.items()}
        shares = [f'{np.mean(np.array(found[name]) > limits[name]):.1%}' for name in found]
        print(f'| {rate:.1%} | ' + ' | '.join(shares) + f' | {limits["stands out"]:.2f} |')


if __name__ == '__main__':
    main()
