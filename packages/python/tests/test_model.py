"""Answers beside the program's, from every kind of photo."""

import json
import threading
from pathlib import Path

import lorgnette
import numpy as np
import pytest
from conftest import CAT, PHOTOS, program


def test_answers_equal_the_programs(model):
    photos = lorgnette.find_photos(PHOTOS)
    assert len(photos) == 4
    assert model.classify(photos).to_dicts() == program("classify", *photos)
    assert model.classify(photos, top=2, reduced=True).to_dicts() == program(
        "classify", *photos, "--top", 2, "--decode", "reduced"
    )
    assert model.embed(photos).to_dicts() == program("embed", *photos)
    assert model.faces(photos).to_dicts() == program("faces", *photos)
    assert model.map(CAT).to_dict() == program("map", CAT)[0]
    scaled = model.map(CAT, scales=[1, 1.25], padding="valid", output_stride=16)
    options = ["--scale", "1,1.25", "--padding", "valid", "--output-stride", 16]
    assert scaled.to_dict() == program("map", CAT, *options)[0]
    assert model.blur(CAT, ["cat"]).to_dict() == program("blur", CAT, "--class", "cat", "--dry-run")[0]


def test_every_kind_of_photo_gives_the_same_answer(model):
    image = pytest.importorskip("PIL.Image")
    content = CAT.read_bytes()
    wanted = model.classify(CAT).predictions
    pixels = lorgnette.decode(CAT)
    deep = pixels.astype(np.uint16) * 257
    opaque = np.dstack([pixels, np.full(pixels.shape[:2], 9, np.uint8)])
    photos = [str(CAT), content, bytearray(content), memoryview(content), pixels, opaque]
    photos += [pixels[:, ::-1][:, ::-1], np.asfortranarray(pixels), image.fromarray(pixels)]
    for photo in photos:
        assert model.classify(photo).predictions == wanted
    assert model.classify(deep).names == [each.name for each in wanted]
    # Pillow decodes JPEG by another transform: near, not equal.
    decoded = image.open(CAT)
    answer = model.classify(decoded)
    assert answer.photo == str(CAT)
    assert np.allclose(answer.probabilities, [each.probability for each in wanted], atol=0.02)
    answers = model.classify(iter(photos))
    assert [answer.predictions for answer in answers] == [wanted] * len(photos)


def test_pillow_images_of_other_modes(model):
    image = pytest.importorskip("PIL.Image")
    levels = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    wanted = model.classify(levels).predictions
    grey = image.fromarray(levels)
    assert model.classify(grey).predictions == wanted
    assert model.classify(grey.convert("RGBA")).predictions == wanted
    assert model.classify(grey.convert("P")).predictions == wanted
    deep = image.fromarray(levels.astype(np.uint16) * 257)
    assert deep.mode.startswith("I;16")
    assert model.classify(deep).names == [each.name for each in wanted]
    with pytest.raises(TypeError, match="mode F"):
        model.classify(grey.convert("F"))


def test_exif_orientation_is_applied_once(model, tmp_path):
    image = pytest.importorskip("PIL.Image")
    turned = tmp_path / "turned.png"
    exif = image.Exif()
    exif[0x0112] = 6
    upright = lorgnette.decode(CAT)
    image.fromarray(np.ascontiguousarray(np.rot90(upright))).save(turned, exif=exif)
    assert np.array_equal(lorgnette.decode(turned), upright)
    wanted = model.classify(upright).predictions
    assert model.classify(turned).predictions == wanted
    assert model.classify(image.open(turned)).predictions == wanted
    stored = model.classify(turned, ignore_orientation=True)
    assert (stored.width, stored.height) == upright.shape[:2]


def test_arrays_of_grey_and_batches(model):
    grey = np.full((40, 60), 200, np.uint8)
    colour = np.repeat(grey[:, :, None], 3, axis=2)
    batch = model.classify(np.stack([colour, colour]))
    one = model.classify(grey)
    assert [answer.names for answer in batch] == [one.names] * 2
    assert model.classify(grey[:, :, None]).names == one.names
    assert (one.width, one.height) == (60, 40)
    paths = np.array([str(CAT)] * 2)
    assert len(model.classify(paths)) == 2


def test_what_is_no_photo_is_said(model, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no photo")
    answers = model.classify([bad, CAT, tmp_path / "nowhere.jpg"])
    first, second, third = answers
    assert "bad.jpg" in first.error and second.error is None and "nowhere.jpg" in third.error
    assert first.to_dict() == {"photo": str(bad), "error": first.error}
    assert answers.failures == [first, third] and answers.succeeded == [second]
    assert answers.to_dicts() == program("classify", bad, CAT, tmp_path / "nowhere.jpg", code=1)
    assert "bytes" in model.classify(b"no photo").error
    for compute in (model.classify, model.embed, model.map, model.faces):
        assert "bad.jpg" in compute(bad).error
    assert "bad.jpg" in model.blur(bad, "cat").error
    with pytest.raises(lorgnette.LorgnetteError, match="bad.jpg"):
        first.names
    assert not hasattr(first, "__array__")
    with pytest.raises(lorgnette.LorgnetteError, match="bad.jpg"):
        model.classify([CAT, bad], errors="raise")
    with pytest.raises(TypeError, match="uint8"):
        model.classify(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="shape"):
        model.classify(np.zeros((4, 4, 2), np.uint8))
    with pytest.raises(ValueError):
        model.classify(np.zeros((0, 4, 3), np.uint8))
    with pytest.raises(TypeError, match="int"):
        model.classify([7])
    with pytest.raises(ValueError, match="errors"):
        model.classify(CAT, errors="ignore")
    assert "folder" in model.classify(PHOTOS).error


def test_a_cut_off_image_of_pillow_is_a_failure(model, tmp_path):
    image = pytest.importorskip("PIL.Image")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(CAT.read_bytes()[:9000])
    answers = model.classify([image.open(cut), CAT])
    assert "cut.jpg" in answers[0].error and answers[1].error is None


def test_models_that_do_not_open_say_why(tmp_path):
    with pytest.raises(lorgnette.LorgnetteError, match="nowhere.pb"):
        lorgnette.load("nowhere.pb")
    with pytest.raises(lorgnette.LorgnetteError, match="models pull vgg_16"):
        lorgnette.load("vgg_16")
    with pytest.raises(ValueError, match="inception"):
        lorgnette.load(preprocess="incepton")
    with pytest.raises(ValueError, match="bf16"):
        lorgnette.load(precision="half")
    with pytest.raises(ValueError, match="at least 1"):
        lorgnette.load(threads=0)


def test_options_change_answers_as_they_should(model):
    one = lorgnette.load(threads=1)
    assert one.threads == 1
    assert one.classify(CAT) == model.classify(CAT)
    with pytest.raises(lorgnette.LorgnetteError, match="too small"):
        lorgnette.load(size=(160, 128))
    plain = lorgnette.load(preprocess="unit")
    assert plain.preprocessing == "unit" and 0 <= plain.preprocess(CAT).min()
    assert plain.preprocess(CAT).max() <= 1
    assert [len(model.classify(CAT, top=top).predictions) for top in (1, 7)] == [1, 7]
    refused = model.classify(CAT, max_pixels=1000)
    assert "1000" in refused.error


def test_preprocessing_is_tensorflows(model):
    """Inception's preprocessing, written down in numpy: crop, bilinear without half pixels, scale."""
    pixels = lorgnette.decode(CAT).astype(np.float32)
    height, width = pixels.shape[:2]
    top, left = (int((side - side * 0.875) / 2) for side in (height, width))
    crop = pixels[top : height - top, left : width - left]

    def positions(size):
        exact = (np.arange(224, dtype=np.float32) * np.float32(size / 224)).astype(np.float32)
        low = exact.astype(int)
        return low, np.minimum(low + 1, size - 1), (exact - low)[:, None]

    y0, y1, dy = positions(crop.shape[0])
    x0, x1, dx = positions(crop.shape[1])
    upper = crop[y0][:, x0] + (crop[y0][:, x1] - crop[y0][:, x0]) * dx
    lower = crop[y1][:, x0] + (crop[y1][:, x1] - crop[y1][:, x0]) * dx
    resized = upper + (lower - upper) * dy[:, :, None]
    wanted = resized / 127.5 - 1
    assert np.abs(model.preprocess(CAT)[0] - wanted).max() < 2e-5
    seen = model.input_image(CAT)
    assert seen.shape == (224, 224, 3) and np.abs(seen - resized).max() <= 0.51


def test_maps_and_blurring(model):
    found = model.map(CAT, scales=[1])
    assert found.classes.shape == (found.rows, found.columns)
    assert found.probabilities.shape == (found.rows, found.columns, 1001)
    known = found.classes >= 0
    assert known.any() and (found.probabilities.argmax(2) == found.classes)[known].all()
    assert np.allclose(found.probabilities.sum(2), 1, atol=1e-4)
    assert sum(entry.cells for entry in found.legend) == found.rows * found.columns
    shape = (found.height, found.width, 3)
    assert found.overlay().shape == found.heat("cat").shape == shape
    assert not np.array_equal(found.overlay(0), found.overlay(1))
    assert found.picture().shape[0] >= found.height and found.picture(over_photo=False).ndim == 3
    with pytest.raises(lorgnette.LorgnetteError, match="catt"):
        found.heat("catt")
    original = lorgnette.decode(CAT)
    blurred = model.blur(CAT, "cat", how="fill", colour=(255, 0, 0))
    changed = (blurred.pixels != original).any(2).mean()
    assert blurred.blurred and changed == pytest.approx(blurred.share, abs=0.02)
    red = (blurred.pixels == (255, 0, 0)).all(2).mean()
    assert red > 0.3
    nothing = model.blur(CAT, "school bus", min_probability=0.9)
    assert nothing.blurred == [] and np.array_equal(nothing.pixels, original)
    with pytest.raises(ValueError, match="fill"):
        model.blur(CAT, "cat", colour=(1, 2, 3))
    with pytest.raises(lorgnette.LorgnetteError, match="catt"):
        model.blur(CAT, "catt")


def test_faces_are_found_and_blurred(model, tmp_path):
    photo = PHOTOS / "astronaut.jpg"
    found = model.faces(photo)
    (face,) = found.faces
    left, top, right, bottom = face.box
    assert face.probability > 0.9 and len(face.landmarks) == 5
    assert all(left < x < right and top < y < bottom for x, y in face.landmarks)
    assert found.picture().shape == (found.height, found.width, 3)
    blurred = model.blur(photo, "face")
    assert [area.name for area in blurred.blurred] == ["face"]
    blurred.save(tmp_path / "blurred.png")
    assert np.array_equal(lorgnette.decode(tmp_path / "blurred.png"), blurred.pixels)
    with pytest.raises(lorgnette.LorgnetteError, match="blurred.gif"):
        blurred.save(tmp_path / "blurred.gif")


def test_threads_share_a_model(model):
    wanted = model.classify(CAT)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(model.classify([CAT] * 5))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [list(each) for each in answers] == [[wanted] * 5] * 4


def test_what_notebooks_show(model):
    answers = model.classify([CAT, PHOTOS / "nowhere.jpg", lorgnette.decode(CAT)])
    page = answers._repr_html_()
    # The array of a batch is not kept: it has no picture.
    assert page.count("data:image/jpeg;base64,") == 1 and "nowhere.jpg" in page
    assert "tabby" in answers[0]._repr_html_() or "cat" in answers[0]._repr_html_()
    single = model.classify(lorgnette.decode(CAT))
    assert "data:image/jpeg" in single._repr_html_() and single.picture().ndim == 3
    with pytest.raises(lorgnette.LorgnetteError, match="not kept"):
        answers[2].picture()
    for answer in (model.map(CAT), model.blur(CAT, "cat"), model.faces(PHOTOS / "astronaut.jpg")):
        assert "data:image/jpeg" in answer._repr_html_() and str(answer.photo) in repr(answer)
    assert "<script>" not in lorgnette.Failure("<script>", "<script>")._repr_html_()
    assert repr(model) == "<lorgnette.Model \"mobilenet_v1_1.0_224\": 224 x 224, 1001 classes>"


def test_progress_is_shown(model, monkeypatch):
    tqdm = pytest.importorskip("tqdm.auto")
    bars = []

    class Recorder(tqdm.tqdm):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            bars.append(self)

    monkeypatch.setattr(tqdm, "tqdm", Recorder)
    monkeypatch.setattr("lorgnette._model.CHUNK", 3)
    model.classify([CAT] * 7, progress=True)
    (bar,) = bars
    assert (bar.n, bar.total) == (7, 7)


def test_the_programs_json_has_no_field_that_is_lost(model):
    """Whatever the extension module answers is kept, known here or not."""
    (line,) = program("classify", CAT)
    assert json.loads(json.dumps(model.classify(CAT).to_dict())) == line
    assert Path(line["photo"]) == CAT
