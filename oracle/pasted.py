"""Things of known sizes and outlines pasted into large scenes: how much `blur` hides of them and of the rest, what `map`
says in their middle, and how well outlines follow them.

    python3 oracle/pasted.py cut PHOTOS CUTOUTS
    python3 oracle/pasted.py show CUTOUTS WORK --lorgnette PROGRAM [--earlier PROGRAM] --ground PHOTO... [--half judge]
        [--things SYNSET...] [--sizes 60,120,...] [--scene 4000x3000] [--every-ground] [--known]
        [--outlines | --blur-only | --map-only] [--seed N]

`cut` needs OpenCV: it cuts the things out of photos named SYNSET_name, as ../shared/photos has, by GrabCut from the boxes
below, or from all but the border, and writes SYNSET.png with an alpha channel. `show` pastes each at each size into a scene
made of a ground photo and asks the program, and an earlier one beside it, with its default options. Constants of `blur` are
to be chosen on the half `choose` and judged on `judge`, with other grounds and seeds; `others` are all other cutouts.
`--known` leaves out things that `classify` does not know alone at that size. Answers are kept in WORK/answers.jsonl, so
that a stopped run goes on.

    hidden  mean share of the thing that `blur` hides          rest   mean share of everything else that it hides
    whole   things of which it hides at least 95 %             time   its mean time, of seconds, or that of `map`
    map     things with their own class in the middle of `map`
    alone   the same by `classify`, cut out at this size, on grey
    cells   intersection over union of the thing and the cells of its class in `map`
    outline the same of the class's regions with `--refine yes`

Needs numpy and Pillow.
"""
import argparse
import collections
import json
import pathlib
import random
import subprocess
import sys
import time

import numpy as np
from PIL import Image

Image.MAX_IMAGE_PIXELS = None
# A colour that no photo has much of.
HIDDEN = (1, 255, 3)
# Shares of a photo between which what was cut out is taken for the thing.
MIN_SHARE, MAX_SHARE = .1, .8
# Synset, the name that `blur` is given, and a box around the thing as shares: left, top, right, bottom.
THINGS = {
    'choose': {
        'n02091244': ('dog', (.05, .03, .97, .98)),
        'n02487347': ('macaque', (.05, .03, .97, .98)),
        'n03444034': ('go-kart', (.03, .1, .97, .95)),
        'n07873807': ('pizza', (.03, .03, .97, .97)),
    },
    'judge': {
        'n01829413': ('hornbill', (.05, .03, .95, .97)),
        'n02085936': ('dog', (.05, .05, .95, .95)),
        'n02123394': ('cat', (.05, .05, .95, .95)),
        'n02397096': ('warthog', (.05, .05, .95, .95)),
    },
}


def cut(photos, out):
    """Cuts the things out along their outlines."""
    import cv2
    out.mkdir(parents=True, exist_ok=True)
    boxes = {synset: box for half in THINGS.values() for synset, (_, box) in half.items()}
    for photo in sorted(photos.glob('n*_*')):
        synset = photo.name.split('_')[0]
        box = boxes.get(synset, (.05, .05, .95, .95))
        picture = cv2.imread(str(photo))
        height, width = picture.shape[:2]
        left, top, right, bottom = (round(share * side) for share, side in zip(box, (width, height) * 2))
        mask = np.zeros((height, width), np.uint8)
        cv2.setRNGSeed(1)
        cv2.grabCut(picture, mask, (left, top, right - left, bottom - top), np.zeros((1, 65)), np.zeros((1, 65)), 8,
                    cv2.GC_INIT_WITH_RECT)
        inside = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
        inside = cv2.morphologyEx(inside, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
        inside = cv2.morphologyEx(inside, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        _, parts, statistics, _ = cv2.connectedComponentsWithStats(inside)
        areas = statistics[1:, cv2.CC_STAT_AREA]
        alpha = np.where(parts == 1 + areas.argmax(), 255, 0).astype(np.uint8) if len(areas) else inside
        if not MIN_SHARE <= (alpha > 0).mean() <= MAX_SHARE:
            print(synset, 'has no outline')
            continue
        Image.fromarray(np.dstack([picture[..., ::-1], alpha])).save(out / f'{synset}.png')
        print(synset, f'{(alpha > 0).mean():.0%} of the photo')


def sized(cutout, size):
    """The thing of a cutout, without what is around it, so large that its longer side has a size."""
    thing = Image.open(cutout)
    thing = thing.crop(thing.getchannel('A').getbbox())
    factor = size / max(thing.size)
    return thing.resize([max(1, round(side * factor)) for side in thing.size], Image.LANCZOS)


def middle(inside):
    """A point where `inside` is true, as deep in it as rows and columns tell: down and across."""
    rows, columns = np.where(inside)
    nearest = np.hypot(rows - rows.mean(), columns - columns.mean()).argmin()
    return rows[nearest], columns[nearest]


class Scene:
    """A ground with a thing in it: the picture, and for each pixel whether the thing is there."""

    def __init__(self, thing, ground, size, shape, seed):
        self.picture = Image.open(ground).convert('RGB').resize(shape, Image.BICUBIC)
        self.thing = sized(thing, size)
        place = random.Random(seed)
        corner = tuple(place.randint(0, max(0, whole - side)) for whole, side in zip(shape, self.thing.size))
        self.picture.paste(self.thing.convert('RGB'), corner, self.thing.getchannel('A'))
        mask = Image.new('L', shape)
        mask.paste(self.thing.getchannel('A'), corner)
        self.inside = np.asarray(mask) > 127

    def alone(self):
        """The thing on grey, with a tenth of its side around it."""
        border = max(self.thing.size) // 10
        alone = Image.new('RGB', [side + 2 * border for side in self.thing.size], (128, 128, 128))
        alone.paste(self.thing.convert('RGB'), (border, border), self.thing.getchannel('A'))
        return alone


def run(program, *words):
    answer = subprocess.run([program, *map(str, words), '--quiet'], capture_output=True, text=True)
    if answer.returncode:
        sys.exit(f'{program} {" ".join(map(str, words))}: {answer.stderr}')
    return answer.stdout


def hidden(program, path, out, name):
    """For each pixel whether `blur` hides it."""
    colour = '%02x%02x%02x' % HIDDEN
    run(program, 'blur', path, '--class', name, '--how', 'fill', '--colour', colour, '--feather', 0, '--out', out)
    return (np.asarray(Image.open(out).convert('RGB')) == HIDDEN).all(-1)


def regions(coco, synset, shape):
    """For each pixel whether it is in a region of the class, by the run lengths of a COCO file."""
    inside = np.zeros(shape[0] * shape[1], bool)
    found = json.loads(coco.read_text())
    classes = {category['id'] for category in found['categories'] if category.get('synset') == synset}
    for annotation in found['annotations']:
        if annotation['category_id'] not in classes:
            continue
        ends = np.cumsum(annotation['segmentation']['counts'])
        for start, end in zip(ends[::2], ends[1::2]):
            inside[start:end] = True
    return inside.reshape(shape[1], shape[0]).T


def overlap(found, inside):
    return float((found & inside).sum() / max(1, (found | inside).sum()))


def ask(program, scene, path, arguments, thing, outlines):
    """The program's answers about a scene."""
    (synset, name), work = thing, arguments.work
    started = time.monotonic()
    found = {}
    if not arguments.map_only:
        covered = hidden(program, path, work / 'out.png', name)
        found = {
            'time': time.monotonic() - started,
            'hidden': float(covered[scene.inside].mean()),
            'rest': float(covered[~scene.inside].mean()),
        }
    if arguments.blur_only:
        return found
    coco = work / 'regions.json'
    options = ['--coco', coco, '--refine', 'yes'] if outlines else []
    started = time.monotonic()
    answer = json.loads(run(program, 'map', path, '--format', 'json', *options))
    found.setdefault('time', time.monotonic() - started)
    sides = [answer['rows'], answer['columns']]
    nearest = [np.clip(np.round((np.arange(length) + .5 - first) / answer['stride']).astype(int), 0, side - 1)
               for length, first, side in zip(scene.inside.shape, answer['first'], sides)]
    row, column = (cells[at] for cells, at in zip(nearest, middle(scene.inside)))
    classes = {entry['index']: entry['synset'] for entry in answer['legend']}
    found['map'] = classes.get(answer['cells'][row][column]) == synset
    if outlines:
        shape = scene.inside.shape
        is_class = np.array([[classes.get(cell) == synset for cell in row] for row in answer['cells']])
        found['cells'] = overlap(is_class[nearest[0]][:, nearest[1]], scene.inside)
        found['outline'] = overlap(regions(coco, synset, shape), scene.inside)
    return found


def things(arguments):
    """The synsets of the half, and the name of each."""
    named = {synset: name for half in THINGS.values() for synset, (name, _) in half.items()}
    if arguments.half == 'others':
        return {path.stem: path.stem for path in arguments.cutouts.glob('*.png') if path.stem not in named}
    return {synset: named[synset] for synset in THINGS[arguments.half]}


def show(arguments):
    arguments.work.mkdir(parents=True, exist_ok=True)
    shape = tuple(int(side) for side in arguments.scene.split('x'))
    programs = {'now': arguments.lorgnette}
    if arguments.earlier:
        programs['earlier'] = arguments.earlier
    kept = arguments.work / 'answers.jsonl'
    known = {tuple(line['key']): line for line in map(json.loads, kept.read_text().splitlines())} if kept.exists() else {}
    number = 0
    for size in map(int, arguments.sizes.split(',')):
        for synset, name in sorted(things(arguments).items()):
            if arguments.things and synset not in arguments.things:
                continue
            number += 1
            grounds = arguments.ground if arguments.every_ground else [arguments.ground[number % len(arguments.ground)]]
            for ground in grounds:
                key = (synset, size, arguments.scene, ground, arguments.seed)
                if key in known:
                    continue
                scene = Scene(arguments.cutouts / f'{synset}.png', ground, size, shape, f'{arguments.seed}-{synset}-{size}')
                path = arguments.work / 'scene.png'
                scene.alone().save(path)
                top = json.loads(run(arguments.lorgnette, 'classify', path, '--top', 1, '--format', 'json'))['predictions'][0]
                scene.picture.save(path, compress_level=1)
                line = {'key': key, 'alone': top['synset'] == synset}
                if arguments.known and not line['alone']:
                    continue
                for label, program in programs.items():
                    outlines = arguments.outlines and label == 'now'
                    line[label] = ask(program, scene, path, arguments, (synset, name), outlines)
                known[key] = line
                with kept.open('a') as file:
                    print(json.dumps(line), file=file)
                print(synset, name, size, pathlib.Path(ground).name, {label: line[label] for label in programs}, flush=True)
    table(known.values(), programs)


def table(lines, programs):
    """Means by size."""
    by_size = collections.defaultdict(list)
    for line in lines:
        by_size[line['key'][1]].append(line)
    print('\n| longer side | things | alone |' + ''.join(f' {label}: hidden | whole | rest | time | map |' for label in programs) + ' cells | outline |')
    print('|--:|--:|--:|' + '--:|--:|--:|--:|--:|' * len(programs) + '--:|--:|')
    percent = lambda values: f'{100 * np.mean(values):.1f} %' if len(values) else ''
    for size, found in sorted(by_size.items()):
        row = [size, len(found), percent([line['alone'] for line in found])]
        for label in programs:
            answers = [line[label] for line in found if label in line]
            values = lambda what: [answer[what] for answer in answers if what in answer]
            row += [percent(values('hidden')), percent([share >= .95 for share in values('hidden')]), percent(values('rest')),
                    f"{np.mean(values('time') or [0]):.1f} s", percent(values('map'))]
        row += [percent([line['now'][what] for line in found if what in line['now']]) for what in ('cells', 'outline')]
        print('| ' + ' | '.join(map(str, row)) + ' |')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest='step', required=True)
    step = steps.add_parser('cut')
    step.add_argument('photos', type=pathlib.Path)
    step.add_argument('cutouts', type=pathlib.Path)
    step = steps.add_parser('show')
    step.add_argument('cutouts', type=pathlib.Path)
    step.add_argument('work', type=pathlib.Path)
    step.add_argument('--lorgnette', required=True)
    step.add_argument('--earlier', help='a build of before, asked with its own default options')
    step.add_argument('--ground', nargs='+', required=True)
    step.add_argument('--half', choices=[*THINGS, 'others'], default='judge')
    step.add_argument('--things', nargs='+', help='only these of the half')
    step.add_argument('--sizes', default='60,120,240,480,960,1920,3000')
    step.add_argument('--scene', default='4000x3000')
    step.add_argument('--seed', type=int, default=1)
    step.add_argument('--every-ground', action='store_true', help='each thing in each ground, not in one of them')
    step.add_argument('--outlines', action='store_true')
    step.add_argument('--blur-only', action='store_true', help='ask `blur` alone')
    step.add_argument('--map-only', action='store_true', help='ask `map` alone')
    step.add_argument('--known', action='store_true', help='only things that `classify` knows alone at that size')
    arguments = parser.parse_args()
    if arguments.step == 'cut':
        cut(arguments.photos, arguments.cutouts)
    else:
        show(arguments)


if __name__ == '__main__':
    main()
