"""Answers as tables, read by those who read tables."""

import lorgnette
import numpy as np
import pytest
from conftest import CAT, PHOTOS

NOWHERE = PHOTOS / "nowhere.jpg"


def test_pyarrow_reads_classifications(model):
    pyarrow = pytest.importorskip("pyarrow")
    answers = model.classify([CAT, NOWHERE])
    table = pyarrow.table(answers)
    table.validate(full=True)
    assert table.num_rows == 2
    rows = table.to_pylist()
    best = answers[0].predictions[0]
    assert rows[0]["photo"] == str(CAT) and rows[0]["error"] is None
    assert rows[0]["predictions"][0]["name"] == best.name
    assert np.float32(rows[0]["predictions"][0]["logit"]) == np.float32(best.logit)
    assert rows[1]["predictions"] is None and "nowhere.jpg" in rows[1]["error"]


def test_pyarrow_reads_every_kind(model):
    pyarrow = pytest.importorskip("pyarrow")
    photo = PHOTOS / "astronaut.jpg"
    answers = [model.embed(photo), model.map(photo, scales=[0.5]), model.faces(photo)]
    for answer in [*answers, model.blur(photo, "face")]:
        table = pyarrow.table(answer.to_arrow())
        table.validate(full=True)
        (row,) = table.to_pylist()
        wanted = answer.to_dict()
        shared = [name for name in wanted if name in row]
        assert len(shared) >= 5 and set(row) - set(wanted) <= {"error"}
        for name in shared:
            assert_close(row[name], wanted[name])


def assert_close(found, wanted):
    """Compares nested values, numbers as float32."""
    if isinstance(wanted, dict):
        for name, value in found.items():
            assert_close(value, wanted[name])
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for pair in zip(found, wanted):
            assert_close(*pair)
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-6)
    else:
        assert found == wanted


def test_tables_of_no_photos_have_their_columns(model):
    pyarrow = pytest.importorskip("pyarrow")
    empty = model.classify([])
    assert len(empty) == 0 and empty.to_arrow().column_names[0] == "photo"
    table = pyarrow.table(empty)
    assert table.num_rows == 0 and "predictions" in table.column_names
    failed = pyarrow.table(model.embed([NOWHERE]))
    assert failed["embedding"].null_count == 1


def test_polars_and_pandas_read_them(model):
    polars = pytest.importorskip("polars")
    pandas = pytest.importorskip("pandas")
    answers = model.classify([CAT, NOWHERE])
    frame = polars.DataFrame(answers.to_arrow())
    assert frame["photo"].to_list() == [str(CAT), str(NOWHERE)]
    best = frame["predictions"].list.first().struct.field("name")[0]
    assert best == answers[0].names[0]
    frame = pandas.DataFrame.from_arrow(answers)
    assert list(frame["photo"]) == [str(CAT), str(NOWHERE)]


def test_a_stream_that_is_not_read_leaks_nothing(model):
    table = model.classify([CAT]).to_arrow()
    for _ in range(100):
        assert table.__arrow_c_stream__() is not None and table.__arrow_c_schema__() is not None
    assert len(table) == 1 and "1 rows" in repr(table)
    assert isinstance(table, lorgnette.Table)
