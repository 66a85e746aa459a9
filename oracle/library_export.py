"""Tables that the program exports of a library, read by others: Parquet by Arrow, CSV by Python, both beside the library itself.

    DIR/bin/python oracle/library_export.py WORK --lorgnette target/release/lorgnette

Indexes made-up photos in the folder WORK (some of them unreadable, one with a path that is no text, one corrected), exports
every table in both formats, and compares each value with what Python's own SQLite reads in the library. Needs pyarrow and
numpy. Prints one line a table and closes with `N passed, N failed`; exit code 1 if any failed.
"""
import argparse
import csv
import os
import pathlib
import random
import sqlite3
import subprocess
import sys

import numpy as np
import pyarrow
import pyarrow.parquet

from library_hardships import bmp, make_photos

PHOTOS = '''SELECT path, CASE state WHEN 0 THEN 'present' WHEN 1 THEN 'vanished' ELSE 'unreadable' END, reason, digest, bytes, modified,
                   taken, width, height, orientation FROM photo ORDER BY path'''
# Boxes are float32 in the R*Tree, as in the table.
FINDINGS = '''SELECT path, model.name, number, synset, class.name, x0, y0, x1, y1, share, mean, peak, source
              FROM region JOIN region_box USING (id) JOIN photo ON photo.id = photo
              JOIN class ON class.id = class JOIN model ON model.id = model
              UNION ALL SELECT path, model.name, number, synset, class.name, NULL, NULL, NULL, NULL, 1.0, probability, probability, source
              FROM whole JOIN photo ON photo.id = photo JOIN class ON class.id = class JOIN model ON model.id = model'''
FEATURES = 'SELECT path, vector FROM feature JOIN photo ON photo.id = photo ORDER BY path'
# Reserved in standard SQL, SQLite, DuckDB, PostgreSQL, MySQL or Transact-SQL.
RESERVED = {'index', 'left', 'right', 'top', 'bottom', 'order', 'group', 'table', 'column', 'row', 'rows', 'key', 'value', 'values', 'rank', 'user'}
SOURCES = ('model', 'user', 'refuted')


def shown(path):
    """A path as the columns `photo` and `path_bytes` have it: Rust's lossy text, and the bytes where that is not all."""
    try:
        return path.decode(), None
    except UnicodeDecodeError:
        return path.decode(errors='replace'), path


def photo_rows(library):
    return [(*shown(path), state, reason, digest and digest.hex(), *others) for path, state, reason, digest, *others in library.execute(PHOTOS)]


def finding_rows(library):
    rows = [(*shown(path), *others, SOURCES[source]) for path, *others, source in library.execute(FINDINGS)]
    return sorted(rows, key=repr)


def feature_rows(library):
    """A scale as float32, then an int8 a number."""
    def numbers(vector):
        return np.frombuffer(vector[4:], np.int8) * np.frombuffer(vector[:4], '<f4')[0]
    return [(*shown(path), numbers(vector).tolist()) for path, vector in library.execute(FEATURES)]


def from_parquet(path):
    table = pyarrow.parquet.read_table(path)
    table.validate(full=True)
    reserved = RESERVED & {name.lower() for name in table.column_names}
    assert not reserved, f'columns that SQL would have in quotes: {reserved}'
    if 'features' in table.column_names:
        kind = table.schema.field('features').type
        assert pyarrow.types.is_fixed_size_list(kind) and pyarrow.types.is_float32(kind.value_type), kind
    return [tuple(row.values()) for row in table.to_pylist()]


def from_csv(path, like):
    """The values of a CSV, each of the type that the same row and column has elsewhere."""
    def value(text, known):
        if isinstance(known, bytes):
            return bytes.fromhex(text)
        return None if known is None and text == '' else type(known)(text)
    with open(path, newline='', encoding='utf-8') as file:
        header, *rows = csv.reader(file)
    assert len(rows) == len(like), f'{len(rows)} rows, and the Parquet file has {len(like)}'
    # A list is a column a number, behind all others.
    lists = like and isinstance(like[0][-1], list)
    singles = len(like[0]) - 1 if lists else len(header)
    numbers = lambda row: ([float(text) for text in row[singles:]],) if lists else ()
    return [(*(value(text, known) for text, known in zip(row[:singles], alike)), *numbers(row)) for row, alike in zip(rows, like)]


def same(a, b):
    """Whether two values are, up to the last bit of a float32."""
    if isinstance(a, list):
        return len(a) == len(b) and np.allclose(a, b, rtol=2e-7, atol=0)
    if isinstance(a, float):
        return abs(a - b) <= 2e-7 * max(abs(a), abs(b))
    return type(a) is type(b) and a == b


def difference(found, wanted):
    """Where two tables differ first; nothing if they do not."""
    if len(found) != len(wanted):
        return f'{len(found)} rows where the library has {len(wanted)}'
    for number, (a, b) in enumerate(zip(found, wanted)):
        if len(a) != len(b) or not all(map(same, a, b)):
            return f'row {number}: {a} where the library has {b}'
    return None


def make(work, program):
    """A library of photos of every state."""
    photos = work / 'photos'
    make_photos(photos, 24, random.Random(5))
    bmp(pathlib.Path(os.fsdecode(bytes(photos) + b'/odd \xff, "quoted"\n.bmp')), random.Random(6))
    program('index', photos, codes=(1,))
    (photos / '0004.bmp').unlink()
    program('index', photos)
    program('library', 'correct', photos / '0001.bmp', '--right', 'school bus')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', required=True)
    arguments = parser.parse_args()
    work, lorgnette = arguments.work.resolve(), pathlib.Path(arguments.lorgnette).resolve()
    work.mkdir(parents=True, exist_ok=True)
    file = work / 'library.lgn'
    for ending in ('', '-wal', '-shm'):
        pathlib.Path(f'{file}{ending}').unlink(missing_ok=True)

    def program(*words, codes=(0,)):
        ended = subprocess.run([lorgnette, *map(str, words), '--library', file, '--quiet'], capture_output=True, text=True)
        assert ended.returncode in codes, f'{words}: {ended.returncode}, {ended.stderr}'

    make(work, program)
    library = sqlite3.connect(file)
    verdicts = []
    for what, rows in (('photos', photo_rows), ('findings', finding_rows), ('features', feature_rows)):
        wanted = rows(library)
        parquet, text = work / f'{what}.parquet', work / f'{what}.csv'
        for out in (parquet, text):
            program('library', 'export', out, '--what', what)
        found = from_parquet(parquet)
        tables = {'Parquet': found, 'CSV': from_csv(text, found)}
        for name, table in tables.items():
            wrong = difference(sorted(table, key=repr) if what == 'findings' else table, wanted)
            verdicts.append(wrong is None and len(wanted) > 0)
            print(f'{what:9} {name:8} {len(table):4} rows  {wrong or "ok"}', flush=True)
    print(f'{sum(verdicts)} passed, {len(verdicts) - sum(verdicts)} failed')
    sys.exit(0 if all(verdicts) else 1)


if __name__ == '__main__':
    main()
