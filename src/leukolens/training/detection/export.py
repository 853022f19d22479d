"""A detector's run as a bundle: its network as ONNX for fields of any size, its card, and proof that both say the same."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from msgspec import convert
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from leukolens.core.card import INPUT_MULTIPLE_PX, DetectorCard, DetectorValidation, TrainingFacts, write_card
from leukolens.core.errors import TrainingError
from leukolens.core.files import hash_file, write_atomically
from leukolens.core.runs import RunFolder
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.inference.detector import CENTRES_NAME, SIDES_NAME
from leukolens.inference.session import INPUT_NAME, open_bundle_model
from leukolens.models.detector import ARCHITECTURE, STRIDE_PX, CellDetector
from leukolens.training.onnx_file import strip_metadata

DETECTOR_LICENCE = (
    "Apache-2.0 for the weights. Trained on: {data}. Photographs keep their own licences; BCCD and Chula's WBC_Samples "
    "are MIT, TXL-PBC's boxes are MIT on pictures of PBC, CC BY 4.0, Acevedo et al. 2020, Data in Brief 30:105474."
)

LARGEST_DIFFERENCE = 1e-3
"""Of a chance of a centre, and of a side in shares of a red cell, between both: what float32 leaves after 60 layers."""

_LARGEST_SIDE_PX = 4096

_STORY = (
    *("data", "data_hash", "split_hash", "split", "leaky", "why_leaky", "recipe", "seed", "images"),
    *("synthetic_images", "epochs", "best_epoch", "training_seconds", "device", "versions", "commit"),
)
"""What the card tells of the training, of all that a run knows of it."""


@dataclass(frozen=True)
class DetectorParity:
    """How far the exported detector is from the run's.

    Attributes:
        pictures: Compared.
        centres: Largest difference of a chance, 0..1.
        sides: Largest difference of a side, in red cells.
    """

    pictures: int
    centres: float
    sides: float

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"on {self.pictures} pictures the chances of a centre differ by at most {self.centres:.1e}, "
            f"the sides by {self.sides:.1e} red cells"
        )


def is_detector_run(run: RunFolder) -> bool:
    """Whether a run's environment says that it trained a detector."""
    return (
        run.environment.is_file() and json.loads(run.environment.read_text(encoding="utf-8")).get("task") == "detector"
    )


def load_detector_network(run: RunFolder) -> tuple[CellDetector, dict[str, Any]]:
    """The trained network of a finished run in float32, and its facts.

    Raises:
        TrainingError: the run has not been finished, or its network was built otherwise then.
    """
    if not (run.weights.is_file() and run.environment.is_file()):
        raise TrainingError(f"{run.path} is not finished: go on with `leukolens train ... --resume` first.")
    network = CellDetector()
    try:
        network.load_state_dict(load_file(run.weights))
    except RuntimeError as error:
        raise TrainingError(
            f"The weights of {run.path} do not fit today's {ARCHITECTURE}: trained by another version of LeukoLens. "
            "Train it again, or use that version."
        ) from error
    network.eval()
    return network, json.loads(run.environment.read_text(encoding="utf-8"))


def export_detector(run: RunFolder, out: Path, name: str) -> DetectorCard:
    """Writes `model.onnx`, `card.json` and `split.json`.

    Raises:
        TrainingError: the run has not been finished.
    """
    network, facts = load_detector_network(run)
    out.mkdir(parents=True, exist_ok=True)
    write_detector_model(network, out / "model.onnx")
    shutil.copyfile(run.split, out / "split.json")
    card = DetectorCard(
        name=name,
        architecture=facts["architecture"],
        kinds=DETECTED_KINDS,
        stride=STRIDE_PX,
        red_cell_px=facts["red_cell_px"],
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        score_thresholds=facts["score_thresholds"],
        nms_iou=facts["nms_iou"],
        # A run of an earlier LeukoLens has none of these.
        box_scales=facts.get("box_scales", {}),
        cut_gains=facts.get("cut_gains", {}),
        files={path.name: hash_file(path) for path in (out / "model.onnx", out / "split.json")},
        weights_origin=facts["weights_origin"],
        training=convert({key: facts[key] for key in _STORY}, TrainingFacts),
        validation=convert(facts["validation"], DetectorValidation),
        licence=DETECTOR_LICENCE.format(data=facts["data"]),
    )
    write_card(out, card)
    return card


def write_detector_model(network: nn.Module, path: Path) -> None:
    """Writes a detector as ONNX: any number of pictures of any height and width that are multiples of 32."""
    most = _LARGEST_SIDE_PX // INPUT_MULTIPLE_PX
    rows, columns = (INPUT_MULTIPLE_PX * torch.export.Dim(name, min=1, max=most) for name in ("rows", "columns"))
    pictures = torch.export.Dim("pictures", min=1, max=4096)
    with write_atomically(path) as temporary:
        program = torch.onnx.export(
            network.eval(),
            (torch.zeros(2, 3, 3 * INPUT_MULTIPLE_PX, 4 * INPUT_MULTIPLE_PX),),
            input_names=[INPUT_NAME],
            output_names=[CENTRES_NAME, SIDES_NAME],
            dynamic_shapes={"image": {0: pictures, 2: rows, 3: columns}},
            opset_version=18,
            dynamo=True,
            verbose=False,
        )
        # One file: the runtime refuses models that point at data outside themselves.
        assert program is not None  # with dynamo=True it is always given back
        onnx.save(strip_metadata(program.model_proto), temporary)


def compare_detector(
    network: nn.Module, folder: Path, card: DetectorCard, inputs: list[NDArray[np.float32]]
) -> DetectorParity:
    """Runs both on the same prepared pictures and measures how far they differ.

    Args:
        network: The run's network.
        folder: Of the bundle.
        card: Of the bundle.
        inputs: `(1, 3, h, w)` each.

    Raises:
        TrainingError: a chance or a side differs by more than `LARGEST_DIFFERENCE`.
    """
    session = open_bundle_model(folder, card.name, card.files)
    centres = sides = 0.0
    for picture in inputs:
        with torch.inference_mode():
            ours = network(torch.from_numpy(picture))
        theirs = [torch.from_numpy(part) for part in session.run([CENTRES_NAME, SIDES_NAME], {INPUT_NAME: picture})]
        centres = max(centres, float((torch.sigmoid(ours[0]) - torch.sigmoid(theirs[0])).abs().max()))
        sides = max(sides, float((ours[1] - theirs[1]).abs().max()) / card.red_cell_px)
    parity = DetectorParity(len(inputs), centres, sides)
    if max(centres, sides) > LARGEST_DIFFERENCE:
        raise TrainingError(f"The exported detector differs from the run: {parity}. Expected {LARGEST_DIFFERENCE}.")
    return parity
