"""A classifier's run as a bundle: its network as ONNX, its card, and proof that both agree.

The last feature map is the model's second output, for activation maps and for refitting the head without torch.
"""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from leukolens.core.card import ClassifierCard, write_card
from leukolens.core.files import hash_file, write_atomically
from leukolens.core.pixels import Preparation
from leukolens.core.runs import RunFolder, read_environment
from leukolens.datasets.manifest import Record
from leukolens.datasets.registry import open_dataset
from leukolens.inference.bundles import Bundle
from leukolens.inference.heatmap import HEAD_NAME
from leukolens.models.catalogue import find_model
from leukolens.training.classification.found import place_crops
from leukolens.training.classification.parity import compare_bundle
from leukolens.training.classification.record import ClassificationRun
from leukolens.training.classification.tensors import CellArray, load_cells
from leukolens.training.onnx_file import strip_metadata
from leukolens.training.run_split import read_run_split
from leukolens.training.run_weights import fill_network
from leukolens.training.task import Export, Reporter

_LICENCE = (
    "Apache-2.0 for the weights. Trained on: {data}. Photographs keep their own licences; PBC is CC BY 4.0, Acevedo et al. "
    "2020, Data in Brief 30:105474; Chula's WBC_Samples and BCCD, whose fields Kaggle's are, are MIT."
)


@dataclass(frozen=True)
class TrainedClassifier:
    """What a finished run holds.

    Attributes:
        network: In float32, in evaluation mode.
        record: Of the run.
        preparation: How an image becomes the network's input, with the background image where there is one.
    """

    network: nn.Module
    record: ClassificationRun
    preparation: Preparation


class _TwoOutputs(nn.Module):
    """The network as the runtime wants it: logits and the last feature map."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        network: Any = self.network  # forward_features and forward_head are the catalogue's contract, not nn.Module's
        features: Tensor = network.forward_features(image)
        return network.forward_head(features), features


def load_run(run: RunFolder) -> TrainedClassifier:
    """The trained network of a finished run, its record and its preparation.

    Raises:
        TrainingError: the run is not finished, or its network was built otherwise then.
    """
    record = read_environment(run, ClassificationRun)
    network = fill_network(find_model(record.architecture).build(record.shape), run, record.architecture)
    preparation = record.preparation
    if run.background.is_file():
        with Image.open(run.background) as image:
            preparation = dataclasses.replace(preparation, background=np.asarray(image))
    return TrainedClassifier(network, record, preparation)


def export_run(run: RunFolder, out: Path, images: int, int8: bool, reporter: Reporter) -> Export:
    """Writes the bundle, and compares it with the run on validation cells.

    Raises:
        TrainingError: the run is not finished, or the bundle does not agree with it.
    """
    trained, split = load_run(run), read_run_split(run)
    record = trained.record
    bundle = write_bundle(trained, run, out)
    records = {item.id: item for item in open_dataset(record.data).cells().records}
    parts = split.parts
    validation = _load_some(parts["validation"], records, trained, None if int8 else images, reporter)
    shown = validation.images[: len(validation.records)]
    parity = compare_bundle(trained.network, bundle, shown[:images])
    words = f"Parity with the run on {record.data} validation: {parity}."
    card = bundle.card
    if int8:
        from leukolens.training.classification.int8 import CALIBRATION_IMAGES, quantise_bundle

        train = _load_some(parts["train"], records, trained, CALIBRATION_IMAGES, reporter)
        truths = np.array([card.classes.index(item.label or "") for item in validation.records])
        card, agreement = quantise_bundle(bundle, train.images[: len(train.records)], shown, truths)
        words += f" In 8-bit integers: {agreement}."
    return Export(out, card, words)


def _load_some(
    names: Sequence[str],
    records: Mapping[str, Record],
    trained: TrainedClassifier,
    most: int | None,
    reporter: Reporter,
) -> CellArray:
    """Prepared cells of a part of the split, spread over the part where not all are wanted."""
    step = max(1, len(names) // most) if most else 1
    chosen = [records[name] for name in names[::step][:most]]
    platelets = any(record.label == "platelet" for record in records.values())

    def report(done: int, total: int) -> None:
        reporter.progress("comparison", done, total)

    crops = place_crops(chosen, trained.record.detector, trained.preparation, platelets, report)
    return load_cells(crops, trained.preparation, report)


def write_bundle(trained: TrainedClassifier, run: RunFolder, out: Path) -> Bundle[ClassifierCard]:
    """Writes model, card and split; and the splits of sites, the background and `head.npy` if there are any."""
    record, preparation = trained.record, trained.preparation
    out.mkdir(parents=True, exist_ok=True)
    example = write_model(trained.network, preparation.height_px, preparation.width_px, out / "model.onnx")
    splits = [run.split, *(run.site_split(name) for name in record.sites)]
    files = [out / "model.onnx", *(Path(shutil.copyfile(path, out / path.name)) for path in splits)]
    if run.background.is_file():
        files.append(Path(shutil.copyfile(run.background, out / "background.png")))
    if _write_head(out / HEAD_NAME, trained.network, example):
        files.append(out / HEAD_NAME)
    card = ClassifierCard(
        name=out.name,
        architecture=record.architecture,
        classes=record.classes,
        preparation=preparation,
        temperature=record.temperature,
        accept_threshold=record.accept_threshold,
        files={path.name: hash_file(path) for path in files},
        weights_origin=record.weights_origin,
        training=record.training_facts(),
        validation=record.validation,
        licence=_LICENCE.format(data=", ".join((record.data, *record.sites))),
    )
    write_card(out, card)
    return Bundle(out, card)


def write_model(network: nn.Module, height_px: int, width_px: int, path: Path) -> Tensor:
    """Writes a network of the catalogue as ONNX with both its outputs; returns the example it was traced on."""
    example = torch.zeros(2, 3, height_px, width_px)
    with write_atomically(path) as temporary:
        program = torch.onnx.export(
            _TwoOutputs(network).eval(),
            (example,),
            input_names=["image"],
            output_names=["logits", "features"],
            dynamic_shapes={"image": {0: torch.export.Dim("images", min=1, max=4096)}},
            opset_version=18,
            dynamo=True,
            verbose=False,
        )
        # One file: inference refuses models that point at data outside themselves.
        assert program is not None  # with dynamo=True it always is
        onnx.save(strip_metadata(program.model_proto), temporary)
    return example


def _write_head(path: Path, network: nn.Module, example: Tensor) -> bool:
    head = find_linear_head(network, example)
    if head is None:
        path.unlink(missing_ok=True)  # of an earlier export into the same folder
        return False
    with write_atomically(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, head, allow_pickle=False)
    return True


def find_linear_head(network: nn.Module, example: Tensor) -> NDArray[np.float32] | None:
    """Weights and bias `(k, c + 1)` of a head that is one linear layer on the mean over the feature map, else None.

    This is tested on random feature maps, since the names of layers do not tell.
    """
    model: Any = network  # forward_features and forward_head are the catalogue's contract
    layers = [module for module in network.modules() if isinstance(module, nn.Linear) and module.bias is not None]
    with torch.inference_mode():
        shape = model.forward_features(example).shape
        maps = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        logits = model.forward_head(maps)
        for layer in layers:
            fits = len(shape) == 4 and (layer.in_features, layer.out_features) == (shape[1], logits.shape[1])
            if fits and torch.allclose(layer(maps.mean((2, 3))), logits, atol=1e-4):
                return torch.cat([layer.weight, layer.bias[:, None]], 1).float().numpy()
    return None
