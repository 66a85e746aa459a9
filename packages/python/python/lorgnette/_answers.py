"""Answers about photos. Their fields are those of the program's JSON.

A box is left, top, right, bottom in pixels of the photo; right and bottom are exclusive. Shares and
probabilities are from 0 to 1.
"""

from __future__ import annotations

import base64
import copy
import dataclasses
import html
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar, Union, overload

from . import _lorgnette
from ._lorgnette import LorgnetteError, Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

THUMBNAIL_SIDE = 224
"""Longer side of a photo in a notebook, in pixels."""
FIGURE_SIDE = 720
"""Longer side of a map in a notebook, in pixels."""
SHOWN_PHOTOS = 24
"""Number of photos of `Answers` that a notebook shows."""

R = TypeVar("R")
A = TypeVar("A", bound="Answer")


def _take(record: type[R], values: dict[str, Any]) -> R:
    """Makes a record of the values of its fields."""
    names = [each.name for each in dataclasses.fields(record)]  # type: ignore[arg-type]
    return record(**{name: values.get(name) for name in names})


def _take_all(record: type[R], values: Iterable[dict[str, Any]]) -> list[R]:
    return [_take(record, each) for each in values]


@dataclass(frozen=True)
class Prediction:
    """A class with its probability."""

    index: int
    """The network's output index; in networks of 1001 classes 0 is the background."""
    synset: str | None
    """The WordNet synset, such as ``n01440764``, where the classes have them."""
    name: str
    """The class's name, or several synonyms separated by commas."""
    probability: float
    """From 0 to 1."""
    logit: float
    """The score before softmax."""


@dataclass(frozen=True)
class LegendEntry:
    """The area of one class in a map."""

    index: int | None
    """The network's output index; None for the cells that are unknown."""
    synset: str | None
    """The WordNet synset, where the classes have them."""
    name: str
    """The class's name, or "unknown"."""
    cells: int
    """Number of cells where it is the best class."""
    share: float
    """Share of all cells, from 0 to 1."""
    mean_probability: float
    """Mean probability over these cells."""


@dataclass(frozen=True)
class Region:
    """Connected cells of one class."""

    index: int
    """The network's output index."""
    synset: str | None
    """The WordNet synset, where the classes have them."""
    name: str
    """The class's name."""
    box: list[int]
    """Left, top, right, bottom in pixels of the photo."""
    place: str
    """Position of its centre by thirds of the photo, such as "top left"."""
    cells: int
    """Number of cells."""
    share: float
    """Share of the photo, from 0 to 1."""
    probability: float
    """Mean probability over its cells."""
    peak_probability: float
    """Highest probability of a cell."""


@dataclass(frozen=True)
class Area:
    """A blurred area."""

    index: int | None
    """The selected class of most of its pixels: the network's output index. None for a face."""
    synset: str | None
    """The WordNet synset, where the classes have them."""
    name: str
    """The class's name, or "face"."""
    box: list[int]
    """Left, top, right, bottom in pixels of the photo."""
    share: float
    """Share of the photo, from 0 to 1."""
    probability: float
    """Mean probability over its pixels."""
    peak_probability: float
    """Highest probability of a pixel."""


@dataclass(frozen=True)
class Face:
    """A face in a photo. Coordinates are in pixels of the photo, from its top left corner."""

    box: list[float]
    """Left, top, right, bottom."""
    probability: float
    """From 0 to 1."""
    landmarks: list[list[float]]
    """The viewer's left eye and right eye, nose, left and right mouth corner: x and y of each."""
    scale: float
    """The side of the photo at which it was found, as a share of the photo's own."""


@dataclass(frozen=True)
class Match:
    """A detection in a photo that matches part of a query."""

    name: str
    """The names of its class."""
    synset: str | None
    """The WordNet synset, where the classes have them."""
    asked: str
    """The name in the query."""
    box: list[int] | None
    """Left, top, right, bottom in pixels of the photo; None for the photo as a whole."""
    probability: float
    """From 0 to 1."""
    share: float
    """Share of the photo, from 0 to 1."""
    score: float
    """Contribution to the score, from 0 to 1."""


class Answer:
    """An answer about a photo that was read."""

    _kind: ClassVar[str]

    def __init__(self, answer: dict[str, Any], source: Any = None) -> None:
        self._answer = answer
        self._source = source
        self.photo: str = answer["photo"]
        """The photo's name: its path, or what it was given as, such as ``<array>``."""
        self.width: int = answer["width"]
        """Width of the photo in pixels, upright."""
        self.height: int = answer["height"]
        """Height of the photo in pixels, upright."""

    @property
    def error(self) -> None:
        """None. Of a photo that failed, `Failure.error` says why."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that the program prints."""
        return copy.deepcopy(self._answer)

    def to_arrow(self) -> Table:
        """A table of one row; see `Answers.to_arrow`."""
        return Table(self._kind, [json.dumps(self.to_dict())])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answer) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def _thumbnail(self) -> str:
        return image(self._source, THUMBNAIL_SIDE, self.photo)

    def _rows(self) -> list[tuple[str, str]]:
        """Lines beside the photo in a notebook: a number and a name."""
        return []

    def _repr_html_(self) -> str:
        return _figure(self._thumbnail(), self.photo, self._rows())


class Failure:
    """A photo that could not be answered about. To read anything else of it raises its error."""

    def __init__(self, photo: str, error: str) -> None:
        self.photo = photo
        """The photo's name."""
        self.error = error
        """The reason, and what to do."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that the program prints."""
        return {"photo": self.photo, "error": self.error}

    def __getattr__(self, name: str) -> NoReturn:
        # Python and notebooks ask every object for such names.
        if name.startswith("_"):
            raise AttributeError(name)
        raise LorgnetteError(self.error)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Failure) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Failure(photo={self.photo!r}, error={self.error!r})"

    def _repr_html_(self) -> str:
        return _figure("", self.photo, [("", self.error)])


class Classification(Answer):
    """The most probable classes of a photo."""

    _kind = "classification"

    def __init__(self, answer: dict[str, Any], source: Any = None) -> None:
        super().__init__(answer, source)
        self.model: str = answer["model"]
        """The model's name."""
        self.unknown: bool | None = answer.get("unknown")
        """True if the photo counts as none of the classes; None for models that cannot say it."""
        self.predictions = _take_all(Prediction, answer["predictions"])
        """The classes, best first."""

    @property
    def names(self) -> list[str]:
        """The classes' names, best first."""
        return [prediction.name for prediction in self.predictions]

    @property
    def probabilities(self) -> list[float]:
        """The classes' probabilities, from 0 to 1, best first."""
        return [prediction.probability for prediction in self.predictions]

    def picture(self, *, below: bool = False) -> NDArray[np.uint8]:
        """The photo with names and probabilities on it: uint8 ``[height, width, 3]``.

        Small photos are enlarged, and the names are below them; with ``below`` they always are.

        Raises:
            LorgnetteError: if the photo is not there any more.
        """
        answers = [(each.name, each.probability) for each in self.predictions]
        return _lorgnette.annotate(_source(self), answers, below)

    def _rows(self) -> list[tuple[str, str]]:
        return [(f"{100 * each.probability:.1f} %", each.name) for each in self.predictions]

    def __repr__(self) -> str:
        best = ", ".join(
            f"{each.name.split(',')[0]} {100 * each.probability:.1f} %" for each in self.predictions
        )
        return f"<Classification of {self.photo!r}: {best}>"


class Embedding(Answer):
    """The features of a photo."""

    _kind = "embedding"

    def __init__(
        self, answer: dict[str, Any], values: NDArray[np.float32], source: Any = None
    ) -> None:
        super().__init__(answer, source)
        self.model: str = answer["model"]
        """The model's name."""
        self.end_point: str = answer["end_point"]
        """The node that gives the features."""
        self.values = values
        """The features, one for each channel of the node: float32 ``[channels]``."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that the program prints."""
        return self._answer | {"embedding": [_shortest(value) for value in self.values]}

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.values if dtype is None else self.values.astype(dtype)

    def __repr__(self) -> str:
        return f"<Embedding of {self.photo!r}: {len(self.values)} channels of {self.end_point}>"


class SegmentationMap(Answer):
    """A class for every place of a photo. Pairs are vertical, horizontal."""

    _kind = "map"

    def __init__(self, found: _lorgnette.Map) -> None:
        super().__init__(json.loads(found.json))
        self._map = found
        answer = self._answer
        self.model: str = answer["model"]
        """The model's name."""
        self.rows: int = answer["rows"]
        """Number of rows of cells."""
        self.columns: int = answer["columns"]
        """Number of columns of cells."""
        self.stride: float = answer["stride"]
        """Pixels from one cell to the next."""
        self.first: list[float] = answer["first"]
        """Centre of the first cell, in pixels of the photo."""
        self.field: list[float] = answer["field"]
        """Size of a cell's receptive field, in pixels of the photo."""
        self.legend = _take_all(LegendEntry, answer["legend"])
        """The classes of the cells, largest area first."""
        self.regions = _take_all(Region, answer["regions"])
        """Connected cells of one class, largest first."""

    @property
    def classes(self) -> NDArray[np.int64]:
        """The best class of each cell, the network's output index: int64 ``[rows, columns]``.

        It is -1 where no class is probable enough.
        """
        return self._map.classes

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """The probability of each class in each cell: float32 ``[rows, columns, classes]``."""
        return self._map.probabilities

    def overlay(self, opacity: float | None = None) -> NDArray[np.uint8]:
        """The photo with the classes' colours over it: uint8 ``[height, width, 3]``."""
        return self._map.overlay(opacity)

    def heat(self, name: str) -> NDArray[np.uint8]:
        """How probable a class, or a kind such as "dog", is over the photo.

        Returns:
            uint8 ``[height, width, 3]``.

        Raises:
            LorgnetteError: if the name is of no class; the text has similar names.
        """
        return self._map.heat(name)

    def picture(self, *, over_photo: bool = True) -> NDArray[np.uint8]:
        """The map with its legend, over the photo or alone: uint8 ``[height, width, 3]``."""
        return self._map.drawing(over_photo)

    def __repr__(self) -> str:
        names = ", ".join(entry.name.split(",")[0] for entry in self.legend[:3])
        return f"<SegmentationMap of {self.photo!r}: {self.rows} x {self.columns} cells, {names}>"

    def _repr_html_(self) -> str:
        return image(self.picture(), FIGURE_SIDE, self.photo)


class Blurred(Answer):
    """A photo after blurring, and what was blurred."""

    _kind = "blur"

    def __init__(self, answer: dict[str, Any], pixels: NDArray[np.uint8]) -> None:
        super().__init__(answer)
        self.model: str = answer["model"]
        """The model's name."""
        self.share: float = answer["share"]
        """Share of the photo's pixels that changed, from 0 to 1."""
        self.blurred = _take_all(Area, answer["blurred"])
        """The areas, largest first; none if nothing was found."""
        self.warnings: list[str] = answer["warnings"]
        """Sentences about what was looked at less than it should be."""
        self.pixels = pixels
        """The photo after blurring: uint8 ``[height, width, 3]``."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the photo after blurring, without metadata, as PNG or JPEG by the extension.

        Raises:
            LorgnetteError: if the extension is another, or the file cannot be written.
        """
        _lorgnette.save(self.pixels, path)

    def __repr__(self) -> str:
        names = ", ".join(area.name.split(",")[0] for area in self.blurred) or "nothing"
        return f"<Blurred {self.photo!r}: {names}, {100 * self.share:.1f} % of the photo>"

    def _repr_html_(self) -> str:
        return image(self.pixels, FIGURE_SIDE, self.photo)


class Faces(Answer):
    """The faces in a photo."""

    _kind = "faces"

    def __init__(self, answer: dict[str, Any], source: Any = None) -> None:
        super().__init__(answer, source)
        self.model: str = answer["model"]
        """The name of the face model."""
        self.scales: list[float] = answer["scales"]
        """The scales at which the photo was searched, its own first."""
        self.faces = _take_all(Face, answer["faces"])
        """The faces, the most probable first."""

    def picture(self) -> NDArray[np.uint8]:
        """The photo with a box, landmarks and probability on each face.

        Returns:
            uint8 ``[height, width, 3]``.

        Raises:
            LorgnetteError: if the photo is not there any more.
        """
        faces = [(each.box, each.probability, each.landmarks) for each in self.faces]
        return _lorgnette.draw_faces(_source(self), faces)

    def __repr__(self) -> str:
        return f"<Faces of {self.photo!r}: {len(self.faces)}>"

    def _repr_html_(self) -> str:
        try:
            return image(self.picture(), FIGURE_SIDE, self.photo)
        except LorgnetteError:
            return html.escape(repr(self))


class Hit(Answer):
    """A photo that a search found."""

    _kind = "hit"

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer, answer["photo"])
        self.score: float = answer["score"]
        """From 0 to 1."""
        self.taken: str | None = answer.get("taken")
        """Time of capture by the camera's clock, ``YYYY-MM-DDTHH:MM:SS``."""
        self.matches = _take_all(Match, answer["matches"])
        """What was found, in the order of the query."""

    def _rows(self) -> list[tuple[str, str]]:
        return [(f"{100 * self.score:.1f} %", "")] + [
            (f"{100 * each.probability:.1f} %", each.name) for each in self.matches
        ]

    def __repr__(self) -> str:
        return f"<Hit {self.photo!r}: {100 * self.score:.1f} %>"


class Answers(Sequence[Union[A, Failure]], Generic[A]):
    """Answers about several photos, in the photos' order."""

    def __init__(self, kind: type[A], answers: Iterable[A | Failure]) -> None:
        self._kind = kind
        self._answers: list[A | Failure] = list(answers)

    @overload
    def __getitem__(self, index: int) -> A | Failure: ...
    @overload
    def __getitem__(self, index: slice) -> Answers[A]: ...
    def __getitem__(self, index: int | slice) -> A | Failure | Answers[A]:
        if isinstance(index, slice):
            return Answers(self._kind, self._answers[index])
        return self._answers[index]

    def __len__(self) -> int:
        return len(self._answers)

    def __iter__(self) -> Iterator[A | Failure]:
        return iter(self._answers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answers) and self.to_dicts() == other.to_dicts()

    __hash__ = None  # type: ignore[assignment]

    @property
    def succeeded(self) -> list[A]:
        """The answers about photos that could be read."""
        return [answer for answer in self._answers if not isinstance(answer, Failure)]

    @property
    def failures(self) -> list[Failure]:
        """The photos that could not be answered about."""
        return [answer for answer in self._answers if isinstance(answer, Failure)]

    def to_dicts(self) -> list[dict[str, Any]]:
        """The JSON objects that the program prints, one for each photo."""
        return [answer.to_dict() for answer in self._answers]

    def to_arrow(self) -> Table:
        """A table with a row for each photo; the column ``error`` says why a photo failed.

        The table has the Arrow PyCapsule interface: ``pyarrow.table(table)``,
        ``polars.DataFrame(table)``, ``pandas.DataFrame.from_arrow(table)``. Answers have it too, but
        polars takes them for a list.
        """
        return Table(self._kind._kind, [json.dumps(each.to_dict()) for each in self._answers])

    def __arrow_c_schema__(self) -> object:
        return self.to_arrow().__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"<{len(self)} answers of {self._kind.__name__}{failed}>"

    def _repr_html_(self) -> str:
        shown = "".join(
            f'<div style="margin: 0 1em 1em 0">{answer._repr_html_()}</div>'
            for answer in self._answers[:SHOWN_PHOTOS]
        )
        more = len(self) - SHOWN_PHOTOS
        rest = f"<p>and {more} more</p>" if more > 0 else ""
        return f'<div style="display: flex; flex-wrap: wrap">{shown}</div>{rest}'


class SearchResults(Answers[Hit]):
    """The best photos of a search, best first."""

    def __init__(self, total: int, hits: Iterable[Hit]) -> None:
        super().__init__(Hit, hits)
        self.total = total
        """Number of photos that match, of which these are the best."""

    def __repr__(self) -> str:
        return f"<SearchResults: {len(self)} of {self.total}>"


def _shortest(value: np.float32) -> float:
    """The shortest decimal that is this float32, as JSON has it."""
    return float(str(value))


def _source(answer: Answer) -> Any:
    if answer._source is None:
        raise LorgnetteError(
            f"{answer.photo}: the pixels were not kept: answers keep those of a single photo alone"
        )
    return answer._source


def image(source: Any, side: int, name: str) -> str:
    """An HTML image of a photo; empty if it is not there."""
    if source is None:
        return ""
    try:
        jpeg = _lorgnette.thumbnail(source, side)
    except (LorgnetteError, OSError):
        return ""
    data = base64.b64encode(jpeg).decode()
    return f'<img alt="{html.escape(name)}" src="data:image/jpeg;base64,{data}">'


def _figure(image: str, caption: str, rows: list[tuple[str, str]]) -> str:
    lines = "".join(
        f'<tr><td style="text-align: right">{html.escape(number)}</td>'
        f'<td style="text-align: left">{html.escape(name)}</td></tr>'
        for number, name in rows
    )
    return f"<figure>{image}<figcaption>{html.escape(caption)}</figcaption><table>{lines}</table></figure>"
