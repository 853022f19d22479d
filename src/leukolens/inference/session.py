"""Opens the model of a bundle. It is not trusted: it may name no other file, and must agree with its card."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from leukolens.core.card import ClassifierCard
from leukolens.core.errors import BundleError

MODEL_NAME = "model.onnx"
INPUT_NAME = "image"
LOGITS_NAME = "logits"

_TIME_LIMIT_S = 20.0
"""For the first run of a model on small plain images; the shipped ones take hundredths of a second."""

_TRIED_BATCH = 2
"""A model is tried on more than one image: some take one alone, or give fewer rows than images."""


def open_model(model: bytes, threads: int | None = None) -> onnxruntime.InferenceSession:
    """A model opened in ONNX Runtime. It is given as bytes, so that it cannot make the runtime read other files."""
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if threads is not None:
        options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def open_bundle_model(
    folder: Path, name: str, files: Mapping[str, str], threads: int | None = None
) -> onnxruntime.InferenceSession:
    """The `model.onnx` of a bundle, opened in ONNX Runtime.

    Args:
        folder: The bundle.
        name: Its name by its card.
        files: The hash of each file by the card, which has been checked.
        threads: Processors to use; None leaves it to ONNX Runtime.

    Raises:
        BundleError: the card has no hash of the model, or it is no ONNX model.
    """
    if MODEL_NAME not in files:
        raise BundleError(f"The card of {name} has no hash of {MODEL_NAME}. Export the model again.")
    try:
        return open_model((folder / MODEL_NAME).read_bytes(), threads)
    except Exception as error:  # ONNX Runtime's exceptions have no common root but this one.
        raise BundleError(f"{MODEL_NAME} of the bundle {name} is not a model that runs here: {error}") from error


def try_model(
    session: onnxruntime.InferenceSession, name: str, outputs: Sequence[str], images: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    """What a model gives for plain images; one that runs on and on is stopped.

    Args:
        session: The opened model.
        name: The bundle's name, for the message.
        outputs: Names of the outputs.
        images: `(n, 3, h, w)` float32.

    Raises:
        BundleError: it does not run, or not within the time limit.
    """
    options = onnxruntime.RunOptions()
    timer = threading.Timer(_TIME_LIMIT_S, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        answers: list[NDArray[np.float32]] = session.run(list(outputs), {INPUT_NAME: images}, options)
    except Exception as error:  # As above: whatever fails on plain images will fail on cells.
        late = f"it was stopped after {_TIME_LIMIT_S:g} s" if options.terminate else str(error)
        raise BundleError(f"The model of {name} does not run on {len(images)} plain images: {late}.") from error
    finally:
        timer.cancel()
    return answers


class Session:
    """One model, ready to run."""

    def __init__(self, folder: Path, card: ClassifierCard, threads: int | None = None) -> None:
        """Opens `model.onnx` of a bundle.

        Args:
            folder: The bundle.
            card: Its card, read and checked.
            threads: Processors to use; None leaves it to ONNX Runtime.

        Raises:
            BundleError: the card has no hash of the model, it is no ONNX model, or its shape is not the card's.
        """
        self._session = open_bundle_model(folder, card.name, card.files, threads)
        self._feature_layer = card.feature_layer
        self._outputs = {output.name for output in self._session.get_outputs()}
        self._check(card)

    def _check(self, card: ClassifierCard) -> None:
        inputs = {value.name: list(value.shape) for value in self._session.get_inputs()}
        expected = [3, card.preparation.height_px, card.preparation.width_px]
        if list(inputs) != [INPUT_NAME] or inputs[INPUT_NAME][1:] != expected:
            raise BundleError(
                f"The card of {card.name} promises one input {INPUT_NAME!r} of shape (n, {expected}); the model takes {inputs}."
            )
        missing = {LOGITS_NAME, card.feature_layer} - self._outputs
        if missing:
            raise BundleError(
                f"The card of {card.name} promises the outputs {sorted(missing)}; the model gives {sorted(self._outputs)}."
            )
        black = np.zeros((_TRIED_BATCH, *expected), np.float32)
        logits = try_model(self._session, card.name, [LOGITS_NAME], black)[0]
        if logits.shape != (_TRIED_BATCH, len(card.classes)):
            raise BundleError(
                f"The card of {card.name} promises {len(card.classes)} classes; for {_TRIED_BATCH} images the model gives "
                f"logits of shape {logits.shape}."
            )

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits `(n, k)` of inputs `(n, 3, h, w)` float32."""
        logits: NDArray[np.float32] = self._session.run([LOGITS_NAME], {INPUT_NAME: inputs})[0]
        return logits

    def run_features(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """The last feature map `(n, c, fh, fw)` of inputs `(n, 3, h, w)` float32."""
        features: NDArray[np.float32] = self._session.run([self._feature_layer], {INPUT_NAME: inputs})[0]
        return features
