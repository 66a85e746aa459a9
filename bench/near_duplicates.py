"""How many near-duplicates a threshold finds, and how many other pairs it takes for such.

    DIR/bin/python bench/near_duplicates.py WORK --lorgnette target/release/lorgnette [--photos ../shared/flowers]

Of every third photo, copies are made: compressed again, brighter, cropped, smaller. Prints, for each kind, the cosines of
their features to the original's, and how many are above each threshold; and how many pairs of different photos are.
Needs numpy and Pillow.
"""
import argparse
import csv
import pathlib
import shutil
import subprocess

import numpy as np
from PIL import Image, ImageEnhance

THRESHOLDS = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
COPIES = {
    'compressed again': (70, lambda photo: photo),
    'brighter': (85, lambda photo: ImageEnhance.Brightness(photo).enhance(1.2)),
    'cropped': (85, lambda photo: photo.crop([round(side * share) for share in (0.05, 0.95) for side in photo.size])),
    'smaller': (85, lambda photo: photo.resize([side * 2 // 3 for side in photo.size], Image.LANCZOS)),
}


def embed(lorgnette, folder, out):
    """The photos' paths and features."""
    words = [lorgnette, 'embed', folder, '--npy', out, '--format', 'csv']
    lines = subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True).stdout.splitlines()
    return [row[0] for row in csv.reader(lines)][1:], np.load(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', required=True)
    parser.add_argument('--photos', type=pathlib.Path, default=pathlib.Path('../shared/flowers'))
    arguments = parser.parse_args()
    shutil.rmtree(arguments.work, ignore_errors=True)
    arguments.work.mkdir(parents=True)
    names, features = embed(arguments.lorgnette, arguments.photos, arguments.work / 'originals.npy')
    mean = features.mean(0)

    def unit(vectors):
        return (vectors - mean) / np.linalg.norm(vectors - mean, axis=1, keepdims=True)

    originals = unit(features)
    shown = ''.join(f'{threshold:8}' for threshold in THRESHOLDS)
    print(f'{"":18}{"least":>8}{"median":>8}{shown}')
    for kind, (quality, change) in COPIES.items():
        folder = arguments.work / kind.replace(' ', '_')
        folder.mkdir()
        for number, name in enumerate(names[::3]):
            change(Image.open(name).convert('RGB')).save(folder / f'{number:05}.jpg', quality=quality)
        _, copies = embed(arguments.lorgnette, folder, arguments.work / 'copies.npy')
        cosines = (unit(copies) * originals[::3]).sum(1)
        counts = ''.join(f'{(cosines >= threshold).sum():8}' for threshold in THRESHOLDS)
        print(f'{kind:18}{cosines.min():8.3f}{np.median(cosines):8.3f}{counts}  of {len(cosines)}')
    others = (originals @ originals.T)[np.triu_indices(len(originals), 1)]
    counts = ''.join(f'{(others >= threshold).sum():8}' for threshold in THRESHOLDS)
    print(f'{"other photos":18}{others.min():8.3f}{np.median(others):8.3f}{counts}  of {len(others)}')


if __name__ == '__main__':
    main()
