"""A run's network as ONNX, with its card: the bundle that the light install runs.

The last feature map is the model's second output, for activation maps and for refitting the head without torch.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from msgspec import convert
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from leukolens.core.card import ClassifierCard, ClassifierValidation, TrainingFacts, write_card
from leukolens.core.confusion import count_confusion
from leukolens.core.errors import TrainingError
from leukolens.core.files import hash_file, write_atomically
from leukolens.core.pixels import Preparation
from leukolens.core.predictions import read_predictions
from leukolens.core.results import CellStatus
from leukolens.core.runs import RunFolder
from leukolens.inference.heatmap import HEAD_NAME
from leukolens.models.catalogue import find_model
from leukolens.models.shape import NetworkShape
from leukolens.training.onnx_file import strip_metadata

LICENCE = (
    "Apache-2.0 for the weights. Trained on: {data}. Photographs keep their own licences; PBC is CC BY 4.0, Acevedo et al. "
    "2020, Data in Brief 30:105474; Chula's WBC_Samples and BCCD, whose fields Kaggle's are, are MIT."
)


class _TwoOutputs(nn.Module):
    """The network as the runtime wants it: logits and the last feature map."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        network: Any = self.network  # forward_features and forward_head are the catalogue's contract, not nn.Module's
        features: Tensor = network.forward_features(image)
        return network.forward_head(features), features


def load_network(run: RunFolder) -> tuple[nn.Module, dict[str, Any], Preparation]:
    """The trained network of a run in float32, its facts and its preparation.

    Raises:
        TrainingError: the run has not been finished, or its network was built otherwise then.
    """
    if not (run.weights.is_file() and run.environment.is_file()):
        raise TrainingError(f"{run.path} is not finished: go on with `leukolens train ... --resume` first.")
    facts = json.loads(run.environment.read_text(encoding="utf-8"))
    try:
        network = find_model(facts["architecture"]).build(NetworkShape(**facts["shape"]))
        network.load_state_dict(load_file(run.weights))
    except (KeyError, RuntimeError) as error:
        raise TrainingError(
            f"The weights of {run.path} do not fit today's {facts['architecture']}: trained by another version of "
            "LeukoLens. Train it again, or use that version."
        ) from error
    network.eval()
    fields = facts["preparation"]
    told: dict[str, Any] = {"mean": tuple(fields["mean"]), "std": tuple(fields["std"])}
    if run.background.is_file():
        with Image.open(run.background) as image:
            told["background"] = np.asarray(image)
    preparation = Preparation(**fields | told)
    return network, facts, preparation


def export_bundle(run: RunFolder, out: Path, name: str) -> ClassifierCard:
    """Writes `model.onnx`, `card.json`, `split.json` and, where there are such, other laboratories' splits, `background.png` and `head.npy`.

    Raises:
        TrainingError: the run has not been finished.
    """
    network, facts, preparation = load_network(run)
    out.mkdir(parents=True, exist_ok=True)
    example = write_model(network, preparation.height_px, preparation.width_px, out / "model.onnx")
    laboratories = facts.get("sites", {})  # a run of an earlier LeukoLens knows of none
    splits = [run.split, *(run.laboratory_split(name) for name in laboratories)]
    files = [out / "model.onnx", *(Path(shutil.copyfile(path, out / path.name)) for path in splits)]
    if run.background.is_file():
        files.append(Path(shutil.copyfile(run.background, out / "background.png")))
    if _write_head(out / HEAD_NAME, network, example):
        files.append(out / HEAD_NAME)
    kept = (
        "data",
        "detector",
        "data_hash",
        "split_hash",
        "split",
        "leaky",
        "why_leaky",
        "recipe",
        "seed",
        "images",
        "sites",
        "synthetic_images",
        "epochs",
        "training_seconds",
        "device",
        "versions",
        "commit",
    )
    card = ClassifierCard(
        name=name,
        architecture=facts["architecture"],
        classes=tuple(facts["classes"]),
        preparation=preparation,
        temperature=facts["temperature"],
        accept_threshold=facts["accept_threshold"],
        files={path.name: hash_file(path) for path in files},
        weights_origin=facts["weights_origin"],
        # A run of an earlier LeukoLens lacks what was not yet noted.
        training=convert({key: facts[key] for key in kept if key in facts}, TrainingFacts),
        validation=describe_validation(run, facts),
        licence=LICENCE.format(data=", ".join((facts["data"], *laboratories))),
    )
    write_card(out, card)
    return card


def describe_validation(run: RunFolder, facts: dict[str, Any]) -> ClassifierValidation:
    """What the card says of validation: the run's figures, and the confusion of its predictions there."""
    predictions = read_predictions(run.predictions("validation"))
    calls = predictions.items
    confusion = count_confusion(
        facts["classes"],
        predictions.truths,
        [call.label for call in calls],
        [call.status == CellStatus.ACCEPTED for call in calls],
    )
    return ClassifierValidation(**facts["validation"], confusion=confusion.to_table())


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
        # One file: the runtime refuses models that point at data outside themselves.
        assert program is not None  # with dynamo=True it is always given back
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

    That it is one is tried out on random feature maps, not read off its layers' names.
    """
    seen: Any = network
    layers = [module for module in network.modules() if isinstance(module, nn.Linear) and module.bias is not None]
    with torch.inference_mode():
        shape = seen.forward_features(example).shape
        maps = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        logits = seen.forward_head(maps)
        for layer in layers:
            fits = len(shape) == 4 and (layer.in_features, layer.out_features) == (shape[1], logits.shape[1])
            if fits and torch.allclose(layer(maps.mean((2, 3))), logits, atol=1e-4):
                return torch.cat([layer.weight, layer.bias[:, None]], 1).float().numpy()
    return None
