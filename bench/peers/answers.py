"""Pictures for `bench/compare`, and how far two engines' answers to them are apart.

    python answers.py make SHAPE STYLE X      writes X.f32 (channels first) and X.npy (channels last) of a shape such as 1,3,224,224: the
                                              repository's photos, as networks of the STYLE inception or vgg take them
    python answers.py real IN.npy SCALE ZERO_POINT OUT.npy   writes the real numbers that integers stand for
    python answers.py differ OURS.npy Y.f32   prints {"error": largest difference by largest magnitude, "same_first": share of first classes}
"""
import itertools
import json
import pathlib
import sys

import numpy as np
import peer

PHOTOS = pathlib.Path(__file__).resolve().parents[2] / 'photos'


def make(shape, style, to):
    """Photos, because what noise of a small range is to a network of 8-bit integers is lost in its rounding."""
    batch, _, *size = (int(side) for side in shape.split(','))
    photos = itertools.islice(itertools.cycle(sorted(PHOTOS.glob('*.jpg'))), batch)
    x = np.concatenate([peer.prepared_photo(photo, size, style == 'vgg') for photo in photos]).astype('<f4')
    x.tofile(f'{to}.f32')
    np.save(f'{to}.npy', np.ascontiguousarray(x.transpose(0, 2, 3, 1)))


def real(integers, scale, zero_point, to):
    np.save(to, (np.load(integers).astype('<f4') - float(zero_point)) * np.float32(scale))


def differ(ours, theirs):
    ours, theirs = np.load(ours), np.fromfile(theirs, '<f4')
    if ours.size != theirs.size or not np.isfinite(theirs).all():
        print(json.dumps({'error': None, 'same_first': 0.0}))
        return
    theirs = theirs.reshape(ours.shape)
    error = np.abs(ours - theirs).max() / np.abs(ours).max()
    same = (ours.argmax(-1) == theirs.argmax(-1)).mean()
    print(json.dumps({'error': float(error), 'same_first': float(same)}))


if __name__ == '__main__':
    {'make': make, 'real': real, 'differ': differ}[sys.argv[1]](*sys.argv[2:])
