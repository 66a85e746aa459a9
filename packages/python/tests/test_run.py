"""Tensors by TensorFlow's names."""

import lorgnette
import numpy as np
import pytest
from conftest import CAT

INPUT = "input"
PROBABILITIES = "MobilenetV1/Predictions/Softmax"


def test_tensors_go_in_and_out(model):
    pixels = model.preprocess(CAT)
    assert pixels.shape == (1, 224, 224, 3) and pixels.dtype == np.float32
    best = model.classify(CAT).predictions[0]
    kinds = [pixels, pixels.astype(np.float64), np.asfortranarray(pixels), pixels.tolist()]
    for value in kinds:
        tensor = model.run({INPUT: value}, [PROBABILITIES])[PROBABILITIES]
        assert tensor.shape == (1, 1001) and tensor.dtype == np.float32
        assert int(tensor.argmax()) == best.index
        assert float(tensor.max()) == pytest.approx(best.probability, abs=1e-7)
    tensors = model.run({f"{INPUT}:0": pixels}, f"{PROBABILITIES}:0")
    assert list(tensors) == [f"{PROBABILITIES}:0"]


def test_softmax_of_logits_is_the_probabilities(model):
    tensors = model.run({INPUT: model.preprocess(CAT)}, [model.logits, model.probabilities])
    logits = tensors[model.logits].astype(np.float64).reshape(-1)
    powers = np.exp(logits - logits.max())
    wanted = powers / powers.sum()
    assert np.allclose(tensors[model.probabilities].reshape(-1), wanted, atol=1e-6)


def test_a_batch_equals_its_parts(model):
    one = model.preprocess(CAT)
    other = np.flip(one, axis=2)
    both = model.run({INPUT: np.concatenate([one, other])}, [PROBABILITIES])[PROBABILITIES]
    for row, part in zip(both, (one, other)):
        assert np.array_equal(row, model.run({INPUT: part}, [PROBABILITIES])[PROBABILITIES][0])


def test_any_node_can_be_fed_and_fetched(model):
    features = model.features
    value = model.run({INPUT: model.preprocess(CAT)}, [features])[features]
    again = model.run({features: value}, [PROBABILITIES])[PROBABILITIES]
    best = model.classify(CAT).predictions[0]
    assert int(again.argmax()) == best.index
    channels = model.embed(CAT).values
    assert np.allclose(value.reshape(-1, value.shape[-1]).mean(0), channels, atol=1e-6)


def test_arrays_are_not_changed_and_not_shared(model):
    pixels = model.preprocess(CAT)
    before = pixels.copy()
    first = model.run({INPUT: pixels}, [PROBABILITIES])[PROBABILITIES]
    kept = first.copy()
    model.run({INPUT: np.zeros_like(pixels)}, [PROBABILITIES])
    assert np.array_equal(pixels, before) and np.array_equal(first, kept)
    first[:] = 0
    pixels.flags.writeable = False
    assert np.array_equal(model.run({INPUT: pixels}, [PROBABILITIES])[PROBABILITIES], kept)


def test_views_are_read_where_they_are(model):
    pixels = model.preprocess(CAT)
    expected = model.run({INPUT: pixels}, [PROBABILITIES])[PROBABILITIES]
    # One that begins between two multiples of eight bytes, and one of every second row.
    memory = np.full(pixels.size + 1, np.nan, np.float32)
    shifted = memory[1:].reshape(pixels.shape)
    shifted[:] = pixels
    rows = np.zeros((1, 448, 224, 3), np.float32)
    rows[:, ::2] = pixels
    for value in (shifted, rows[:, ::2]):
        assert np.array_equal(model.run({INPUT: value}, [PROBABILITIES])[PROBABILITIES], expected)


def test_an_input_may_be_an_output(model):
    pixels = model.preprocess(CAT)
    tensors = model.run({INPUT: pixels}, [INPUT, PROBABILITIES])
    assert np.array_equal(tensors[INPUT], pixels) and tensors[INPUT] is not pixels
    assert not np.shares_memory(tensors[INPUT], pixels)


def test_wrong_tensors_are_refused(model):
    pixels = model.preprocess(CAT)
    with pytest.raises(lorgnette.LorgnetteError, match="nothing"):
        model.run({INPUT: pixels}, ["nothing"])
    with pytest.raises(lorgnette.LorgnetteError):
        model.run({INPUT: pixels[0]}, [PROBABILITIES])
    with pytest.raises(lorgnette.LorgnetteError):
        model.run({}, [PROBABILITIES])
    with pytest.raises(TypeError, match="numbers"):
        model.run({INPUT: ["a", "b"]}, [PROBABILITIES])
