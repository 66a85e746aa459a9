"""Training, evaluation, export, libraries of photos."""

import json
import os

import lorgnette
import numpy as np
import pytest
from conftest import CAT, PHOTOS, program


@pytest.fixture(scope="module")
def flowers(tmp_path_factory):
    """Photos of two classes that anything can tell apart."""
    folder = tmp_path_factory.mktemp("flowers")
    random = np.random.default_rng(0)
    for name, colour in (("red", (200, 40, 40)), ("blue", (40, 40, 200))):
        (folder / name).mkdir()
        for number in range(40):
            pixels = random.normal(colour, 40, (48, 48, 3)).clip(0, 255).astype(np.uint8)
            lorgnette.save(pixels, folder / name / f"{number}.png")
    return folder


def test_a_training_and_its_model(flowers, model, tmp_path):
    cache = tmp_path / "cache"
    training = lorgnette.train(flowers, tmp_path / "model", cache=cache)
    assert (tmp_path / "model" / "report.html").exists()
    assert training.summary["classes"] == ["blue", "red"]
    assert training.test.accuracy == 1.0 and training.test.confusion.trace() == training.test.photos
    answer = training.model.classify(flowers / "red" / "0.png")
    assert answer.names[0] == "red" and answer.unknown in (None, False)
    assert answer.to_dict() == program("classify", flowers / "red/0.png", "--model", training.folder)[0]
    evaluation = training.model.evaluate(flowers, split="test")
    assert evaluation.confusion.tolist() == training.test.confusion.tolist()
    everything = training.model.evaluate(flowers)
    assert everything.photos == 80 and everything.left_out == []
    assert everything.to_dict() == program("evaluate", training.folder, flowers)[0]
    assert "<table>" in everything._repr_html_()
    with pytest.raises(lorgnette.LorgnetteError, match="overwrite=True"):
        lorgnette.train(flowers, tmp_path / "model", cache=cache)
    again = lorgnette.train(flowers, tmp_path / "model", cache=cache, overwrite=True)
    assert again.summary == training.summary
    with pytest.raises(lorgnette.LorgnetteError, match="trained already"):
        lorgnette.train(flowers, tmp_path / "other", model=training.model)


def test_the_programs_training_is_the_same(flowers, tmp_path):
    options = {"recipe": "retrain", "steps": 20, "seed": 3, "cache": tmp_path / "cache"}
    ours = lorgnette.train(flowers, tmp_path / "ours", **options)
    arguments = ["--recipe", "retrain", "--steps", 20, "--seed", 3, "--cache", tmp_path / "cache"]
    (theirs,) = program("train", flowers, "--out", tmp_path / "theirs", *arguments)
    assert ours.summary | {"model": ""} == theirs | {"model": ""}
    weights = [(tmp_path / each / "weights.npy").read_bytes() for each in ("ours", "theirs")]
    assert weights[0] == weights[1]


def test_wrong_trainings_are_refused(model, flowers, tmp_path):
    with pytest.raises(lorgnette.LorgnetteError, match="nowhere"):
        lorgnette.train(tmp_path / "nowhere", tmp_path / "model")
    with pytest.raises(ValueError, match="retrain"):
        lorgnette.train(flowers, tmp_path / "model2", recipe="adam")
    with pytest.raises(ValueError, match="validation"):
        model.evaluate(flowers, split="exam")
    with pytest.raises(lorgnette.LorgnetteError):
        model.evaluate(flowers)


def test_exports_have_the_same_answers(model, tmp_path):
    for kind, ending in (("onnx", ".onnx"), ("frozen", ".pb")):
        path = model.export(tmp_path / kind, kind)
        assert path.endswith(ending) and os.path.exists(path)
        exported = lorgnette.load(path)
        wanted = model.classify(CAT)
        found = exported.classify(CAT)
        assert found.names == wanted.names
        assert np.allclose(found.probabilities, wanted.probabilities, atol=1e-5)
    with pytest.raises(ValueError, match="onnx"):
        model.export(tmp_path / "x", "keras")
    graph = model.write_graph(tmp_path / "logs")
    assert os.path.getsize(graph) > 1000


def test_a_library_is_indexed_and_searched(model, tmp_path):
    file = tmp_path / "photos.lgn"
    with pytest.raises(lorgnette.LorgnetteError, match="Library.create"):
        lorgnette.Library(file)
    library = lorgnette.Library.create(file)
    assert len(library) == 0 and bool(library)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "bad.jpg").write_bytes(b"no photo")
    indexed = library.index([PHOTOS, tmp_path / "more"], model=model)
    assert indexed.counts["analysed"] == 4 and indexed.counts["failed"] == 1
    assert "bad.jpg" in indexed.errors[0] and len(library) == 4
    assert library.index(model=model).counts["unchanged"] == 5
    found = library.search("cat in the middle")
    assert os.path.basename(found[0].photo) == "chelsea.jpg" and found.total >= 1
    assert found.to_dicts() == program("search", "cat in the middle", "--library", file)
    assert found[0].matches[0].asked == "cat" and "chelsea" in found._repr_html_()
    with pytest.raises(lorgnette.LorgnetteError):
        library.search("AND AND")
    with pytest.raises(lorgnette.LorgnetteError, match="unicorn"):
        library.search("unicorn")
    assert json.loads(json.dumps(found.to_dicts()))
