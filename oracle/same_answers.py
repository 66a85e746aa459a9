#!/usr/bin/env python3
"""Compares the answers of two builds of the program, bit for bit.

    oracle/same_answers.py OLD NEW WORK --photos DIR [--collages DIR] [--flowers DIR]

Runs classify, map, embed, blur, index, search, train and evaluate with both programs over the same files and compares
the JSON they print and the arrays, pictures and weights they write. Fields that only NEW has are allowed and listed;
everything else must be equal: numbers to their last digit, files to their last byte. Needs Python alone.
"""
import argparse
import filecmp
import json
import os
import pathlib
import shutil
import subprocess
import sys

QUERIES = (
    'school bus', 'dog', 'dog in the middle', 'animal left of vehicle', 'school bus in the middle AND NOT dog',
    'bird in the top left corner OR fish', 'dog count >= 2', 'animal covering > 30%', 'cat probability > 0.6',
    'dog above cat', 'container inside furniture',
)


class Builds:
    """Both programs, each with a folder of its own."""

    def __init__(self, old, new, work):
        self.programs = {'old': old, 'new': new}
        self.work = work
        self.checks, self.faults, self.added = 0, [], set()
        for name in self.programs:
            shutil.rmtree(work / name, ignore_errors=True)
            (work / name / 'home').mkdir(parents=True)

    def run(self, what, *arguments, codes=(0,)):
        """The lines of JSON that both print for the same arguments, run in their own folders."""
        answers = {}
        for name, program in self.programs.items():
            environment = dict(os.environ, LORGNETTE_HOME=str(self.work / name / 'home'))
            done = subprocess.run([program, *map(str, arguments), '--quiet'], cwd=self.work / name, env=environment,
                                  capture_output=True, text=True)
            if done.returncode not in codes:
                self.faults.append(f'{what}: {name} ends with {done.returncode}: {done.stderr.strip()[-300:]}')
            answers[name] = (done.returncode, done.stdout)
        (old_code, old), (new_code, new) = answers['old'], answers['new']
        self.checks += 1
        if old_code != new_code:
            self.faults.append(f'{what}: exit code {old_code} became {new_code}')
        if '--format' in arguments and 'json' in arguments:
            old_lines, new_lines = ([json.loads(line) for line in text.splitlines()] for text in (old, new))
            if len(old_lines) != len(new_lines):
                self.faults.append(f'{what}: {len(old_lines)} lines became {len(new_lines)}')
            for number, pair in enumerate(zip(old_lines, new_lines), 1):
                self.compare(f'{what}, line {number}', *pair)

    def compare(self, where, old, new):
        """Notes differences of two JSON values; objects of the new one may have more fields."""
        if isinstance(old, dict) and isinstance(new, dict):
            self.added.update(f'{where.split(",")[0]}: {key}' for key in new.keys() - old.keys())
            for key, value in old.items():
                if key not in new:
                    self.faults.append(f'{where}: {key} is gone')
                elif key not in ('seconds', 'time', 'created', 'program'):
                    self.compare(f'{where}.{key}', value, new[key])
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for place, pair in enumerate(zip(old, new)):
                self.compare(f'{where}[{place}]', *pair)
        elif old != new or type(old) is not type(new):
            self.faults.append(f'{where}: {str(old)[:80]} became {str(new)[:80]}')

    def files(self, what, folder, pattern):
        """Compares files that both wrote, byte for byte."""
        old, new = (sorted(path.relative_to(self.work / name) for path in (self.work / name / folder).rglob(pattern))
                    for name in self.programs)
        if old != new or not old:
            self.faults.append(f'{what}: {len(old)} files {pattern} became {len(new)}')
        for path in set(old) & set(new):
            self.checks += 1
            if not filecmp.cmp(self.work / 'old' / path, self.work / 'new' / path, shallow=False):
                self.faults.append(f'{what}: {path} differs')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('old')
    parser.add_argument('new')
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--photos', type=pathlib.Path, required=True)
    parser.add_argument('--collages', type=pathlib.Path)
    parser.add_argument('--flowers', type=pathlib.Path)
    options = parser.parse_args()
    photos = options.photos.resolve()
    builds = Builds(os.path.abspath(options.old), os.path.abspath(options.new), options.work.resolve())
    builds.run('classify', 'classify', photos, '--format', 'json', '--top', '1001')
    builds.run('classify --decode reduced', 'classify', photos, '--format', 'json', '--decode', 'reduced')
    builds.run('classify --precision auto', 'classify', photos, '--format', 'json', '--precision', 'auto')
    builds.run('map', 'map', photos, '--format', 'json', '--scale', '1')
    builds.run('map --output-stride 16', 'map', photos, '--format', 'json', '--output-stride', '16', '--scale', '1',
               '--npy', 'maps')
    builds.files('map --npy', 'maps', '*.npy')
    builds.run('embed', 'embed', photos, '--format', 'json', '--npy', 'features.npy')
    builds.files('embed --npy', '.', 'features.npy')
    builds.run('blur', 'blur', photos, '--class', 'animal', '--class', 'vehicle', '--out', 'blurred', '--format', 'json',
               '--scale', '1', codes=(0, 1))
    builds.files('blur', 'blurred', '*.*')
    for name, folder in (('photos', photos), ('collages', options.collages)):
        if folder is None:
            continue
        library = f'{name}.lgn'
        builds.run(f'index {name}', 'index', folder.resolve(), '--library', library, '--format', 'json')
        for query in QUERIES:
            builds.run(f'search {name}: {query}', 'search', query, '--library', library, '--format', 'json',
                       '--limit', '1000', codes=(0, 1))
    if options.flowers:
        flowers = options.flowers.resolve()
        for recipe in ('default', 'tutorial'):
            model = f'{recipe}.model'
            steps = ('--steps', '300') if recipe == 'tutorial' else ()
            builds.run(f'train {recipe}', 'train', flowers, '--out', model, '--recipe', recipe, '--format', 'json',
                       '--cache', 'features.cache', *steps, codes=(0, 1))
            builds.files(f'train {recipe}', model, '*.npy')
            builds.files(f'train {recipe}', model, 'split.csv')
            builds.run(f'evaluate {recipe}', 'evaluate', model, flowers, '--format', 'json')
            builds.run(f'classify by {recipe}', 'classify', flowers, '--model', model, '--format', 'json')
    for fault in builds.faults[:50]:
        print(fault, file=sys.stderr)
    if builds.added:
        print('added fields: ' + '; '.join(sorted(builds.added)))
    print(f'{builds.checks} comparisons, {len(builds.faults)} differences')
    return 1 if builds.faults else 0


if __name__ == '__main__':
    sys.exit(main())
