from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leukolens.core.errors import BundleError
from leukolens.core.files import hash_file
from leukolens.inference.classifier import open_classifier
from leukolens.inference.heatmap import HeatMapper, enlarge_maps

WEIGHTS = np.array([[8, 0, 0, 0], [0, 0, 8, 0], [0, 8, 0, 0]], np.float32)


def two_corners() -> np.ndarray:
    batch = np.zeros((2, 32, 32, 3), np.uint8)
    batch[:, :8, :8, 0] = 255
    batch[:, 24:, 24:, 2] = 128
    return batch


def with_head(toy: Any, folder: Path, head: np.ndarray, **options: Any) -> Path:
    toy.make_bundle(folder)
    np.save(folder / "head.npy", head, **options)
    files = {name: hash_file(folder / name) for name in ("model.onnx", "head.npy")}
    toy.make_bundle(folder, files=files)
    return folder


def test_the_map_points_at_what_spoke_for_the_class(toy: Any, tmp_path: Path) -> None:
    mapper = HeatMapper(open_classifier(with_head(toy, tmp_path / "b", WEIGHTS)))
    red, blue = mapper.map_batch(two_corners(), np.array([0, 1]))
    assert red[4, 4] == 1 and red[12:].max() == 0
    assert blue[28, 28] == 1 and blue[:20].max() == 0
    assert "class activation map" in mapper.method


def test_a_bundle_without_a_head_says_so(toy: Any, tmp_path: Path) -> None:
    mapper = HeatMapper(open_classifier(toy.make_bundle(tmp_path / "b")))
    (both, _) = mapper.map_batch(two_corners(), np.array([0, 1]))
    assert both[4, 4] == 1 and both[28, 28] == pytest.approx(128 / 255, abs=0.01) and both[16, 16] == 0
    assert "mean activity" in mapper.method


@pytest.mark.parametrize(
    "head",
    [WEIGHTS[:2], WEIGHTS.astype(np.float64), np.full_like(WEIGHTS, np.nan), WEIGHTS[0], np.array([{}], object)],
)
def test_a_head_that_is_none_is_refused(toy: Any, tmp_path: Path, head: np.ndarray) -> None:
    folder = with_head(toy, tmp_path / "b", head, allow_pickle=True)
    with pytest.raises(BundleError, match=r"head\.npy"):
        HeatMapper(open_classifier(folder))


def test_a_head_of_another_width_is_found_out(toy: Any, tmp_path: Path) -> None:
    mapper = HeatMapper(open_classifier(with_head(toy, tmp_path / "b", WEIGHTS[:, 1:])))
    with pytest.raises(BundleError, match="no maps"):
        mapper.map_batch(two_corners(), np.array([0, 1]))


def test_enlarging_keeps_shares_and_empty_maps() -> None:
    maps = np.zeros((2, 2, 2), np.float32)
    maps[0, 0, 1] = 5
    large = enlarge_maps(maps, 10, 20)
    assert large.shape == (2, 10, 20) and large[0].max() == 1 and large[0, 0, 19] == 1 and large[1].max() == 0
