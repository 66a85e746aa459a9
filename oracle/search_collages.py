"""How well the program finds collages with known contents by what is where in them, and tells them from their mirror images.

    python3 oracle/collages.py make PHOTOS COLLAGES --count 200 --mirrored
    lorgnette index COLLAGES --library LIBRARY
    python3 oracle/search_collages.py COLLAGES --library LIBRARY --lorgnette target/release/lorgnette

Of each collage that is no mirror image it asks for two and for three of its photos, by name: each in its place (`tiger
shark in the top left AND snail in the bottom right`), one beside another (`tiger shark left of snail AND ...`), and for
photos like a copy of it that is smaller, darker and compressed harder, with and without one of them in its place. A
collage is right if it has all of that where the query says, whether it is the one that was meant or not.

    precision at n: right ones among the first n found      recall at n: the right ones that are among the first n,
                                                             of as many as could be

With --least it fails if precision or recall at rank 1 of a kind falls below that share, or a mirror image comes first.
Needs Pillow.
"""
import argparse
import itertools
import json
import pathlib
import random
import subprocess
import sys
import tempfile

from PIL import Image, ImageEnhance


def names(lorgnette_labels):
    """The first name of each synset."""
    lines = (line.split(' ', 1) for line in lorgnette_labels.read_text().splitlines())
    return {synset: name.split(',')[0].strip() for synset, name in lines}


class Collage:
    """A picture, and the cell of each synset in it: row and column."""

    def __init__(self, folder, entry):
        self.path = folder / entry['file']
        self.mirror = entry['file'].endswith('-mirrored.jpg')
        self.meant = entry['file'].replace('-mirrored', '')
        lefts = sorted({place['box'][0] for place in entry['places']})
        tops = sorted({place['box'][1] for place in entry['places']})
        self.columns, self.rows = len(lefts), len(tops)
        self.cells = {
            place['synset']: (tops.index(place['box'][1]), lefts.index(place['box'][0])) for place in entry['places']
        }

    def place(self, synset):
        """The words for a cell of a grid of two or three rows and columns."""
        row, column = self.cells[synset]
        rows = ['top', 'middle', 'bottom'] if self.rows == 3 else ['top', 'bottom']
        columns = ['left', 'center', 'right'] if self.columns == 3 else ['left', 'right']
        return f'{rows[row]} {columns[column]}'


def in_place(collage, synset):
    """A condition, and the question whether another collage meets it."""
    cell = collage.cells[synset]
    return f'{{{synset}}} in the {collage.place(synset)}', lambda other: other.cells.get(synset) == cell


def beside(collage, synset, other_synset):
    """How one photo lies to another: left of it, or above it, whichever is plain."""
    (row, column), (other_row, other_column) = collage.cells[synset], collage.cells[other_synset]
    words, axis, sign = {
        True: ('left of' if column < other_column else 'right of', 1, column < other_column),
        False: ('above' if row < other_row else 'below', 0, row < other_row),
    }[column != other_column]

    def holds(found):
        if synset not in found.cells or other_synset not in found.cells:
            return False
        a, b = found.cells[synset][axis], found.cells[other_synset][axis]
        return a < b if sign else a > b

    return f'{{{synset}}} {words} {{{other_synset}}}', holds


def queries(collage, chance, altered):
    """Kinds of queries for a collage: kind, text, what must hold."""
    a, b, c, d = chance.sample(sorted(collage.cells), 4)
    like = f'like "{altered}"', lambda other: other.meant == collage.meant
    itself = f'like "{altered}"', lambda other: other.path == collage.path
    yield 'two places', [in_place(collage, a), in_place(collage, b)]
    yield 'three places', [in_place(collage, a), in_place(collage, b), in_place(collage, c)]
    yield 'one beside another', [beside(collage, a, b)]
    yield 'one beside another, one in a place', [beside(collage, a, b), in_place(collage, c)]
    yield 'three: beside, in a place, there', [beside(collage, a, b), in_place(collage, c), (f'{{{d}}}', lambda other: d in other.cells)]
    yield 'like, it or its mirror image', [like]
    yield 'like, itself', [itself]
    yield 'like, one in a place', [like, in_place(collage, a)]


def search(arguments, text):
    words = [arguments.lorgnette, 'search', text, '--library', arguments.library, '--limit', '10', '--format', 'json', '--quiet']
    done = subprocess.run([*map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f'{text}: {done.stderr}')
    return [pathlib.Path(json.loads(line)['photo']).name for line in done.stdout.splitlines()]


class Tally:
    def __init__(self):
        self.figures, self.mirrors, self.example = [], 0, ''

    def add(self, found, right, is_mirror):
        hits = [name in right for name in found]
        self.mirrors += bool(found) and is_mirror(found[0])
        self.figures.append([
            sum(hits[:1]) / 1, sum(hits[:1]) / min(1, len(right)),
            sum(hits[:10]) / max(1, len(hits[:10])), sum(hits[:10]) / min(10, len(right)),
        ])

    def means(self):
        return [sum(column) / len(self.figures) for column in zip(*self.figures)]


def alter(path, out):
    """A copy that is smaller, darker and compressed harder."""
    with Image.open(path) as picture:
        small = picture.resize((round(picture.width * 0.8), round(picture.height * 0.8)), Image.BICUBIC)
    ImageEnhance.Brightness(small).enhance(0.85).save(out, quality=60)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('collages', type=pathlib.Path)
    parser.add_argument('--library', required=True)
    parser.add_argument('--lorgnette', required=True)
    parser.add_argument('--queries', type=int, help='ask for so many collages only')
    parser.add_argument('--least', type=float)
    arguments = parser.parse_args()
    labels = names(pathlib.Path(__file__).resolve().parent.parent / 'crates/lorgnette/src/labels/imagenet.txt')
    listed = json.loads((arguments.collages / 'collages.json').read_text())
    collages = [Collage(arguments.collages, entry) for entry in listed]
    originals = [collage for collage in collages if not collage.mirror]
    chance, tallies = random.Random(1), {}
    with tempfile.TemporaryDirectory() as folder:
        altered = pathlib.Path(folder) / 'copy.jpg'
        for collage in itertools.islice(originals, arguments.queries):
            alter(collage.path, altered)
            for kind, conditions in queries(collage, chance, altered):
                text = ' AND '.join(text.format(**labels) for text, _ in conditions)
                right = {other.path.name for other in collages if all(holds(other) for _, holds in conditions)}
                tally = tallies.setdefault(kind, Tally())
                tally.example = tally.example or text
                mirrors = {other.path.name for other in collages if other.meant == collage.meant and other.mirror}
                tally.add(search(arguments, text), right, lambda first: first in mirrors - right)
    report(tallies, arguments, len(collages))


def report(tallies, arguments, count):
    first = next(iter(tallies.values()))
    print(f'{count} collages, {len(first.figures)} of each kind of query')
    print(f'{"":40} precision at 1  recall at 1  precision at 10  recall at 10  mirror image first')
    failed = False
    for kind, tally in tallies.items():
        p1, r1, p10, r10 = (100 * mean for mean in tally.means())
        print(f'{kind:40} {p1:12.1f} % {r1:10.1f} % {p10:14.1f} % {r10:11.1f} % {tally.mirrors:19}')
        failed |= tally.mirrors > 0 or min(p1, r1) < 100 * (arguments.least or 0)
    for kind, tally in tallies.items():
        print(f'  {kind}: {tally.example}')
    sys.exit(1 if failed and arguments.least is not None else 0)


if __name__ == '__main__':
    main()
