"""Collages of photos with known places, and how well the program finds what is where in them.

    python3 oracle/collages.py make PHOTOS OUT [--count 40] [--columns 3] [--rows 2] [--side 300] [--mirrored]
    python3 oracle/collages.py measure OUT --lorgnette target/release/lorgnette [--output-stride 32 16 8] [--least 0.7]

PHOTOS is a folder of photos named after their synset, such as `n01491361_tiger_shark.JPEG`. Each collage is a grid of
different ones, each cut to a square and resized, on grey; `collages.json` in OUT says what lies where. With --mirrored each
collage has a twin, left and right exchanged. The same PHOTOS give the same collages.

`measure` runs `lorgnette map` and counts how many placed photos have the right class in the cell that is nearest to their
middle, and in most of the cells over their inner half; with --least it fails below that share of the first.
Needs Pillow and numpy.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys

import numpy as np
from PIL import Image, ImageOps

GREY = (127, 127, 127)
GAP = 20


def square(path, side):
    """A photo's middle, as large as it is wide or high, resized."""
    with Image.open(path) as photo:
        photo = ImageOps.exif_transpose(photo).convert('RGB')
    edge = min(photo.size)
    left, top = (photo.width - edge) // 2, (photo.height - edge) // 2
    return photo.crop((left, top, left + edge, top + edge)).resize((side, side), Image.BICUBIC)


def collage(paths, columns, rows, side):
    """The picture, and what lies where: photo, synset, box."""
    step = side + GAP
    picture = Image.new('RGB', (columns * step + GAP, rows * step + GAP), GREY)
    places = []
    for number, path in enumerate(paths):
        left, top = GAP + number % columns * step, GAP + number // columns * step
        picture.paste(square(path, side), (left, top))
        places.append({'photo': path.name, 'synset': path.name.split('_')[0], 'box': [left, top, left + side, top + side]})
    return picture, places


def mirrored(picture, places):
    """Left and right exchanged."""
    boxes = [[picture.width - x1, y0, picture.width - x0, y1] for x0, y0, x1, y1 in (place['box'] for place in places)]
    return ImageOps.mirror(picture), [{**place, 'box': box} for place, box in zip(places, boxes)]


def make(arguments):
    photos = sorted(path for path in arguments.photos.iterdir() if path.name.startswith('n0') or path.name.startswith('n1'))
    size = arguments.columns * arguments.rows
    if len(photos) < size:
        sys.exit(f'{arguments.photos}: {len(photos)} photos named after synsets, {size} are needed')
    arguments.out.mkdir(parents=True, exist_ok=True)
    chance, listed, waiting = random.Random(1), [], []
    for number in range(arguments.count):
        # Every photo is used once before any is used again.
        if len(waiting) < size:
            waiting = chance.sample(photos, len(photos))
        chosen, waiting = waiting[:size], waiting[size:]
        made = collage(chosen, arguments.columns, arguments.rows, arguments.side)
        for ending, (picture, places) in (('', made), *((('-mirrored', mirrored(*made)),) if arguments.mirrored else ())):
            name = f'collage-{number:03}{ending}.jpg'
            picture.save(arguments.out / name, quality=95, subsampling=0)
            listed.append({'file': name, 'width': picture.width, 'height': picture.height, 'places': places})
    (arguments.out / 'collages.json').write_text(json.dumps(listed, indent=1))
    print(f'{len(listed)} collages, {sum(len(entry["places"]) for entry in listed)} placed photos')


def maps(arguments, stride):
    """What the program finds in each collage: a grid of synsets and where its cells are."""
    words = [arguments.lorgnette, 'map', arguments.out, '--format', 'json', '--scale', '1',
             '--output-stride', stride]
    done = subprocess.run([*map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    found = {}
    for line in map(json.loads, done.stdout.splitlines()):
        names = {entry['index']: entry['synset'] for entry in line['legend']}
        synsets = np.array([[names[index] or '' for index in row] for row in line['cells']])
        centres = [first + line['stride'] * np.arange(cells) for first, cells in zip(line['first'], synsets.shape)]
        found[pathlib.Path(line['photo']).name] = synsets, centres
    return found


def judge(synsets, centres, place):
    """Whether the cell nearest to the middle is right, and whether most cells over the inner half are."""
    x0, y0, x1, y1 = place['box']
    right = synsets == place['synset']
    nearest = [np.abs(centre - middle).argmin() for centre, middle in zip(centres, ((y0 + y1) / 2, (x0 + x1) / 2))]
    inner = [np.abs(centre - (low + high) / 2) <= (high - low) / 4 for centre, (low, high) in zip(centres, ((y0, y1), (x0, x1)))]
    return right[nearest[0], nearest[1]], right[np.ix_(*inner)].mean() > 0.5


def measure(arguments):
    listed = json.loads((arguments.out / 'collages.json').read_text())
    failed = False
    for stride in arguments.output_stride:
        found = maps(arguments, stride)
        judged = np.array([judge(*found[entry['file']], place) for entry in listed for place in entry['places']])
        nearest, inner = judged.mean(axis=0)
        print(f'output stride {stride:2}: {len(judged)} placed photos, right in the cell nearest to their middle: '
              f'{100 * nearest:.1f} %, in most cells over their inner half: {100 * inner:.1f} %')
        failed |= nearest < arguments.least
    sys.exit(1 if failed else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    making = verbs.add_parser('make')
    making.add_argument('photos', type=pathlib.Path)
    making.add_argument('out', type=pathlib.Path)
    for option, default in (('count', 40), ('columns', 3), ('rows', 2), ('side', 300)):
        making.add_argument(f'--{option}', type=int, default=default)
    making.add_argument('--mirrored', action='store_true')
    making.set_defaults(run=make)
    measuring = verbs.add_parser('measure')
    measuring.add_argument('out', type=pathlib.Path)
    measuring.add_argument('--lorgnette', required=True)
    measuring.add_argument('--output-stride', type=int, nargs='+', default=[32, 16, 8])
    measuring.add_argument('--least', type=float, default=0)
    measuring.set_defaults(run=measure)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == '__main__':
    main()
