"""Pictures: decoding, showing, writing; photos in folders."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from . import _lorgnette
from ._answers import FIGURE_SIDE, image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ._model import Photo


class Shown:
    """A picture that a notebook shows."""

    def __init__(self, photo: Any, side: int) -> None:
        self._photo = photo
        self._side = side

    def _repr_html_(self) -> str:
        return image(self._photo, self._side, "")

    def __repr__(self) -> str:
        return "<a picture, which notebooks show>"


def show(photo: Photo, side: int = FIGURE_SIDE) -> Shown:
    """Shows a photo in a notebook, made smaller until its longer side has at most ``side`` pixels."""
    return Shown(photo, side)


def save(photo: Photo, path: str | os.PathLike[str]) -> None:
    """Writes the pixels of a photo, without metadata, as PNG or JPEG by the extension.

    Raises:
        LorgnetteError: if the extension is another, or a file cannot be read or written.
    """
    _lorgnette.save(photo, path)


def decode(photo: Photo, *, ignore_orientation: bool = False) -> NDArray[np.uint8]:
    """Decodes a photo, with the pixels that TensorFlow decodes: uint8 ``[height, width, 3]``.

    Args:
        photo: a photo.
        ignore_orientation: takes it as stored, as TensorFlow does, without applying EXIF
            orientation.

    Raises:
        LorgnetteError: if the photo cannot be read.
    """
    return _lorgnette.decode(photo, ignore_orientation)


def find_photos(folder: str | os.PathLike[str]) -> list[str]:
    """Finds the photos in a folder and its subfolders, in the order of their paths.

    Hidden files, thumbnails and other files than photos are left out, as by the program.

    Raises:
        LorgnetteError: if there is no such folder.
    """
    return [os.fspath(path) for path in _lorgnette.find_photos(folder)]
