"""Photos in Ray Data: actor classes for ``map_batches``, `Analyse` for a library, `Classify`, `Embed`.

>>> import ray
>>> from ray.data.expressions import download
>>> from lorgnette.ray import Classify
>>> photos = ray.data.read_parquet("manifest.parquet").with_column("bytes", download("uri"))
>>> answers = photos.map_batches(
...     Classify,
...     fn_constructor_kwargs={"top": 1},
...     batch_format="pyarrow",
...     batch_size=64,
...     num_cpus=1,
...     compute=ray.data.ActorPoolStrategy(min_size=1, max_size=16),
... )
>>> answers.write_parquet("answers")

A batch gives as many rows as it has, in the same order: its own columns without the bytes, and
those of the answers. The column ``error`` is null where all went well. A photo that could not be
downloaded, which Ray gives as a null, has an error as well. Nothing raises for a photo, since Ray
would drop its whole block.

An actor takes one core, and its model's weights are mapped from the package: actors of a machine
share them. Leave at least two of Ray's CPUs to reading and downloading: a pool of actors that takes
all of them waits for photos for ever.
"""

# pyarrow has no types.
# pyright: basic

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from ._answers import A, Answers, Classification, Embedding, Failure
from ._model import load
from .fleet import NOT_DOWNLOADED, Analyse

__all__ = ["NOT_DOWNLOADED", "Analyse", "Classify", "Embed"]


class _Actor:
    """Answers about the photos of batches."""

    def __init__(
        self, model: str | os.PathLike[str] | None, bytes_column: str, name_column: str
    ) -> None:
        self.model = load(model, threads=1)
        self.bytes_column = bytes_column
        self.name_column = name_column

    def _answers(
        self, batch: pa.Table, kind: type[A], compute: Callable[[list[bytes]], Answers[A]]
    ) -> pa.Table:
        contents = batch.column(self.bytes_column).to_pylist()
        names = batch.column(self.name_column).to_pylist()
        found = iter(compute([content for content in contents if content is not None]))
        answers: list[A | Failure] = []
        for content, name in zip(contents, names):
            answer = Failure(name, NOT_DOWNLOADED) if content is None else next(found)
            answers.append(answer)
        table = pa.table(Answers(kind, answers))
        rest = batch.drop_columns([self.bytes_column])
        for column in table.column_names:
            # The photo's name is the batch's own.
            if column != "photo":
                if column in rest.column_names:
                    rest = rest.drop_columns([column])
                rest = rest.append_column(column, table.column(column))
        return rest


class Classify(_Actor):
    """Finds the most probable classes: columns as those of `Classification`, and ``error``.

    Args:
        model: a name or path that `lorgnette.load` takes, or None for the embedded MobileNet V1.
        top: number of classes.
        reduced: as for `Model.classify`.
        bytes_column: the column with the photos' files.
        name_column: the column with the photos' names.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        top: int = 5,
        reduced: bool = False,
        bytes_column: str = "bytes",
        name_column: str = "uri",
    ) -> None:
        super().__init__(model, bytes_column, name_column)
        self.top = top
        self.reduced = reduced

    def __call__(self, batch: pa.Table) -> pa.Table:
        return self._answers(
            batch,
            Classification,
            lambda photos: self.model.classify(photos, top=self.top, reduced=self.reduced),
        )


class Embed(_Actor):
    """Computes features: columns as those of `Embedding`, and ``error``.

    Args:
        model: a name or path that `lorgnette.load` takes, or None for the embedded MobileNet V1.
        end_point: as for `Model.embed`.
        reduced: as for `Model.classify`.
        bytes_column: the column with the photos' files.
        name_column: the column with the photos' names.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        end_point: str | None = None,
        reduced: bool = False,
        bytes_column: str = "bytes",
        name_column: str = "uri",
    ) -> None:
        super().__init__(model, bytes_column, name_column)
        self.end_point = end_point
        self.reduced = reduced

    def __call__(self, batch: pa.Table) -> pa.Table:
        return self._answers(
            batch,
            Embedding,
            lambda photos: self.model.embed(
                photos, end_point=self.end_point, reduced=self.reduced
            ),
        )
