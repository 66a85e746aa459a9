"""The folder of models in the forms that other people's programs leave: a photo, and what each model is to answer.

wild_graphs.py and wild_onnx.py fill one each; `cargo test -p lorgnette --test cases` reads them.
"""
import json
import pathlib

import numpy as np


def photo(height, width):
    """A picture whose frame, colours and sides all differ."""
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.stack([rows * 5, columns * 3 + 60, (rows * columns) % 200], 2)
    picture[:4], picture[-4:], picture[:, :5], picture[:, -5:] = (250, 20, 10), (10, 240, 30), (20, 30, 230), 128
    return picture.astype(np.uint8)


class Cases:
    """A folder, and the entries of the models that were written to it."""

    def __init__(self, path, height, width):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.cases = []
        self.pixels = photo(height, width)

    def note(self, name, value, rule, what, photo_file='photo.png', tolerance=1e-4):
        """Notes an answer to a photo, and the rule that tells how the model wants it. `name` is the model's file."""
        self.cases.append({
            'graph': name, 'photo': photo_file, 'what': what, 'rule': rule,
            'answer': np.ravel(value).astype(float).tolist(), 'is_class': value.dtype.kind == 'i',
            'tolerance': tolerance})
        print(name, np.round(np.ravel(value), 4))

    def write(self):
        """Writes `cases.json`, one line a model."""
        lines = ',\n'.join(json.dumps(case) for case in self.cases)
        (self.path / 'cases.json').write_text(f'[\n{lines}\n]\n')
