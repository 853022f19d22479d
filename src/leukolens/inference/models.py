"""Opened models as a user holds them: `ll.load` stands here.

`leukolens.classify` and `leukolens.count` take these models too, so that a model is opened once for many calls.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from leukolens.core.detections import Detections
from leukolens.core.errors import InputRefused, UsageError
from leukolens.core.files import show_name
from leukolens.core.pixels import Pixels, prepare_image
from leukolens.core.predictions import Predictions
from leukolens.core.tasks import Task
from leukolens.inference.bundles import load_bundle
from leukolens.inference.classifier import Classifier
from leukolens.inference.classify import BATCH_SIZE, classify
from leukolens.inference.detector import Detector
from leukolens.inference.sources import Source, gather_sources, name_source, read_picture
from leukolens.inference.view import detect_cells


class ClassifierModel(Classifier):
    """An opened classifier of cells.

    Its images are crops of one cell each, as the classifier was trained on. It takes each as it is and looks for no cell.
    `leukolens.classify(photographs, model)` finds the cell in each photograph first, as the command `leukolens classify`
    does.

    One model may be used from several threads at once. It can be neither pickled nor used after a fork: in another
    process, load it there.

    Attributes:
        card: How the model is run and how far it can be trusted.
    """

    @property
    def classes(self) -> tuple[str, ...]:
        """The `k` class names, in the order of the columns of `predict_proba`."""
        return self.card.classes

    def predict(self, images: Source | Iterable[Source]) -> Predictions:
        """Class, probability and status of each crop.

        A crop that cannot show a cell (one colour, too small) is rejected without a class.

        Args:
            images: One or many crops: arrays `(h, w, 3)` uint8 RGB, an array `(n, h, w, 3)`, or paths of files or folders.

        Returns:
            One prediction per readable image, in order; `refused` names the others. `proba` holds the same numbers as
            `predict_proba`, and NaN for a rejected crop.

        Raises:
            NothingRead: none of the images can be read, or the folders hold none.
            UsageError: `images` holds something else than arrays and paths.
        """
        return classify(images, self, whole=True)

    def predict_proba(self, images: Source | Iterable[Source]) -> NDArray[np.float64]:
        """`(n, k)` float64, 0..1: the calibrated probabilities of each crop, exactly as the model gives them.

        Every image gets its row, one of a single colour too.

        Args:
            images: As for `predict`.

        Raises:
            InputRefused: an image cannot be read.
            NothingRead: the folders hold no images.
            UsageError: `images` holds something else than arrays and paths.
        """
        sources, refused = gather_sources(images)
        if refused:
            raise InputRefused(f"{show_name(refused[0].image)} {refused[0].why}")

        def run(start: int) -> NDArray[np.float64]:
            batch = enumerate(sources[start : start + BATCH_SIZE], start)
            crops = [prepare_image(_read(source, number), self.card.preparation) for number, source in batch]
            return self.classify_batch(np.stack(crops)).probabilities

        with ThreadPoolExecutor(os.cpu_count(), "predict") as pool:
            rows = list(pool.map(run, range(0, len(sources), BATCH_SIZE)))
        return np.concatenate(rows) if rows else np.empty((0, len(self.classes)))

    def __repr__(self) -> str:
        return f"classifier {self.card.name}: {', '.join(self.classes)}"


class DetectorModel(Detector):
    """An opened detector of cells.

    One model may be used from several threads at once. It can be neither pickled nor used after a fork: in another
    process, load it there.

    Attributes:
        card: How the model is run and how far it can be trusted.
    """

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of cells that it finds."""
        return tuple(self.card.kinds)

    def detect(self, image: Source, pixel_size_um: float | None = None) -> Detections:
        """The cells of one field, in pixels of the image.

        Args:
            image: A path, or an array `(h, w, 3)` uint8 RGB of any size. The black around an eyepiece's disc is left out.
            pixel_size_um: Micrometres per pixel, above 0 and at most 2; None to measure the scale on the red cells.

        Raises:
            InputRefused: the image cannot be read.
            UsageError: `image` is neither a path nor an array, or the pixel size is out of range.
        """
        if not isinstance(image, str | Path | np.ndarray):
            raise UsageError(f"detect() takes one image, a path or an array; received a {type(image).__name__}.")
        return detect_cells(_read(image), self, pixel_size_um).detected

    def __repr__(self) -> str:
        return f"detector {self.card.name}: {', '.join(self.kinds)}"


def _read(source: Source, number: int = 0) -> Pixels:
    try:
        return read_picture(source).pixels
    except InputRefused as error:
        raise InputRefused(f"{show_name(name_source(number, source))} {error}") from error


@overload
def load(name_or_folder: Literal["pbc"] | None = None, *, threads: int | None = None) -> ClassifierModel: ...
@overload
def load(name_or_folder: Literal["cells"], *, threads: int | None = None) -> DetectorModel: ...
@overload
def load(
    name_or_folder: str | Path | None = None, *, task: Literal["classification"], threads: int | None = None
) -> ClassifierModel: ...
@overload
def load(
    name_or_folder: str | Path | None = None, *, task: Literal["detection"], threads: int | None = None
) -> DetectorModel: ...
@overload
def load(name_or_folder: str | Path, *, threads: int | None = None) -> ClassifierModel | DetectorModel: ...
def load(
    name_or_folder: str | Path | None = None,
    *,
    task: Literal["classification", "detection"] | None = None,
    threads: int | None = None,
) -> ClassifierModel | DetectorModel:
    """Opens a model: a classifier with `predict` and `predict_proba`, or a detector with `detect`.

    Type checkers know which one for the two models that come with LeukoLens, `pbc` and `cells`. For any other, `task`
    tells them, and the card is compared with it.

    Args:
        name_or_folder: Name or folder of a bundle; the default classifier where nothing is given, or the default model of
            `task`.
        task: What the model must be for: `classification` or `detection`.
        threads: Processors that one run of the model uses. None: one for a classifier, which runs a batch on each
            processor at the same time; all for a detector. Give 1 to a detector that `classify` shall run on many
            photographs: it too works on each processor at the same time (a third faster on two processors).

    Raises:
        BundleError: there is no such bundle, it is for another task, or its card and files do not agree.
        UsageError: `task` or `threads` has another value than these.
    """
    if task not in (None, "classification", "detection"):
        raise UsageError(f"task is 'classification' or 'detection'; received {task!r}.")
    if threads is not None and (not isinstance(threads, int) or isinstance(threads, bool) or threads < 1):
        raise UsageError(f"threads is a whole number from 1; received {threads!r}.")
    wanted = Task(task) if task else Task.CLASSIFICATION if name_or_folder is None else None
    if wanted is None and name_or_folder is not None:
        wanted = load_bundle(name_or_folder, None).card.task
    if wanted is Task.DETECTION:
        return DetectorModel(load_bundle(name_or_folder, Task.DETECTION), threads)
    return ClassifierModel(load_bundle(name_or_folder), threads or 1)
