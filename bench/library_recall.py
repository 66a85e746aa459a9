"""How often the photos nearest by cosine are among the thousand with the nearest signatures, which alone are compared.

    python3 bench/library_recall.py LIBRARY.lgn [QUESTIONS]

Computes the cosine of a few photos with all others, and looks where their ten nearest stand by signature. Needs numpy.
"""
import sqlite3
import sys

import numpy as np

CANDIDATES, NEAREST, BLOCK, BYTES = 1000, 10, 1024, 64


def main():
    library, questions = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 50
    connection = sqlite3.connect(f'file:{library}?mode=ro', uri=True)
    model, features = connection.execute('SELECT id, features FROM model WHERE features > 0').fetchone()
    count = connection.execute('SELECT max(id) FROM feature WHERE model = ?', (model,)).fetchone()[0]
    vectors = np.zeros((count + 1, features), np.int8)
    for number, vector in connection.execute('SELECT id, vector FROM feature WHERE model = ?', (model,)):
        vectors[number] = np.frombuffer(vector, np.int8)[4:]
    bits = np.zeros((count // BLOCK + 1, BLOCK, BYTES // 8), np.uint64)
    for block, blob in connection.execute('SELECT block, bits FROM signature WHERE model = ?', (model,)):
        bits[block] = np.frombuffer(blob, np.uint64).reshape(BLOCK, -1)
    bits = bits.reshape(-1, BYTES // 8)[:count + 1]
    lengths = np.array([np.sqrt((vector.astype(np.float32) ** 2).sum()) for vector in vectors]) + 1e-9
    rng = np.random.default_rng(1)
    found = 0
    for question in rng.integers(1, count + 1, questions):
        wanted = vectors[question].astype(np.float32)
        cosine = np.concatenate([part.astype(np.float32) @ wanted for part in np.array_split(vectors, count // 4096 + 1)])
        cosine /= lengths * lengths[question]
        distance = np.bitwise_count(bits ^ bits[question]).sum(axis=1)
        candidates = np.argpartition(distance, min(CANDIDATES, count))[:CANDIDATES]
        found += np.isin(np.argsort(-cosine)[:NEAREST], candidates).sum()
    print(f'{count} photos: of the {NEAREST} nearest {100 * found / (NEAREST * questions):.1f} % are among the {CANDIDATES} compared')


if __name__ == '__main__':
    main()
