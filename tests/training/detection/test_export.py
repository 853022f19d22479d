"""The exported detector says what the run says, on pictures of any size."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file

from leukolens.core.card import read_card
from leukolens.core.errors import TrainingError
from leukolens.core.files import write_text
from leukolens.core.runs import RunFolder
from leukolens.core.tasks import Task
from leukolens.inference.bundles import load_bundle
from leukolens.inference.detector import Detector
from leukolens.models.detector import MEAN, STD, CellDetector
from leukolens.training.detection.export import (
    compare_detector,
    export_detector,
    is_detector_run,
    load_detector_network,
)
from leukolens.training.detection.smudges import find_taps

FACTS = {
    "task": "detector",
    "architecture": "tf_efficientnet_lite0_detector",
    "red_cell_px": 52.0,
    "mean": list(MEAN),
    "std": list(STD),
    "score_thresholds": {"leukocyte": 0.5, "red_cell": 0.4, "platelet": 0.3},
    "nms_iou": 0.6,
    "box_scales": {"platelet": 0.85},
    "cut_gains": {"leukocyte": 1.5},
    "weights_origin": "random",
    "validation": {"fields": 1, "average_precision_50": {}, "at_thresholds": {}},
    "data": "toy",
}
STORY = {
    "data_hash": "a", "split_hash": "b", "split": "fields, seed 0", "leaky": False, "why_leaky": "", "recipe": "toy",
    "seed": 0, "images": {"train": 3}, "synthetic_images": 0, "epochs": 1, "best_epoch": 0, "training_seconds": 1.0,
    "device": "CPU", "versions": {}, "commit": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run whose network was never trained."""
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    torch.manual_seed(0)
    save_file(CellDetector().state_dict(), folder.weights)
    write_text(folder.environment, json.dumps(FACTS | STORY))
    write_text(folder.split, "{}")
    return folder


@pytest.mark.filterwarnings("ignore")
def test_the_bundle_says_what_the_run_says_and_the_runtime_takes_it(run: RunFolder, tmp_path: Path) -> None:
    assert is_detector_run(run)
    card = export_detector(run, tmp_path / "toy", "toy")
    assert read_card(tmp_path / "toy") == card
    assert (tmp_path / "toy" / "model.onnx").stat().st_size < 14e6
    assert [coarser for _, _, coarser in find_taps(onnx.load(tmp_path / "toy" / "model.onnx"))] == [1, 2, 4, 8]
    network, _ = load_detector_network(run)
    random = np.random.default_rng(0)
    inputs = [random.normal(size=(1, 3, *size)).astype(np.float32) for size in ((64, 96), (32, 32), (160, 64))]
    parity = compare_detector(network, tmp_path / "toy", card, inputs)
    assert parity.pictures == 3 and max(parity.centres, parity.sides) < 1e-4
    field = random.integers(0, 256, (100, 130, 3), np.uint8)
    found = Detector(load_bundle(tmp_path / "toy", Task.DETECTION)).find_cells(field, 0.14, 0.005)
    assert len(found) and found.scale_origin == "given"
    raw = (tmp_path / "toy" / "model.onnx").read_bytes()
    assert str(Path.home()).encode() not in raw and b"site-packages" not in raw

    torch.nn.init.constant_(network.centre_head[-1].bias, 2.0)
    with pytest.raises(TrainingError, match="differs"):
        compare_detector(network, tmp_path / "toy", card, inputs)


def test_an_unfinished_run_or_another_network_is_not_exported(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not finished"):
        export_detector(RunFolder(tmp_path), tmp_path / "b", "b")
    other = RunFolder(tmp_path / "other")
    other.path.mkdir()
    save_file({"weight": torch.zeros(3)}, other.weights)
    write_text(other.environment, json.dumps(FACTS))
    with pytest.raises(TrainingError, match="another version"):
        load_detector_network(other)
    assert not is_detector_run(RunFolder(tmp_path / "nowhere"))
