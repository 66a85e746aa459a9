"""Training of one's own classes."""

from __future__ import annotations

import json
import os
from typing import Any, Literal

from . import _lorgnette
from ._evaluation import Evaluation
from ._model import Model, load
from ._progress import Bar


class Training:
    """A finished training."""

    def __init__(self, folder: str, summary: dict[str, Any], evaluations: list[Evaluation]) -> None:
        self.folder = folder
        """The model's folder, with ``report.html``."""
        self.summary = summary
        """The figures that ``lorgnette train --format json`` prints."""
        self.training, self.validation, self.test = evaluations
        self._model: Model | None = None

    @property
    def model(self) -> Model:
        """The trained model."""
        if self._model is None:
            self._model = load(self.folder)
        return self._model

    def __repr__(self) -> str:
        return f"<Training {self.folder!r}: test accuracy {self.test.accuracy:.4f}>"

    def _repr_html_(self) -> str:
        return self.test._repr_html_()


def train(
    photos: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    model: Model | None = None,
    multi_label: bool = False,
    recipe: Literal["default", "tutorial", "retrain"] = "default",
    steps: int | None = None,
    seed: int = 0,
    validation_percentage: float = 10.0,
    test_percentage: float = 10.0,
    end_point: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Training:
    """Trains a classification layer on the features of photos of one's own classes.

    Args:
        photos: a folder with one folder of photos for each class, or a CSV file with the columns
            path and label.
        out: the folder of the trained model and its report.
        model: the network that gives the features; None for the embedded MobileNet V1.
        multi_label: photos may have several labels.
        recipe: "default" (L-BFGS, penalty chosen on held-out photos), "tutorial" (gradient descent,
            rate 0.01 times 0.9 every 500 steps, batches of 128), or "retrain" (as ``retrain.py``).
        steps: number of steps of the recipes "tutorial" and "retrain".
        seed: of splits, initial weights and batches.
        validation_percentage: share of validation photos, in per cent.
        test_percentage: share of test photos, in per cent.
        end_point: the node that gives the features; None for the input of the classification layer.
        resume: goes on with an interrupted training.
        overwrite: replaces a model that is there.
        cache: the file of computed features; None for the one that the program keeps.
        progress: shows a bar, if ``tqdm`` is installed.

    Raises:
        LorgnetteError: if the photos cannot be used, or the folder has a model; the text says why.
        KeyboardInterrupt: after Ctrl-C; computed features are kept.
    """
    arguments = {
        "photos": photos,
        "out": out,
        "multi_label": multi_label,
        "recipe": recipe,
        "steps": steps,
        "seed": seed,
        "validation_percentage": validation_percentage,
        "test_percentage": test_percentage,
        "end_point": end_point,
        "resume": resume,
        "overwrite": overwrite,
        "cache": cache,
    }
    network = load() if model is None else model
    with Bar(progress) as bar:
        summary, evaluations = _lorgnette.train(arguments, network._inner, bar.tell)
    figures = [Evaluation(json.loads(each), []) for each in evaluations]
    return Training(os.fspath(out), json.loads(summary), figures)
