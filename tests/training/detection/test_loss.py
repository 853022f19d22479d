"""Losses of the detector against slow references written from the papers, one place at a time."""

import math

import numpy as np
import pytest
import torch

from leukolens.core.results import Box
from leukolens.models.detector import STRIDE_PX
from leukolens.training.detection.crops import Crop
from leukolens.training.detection.labels import Labels, label_boxes
from leukolens.training.detection.loss import centre_loss, draw_targets, side_loss


def crop_of(boxes: list[Box], negative_weight: tuple[float, float, float] = (1, 1, 1), side: int = 64) -> Crop:
    return Crop(np.zeros((side, side, 3), np.uint8), np.ones((side, side), bool), label_boxes(boxes), negative_weight)


def test_the_focal_loss_is_the_papers() -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=random) * 3
    hills = torch.rand(2, 3, 4, 5, generator=random) * 0.99
    hills[0, 1, 2, 3] = hills[1, 0, 0, 0] = 1.0
    weights = torch.rand(2, 3, 4, 5, generator=random)
    total = 0.0
    for place in np.ndindex(2, 3, 4, 5):
        p = 1 / (1 + math.exp(-float(logits[place])))
        y = float(hills[place])
        if y == 1:
            total -= (1 - p) ** 2 * math.log(p)
        else:
            total -= float(weights[place]) * (1 - y) ** 4 * p**2 * math.log(1 - p)
    assert float(centre_loss(logits, hills, weights)) == pytest.approx(total / 2, rel=1e-4)


def slow_giou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return w * h / union - (hull - union) / hull


def test_the_sides_loss_is_one_less_the_generalised_overlap_of_the_boxes() -> None:
    random = torch.Generator().manual_seed(1)
    ours, theirs = (torch.rand(1, 4, 2, 2, generator=random) * 30 + 1 for _ in range(2))
    shares = torch.tensor([[[0.25, 0.75], [0.0, 1.0]]])
    total = 0.0
    for row, column in np.ndindex(2, 2):
        boxes = []
        for sides in (ours, theirs):
            left, top, right, bottom = (float(v) for v in sides[0, :, row, column])
            boxes.append((100 - left, 100 - top, 100 + right, 100 + bottom))
        total += float(shares[0, row, column]) * (1 - slow_giou(*boxes))
    assert float(side_loss(ours, theirs, shares)) == pytest.approx(total / 2, rel=1e-5)
    assert float(side_loss(theirs, theirs, shares)) == pytest.approx(0, abs=1e-6)
    assert float(side_loss(ours, theirs, torch.zeros(1, 2, 2))) == 0


def test_the_targets_say_where_centres_are_and_how_far_the_sides() -> None:
    cells = [Box(8, 4, 40, 28, "red_cell"), Box(20, 12, 32, 22, "platelet"), Box(45, 40, 64, 64, "leukocyte")]
    targets = draw_targets([crop_of(cells)], STRIDE_PX)
    for box, kind in zip(cells, (1, 2, 0), strict=True):
        column, row = int((box.x0 + box.x1) / 8), int((box.y0 + box.y1) / 8)
        assert targets.hills[0, kind, row, column] == 1
        assert (targets.hills[0, kind] == 1).sum() == 1
    assert float(targets.shares.sum()) == pytest.approx(3)
    row, column = 4, 6  # the platelet's middle, which lies on the red cell: the smaller box is meant
    middle = (column * 4 + 2, row * 4 + 2)
    left, top, right, bottom = (float(v) for v in targets.sides[0, :, row, column])
    corners = (middle[0] - left, middle[1] - top, middle[0] + right, middle[1] + bottom)
    assert corners == pytest.approx((20, 12, 32, 22))


def test_what_a_dataset_leaves_out_teaches_little_and_what_is_unsure_nothing() -> None:
    labels = label_boxes([Box(0, 0, 16, 16, "red_cell"), Box(32, 32, 48, 48, "red_cell")])
    labels = Labels(labels.boxes, labels.kinds, np.array([True, False]))
    crop = crop_of([], negative_weight=(1.0, 0.1, 0.0))
    crop = Crop(crop.pixels, crop.inside, labels, crop.negative_weight)
    weights = draw_targets([crop], STRIDE_PX).weights[0]
    assert weights[0].unique().tolist() == [1.0] and weights[2].unique().tolist() == [0.0]
    assert weights[1, 1, 1] == 1.0  # at a known cell
    assert weights[1, 9, 9] == 0.0  # at a doubtful one
    assert float(weights[1, 15, 0]) == pytest.approx(0.1)
    # Where nothing is taught, an answer costs nothing and moves nothing.
    logits = torch.zeros(1, 3, 16, 16, requires_grad=True)
    targets = draw_targets([crop], STRIDE_PX)
    centre_loss(logits, targets.hills, targets.weights).backward()
    assert logits.grad is not None
    assert float(logits.grad[0, 2].abs().sum()) == 0 < float(logits.grad[0, 0].abs().sum())


def test_a_batch_without_a_cell_has_a_finite_loss() -> None:
    targets = draw_targets([crop_of([])], STRIDE_PX)
    answer = torch.zeros(1, 3, 16, 16), torch.ones(1, 4, 16, 16)
    assert torch.isfinite(centre_loss(answer[0], targets.hills, targets.weights))
    assert float(side_loss(answer[1], targets.sides, targets.shares)) == 0
