"""The exported detector says what the run says, on pictures of any size."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file

from leukolens.core.card import DetectorValidation, read_card
from leukolens.core.errors import TrainingError
from leukolens.core.files import write_text
from leukolens.core.runs import RunFolder, write_environment
from leukolens.core.tasks import Task
from leukolens.core.taxonomy import CellKind
from leukolens.inference.bundles import load_bundle
from leukolens.inference.detector import Detector
from leukolens.models.colours import LITE_MEAN, LITE_STD
from leukolens.models.detector import SMUDGE_TAPS, CellDetector
from leukolens.training.detection.export import compare_maps, export_run, load_run, write_bundle
from leukolens.training.detection.record import DetectionRun
from leukolens.training.detection.smudges import find_taps
from leukolens.training.task import Reporter

RECORD = DetectionRun(
    architecture="tf_efficientnet_lite0_detector",
    parameters=1,
    red_cell_px=52.0,
    crop_px=256,
    mean=LITE_MEAN,
    std=LITE_STD,
    score_thresholds={CellKind.LEUKOCYTE: 0.5, CellKind.RED_CELL: 0.4, CellKind.PLATELET: 0.3},
    nms_iou=0.6,
    box_scales={CellKind.PLATELET: 0.85},
    cut_gains={CellKind.LEUKOCYTE: 1.5},
    weights_origin="random",
    validation=DetectorValidation(fields=1, average_precision_50={}, at_thresholds={}),
    data="toy",
    data_hash="a",
    split_hash="b",
    split="fields, seed 0",
    leaky=False,
    recipe="toy",
    seed=0,
    images={"train": 3},
    epochs=1,
    epochs_done=1,
    best_epoch=0,
    training_seconds=1.0,
    resumed=False,
    device="CPU",
    precision="bfloat16 autocast",
    python="3",
    versions={},
    commit="",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run whose network was never trained."""
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    torch.manual_seed(0)
    save_file(CellDetector().state_dict(), folder.weights)
    write_environment(folder, RECORD)
    write_text(folder.split, "{}")
    return folder


@pytest.mark.filterwarnings("ignore")
def test_the_bundle_says_what_the_run_says_and_the_runtime_takes_it(run: RunFolder, tmp_path: Path) -> None:
    network, record = load_run(run)
    card = write_bundle(network, record, run, tmp_path / "toy")
    assert read_card(tmp_path / "toy") == card
    assert (tmp_path / "toy" / "model.onnx").stat().st_size < 14e6
    assert [coarser for _, _, coarser in find_taps(onnx.load(tmp_path / "toy" / "model.onnx"), SMUDGE_TAPS)] == [
        1,
        2,
        4,
        8,
    ]
    random = np.random.default_rng(0)
    inputs = [random.normal(size=(1, 3, *size)).astype(np.float32) for size in ((64, 96), (32, 32), (160, 64))]
    parity = compare_maps(network, tmp_path / "toy", card, inputs)
    assert parity.pictures == 3 and max(parity.centres, parity.sides) < 1e-4
    field = random.integers(0, 256, (100, 130, 3), np.uint8)
    found = Detector(load_bundle(tmp_path / "toy", Task.DETECTION)).find_cells(field, 0.14, 0.005)
    assert len(found) and found.scale_origin == "given"
    raw = (tmp_path / "toy" / "model.onnx").read_bytes()
    assert str(Path.home()).encode() not in raw and b"site-packages" not in raw

    torch.nn.init.constant_(network.centre_head[-1].bias, 2.0)
    with pytest.raises(TrainingError, match="differs"):
        compare_maps(network, tmp_path / "toy", card, inputs)


def test_an_unfinished_run_or_another_network_is_not_exported(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not a finished run"):
        export_run(RunFolder(tmp_path), tmp_path / "b", 8, Reporter())
    other = RunFolder(tmp_path / "other")
    other.path.mkdir()
    save_file({"weight": torch.zeros(3)}, other.weights)
    write_environment(other, RECORD)
    with pytest.raises(TrainingError, match="another version"):
        load_run(other)
