"""Things of known sizes pasted into large scenes: how much `blur` hides of them and of the rest, and what `map` says.

    python3 oracle/pasted.py WORK --lorgnette PROGRAM --photos FOLDER --ground PHOTO... [--sizes 60,120,...]
        [--scene 4000x3000] [--things NAME...]

FOLDER has photos named SYNSET_name, as ../shared/photos has. A thing is a whole photo, scaled so that its longer side
has one of the sizes, in a scene of a ground photo. Every scene is blurred and mapped at the default pyramid of scales and
at `--scale 1`, the only scale of older builds. Needs numpy and pillow.
"""
import argparse
import collections
import json
import pathlib
import random
import subprocess
import sys

import numpy as np
from PIL import Image

Image.MAX_IMAGE_PIXELS = None
# A colour that no photo has much of.
HIDDEN = (1, 255, 3)
THINGS = ['n02088466', 'n02123394', 'n02130308', 'n07697313', 'n02279972']
# Names that several classes are kinds of, for the things that people name so.
NAMES = {'n02088466': 'dog', 'n02123394': 'cat'}


def scene(thing, ground, size, shape, number):
    """The scene, and the box of the thing in it."""
    picture = Image.open(ground).convert('RGB').resize(shape, Image.BICUBIC)
    thing = Image.open(thing).convert('RGB')
    factor = size / max(thing.size)
    thing = thing.resize([max(1, round(side * factor)) for side in thing.size], Image.LANCZOS)
    place = random.Random(number)
    left, top = (place.randint(0, max(0, whole - side)) for whole, side in zip(shape, thing.size))
    picture.paste(thing, (left, top))
    return picture, [left, top, min(left + thing.width, shape[0]), min(top + thing.height, shape[1])]


def run(program, *words):
    answer = subprocess.run([program, *map(str, words), '--quiet'], capture_output=True, text=True)
    if answer.returncode:
        sys.exit(answer.stderr)
    return answer.stdout


def hidden(program, path, out, name, options):
    """For each pixel whether `blur` hides it."""
    colour = '%02x%02x%02x' % HIDDEN
    run(program, 'blur', path, '--class', name, '--how', 'fill', '--colour', colour, '--feather', 0, '--out', out,
        *options)
    return (np.asarray(Image.open(out).convert('RGB')) == HIDDEN).all(-1)


def class_at(program, path, box, options):
    """The index of the class of the cell nearest to the box's middle."""
    answer = json.loads(run(program, 'map', path, '--format', 'json', *options))
    middle = [(box[1] + box[3]) / 2, (box[0] + box[2]) / 2]
    sides = [answer['rows'], answer['columns']]
    row, column = (min(max(round((at - first) / answer['stride']), 0), side - 1)
                   for at, first, side in zip(middle, answer['first'], sides))
    return answer['cells'][row][column]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', required=True)
    parser.add_argument('--photos', type=pathlib.Path, required=True)
    parser.add_argument('--ground', nargs='+', required=True)
    parser.add_argument('--things', nargs='+', default=THINGS)
    parser.add_argument('--sizes', default='60,120,240,480,960,1920,3000')
    parser.add_argument('--scene', default='4000x3000')
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    shape = tuple(int(side) for side in arguments.scene.split('x'))
    program = arguments.lorgnette
    found = collections.defaultdict(list)
    number = 0
    for synset in arguments.things:
        thing = next(arguments.photos.glob(f'{synset}_*'))
        alone = json.loads(run(program, 'classify', thing, '--top', 1, '--format', 'json'))['predictions'][0]
        for size in map(int, arguments.sizes.split(',')):
            number += 1
            picture, box = scene(thing, arguments.ground[number % len(arguments.ground)], size, shape, number)
            path = arguments.work / 'scene.png'
            picture.save(path, compress_level=1)
            inside = np.zeros(shape[::-1], bool)
            inside[box[1]:box[3], box[0]:box[2]] = True
            for name, options in (('pyramid', []), ('scale 1', ['--scale', '1'])):
                covered = hidden(program, path, arguments.work / 'out.png', NAMES.get(synset, synset), options)
                right = class_at(program, path, box, options) == alone['index']
                found[size, name].append([covered[inside].mean(), covered[~inside].mean(), right])
            print(thing.name, size, *(f'{name}: {found[size, name][-1]}' for name in ('pyramid', 'scale 1')), flush=True)
    print(f'\n{"":>6}  {"pyramid":^26}  {"--scale 1":^26}')
    print(f'{"size":>6}  {"hidden":>8} {"rest":>8} {"class":>8}  {"hidden":>8} {"rest":>8} {"class":>8}')
    for size in sorted({size for size, _ in found}):
        columns = []
        for name in ('pyramid', 'scale 1'):
            thing, rest, right = (100 * np.mean(column) for column in zip(*found[size, name]))
            columns.append(f'{thing:6.1f} % {rest:6.1f} % {right:6.0f} %')
        print(f'{size:>6}  ' + '  '.join(columns))


if __name__ == '__main__':
    main()
