"""How much of a whole answer is right: not of the first ten photos, but of all that a search finds.

    python3 oracle/collages.py make PHOTOS COLLAGES --count 60 --side 220
    lorgnette index COLLAGES --library LIBRARY
    python3 oracle/precision.py --library LIBRARY --lorgnette target/release/lorgnette [--thresholds 0.05 0.1 0.2]

What is in a photo is known from its name (`n01491361_tiger_shark.JPEG`, as in ../shared/photos) or, for a collage, from
the `collages.json` beside it. Photos of which nothing is known are left out of the count. Three kinds of queries are asked,
each without a limit:

    names    every class that is in a photo, by its first name
    kinds    what people say: dog, bird, vehicle ...; right is a photo of anything that the word covers
    places   every class of a collage in its place ("tiger shark in the top left")

A photo may show more than its name says (a dog in a car), so the precision of names and kinds is a lower bound. A line for
each threshold, which is written into the query ("probability >= 0.1"), and one for the query as it is:

    precision   right photos among all found          recall   found ones among all right
    F1          2 PR / (P + R)                        queries without a right one are counted too: all that they find is wrong

With --least it fails if the precision of names, with the program's own threshold, is below that share.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import sys

KINDS = """animal bird dog cat fish snake lizard frog spider insect butterfly monkey bear fox fruit vegetable vehicle car truck bus
train boat ship aircraft bicycle furniture chair instrument tool weapon ball bottle cup hat dress shoe bag clock computer phone food flower
mushroom building bridge person""".split()
ROOT = pathlib.Path(__file__).resolve().parent.parent


def labels():
    """Names and synsets of the thousand classes."""
    lines = (line.split(' ', 1) for line in (ROOT / 'crates/lorgnette/src/labels/imagenet.txt').read_text().splitlines())
    return {synset: name.split(',')[0].strip() for synset, name in lines}


class Truth:
    """What is known of the photos of a library."""

    def __init__(self, library):
        self.synsets, self.places = {}, {}
        listed = {}
        with sqlite3.connect(f'file:{library}?mode=ro', uri=True) as connection:
            paths = [pathlib.Path(bytes(path).decode()) for path, in connection.execute('SELECT path FROM photo WHERE state = 0')]
        for path in paths:
            if path.parent not in listed:
                file = path.parent / 'collages.json'
                listed[path.parent] = {entry['file']: entry['places'] for entry in json.loads(file.read_text())} if file.exists() else {}
            places = listed[path.parent].get(path.name)
            if places is not None:
                self.add_collage(str(path), places)
            elif found := re.match(r'n\d{8}', path.name):
                self.synsets[str(path)] = {found.group()}

    def add_collage(self, path, places):
        self.synsets[path] = {place['synset'] for place in places}
        lefts, tops = ([sorted({place['box'][side] for place in places}) for side in (0, 1)])
        rows = {3: ['top', 'middle', 'bottom'], 2: ['top', 'bottom']}[len(tops)]
        columns = {3: ['left', 'center', 'right'], 2: ['left', 'right']}[len(lefts)]
        for place in places:
            words = f"{rows[tops.index(place['box'][1])]} {columns[lefts.index(place['box'][0])]}"
            self.places.setdefault((place['synset'], words), set()).add(path)

    def of(self, synsets):
        return {path for path, own in self.synsets.items() if own & synsets}


class Program:
    def __init__(self, file, library):
        self.file, self.library = file, library

    def lines(self, *words):
        done = subprocess.run([self.file, *words, '--format', 'json', '--quiet'], capture_output=True, text=True)
        return [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []

    def search(self, text):
        return {answer['photo'] for answer in self.lines('search', text, '--library', self.library, '--limit', '100000')}


def covered(vocabulary, word):
    """The synsets that a word covers, as the program says."""
    done = subprocess.run([vocabulary, 'classes', word, '--format', 'json', '--quiet'], capture_output=True, text=True)
    return {json.loads(line)['synset'] for line in done.stdout.splitlines()}


def questions(truth, vocabulary):
    """(kind, text, right photos)"""
    names = labels()
    for synset in sorted(set().union(*truth.synsets.values())):
        yield 'names', f'"{names[synset]}"', truth.of({synset})
    for word in KINDS:
        if synsets := covered(vocabulary, word):
            yield 'kinds', word, truth.of(synsets)
    for (synset, words), right in sorted(truth.places.items()):
        yield 'places', f'"{names[synset]}" in the {words}', right


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--library', required=True)
    parser.add_argument('--lorgnette', required=True)
    parser.add_argument('--vocabulary', help='the program that says what a word covers, if not the same')
    parser.add_argument('--thresholds', type=float, nargs='*', default=[0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5])
    parser.add_argument('--every', type=int, default=1, help='ask every so manieth question of places')
    parser.add_argument('--least', type=float)
    arguments = parser.parse_args()
    truth = Truth(arguments.library)
    program = Program(arguments.lorgnette, arguments.library)
    asked = list(questions(truth, arguments.vocabulary or arguments.lorgnette))
    known = set(truth.synsets)
    print(f'{len(known)} photos of which something is known, {len(asked)} queries')
    print(f'{"":8}{"threshold":>10}{"found":>8}{"right":>8}{"precision":>11}{"recall":>8}{"F1":>7}')
    failed = False
    pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
    for kind in ('names', 'kinds', 'places'):
        own = [(text, right) for number, (k, text, right) in enumerate(asked) if k == kind and (kind != 'places' or number % arguments.every == 0)]
        for threshold in [None, *arguments.thresholds]:
            found = hits = there = 0
            texts = [text if threshold is None else f'{text} probability >= {threshold}' for text, _ in own]
            for answer, (_, right) in zip(pool.map(program.search, texts), own):
                answer &= known
                found, hits, there = found + len(answer), hits + len(answer & right), there + len(right)
            precision, recall = hits / max(1, found), hits / max(1, there)
            f1 = 2 * precision * recall / max(1e-9, precision + recall)
            name = 'own' if threshold is None else f'{threshold:.2f}'
            print(f'{kind:8}{name:>10}{found:8}{hits:8}{precision:11.3f}{recall:8.3f}{f1:7.3f}', flush=True)
            failed |= kind == 'names' and threshold is None and arguments.least is not None and precision < arguments.least
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
