"""Libraries of photos that are searched by what is where."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from . import _lorgnette
from ._answers import Hit, SearchResults
from ._model import Model, load
from ._progress import Bar


class Indexed:
    """What `Library.index` did: numbers of photos."""

    def __init__(self, counts: dict[str, int], errors: list[str]) -> None:
        self.counts = counts
        """Numbers of photos by the program's names: found, analysed, unchanged, failed, ..."""
        self.errors = errors
        """A line for each photo or folder that failed."""

    def __repr__(self) -> str:
        counts = ", ".join(f"{number} {name}" for name, number in self.counts.items() if number)
        return f"<Indexed: {counts}>"


class Library:
    """A library of photos in one file, which the program ``lorgnette`` reads and writes too."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens a library.

        Raises:
            LorgnetteError: if there is none, or it cannot be read.
        """
        self._inner = _lorgnette.Library(path, False)

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> Library:
        """Opens a library, or makes an empty one if there is none.

        Raises:
            LorgnetteError: if the file is something else, or cannot be written.
        """
        _lorgnette.Library(path, True)
        return cls(path)

    @property
    def path(self) -> str:
        """The library's file."""
        return os.fspath(self._inner.path)

    def __len__(self) -> int:
        """Number of photos in it."""
        return self._inner.photos()

    def __bool__(self) -> bool:
        return True

    def index(
        self,
        folders: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
        *,
        model: Model | None = None,
        map_side: int = 640,
        retry: bool = False,
        reduced: bool = False,
        progress: bool = False,
    ) -> Indexed:
        """Analyses the new and changed photos in folders. The photos are not changed.

        Args:
            folders: folders, including their subfolders, or photos; none for those that were
                indexed before.
            model: analyses the photos; None for the embedded MobileNet V1, with the precision
                "auto", as the program has it.
            map_side: side in pixels of the square that has the area at which photos are mapped; 0
                for no map.
            retry: tries again the photos that could not be decoded.
            reduced: as for `Model.classify`.
            progress: as for `Model.classify`.

        Raises:
            LorgnetteError: if a folder does not exist, or the library cannot be written.
            KeyboardInterrupt: after Ctrl-C; what is finished is kept.
        """
        paths = [folders] if isinstance(folders, (str, os.PathLike)) else list(folders)
        network = load(precision="auto") if model is None else model
        open_arguments: dict[str, Any] = {
            "ignore_orientation": False,
            "reduced": reduced,
            "max_pixels": None,
        }
        with Bar(progress) as bar:
            counts, errors = self._inner.index(
                paths, network._inner, (map_side, retry), open_arguments, bar.tell
            )
        return Indexed(json.loads(counts), errors)

    def search(
        self, query: str, *, limit: int = 20, min_probability: float | None = None
    ) -> SearchResults:
        """Finds photos by what is where in them.

        Args:
            query: such as ``"school bus in the middle AND flower pot in the top left corner"``.
            limit: maximum number of photos.
            min_probability: of what counts as found, from 0 to 1; None for the library's own.

        Returns:
            The best photos, best first; ``total`` has the number of all that match.

        Raises:
            LorgnetteError: if the query has an error, or names something that no photo can have;
                the text points at the word.
        """
        total, hits = self._inner.search(query, limit, min_probability)
        return SearchResults(total, [Hit(hit) for hit in json.loads(hits)])

    def __repr__(self) -> str:
        return f"lorgnette.Library({self.path!r})"
