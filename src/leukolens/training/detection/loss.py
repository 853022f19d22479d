"""The losses of a detector, and the maps that its output is compared with.

A centre is a small Gaussian hill in the target, wider for a larger cell (Zhou et al. 2019). Sides are trained around
the top of the hill too, which takes fewer epochs than at the top alone (Liu et al. 2020, TTFNet).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.training.detection.crops import Crop

_HILL = 0.54 / 6
"""Deviation of a hill, as a share of the box's side (TTFNet's)."""
_SLOPE = 0.2
"""Sides are trained where the hill is higher than this."""
_SIDE_SHARE = 2.0
"""Weight of the sides' loss beside the centres'; both are means over cells."""


@dataclass(frozen=True)
class Targets:
    """The maps that the output for a batch is compared with.

    Attributes:
        hills: `(n, 3, h, w)`: 1 in the grid cell that holds a centre, less around it.
        weights: `(n, 3, h, w)`: how far a place without a centre counts.
        sides: `(n, 4, h, w)`: left, top, right, bottom in input pixels, where `shares` is above 0.
        shares: `(n, h, w)`: weight of a place's sides; those of one cell sum to 1.
    """

    hills: Tensor
    weights: Tensor
    sides: Tensor
    shares: Tensor

    def to(self, device: torch.device) -> "Targets":
        """The same on a device."""
        return Targets(*(part.to(device) for part in (self.hills, self.weights, self.sides, self.shares)))


def draw_targets(crops: Sequence[Crop], stride_px: int) -> Targets:
    """The maps for some crops of one size, on a grid of `stride_px` input pixels."""
    parts = [_draw_one(crop, stride_px) for crop in crops]
    hills, weights, sides, shares = (torch.stack(maps) for maps in zip(*parts, strict=True))
    return Targets(hills, weights, sides, shares)


def _draw_one(crop: Crop, stride_px: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows, columns = (length // stride_px for length in crop.pixels.shape[:2])
    y = torch.arange(rows, dtype=torch.float32)[:, None]
    x = torch.arange(columns, dtype=torch.float32)
    kinds = len(DETECTED_KINDS)
    hills = torch.zeros(kinds, rows, columns)
    weights = torch.tensor(crop.negative_weight)[:, None, None].repeat(1, rows, columns)
    sides, shares = torch.zeros(4, rows, columns), torch.zeros(rows, columns)
    smallest = torch.full((rows, columns), torch.inf)
    boxes = torch.from_numpy(crop.labels.boxes.astype(np.float32)) / stride_px
    middle_x, middle_y = x + 0.5, y + 0.5
    order = np.argsort(~crop.labels.sure, kind="stable")  # unsure ones last: they take precedence
    sizes = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    owner = torch.full((rows, columns), -1)
    for number in order.tolist():
        x0, y0, x1, y1 = boxes[number].tolist()
        kind, sure = int(crop.labels.kinds[number]), bool(crop.labels.sure[number])
        inside = (middle_x >= x0) & (middle_x < x1) & (middle_y >= y0) & (middle_y < y1)
        if not sure:
            weights[kind][inside] = 0.0
            continue
        # Around a known cell it is known where no centre is, even if the dataset leaves out cells elsewhere.
        if crop.negative_weight[kind] > 0:
            weights[kind][inside] = 1.0
        at = (min(rows - 1, int((y0 + y1) / 2)), min(columns - 1, int((x0 + x1) / 2)))
        slope_x, slope_y = (max(_HILL * side, 0.3) for side in (x1 - x0, y1 - y0))
        hill = torch.exp(-((x - at[1]) ** 2 / (2 * slope_x**2)) - (y - at[0]) ** 2 / (2 * slope_y**2))
        torch.maximum(hills[kind], hill, out=hills[kind])
        # Where two cells overlap, the place belongs to the smaller: a platelet on a red cell has no other.
        own = (hill > _SLOPE) & (sizes[number] < smallest)
        smallest[own] = sizes[number]
        owner[own] = number
        shares[own] = hill[own]
        parts = (middle_x - x0, middle_y - y0, x1 - middle_x, y1 - middle_y)
        reach = torch.stack([part.expand(rows, columns) for part in parts])
        sides[:, own] = reach[:, own].clamp_min(0) * stride_px
    for number in order.tolist():
        if (owner == number).any():
            shares[owner == number] /= shares[owner == number].sum()
    return hills, weights, sides, shares


def centre_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Focal loss of centres, softer towards a hill's top (Zhou et al. 2019, alpha 2, beta 4), a mean over centres.

    Args:
        logits: `(n, 3, h, w)`.
        targets: Hills of that shape.
        weights: How far each place without a centre counts, of that shape.
    """
    chance = torch.sigmoid(logits)
    is_centre = targets == 1
    found = -((1 - chance) ** 2) * functional.logsigmoid(logits)
    empty = -((1 - targets) ** 4) * chance**2 * functional.logsigmoid(-logits) * weights
    return torch.where(is_centre, found, empty).sum() / is_centre.sum().clamp_min(1)


def side_loss(sides: Tensor, targets: Tensor, shares: Tensor) -> Tensor:
    """1 - generalised IoU (Rezatofighi et al. 2019) of boxes from one point, a mean over cells.

    Args:
        sides: `(n, 4, h, w)`: left, top, right, bottom, not below 0.
        targets: Likewise.
        shares: `(n, h, w)`: weight of each place; a cell's sum to 1.
    """
    where = shares > 0
    ours, theirs = sides.movedim(1, -1)[where], targets.movedim(1, -1)[where]
    least, most = torch.minimum(ours, theirs), torch.maximum(ours, theirs)
    shared = (least[:, 0] + least[:, 2]) * (least[:, 1] + least[:, 3])
    around = (most[:, 0] + most[:, 2]) * (most[:, 1] + most[:, 3])
    covered = _area(ours) + _area(theirs) - shared
    generalised = shared / covered.clamp_min(1e-6) - (around - covered) / around.clamp_min(1e-6)
    weight = shares[where]
    return ((1 - generalised) * weight).sum() / weight.sum().clamp_min(1)


def _area(sides: Tensor) -> Tensor:
    return (sides[:, 0] + sides[:, 2]) * (sides[:, 1] + sides[:, 3])


def detector_losses(answer: tuple[Tensor, Tensor], targets: Targets) -> dict[str, Tensor]:
    """The whole loss and both its parts, by name."""
    centres = centre_loss(answer[0].float(), targets.hills, targets.weights)
    sides = side_loss(answer[1].float(), targets.sides, targets.shares)
    return {"loss": centres + _SIDE_SHARE * sides, "centre_loss": centres, "side_loss": sides}
