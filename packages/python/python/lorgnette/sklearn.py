"""Features of photos as a transformer of scikit-learn."""

# scikit-learn has no types.
# pyright: basic

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ._model import Model, load


class Features(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns photos into the features of a network, for any classifier of scikit-learn.

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> classifier = make_pipeline(Features(), LogisticRegression())
    >>> classifier.fit(["cat.jpg", "dog.jpg"], ["cat", "dog"])

    Photos are those of `Model.embed`: a list of paths, bytes, arrays or PIL images; a column of
    paths; an array ``[photos, height, width, 3]``.

    Args:
        model: a name or path that `lorgnette.load` takes, or None for the embedded MobileNet V1.
        end_point: the node whose values are taken; None for the classification layer's input.
        reduced: decodes large JPEGs at a smaller size that suffices for the network.
        threads: number of threads; None for all cores that this process may use.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        end_point: str | None = None,
        reduced: bool = False,
        threads: int | None = None,
    ) -> None:
        self.model = model
        self.end_point = end_point
        self.reduced = reduced
        self.threads = threads

    def fit(self, X: Any, y: Any = None) -> Features:
        """Opens the model. Nothing is learned from the photos.

        Raises:
            LorgnetteError: if there is no such model or end point.
        """
        model = load(self.model, threads=self.threads)
        self._n_features_out = _channels(model, self.end_point)
        self.model_ = model
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Computes the features.

        Returns:
            float32 ``[photos, channels]``.

        Raises:
            LorgnetteError: for the first photo that cannot be read.
        """
        check_is_fitted(self)
        answers = self.model_.embed(
            _photos(X), end_point=self.end_point, reduced=self.reduced, errors="raise"
        )
        features = np.empty((len(answers), self._n_features_out), np.float32)
        for row, answer in zip(features, answers):
            row[:] = answer.values
        return features

    def __getstate__(self) -> dict[str, Any]:
        # The model is opened again where the pipeline is loaded.
        state: Any = super().__getstate__()
        return {name: value for name, value in state.items() if name != "model_"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_n_features_out" in state:
            self.model_ = load(self.model, threads=self.threads)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.three_d_array = True
        tags.no_validation = True
        return tags


def _photos(X: Any) -> Iterable[Any]:
    """The photos of a list, of a column, or of an array."""
    kind = getattr(getattr(X, "dtype", None), "kind", None)
    if hasattr(X, "iloc") or kind in ("O", "U"):
        column = np.asarray(X, dtype=object)
        if column.ndim == 2 and column.shape[1] == 1:
            column = column[:, 0]
        if column.ndim != 1:
            raise ValueError(f"photos are one column of paths, not an array of {column.shape}")
        return list(column)
    return list(X)


def _channels(model: Model, end_point: str | None) -> int:
    """Number of features, found with a grey photo."""
    grey = np.full((*model.input_size, 3), 128, np.uint8)
    return len(model.embed(grey, end_point=end_point, errors="raise").values)
