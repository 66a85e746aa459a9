"""Photos for a library, analysed by whatever distributes them: Ray, Spark, Dask.

`Analyse` gives the rows that ``lorgnette fleet run`` writes: classes, regions of the map, features,
faces. Files of such rows are merged into one library by ``lorgnette fleet merge``.

>>> from lorgnette.fleet import Analyse
>>> analyse = Analyse(faces=True)
>>> rows = analyse(pyarrow.table({"path": ["cat.jpg"], "bytes": [open("cat.jpg", "rb").read()]}))

With Spark, ``frame.mapInArrow(lorgnette.fleet.analyse_batches, lorgnette.fleet.spark_schema())``.
"""

# pyarrow has no types.
# pyright: basic

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet

from ._lorgnette import FleetAnalyser
from ._model import load

NOT_DOWNLOADED = "it could not be downloaded"
"""The error of a photo whose bytes are null."""


def spark_schema(faces: bool = False) -> str:
    """The columns of `Analyse`, as Spark writes types."""
    named = "class_index: bigint, synset: string, name: string"
    box = "box_left: double, box_top: double, box_right: double, box_bottom: double"
    columns = [
        "number bigint, photo string, path_bytes binary, sha256 string, size bigint",
        "modified_ns bigint, taken string, width bigint, height bigint, orientation bigint",
        f"classes array<struct<{named}, probability: double>>",
        f"regions array<struct<{named}, {box}, share: double, probability: double, peak: double>>",
        "features array<float>",
        f"faces array<struct<{box}, share: double, probability: double>>",
        "stage string, error string, analysis string",
    ]
    return ", ".join(column for column in columns if faces or not column.startswith("faces"))


class Analyse:
    """Analyses photos for a library, one row for each; nothing raises for a photo.

    A batch has the columns ``path`` (or `path_column`) and ``bytes`` (or `bytes_column`), and may
    have ``modified_ns``. A row has the columns of a part of ``lorgnette fleet run`` (docs/fleet.md).
    ``error`` is null where all went well; photos whose bytes are null have an error as well.

    Args:
        model: a name or path that `lorgnette.load` takes, or None for the embedded MobileNet V1,
            with the precision "auto", as the program has it.
        map_side: side in pixels of the square that has the area at which photos are mapped; 0 for
            no map.
        faces: searches for faces, too.
        reduced: decodes JPEGs at a reduced size where that suffices; answers differ a little.
        path_column: the column with the photos' paths or URIs.
        bytes_column: the column with the content of the photos' files.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        map_side: int = 640,
        faces: bool = False,
        reduced: bool = False,
        path_column: str = "path",
        bytes_column: str = "bytes",
    ) -> None:
        opening = {"ignore_orientation": False, "reduced": reduced, "max_pixels": None}
        precision: Literal["float32", "auto"] = "auto" if model is None else "float32"
        opened = load(model, threads=1, precision=precision)._inner
        self.analyser = FleetAnalyser(opened, map_side, faces, opening)
        self.path_column = path_column
        self.bytes_column = bytes_column

    def __call__(self, batch: pa.Table) -> pa.Table:
        paths = batch.column(self.path_column).to_pylist()
        contents = batch.column(self.bytes_column).to_pylist()
        times: list[int | None] = [None] * len(paths)
        if "modified_ns" in batch.schema.names:
            times = batch.column("modified_ns").to_pylist()
        part = self.analyser.part(list(zip(paths, times, contents)), NOT_DOWNLOADED)
        return pyarrow.parquet.read_table(pa.BufferReader(part))

    def write_empty_part(self, path: str | os.PathLike[str]) -> None:
        """Writes a part without rows, which says of which model and options rows are.

        ``lorgnette fleet merge`` needs one beside files of programs that do not keep the metadata of
        a schema, as Spark does not.
        """
        with open(path, "wb") as file:
            file.write(self.analyser.part([], NOT_DOWNLOADED))


def analyse_batches(
    batches: Iterator[pa.RecordBatch], **arguments: Any
) -> Iterator[pa.RecordBatch]:
    """Analyses record batches, as Spark's ``mapInArrow`` has them; arguments are `Analyse`'s."""
    analyse = Analyse(**arguments)
    for batch in batches:
        yield from analyse(pa.Table.from_batches([batch])).to_batches()
