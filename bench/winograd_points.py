"""The rounding error of Winograd's forms for candidate points: how those in conv/winograd/form.rs were chosen. Needs numpy.

    python3 bench/winograd_points.py

For each form, in one dimension or two: the largest and the root mean square error of float32 sums over 64 channels of random
numbers, as a share of the largest output, and the largest error of the definition's own float32 sums beside it.
"""
import numpy as np

RNG = np.random.default_rng(0)
CHANNELS, TILES = 64, 200
ROOT = 2 ** 0.5
# (name, outputs, taps, pairs of points beside 0 and infinity, dimensions)
FORMS = [
    ('F(2x2, 3x3)', 2, 3, [1], 2),
    ('F(4x4, 3x3)', 4, 3, [1 / ROOT, ROOT], 2),
    ('F(4x4, 3x3) at the usual points', 4, 3, [1, 2], 2),
    ('F(2x2, 5x5)', 2, 5, [1 / ROOT, ROOT], 2),
    ('F(2x2, 7x7)', 2, 7, [1 / 1.8, 1, 1.8], 2),
    ('F(6x6, 3x3), not used', 6, 3, [1 / 1.8, 1, 1.8], 2),
    ('F(4x4, 5x5), not used', 4, 5, [0.5, 1, 2], 2),
    ('F(4, 3)', 4, 3, [1 / ROOT, ROOT], 1),
    ('F(2, 7)', 2, 7, [1 / 1.8, 1, 1.8], 1),
    ('F(4, 7)', 4, 7, [1 / 2.5, 1 / 1.2, 1.2, 2.5], 1),
]


def product(squares):
    """Coefficients of the product of (y - s), lowest first."""
    coefficients = [1.0]
    for square in squares:
        coefficients = np.convolve(coefficients, [-square, 1.0])
    return coefficients


def matrices(outputs, taps, pairs):
    """The matrices for outputs, filter and input."""
    points = outputs + taps - 1
    squares = [p * p for p in pairs]
    out, filt, inp = np.zeros((outputs, points)), np.zeros((points, taps)), np.zeros((points, points))
    inp[0, 0:points - 1:2] = inp[-1, 1:points:2] = product(squares)
    filt[0, 0], filt[-1, -1], out[0, 0], out[-1, -1] = 1 / product(squares)[0], 1, 1, 1
    for i, p in enumerate(pairs):
        others = product(squares[:i] + squares[i + 1:])
        slope = 2 * p * p * np.polyval(others[::-1], p * p)
        for row, sign in ((1 + 2 * i, 1), (2 + 2 * i, -1)):
            inp[row, 2:2 + 2 * len(others):2] += others
            inp[row, 1:1 + 2 * len(others):2] += sign * p * np.array(others)
            filt[row] = [(sign * p) ** j / slope for j in range(taps)]
            out[:, row] = [(sign * p) ** j for j in range(outputs)]
    return out, filt, inp


def both(matrix, values, dimensions):
    """A matrix along the last axis, or along the last two."""
    values = np.einsum('ij,...j->...i', matrix, values)
    return np.einsum('ij,...jk->...ik', matrix, values) if dimensions == 2 else values


def summed(a, b):
    """Sums over channels in float32, one after the other."""
    total = np.zeros(np.broadcast_shapes(a.shape, b.shape)[1:], np.float32)
    for x, y in zip(a, b):
        total = total + x * y
    return total


def errors(outputs, taps, pairs, dimensions):
    out, filt, inp = matrices(outputs, taps, pairs)
    side = (outputs + taps - 1,) * dimensions
    x = RNG.uniform(-1, 1, (CHANNELS, TILES, *side)).astype(np.float32)
    w = RNG.uniform(-1, 1, (CHANNELS, 1, *(taps,) * dimensions)).astype(np.float32)
    exact, definition = 0.0, np.float32(0)
    for tap in np.ndindex((taps,) * dimensions):
        seen = x[(..., *(slice(i, i + outputs) for i in tap))]
        weight = w[(..., *(slice(i, i + 1) for i in tap))]
        exact = exact + (seen.astype(float) * weight).sum(0)
        definition = definition + summed(seen, weight)
    values = both(inp.astype(np.float32), x, dimensions)
    weights = both(filt, w.astype(float), dimensions).astype(np.float32)
    found = both(out.astype(np.float32), summed(values, weights), dimensions)
    largest = np.abs(exact).max()
    return np.abs(found - exact).max() / largest, np.sqrt(((found - exact) ** 2).mean()) / largest, np.abs(definition - exact).max() / largest


print(f'{"form":34} {"largest":>9} {"rms":>9} {"definition":>11}')
for name, *form in FORMS:
    print(f'{name:34} ' + ' '.join(f'{error:9.1e}' for error in errors(*form)))
