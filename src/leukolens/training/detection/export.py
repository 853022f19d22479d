"""A detector's run as a bundle: its network as ONNX for fields of any size, its card, and proof that both agree."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from leukolens.core.card import INPUT_MULTIPLE_PX, DetectorCard, Stride, write_card
from leukolens.core.errors import TrainingError
from leukolens.core.files import hash_file, write_atomically
from leukolens.core.runs import RunFolder, read_environment
from leukolens.core.tasks import Task
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.datasets.manifest import Record
from leukolens.datasets.registry import open_dataset
from leukolens.inference.detector import CENTRES_NAME, SIDES_NAME
from leukolens.inference.session import INPUT_NAME, open_bundle_model
from leukolens.models.catalogue import find_model
from leukolens.models.shape import NetworkShape
from leukolens.training.detection.crops import cut_whole
from leukolens.training.detection.finish import prepare_crop
from leukolens.training.detection.gather import load_part
from leukolens.training.detection.recipe import DetectionRecipe
from leukolens.training.detection.record import DetectionRun
from leukolens.training.detection.smudges import train_smudge_head
from leukolens.training.onnx_file import strip_metadata
from leukolens.training.recipe import read_recipe
from leukolens.training.run_split import read_run_split
from leukolens.training.run_weights import fill_network
from leukolens.training.task import Export, Reporter

_LICENCE = (
    "Apache-2.0 for the weights. Trained on: {data}. Photographs keep their own licences; BCCD and Chula's WBC_Samples "
    "are MIT, TXL-PBC's boxes are MIT on pictures of PBC, CC BY 4.0, Acevedo et al. 2020, Data in Brief 30:105474."
)

LARGEST_DIFFERENCE = 1e-3
"""Allowed between run and bundle, of a centre's probability and of a side in red cells: after 60 layers float32 leaves
so much."""

_LARGEST_SIDE_PX = 4096


@dataclass(frozen=True)
class MapParity:
    """How far the exported detector is from the run's.

    Attributes:
        pictures: That were compared.
        centres: Largest difference of a centre's probability, 0..1.
        sides: Largest difference of a side, in red cells.
    """

    pictures: int
    centres: float
    sides: float

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"on {self.pictures} pictures the probabilities of a centre differ by at most {self.centres:.1e}, "
            f"the sides by {self.sides:.1e} red cells"
        )


def load_run(run: RunFolder) -> tuple[nn.Module, DetectionRun]:
    """The trained network of a finished run in float32, and its record.

    Raises:
        TrainingError: the run is not finished, or its network was built otherwise then.
    """
    record = read_environment(run, DetectionRun)
    shape = NetworkShape(len(DETECTED_KINDS), 0.0, record.crop_px, record.crop_px)
    network = find_model(record.architecture, Task.DETECTION).build(shape)
    return fill_network(network, run, record.architecture), record


def export_run(run: RunFolder, out: Path, images: int, reporter: Reporter) -> Export:
    """Writes the bundle, trains its smudge head, and compares it with the run on validation fields.

    Raises:
        TrainingError: the run is not finished, or the bundle does not agree with it.
    """
    (network, record), split = load_run(run), read_run_split(run)
    write_bundle(network, record, run, out)
    recipe = read_recipe(run.recipe, DetectionRecipe)
    spec = find_model(record.architecture, Task.DETECTION)
    inputs = []
    records: dict[str, Record] = {}
    for config in recipe.data.fields:
        manifest = open_dataset(config.data)
        records |= {item.id: item for item in manifest.records}
        fields, _ = load_part(manifest, config, split, "validation", reporter.progress)
        inputs += [prepare_crop(cut_whole(field, record.red_cell_px), spec).numpy() for field in fields]
    reporter.tell("Smudge cells: drawing some into the training fields, about a second per field.")
    known = {part: [records[name] for name in split.parts[part] if name in records] for part in ("train", "validation")}
    card = train_smudge_head(
        out, known["train"], known["validation"], lambda line: reporter.tell(f"Smudge cells: {line}.")
    )
    step = max(1, len(inputs) // images)
    parity = compare_maps(network, out, card, inputs[::step][:images])
    return Export(out, card, f"Parity with the run on {record.data} validation: {parity}.")


def write_bundle(network: nn.Module, record: DetectionRun, run: RunFolder, out: Path) -> DetectorCard:
    """Writes `model.onnx`, `card.json` and `split.json`; gives the card."""
    out.mkdir(parents=True, exist_ok=True)
    write_detector_model(network, out / "model.onnx")
    shutil.copyfile(run.split, out / "split.json")
    card = DetectorCard(
        name=out.name,
        architecture=record.architecture,
        kinds=DETECTED_KINDS,
        stride=msgspec.convert(find_model(record.architecture, Task.DETECTION).stride_px, Stride),
        red_cell_px=record.red_cell_px,
        mean=record.mean,
        std=record.std,
        score_thresholds=record.score_thresholds,
        nms_iou=record.nms_iou,
        box_scales=record.box_scales,
        cut_gains=record.cut_gains,
        files={path.name: hash_file(path) for path in (out / "model.onnx", out / "split.json")},
        weights_origin=record.weights_origin,
        training=record.training_facts(),
        validation=record.validation,
        licence=_LICENCE.format(data=record.data),
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


def compare_maps(
    network: nn.Module, folder: Path, card: DetectorCard, inputs: Sequence[NDArray[np.float32]]
) -> MapParity:
    """Runs the run's network and the bundle on the same prepared pictures, and measures how far they differ.

    Args:
        network: The run's network.
        folder: Of the bundle.
        card: Of the bundle.
        inputs: `(1, 3, h, w)` each.

    Raises:
        TrainingError: a probability or a side differs by more than `LARGEST_DIFFERENCE`.
    """
    session = open_bundle_model(folder, card.name, card.files)
    centres = sides = 0.0
    for picture in inputs:
        with torch.inference_mode():
            ours = network(torch.from_numpy(picture))
        theirs = [torch.from_numpy(part) for part in session.run([CENTRES_NAME, SIDES_NAME], {INPUT_NAME: picture})]
        centres = max(centres, float((torch.sigmoid(ours[0]) - torch.sigmoid(theirs[0])).abs().max()))
        sides = max(sides, float((ours[1] - theirs[1]).abs().max()) / card.red_cell_px)
    parity = MapParity(len(inputs), centres, sides)
    if max(centres, sides) > LARGEST_DIFFERENCE:
        raise TrainingError(f"The exported detector differs from the run: {parity}. Expected {LARGEST_DIFFERENCE}.")
    return parity
