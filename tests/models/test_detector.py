"""The detector's network: what it takes, what it gives, where its weights come from."""

from pathlib import Path

import pytest
import timm
import torch

from leukolens.core.errors import TrainingError
from leukolens.models.detector import _TAPS, STRIDE_PX, CellDetector
from leukolens.models.pretrained import load_weights

ARCHITECTURE = "tf_efficientnet_lite0_detector"


@pytest.fixture(scope="module")
def network() -> CellDetector:
    torch.manual_seed(0)
    return CellDetector().eval()


def test_pictures_of_any_multiple_of_32_are_answered_on_a_grid_of_four(network: CellDetector) -> None:
    for height, width in ((64, 96), (32, 32)):
        with torch.no_grad():
            centres, sides = network(torch.randn(2, 3, height, width))
        grid = (height // STRIDE_PX, width // STRIDE_PX)
        assert centres.shape == (2, 3, *grid) and sides.shape == (2, 4, *grid)
        assert float(sides.min()) >= 0
        assert float(torch.sigmoid(centres).mean()) == pytest.approx(0.01, rel=0.5)


def test_every_weight_is_moved_and_no_gradient_runs_off() -> None:
    torch.manual_seed(0)
    network = CellDetector()
    centres, sides = network(torch.randn(2, 3, 64, 64))
    (centres.square().mean() + sides.square().mean()).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None and torch.isfinite(weight.grad).all(), name


def test_the_halving_convolutions_are_timms(network: CellDetector) -> None:
    twin = timm.create_model("tf_efficientnet_lite0", features_only=True).eval()
    del twin.blocks[max(_TAPS) + 1 :]
    twin.load_state_dict(network.trunk.state_dict())
    picture = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        ours = network._run_trunk(picture)
        seen = twin.bn1(twin.conv_stem(picture))
        for index, stage in enumerate(twin.blocks):
            seen = stage(seen)
            if index in _TAPS:
                torch.testing.assert_close(ours.pop(0), seen)
    assert not ours


def test_it_fits_into_the_bundles_limit(network: CellDetector) -> None:
    assert 4 * sum(value.numel() for value in network.state_dict().values()) < 14e6


def test_weights_are_random_by_name_or_come_from_a_run_or_are_refused(network: CellDetector, tmp_path: Path) -> None:
    assert "random" in load_weights(network, ARCHITECTURE, "none")
    with pytest.raises(TrainingError, match="no finished run"):
        load_weights(network, ARCHITECTURE, str(tmp_path))


@pytest.mark.real
def test_imagenet_weights_fill_the_trunk(real_weights: Path) -> None:
    origin = load_weights(CellDetector(), ARCHITECTURE, "imagenet")
    assert "100% of the numbers loaded" in origin and "the rest random" in origin
