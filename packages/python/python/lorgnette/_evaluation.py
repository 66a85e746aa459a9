"""Evaluations of models."""

from __future__ import annotations

import copy
import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHOWN_CLASSES = 30
"""Number of classes up to which a notebook shows the confusion matrix."""


@dataclass(frozen=True)
class ClassMetrics:
    """Figures of one class, from 0 to 1."""

    name: str
    """Name of the class."""
    support: int
    """Number of photos of the class."""
    precision: float | None
    """Share of right ones among the photos that were given this class; None if there are none."""
    recall: float | None
    """Share of the class's photos that were given it; None if there are none."""
    f1: float | None
    """Harmonic mean of precision and recall, if either is known."""


class Evaluation:
    """Figures of a model on photos of known classes."""

    def __init__(self, figures: dict[str, Any], left_out: list[str]) -> None:
        self._figures = figures
        self.left_out = left_out
        """A line for each photo, or folder of no known class, that could not be used."""
        self.photos: int = figures["photos"]
        """Number of photos."""
        self.accuracy: float = figures["accuracy"]
        """Share of photos whose best class is right, from 0 to 1."""
        self.accuracy_interval: tuple[float, float] = tuple(figures["accuracy_interval"])
        """The 95 % confidence interval of the accuracy."""
        self.top5: float = figures["top5"]
        """Share of photos whose class is among the best five, from 0 to 1."""
        self.loss: float = figures["loss"]
        """Mean cross entropy, in nats."""
        self.balanced_accuracy: float = figures["balanced_accuracy"]
        """Mean recall of the classes, from 0 to 1."""
        self.f1: float = figures["f1"]
        """Mean F1 of the classes, from 0 to 1."""
        self.calibration_error: float = figures["calibration_error"]
        """Expected calibration error, from 0 to 1."""
        self.classes: list[str] = figures["classes"]
        """Names of the classes, by output index."""
        names = ("name", "support", "precision", "recall", "f1")
        self.class_metrics = [
            ClassMetrics(**{name: each[name] for name in names})
            for each in figures["class_figures"]
        ]
        """Figures of each class."""

    @property
    def confusion(self) -> NDArray[np.int64]:
        """The confusion matrix, a row for each true class, a column for each predicted class.

        Returns:
            int64 ``[classes, classes]``: numbers of photos.
        """
        import numpy as np

        return np.array(self._figures["confusion"], dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that the program prints."""
        return copy.deepcopy(self._figures)

    def __repr__(self) -> str:
        low, high = self.accuracy_interval
        return (
            f"<Evaluation: accuracy {self.accuracy:.4f} ({low:.4f} to {high:.4f}), "
            f"{self.photos} photos>"
        )

    def _repr_html_(self) -> str:
        if len(self.classes) > SHOWN_CLASSES:
            return html.escape(repr(self))
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.classes)
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th>{_cells(row)}</tr>"
            for name, row in zip(self.classes, self._figures["confusion"])
        )
        caption = html.escape(repr(self))
        return f"<table><caption>{caption}</caption><tr><th></th>{head}</tr>{rows}</table>"


def _cells(row: list[int]) -> str:
    """Cells of a row of the matrix, shaded by their share of the row."""
    total = max(sum(row), 1)
    return "".join(
        f'<td style="background: rgba(32, 112, 192, {0.75 * count / total:.3f})">{count}</td>'
        for count in row
    )
