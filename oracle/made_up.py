"""The made-up numbers: a pure function of a tensor's name and an element's index.

The project's tests make the same numbers in Rust, so that no weights need to be stored. An element's seed is the FNV-1a
hash of the tensor's name; the stream is splitmix64; the upper 24 bits become a number in [0, 1).
"""
import numpy as np

MASK = (1 << 64) - 1
FNV_OFFSET, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def fnv1a(text):
    """The 64-bit FNV-1a hash of a text's UTF-8 bytes."""
    state = FNV_OFFSET
    for byte in text.encode():
        state = ((state ^ byte) * FNV_PRIME) & MASK
    return state


def splitmix(state):
    """The output function of splitmix64, on a whole array."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def uniform(name, shape):
    """Numbers in [0, 1) as float64, row-major."""
    count = int(np.prod(shape, dtype=np.int64))
    with np.errstate(over='ignore'):
        states = np.uint64(fnv1a(name)) + np.arange(1, count + 1, dtype=np.uint64) * GOLDEN
        top = splitmix(states) >> np.uint64(40)
    return (top.astype(np.float64) / (1 << 24)).reshape(shape)


def between(low, high, name, shape):
    """Numbers in [low, high) as float32."""
    return (low + (high - low) * uniform(name, shape)).astype(np.float32)


def variable(name, shape):
    """The value of the checkpoint variable `name`: what a trained one might look like, by the last part of its name."""
    leaf = name.split('/')[-1]
    u = uniform(name, shape)
    if leaf in ('weights', 'pointwise_weights'):
        value = (2 * u - 1) * np.sqrt(6 / np.prod(shape[:-1]))
    elif leaf == 'depthwise_weights':
        value = (2 * u - 1) * np.sqrt(6 / np.prod(shape[:2]))
    elif leaf == 'gamma':
        value = 0.9 + 0.2 * u
    elif leaf in ('beta', 'biases', 'moving_mean'):
        value = (2 * u - 1) * 0.1
    elif leaf == 'moving_variance':
        value = 0.5 + u
    else:
        raise ValueError(f'no rule for the variable {name}')
    return value.astype(np.float32)


def image(batch, height, width, channels=3):
    """The picture(s) fed to every whole network, in [-1, 1)."""
    return between(-1, 1, 'input', (batch, height, width, channels))
