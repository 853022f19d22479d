import pytest
import torch
from msgspec import structs

from leukolens.training.augment import augment_batch
from leukolens.training.recipe import AugmentConfig

NONE = AugmentConfig()
ALL = AugmentConfig(True, 180, 1.4, 0.1, 0.3, 20, 0.6, 1.5, 0.05, 0.5, 0.8)


def draw(images: torch.Tensor, config: AugmentConfig, seed: int = 0, zoom: float = 1.0) -> torch.Tensor:
    side = (images.shape[2], images.shape[3])
    return augment_batch(images.clone(), side, zoom, config, torch.Generator().manual_seed(seed))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(6, 3, 24, 32, generator=torch.Generator().manual_seed(1)) * 0.8 + 0.1


def test_with_everything_off_the_image_is_left_as_it_is(images: torch.Tensor) -> None:
    torch.testing.assert_close(draw(images, NONE), images, atol=1e-5, rtol=0)


def test_everything_on_stays_in_range_and_repeats_for_one_seed(images: torch.Tensor) -> None:
    first, again, other = draw(images, ALL), draw(images, ALL), draw(images, ALL, seed=1)
    assert first.min() >= 0 and first.max() <= 1 and torch.isfinite(first).all()
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("part", [f.name for f in structs.fields(AugmentConfig) if f.name not in ("share",)])
def test_each_part_alone_changes_pictures(images: torch.Tensor, part: str) -> None:
    config = structs.replace(NONE, **{part: getattr(ALL, part)})
    assert any((draw(images, config, seed) - images).abs().max() > 1e-3 for seed in range(4))


def test_share_zero_keeps_all_colours(images: torch.Tensor) -> None:
    config = structs.replace(NONE, stain=0.4, colour=0.8, hue_degrees=30, share=0.0)
    torch.testing.assert_close(draw(images, config), images, atol=1e-3, rtol=0)


def test_a_grey_image_keeps_its_grey_when_hue_and_saturation_turn() -> None:
    grey = torch.full((2, 3, 8, 8), 0.5)
    turned = draw(grey, structs.replace(NONE, hue_degrees=60))
    torch.testing.assert_close(turned, grey, atol=1e-5, rtol=0)


def test_zoom_shows_the_middle_of_the_frame() -> None:
    frame = torch.zeros(1, 3, 40, 40)
    frame[:, :, 10:30, 10:30] = 1
    seen = augment_batch(frame, (20, 20), 0.5, NONE, torch.Generator())
    assert seen[:, :, 1:-1, 1:-1].min() > 0.99


def test_rotation_by_a_right_angle_keeps_shapes_of_a_wide_image() -> None:
    # A square of 8 x 8 pixels in a 16 x 32 image must stay 8 x 8 pixels however it is turned.
    wide = torch.zeros(64, 3, 16, 32)
    wide[:, :, 4:12, 12:20] = 1
    turned = draw(wide, structs.replace(NONE, rotation_degrees=180))
    # Only the middle counts: beyond it the border is mirrored.
    areas = turned[:, 0, :, 9:23].sum((1, 2))
    assert (areas - 64).abs().max() < 4
