"""Photos for a library, as another program distributes them."""

import subprocess

import pytest
from conftest import CAT, PHOTOS, PROGRAM

pyarrow = pytest.importorskip("pyarrow")
import pyarrow.parquet  # noqa: E402

from lorgnette.fleet import NOT_DOWNLOADED, Analyse, analyse_batches  # noqa: E402


@pytest.fixture(scope="module")
def analyse():
    return Analyse(faces=True)


@pytest.fixture(scope="module")
def batch():
    paths = [str(CAT), "/photos/bad.jpg", "/photos/gone.jpg", str(PHOTOS / "coffee.jpg")]
    contents = [CAT.read_bytes(), b"no photo", None, (PHOTOS / "coffee.jpg").read_bytes()]
    return pyarrow.table({"path": paths, "bytes": contents, "modified_ns": [1, 2, 3, None]})


def test_rows_are_in_the_order_of_photos(analyse, batch):
    rows = analyse(batch).to_pylist()
    assert [row["photo"] for row in rows] == batch["path"].to_pylist()
    assert [row["modified_ns"] for row in rows] == [1, 2, 3, None]
    assert [row["stage"] for row in rows] == [None, "read", "read", None]
    assert rows[2]["error"] == f"/photos/gone.jpg: {NOT_DOWNLOADED}"
    assert rows[0]["classes"][0]["name"].startswith("Egyptian cat") and len(rows[0]["features"]) == 1024
    assert all(len(row["features"]) == 0 and row["classes"] == [] for row in rows[1:3])


def test_rows_are_those_of_the_program(analyse, tmp_path):
    manifest, parts = tmp_path / "photos.parquet", tmp_path / "parts"
    for arguments in (
        ["manifest", PHOTOS, "--out", manifest],
        ["run", "--manifest", manifest, "--out", parts, "--faces"],
    ):
        subprocess.run([PROGRAM, "fleet", *arguments], check=True)
    listed = pyarrow.parquet.read_table(manifest)
    contents = [open(path, "rb").read() for path in listed["path"].to_pylist()]
    rows = analyse(listed.append_column("bytes", pyarrow.array(contents)))
    expected = pyarrow.parquet.read_table(parts / "part-00000-of-00001.parquet")
    assert rows.schema.equals(expected.schema)
    assert rows.drop_columns(["number"]).equals(expected.drop_columns(["number"]))

    # Files that pyarrow writes are merged as those of the program, without their metadata too.
    others, bare = tmp_path / "others", tmp_path / "bare"
    others.mkdir()
    bare.mkdir()
    pyarrow.parquet.write_table(rows.slice(0, 2), others / "a.parquet")
    pyarrow.parquet.write_table(rows.slice(2), others / "b.parquet", compression="none")
    pyarrow.parquet.write_table(rows.replace_schema_metadata(None), bare / "all.parquet")
    merge = [PROGRAM, "fleet", "merge", bare, "--library", tmp_path / "nothing.lgn"]
    assert "lost its description" in subprocess.run(merge, capture_output=True, text=True).stderr
    analyse.write_empty_part(bare / "empty.parquet")
    searched = []
    for folder in (parts, others, bare):
        library = tmp_path / f"{folder.name}.lgn"
        subprocess.run([PROGRAM, "fleet", "merge", folder, "--library", library], check=True)
        command = [PROGRAM, "search", "cat OR face", "--library", library, "--format", "json"]
        searched.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert searched[1:] == searched[:1] * 2 and "chelsea.jpg" in searched[0]
    Analyse(map_side=0, faces=True).write_empty_part(bare / "empty.parquet")
    merge = subprocess.run(merge, capture_output=True, text=True)
    assert merge.returncode == 2 and "another model or other options" in merge.stderr


def test_record_batches_are_analysed_one_by_one(analyse, batch):
    batches = [batch.slice(0, 1), batch.slice(1, 0), batch.slice(1)]
    batches = [part.combine_chunks().to_batches()[0] if part.num_rows else None for part in batches]
    rows = list(analyse_batches(iter([part for part in batches if part is not None]), map_side=0))
    assert sum(part.num_rows for part in rows) == batch.num_rows
    assert analyse(batch.slice(0, 0)).schema == analyse(batch).schema
