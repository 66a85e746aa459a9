"""Looks at pictures with TensorFlow-Slim networks, without TensorFlow.

>>> import lorgnette
>>> model = lorgnette.load()
>>> answer = model.classify("cat.jpg")
>>> answer.predictions[0].name, answer.predictions[0].probability

A photo is a path, the bytes of a file, a numpy array of uint8 or uint16 ``[height, width, 3]`` (or
``[height, width]``, or with one or four channels), or a PIL image. A method that is given a list, or
anything else that is iterated, answers about each of its photos in order. A photo that cannot be
read gives an answer whose ``error`` says why; with ``errors="raise"`` it raises instead.

Long calls use all cores that the process may use, leave the interpreter free for other threads, and
end on Ctrl-C.
"""

from ._answers import (
    Answer,
    Answers,
    Area,
    Blurred,
    Classification,
    Embedding,
    Face,
    Faces,
    Failure,
    Hit,
    LegendEntry,
    Match,
    Prediction,
    Region,
    SearchResults,
    SegmentationMap,
)
from ._evaluation import ClassMetrics, Evaluation
from ._library import Indexed, Library
from ._lorgnette import LorgnetteError, Table, __version__
from ._model import Model, load
from ._pictures import decode, find_photos, save, show
from ._train import Training, train

__all__ = [
    "Answer",
    "Answers",
    "Area",
    "Blurred",
    "ClassMetrics",
    "Classification",
    "Embedding",
    "Evaluation",
    "Face",
    "Faces",
    "Failure",
    "Hit",
    "Indexed",
    "LegendEntry",
    "Library",
    "LorgnetteError",
    "Match",
    "Model",
    "Prediction",
    "Region",
    "SearchResults",
    "SegmentationMap",
    "Table",
    "Training",
    "__version__",
    "decode",
    "find_photos",
    "load",
    "save",
    "show",
    "train",
]
