"""The actor classes for Ray Data, called as Ray calls them."""

import pytest
from conftest import CAT, PHOTOS

pyarrow = pytest.importorskip("pyarrow")

from lorgnette.ray import NOT_DOWNLOADED, Classify, Embed  # noqa: E402


@pytest.fixture(scope="module")
def batch():
    uris = [str(CAT), "s3://bucket/bad.jpg", "s3://bucket/gone.jpg", str(PHOTOS / "coffee.jpg")]
    contents = [CAT.read_bytes(), b"no photo", None, (PHOTOS / "coffee.jpg").read_bytes()]
    return pyarrow.table({"uri": uris, "bytes": contents, "size": [1, 2, 3, 4]})


def test_every_photo_is_a_row_of_its_own(model, batch):
    rows = Classify(top=1)(batch).to_pylist()
    assert [row["uri"] for row in rows] == batch["uri"].to_pylist()
    assert [row["size"] for row in rows] == [1, 2, 3, 4] and "bytes" not in rows[0]
    assert [row["error"] is None for row in rows] == [True, False, False, True]
    assert rows[2]["error"] == NOT_DOWNLOADED and "bytes" in rows[1]["error"]
    for row, photo in ((rows[0], CAT), (rows[3], PHOTOS / "coffee.jpg")):
        assert row["predictions"][0]["name"] == model.classify(photo).names[0]


def test_features_are_those_of_the_model(model, batch):
    rows = Embed()(batch).to_pylist()
    assert rows[0]["embedding"] == model.embed(CAT).values.tolist()
    assert rows[1]["embedding"] is None and rows[1]["error"]


def test_all_may_fail_and_none_may_be_there(batch):
    classify = Classify(model=None)
    assert classify(batch.slice(1, 2))["error"].null_count == 0
    empty = classify(batch.slice(0, 0))
    assert empty.num_rows == 0 and "predictions" in empty.column_names
