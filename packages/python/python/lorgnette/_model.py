"""Models: classification, features, maps, blurring, faces, tensors, files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Union, overload

from . import _lorgnette
from ._answers import (
    A,
    Answers,
    Blurred,
    Classification,
    Embedding,
    Faces,
    Failure,
    SegmentationMap,
)
from ._evaluation import Evaluation
from ._lorgnette import LorgnetteError
from ._progress import Bar

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Pixels: TypeAlias = Union[NDArray[np.uint8], NDArray[np.uint16]]
    Photo: TypeAlias = Union[str, os.PathLike[str], bytes, bytearray, memoryview, Pixels, Image]

    Errors: TypeAlias = Literal["return", "raise"]
    Entries: TypeAlias = list[tuple[Any, Any]]

CHUNK = 256
"""Number of photos that are computed in one call of the extension module."""


def load(
    name: str | os.PathLike[str] | None = None,
    *,
    size: tuple[int, int] | None = None,
    preprocess: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    input: str | None = None,
    output: str | None = None,
    net: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    precision: Literal["float32", "bf16", "auto"] = "float32",
    weights: Literal["float32", "bf16", "f16", "int8"] = "float32",
    threads: int | None = None,
    memory_limit: int | None = None,
) -> Model:
    """Opens a model.

    Args:
        name: a path (frozen graph, checkpoint, ``.onnx``, ``.tflite``, plan file, folder of a
            trained model, a folder or archive of these), the name of a published model that is
            installed, or None for the embedded MobileNet V1 1.0 224.
        size: rows and columns of the input, where the model does not say.
        preprocess: vgg, inception, inception_2015, lenet, cifarnet, none (0 to 255), unit (0 to 1),
            symmetric (-1 to 1), caffe, torch or teachable_machine; None for the model's own.
        labels: a file with the class names, one on each line.
        input: the input node, where the graph has several candidates.
        output: the output node, where the graph has several candidates.
        net: the TF-Slim network that a checkpoint is of; None to recognise it.
        checkpoint: the checkpoint of a graph that is not frozen; None for the one beside it.
        precision: of products; bf16 is less exact and faster on some CPUs, auto takes it where it
            pays.
        weights: storage of fully connected weights; all but float32 are less exact.
        threads: number of threads; None for all cores that this process may use. Answers do not
            depend on it.
        memory_limit: maximum bytes of the activations of one run; None for 8 GiB.

    Raises:
        LorgnetteError: if there is no such model, or it cannot be used; the text says why.
        ValueError: if an argument has no such value.
    """
    arguments = {
        "size": size,
        "preprocess": preprocess,
        "labels": labels,
        "input": input,
        "output": output,
        "net": net,
        "checkpoint": checkpoint,
        "precision": precision,
        "weights": weights,
        "threads": threads,
        "memory_limit": memory_limit,
    }
    return Model(_lorgnette.Model(None if name is None else os.fspath(name), arguments))


class Model:
    """A network with its preprocessing and class names, made by `load`. Threads may share it."""

    def __init__(self, inner: _lorgnette.Model) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        """The model's name: its file's name without the extension."""
        return self._inner.name

    @property
    def input_size(self) -> tuple[int, int]:
        """Rows and columns of the network's input."""
        return self._inner.input_size

    @property
    def preprocessing(self) -> str:
        """The preprocessing's name."""
        return self._inner.preprocessing

    @property
    def input(self) -> str:
        """The name of the input node."""
        return self._inner.signature[0]

    @property
    def logits(self) -> str:
        """The name of the node of scores before softmax."""
        return self._inner.signature[1]

    @property
    def probabilities(self) -> str | None:
        """The name of the node of probabilities, if there is one."""
        return self._inner.signature[2]

    @property
    def features(self) -> str | None:
        """The name of the node in front of the classification layer, if it is known."""
        return self._inner.signature[3]

    @property
    def labels(self) -> list[str]:
        """The classes' names, by output index."""
        return self._inner.labels

    @property
    def notes(self) -> list[str]:
        """Remarks about the model, such as labels that do not fit."""
        return self._inner.notes

    @property
    def nodes(self) -> list[str]:
        """The names that `run` can feed and fetch."""
        return self._inner.nodes

    @property
    def threads(self) -> int:
        """Number of threads it runs on."""
        return self._inner.threads

    @overload
    def classify(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self,
        photos: Photo,
        *,
        top: int = 5,
        reduced: bool = False,
        ignore_orientation: bool = False,
        max_pixels: int | None = None,
        errors: Errors = "return",
        progress: bool = False,
    ) -> Classification | Failure: ...
    @overload
    def classify(
        self,
        photos: Iterable[Photo],
        *,
        top: int = 5,
        reduced: bool = False,
        ignore_orientation: bool = False,
        max_pixels: int | None = None,
        errors: Errors = "return",
        progress: bool = False,
    ) -> Answers[Classification]: ...
    def classify(
        self,
        photos: Photo | Iterable[Photo],
        *,
        top: int = 5,
        reduced: bool = False,
        ignore_orientation: bool = False,
        max_pixels: int | None = None,
        errors: Errors = "return",
        progress: bool = False,
    ) -> Classification | Failure | Answers[Classification]:
        """Finds the most probable classes.

        Args:
            photos: a photo, or several.
            top: number of classes.
            reduced: decodes large JPEGs at a smaller size that suffices for the network, which is
                faster and changes answers a little.
            ignore_orientation: takes photos as stored, as TensorFlow does, without applying EXIF
                orientation.
            max_pixels: refuses photos of more pixels; None for 200 million.
            errors: "return" answers with a `Failure` for a photo that cannot be read, "raise"
                raises.
            progress: shows a bar, if ``tqdm`` is installed.

        Returns:
            A `Classification` or `Failure`; of several photos, `Answers` with one for each.

        Raises:
            LorgnetteError: with ``errors="raise"``, for the first photo that failed; if the model
                does not classify.
            TypeError: if something is no photo.
        """
        return self._answer(
            Classification,
            photos,
            lambda chunk, tell: self._inner.classify(
                chunk, top, _open(ignore_orientation, reduced, max_pixels), tell
            ),
            lambda answer, source: Classification(json.loads(answer), source),
            errors,
            progress,
        )

    @overload
    def embed(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self,
        photos: Photo,
        *,
        end_point: str | None = None,
        reduced: bool = False,
        ignore_orientation: bool = False,
        max_pixels: int | None = None,
        errors: Errors = "return",
        progress: bool = False,
    ) -> Embedding | Failure: ...
    @overload
    def embed(
        self,
        photos: Iterable[Photo],
        *,
        end_point: str | None = None,
        reduced: bool = False,
        ignore_orientation: bool = False,
        max_pixels: int | None = None,
        errors: Errors = "return",
        progress: bool = False,
    ) -> Answers[Embedding]: ...
    def embed(
        self,
        photos: Photo | Iterable[Photo],
        *,
        end_point: str | None = None,
        reduced: bool = False,
        ignore_orientation: bool = False,
        max_pixels: int | None = None,
        errors: Errors = "return",
        progress: bool = False,
    ) -> Embedding | Failure | Answers[Embedding]:
        """Computes features.

        Args:
            photos: a photo, or several.
            end_point: the node whose values are taken, averaged over all places; None for the input
                of the classification layer.
            reduced: as for `classify`.
            ignore_orientation: as for `classify`.
            max_pixels: as for `classify`.
            errors: as for `classify`.
            progress: as for `classify`.

        Returns:
            An `Embedding` or `Failure`; of several photos, `Answers` with one for each.

        Raises:
            LorgnetteError: as for `classify`; if there is no such node.
        """
        return self._answer(
            Embedding,
            photos,
            lambda chunk, tell: self._inner.embed(
                chunk, end_point, _open(ignore_orientation, reduced, max_pixels), tell
            ),
            lambda answer, source: _embedding(answer, source),
            errors,
            progress,
        )

    @overload
    def map(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self,
        photos: Photo,
        *,
        padding: Literal["same", "valid"] = "same",
        output_stride: int | None = None,
        scales: Sequence[float] | None = None,
        tile: int | None = None,
        ignore_orientation: bool = False,
        max_pixels: int | None = None,
        errors: Errors = "return",
        progress: bool = False,
    ) -> SegmentationMap | Failure: ...
    @overload
    def map(
        self,
        photos: Iterable[Photo],
        *,
        padding: Literal["same", "valid"] = "same",
        output_stride: int | None = None,
        scales: Sequence[float] | None = None,
        tile: int | None = None,
        ignore_orientation: bool = False,
        max_pixels: int | None = None,
        errors: Errors = "return",
        progress: bool = False,
    ) -> Answers[SegmentationMap]: ...
    def map(
        self,
        photos: Photo | Iterable[Photo],
        *,
        padding: Literal["same", "valid"] = "same",
        output_stride: int | None = None,
        scales: Sequence[float] | None = None,
        tile: int | None = None,
        ignore_orientation: bool = False,
        max_pixels: int | None = None,
        errors: Errors = "return",
        progress: bool = False,
    ) -> SegmentationMap | Failure | Answers[SegmentationMap]:
        """Computes a class for every place.

        Args:
            photos: a photo, or several.
            padding: of the classification layers at the photo's edge: "same" has cells up to the
                edge, "valid" only those whose window is inside the photo.
            output_stride: maximum pixels from cell to cell, a power of two; None for the network's
                own.
            scales: factors by which the photo is scaled; the maps are averaged. ``[1.0]`` is
                TensorFlow's map of the photo as it is. None for a pyramid of scales, each of
                which counts where it shows best what is there.
            tile: maximum side of the parts in which a photo is computed, in pixels; None for what
                fits the memory.
            ignore_orientation: as for `classify`.
            max_pixels: as for `classify`.
            errors: as for `classify`.
            progress: as for `classify`.

        Returns:
            A `SegmentationMap` or `Failure`; of several photos, `Answers` with one for each. A map
            keeps its scores: 4 bytes for each class of each cell.

        Raises:
            LorgnetteError: as for `classify`.
            ValueError: if an argument has no such value.
        """
        arguments = _map_arguments(padding, output_stride, scales, tile)
        return self._answer(
            SegmentationMap,
            photos,
            lambda chunk, tell: self._inner.map(
                chunk, arguments, _open(ignore_orientation, False, max_pixels), tell
            ),
            lambda found, _: SegmentationMap(found),
            errors,
            progress,
        )

    @overload
    def blur(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self,
        photos: Photo,
        classes: str | Sequence[str],
        *,
        how: Literal["mosaic", "gaussian", "fill"] = "mosaic",
        colour: tuple[int, int, int] | None = None,
        min_probability: float = 0.0,
        margin: int | None = None,
        feather: int | None = None,
        block: int | None = None,
        output_stride: int | None = None,
        scales: Sequence[float] | None = None,
        ignore_orientation: bool = False,
        max_pixels: int | None = None,
        errors: Errors = "return",
        progress: bool = False,
    ) -> Blurred | Failure: ...
    @overload
    def blur(
        self,
        photos: Iterable[Photo],
        classes: str | Sequence[str],
        *,
        how: Literal["mosaic", "gaussian", "fill"] = "mosaic",
        colour: tuple[int, int, int] | None = None,
        min_probability: float = 0.0,
        margin: int | None = None,
        feather: int | None = None,
        block: int | None = None,
        output_stride: int | None = None,
        scales: Sequence[float] | None = None,
        ignore_orientation: bool = False,
        max_pixels: int | None = None,
        errors: Errors = "return",
        progress: bool = False,
    ) -> Answers[Blurred]: ...
    def blur(
        self,
        photos: Photo | Iterable[Photo],
        classes: str | Sequence[str],
        *,
        how: Literal["mosaic", "gaussian", "fill"] = "mosaic",
        colour: tuple[int, int, int] | None = None,
        min_probability: float = 0.0,
        margin: int | None = None,
        feather: int | None = None,
        block: int | None = None,
        output_stride: int | None = None,
        scales: Sequence[float] | None = None,
        ignore_orientation: bool = False,
        max_pixels: int | None = None,
        errors: Errors = "return",
        progress: bool = False,
    ) -> Blurred | Failure | Answers[Blurred]:
        """Makes everything of these classes unrecognisable.

        Look at the results before you publish them: networks make mistakes.

        Args:
            photos: a photo, or several.
            classes: names of classes, or of kinds of them such as "dog"; "face" for faces.
            how: "mosaic" (nothing finer than its squares is left), "gaussian" (smooth, for looks),
                or "fill" (one colour).
            colour: red, green and blue of "fill", from 0 to 255.
            min_probability: blurs only where the classes together, or faces, are at least so
                probable, from 0 to 1.
            margin: pixels that are blurred beyond what was found; None for one cell of the map, or
                a fifth of a face.
            feather: pixels over which it fades beyond that; None for half the margin.
            block: side of a mosaic's squares in pixels; a Gaussian's deviation is a quarter of it.
            output_stride: as for `map`; None for 16.
            scales: as for `map`.
            ignore_orientation: as for `classify`.
            max_pixels: as for `classify`.
            errors: as for `classify`.
            progress: as for `classify`.

        Returns:
            A `Blurred` or `Failure`; of several photos, `Answers` with one for each. An empty list
            ``blurred`` says that nothing was found: the pixels are then the photo's own.

        Raises:
            LorgnetteError: as for `classify`; if a name is of no class.
            ValueError: if an argument has no such value.
        """
        names = [classes] if isinstance(classes, str) else list(classes)
        arguments = {
            "how": how,
            "colour": colour,
            "min_probability": min_probability,
            "margin": margin,
            "feather": feather,
            "block": block,
        }
        segmentation = _map_arguments("same", output_stride, scales, None)
        return self._answer(
            Blurred,
            photos,
            lambda chunk, tell: self._inner.blur(
                chunk,
                names,
                (arguments, segmentation),
                _open(ignore_orientation, False, max_pixels),
                tell,
            ),
            lambda found, _: Blurred(json.loads(found[0]), found[1]),
            errors,
            progress,
        )

    @overload
    def faces(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self,
        photos: Photo,
        *,
        min_probability: float = 0.5,
        pyramid: bool = True,
        ignore_orientation: bool = False,
        max_pixels: int | None = None,
        errors: Errors = "return",
        progress: bool = False,
    ) -> Faces | Failure: ...
    @overload
    def faces(
        self,
        photos: Iterable[Photo],
        *,
        min_probability: float = 0.5,
        pyramid: bool = True,
        ignore_orientation: bool = False,
        max_pixels: int | None = None,
        errors: Errors = "return",
        progress: bool = False,
    ) -> Answers[Faces]: ...
    def faces(
        self,
        photos: Photo | Iterable[Photo],
        *,
        min_probability: float = 0.5,
        pyramid: bool = True,
        ignore_orientation: bool = False,
        max_pixels: int | None = None,
        errors: Errors = "return",
        progress: bool = False,
    ) -> Faces | Failure | Answers[Faces]:
        """Finds faces, with the embedded CenterFace on this model's threads.

        Args:
            photos: a photo, or several.
            min_probability: leaves out faces that are less probable, from 0 to 1.
            pyramid: also searches halves of the photo's size, where large faces are found.
            ignore_orientation: as for `classify`.
            max_pixels: as for `classify`.
            errors: as for `classify`.
            progress: as for `classify`.

        Returns:
            A `Faces` or `Failure`; of several photos, `Answers` with one for each.

        Raises:
            LorgnetteError: as for `classify`.
        """
        return self._answer(
            Faces,
            photos,
            lambda chunk, tell: self._inner.faces(
                chunk,
                (min_probability, pyramid),
                _open(ignore_orientation, False, max_pixels),
                tell,
            ),
            lambda answer, source: Faces(json.loads(answer), source),
            errors,
            progress,
        )

    def run(
        self, feeds: Mapping[str, Any], fetches: str | Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """Computes tensors from tensors, by TensorFlow's names, with or without ``:0``.

        Args:
            feeds: a value for each input, or for any other node: arrays with channels last. They
                become float32; float32 in C order is read where it is, without a copy. A node
                that decodes photos takes a photo. Scalars are settings, such as a flag
                ``is_training``: each value has a plan of its own.
            fetches: names of nodes, or one name.

        Returns:
            The tensors by the names given: float32, or the integer type or bool that the graph
            says.

        Raises:
            LorgnetteError: if there is no such node, a shape does not fit, an input is missing, or
                the memory limit is exceeded.
            TypeError: if a value is no array of numbers.
        """
        names = [fetches] if isinstance(fetches, str) else list(fetches)
        return self._inner.run(dict(feeds), names)

    def preprocess(
        self, photo: Photo, *, reduced: bool = False, ignore_orientation: bool = False
    ) -> NDArray[np.float32]:
        """The network's input for a photo: float32 ``[1, height, width, channels]``.

        Raises:
            LorgnetteError: if the photo cannot be read.
        """
        return self._inner.preprocess(photo, _open(ignore_orientation, reduced, None))

    def input_image(
        self, photo: Photo, *, reduced: bool = False, ignore_orientation: bool = False
    ) -> NDArray[np.uint8]:
        """The network's input for a photo as a picture: uint8 ``[height, width, 3]``.

        Raises:
            LorgnetteError: if the photo cannot be read.
        """
        return self._inner.input_image(photo, _open(ignore_orientation, reduced, None))

    def evaluate(
        self,
        photos: str | os.PathLike[str],
        *,
        split: Literal["training", "validation", "test"] | None = None,
        multi_label: bool = False,
        reduced: bool = False,
        progress: bool = False,
    ) -> Evaluation:
        """Evaluates the model on photos of known classes.

        Args:
            photos: a folder with one folder of photos for each class, called by the class's name,
                synset or index; or a CSV file with the columns path and label.
            split: only photos that the training of this model used so.
            multi_label: photos may have several labels.
            reduced: as for `classify`.
            progress: as for `classify`.

        Raises:
            LorgnetteError: if no photo can be evaluated.
        """
        with Bar(progress) as bar:
            figures, left_out = _lorgnette.evaluate(
                self._inner, photos, (split, multi_label, reduced), bar.tell
            )
        return Evaluation(json.loads(figures), left_out)

    def export(
        self,
        out: str | os.PathLike[str],
        format: Literal["onnx", "frozen", "checkpoint"] = "onnx",
        *,
        replace_labels: bool = False,
    ) -> str:
        """Writes the model for ONNX Runtime or TensorFlow, and its labels to ``NAME.labels.txt`` beside it.

        Args:
            out: a file, or a folder in which the file is called by the model's name.
            format: "onnx", "frozen" (a GraphDef whose variables are constants), or "checkpoint" (of
                format V2).
            replace_labels: writes over other labels that are there.

        Returns:
            The path of the file.

        Raises:
            LorgnetteError: if the model cannot be written so, or the file cannot be written.
        """
        return os.fspath(self._inner.export(out, format, replace_labels))

    def write_graph(self, logdir: str | os.PathLike[str]) -> str:
        """Writes the graph to an event file in a folder, for ``tensorboard --logdir``.

        Returns:
            The path of the file.

        Raises:
            LorgnetteError: if the file cannot be written.
        """
        return os.fspath(self._inner.write_graph(logdir))

    def __repr__(self) -> str:
        return repr(self._inner)

    def _answer(
        self,
        kind: type[A],
        photos: Any,
        compute: Callable[[list[Any], Callable[[int, int], None] | None], Entries],
        convert: Callable[[Any, Any], A],
        errors: Errors,
        progress: bool,
    ) -> A | Failure | Answers[A]:
        """Answers about one photo, or about each of several."""
        if errors not in ("return", "raise"):
            raise ValueError(f'errors is "return" or "raise", not {errors!r}')

        def answer(entry: tuple[Any, Any], source: Any) -> A | Failure:
            found, failed = entry
            if failed is None:
                return convert(found, source)
            if errors == "raise":
                raise LorgnetteError(failed[1])
            return Failure(*failed)

        if _is_one(photos):
            (entry,) = compute([photos], None)
            return answer(entry, photos)
        answers: list[A | Failure] = []
        with Bar(progress, len(photos) if hasattr(photos, "__len__") else None) as bar:
            for chunk in _chunks(photos):
                entries = compute(chunk, bar.tell)
                bar.begin_next()
                # Pixels of many photos are not kept for pictures of the answers.
                answers += [
                    answer(entry, source if isinstance(source, (str, os.PathLike)) else None)
                    for entry, source in zip(entries, chunk)
                ]
        return Answers(kind, answers)


def _embedding(found: tuple[str, NDArray[np.float32]], source: Any) -> Embedding:
    answer = json.loads(found[0])
    del answer["embedding"]
    return Embedding(answer, found[1], source)


def _open(ignore_orientation: bool, reduced: bool, max_pixels: int | None) -> dict[str, Any]:
    return {
        "ignore_orientation": ignore_orientation,
        "reduced": reduced,
        "max_pixels": max_pixels,
    }


def _map_arguments(
    padding: str, output_stride: int | None, scales: Sequence[float] | None, tile: int | None
) -> dict[str, Any]:
    return {
        "padding": padding,
        "output_stride": output_stride,
        "scales": [] if scales is None else list(scales),
        "tile": tile,
    }


def _is_one(photos: Any) -> bool:
    """Whether this is one photo, not several."""
    if isinstance(photos, (str, bytes, bytearray, memoryview, os.PathLike)):
        return True
    if hasattr(photos, "getexif"):
        return True
    # An array of four dimensions is a batch; one of names has no pixels.
    return hasattr(photos, "ndim") and photos.ndim < 4 and photos.dtype.kind not in "OUST"


def _chunks(photos: Iterable[Any]) -> Iterator[list[Any]]:
    """Cuts photos into lists that are computed at once."""
    chunk: list[Any] = []
    for photo in photos:
        chunk.append(photo)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
