"""A classifier's bundle in 8-bit integers: a quarter of the size, faster on old processors.

Quantised after training with scales from training images (static, weights per channel; Jacob et al. 2018). Temperature
and threshold are fitted again on validation, since rounding changes the logits.
"""

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec import structs
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from leukolens.core.acceptance import are_accepted, softmax
from leukolens.core.card import ClassifierCard, ClassifierValidation, write_card
from leukolens.core.confusion import count_confusion
from leukolens.core.files import hash_file, write_atomically
from leukolens.core.pixels import Pixels, Preparation, normalise_batch
from leukolens.evaluation.classification.calibration import calibrate
from leukolens.inference.bundles import Bundle
from leukolens.inference.classifier import Classifier

CALIBRATION_IMAGES = 200
"""Training images from which the ranges of activations are taken."""

_BATCH = 20


@dataclass(frozen=True)
class Agreement:
    """What rounding changes on validation."""

    images: int
    same_labels: int
    accuracy_before: float
    accuracy_after: float

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"{self.same_labels} of {self.images} validation labels as in float32; "
            f"accuracy {self.accuracy_before:.4f} before, {self.accuracy_after:.4f} after"
        )


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # untyped in ONNX Runtime
    """Hands prepared images to the quantiser, a batch at a time."""

    def __init__(self, images: Pixels, preparation: Preparation) -> None:
        self._batches = iter(
            normalise_batch(images[start : start + _BATCH], preparation) for start in range(0, len(images), _BATCH)
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"image": batch}


def quantise_model(model: Path, out: Path, images: Pixels, preparation: Preparation) -> None:
    """Writes `out`, the model in 8-bit integers.

    Args:
        model: An ONNX model in float32, as export writes it.
        out: The file to write.
        images: `(n, h, w, 3)` uint8 training images, prepared.
        preparation: How they are normalised.
    """
    with tempfile.TemporaryDirectory() as scratch, write_atomically(out) as temporary:
        ready = Path(scratch) / "ready.onnx"
        quant_pre_process(model, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            temporary,
            _Calibration(images, preparation),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def quantise_bundle(
    bundle: Bundle[ClassifierCard], train: Pixels, validation: Pixels, truths: NDArray[np.integer]
) -> tuple[ClassifierCard, Agreement]:
    """Turns a float32 bundle into one of 8-bit integers, in its own folder.

    Args:
        bundle: In float32.
        train: `(n, h, w, 3)` uint8 prepared training images, for the ranges.
        validation: `(m, h, w, 3)` uint8 prepared validation images, for temperature and threshold.
        truths: `(m,)` their class numbers.
    """
    before = _logits(bundle, validation)
    quantise_model(bundle.folder / "model.onnx", bundle.folder / "model.onnx", train, bundle.card.preparation)
    files = bundle.card.files | {"model.onnx": hash_file(bundle.folder / "model.onnx")}
    card = structs.replace(bundle.card, files=files)
    after = _logits(Bundle(bundle.folder, card), validation)
    predicted = after.argmax(axis=1)
    agreement = Agreement(
        len(truths),
        int((predicted == before.argmax(axis=1)).sum()),
        float((before.argmax(axis=1) == truths).mean()),
        float((predicted == truths).mean()),
    )
    found = calibrate(after, truths)
    accepted = are_accepted(softmax(after, found.temperature), found.threshold)
    names = bundle.card.classes
    confusion = count_confusion(
        names, [names[truth] for truth in truths], [names[label] for label in predicted], list(accepted)
    )
    figures = ClassifierValidation(
        **dataclasses.asdict(found.validation),
        precision="8-bit integers, quantised after training",
        confusion=confusion.to_table(),
    )
    card = structs.replace(card, temperature=found.temperature, accept_threshold=found.threshold, validation=figures)
    write_card(bundle.folder, card)
    return card, agreement


def _logits(bundle: Bundle[ClassifierCard], images: Pixels) -> NDArray[np.float64]:
    classifier = Classifier(bundle)
    parts = [
        classifier.classify_batch(images[start : start + _BATCH]).logits for start in range(0, len(images), _BATCH)
    ]
    return np.concatenate(parts).astype(np.float64)
