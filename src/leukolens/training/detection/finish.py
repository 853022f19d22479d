"""What is chosen on validation once a detector is trained: widths of boxes, score thresholds, gains at the border."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logit
from torch import Tensor, nn

from leukolens.core.card import DetectorValidation, KindRates
from leukolens.core.overlaps import stack_corners
from leukolens.core.pixels import normalise_colours
from leukolens.core.results import Box
from leukolens.core.taxonomy import DETECTED_KINDS, CellKind
from leukolens.evaluation.detection.matching import (
    LOOSE_OVERLAP,
    JudgedField,
    boxes_of_kind,
    detections_of_kind,
    match_kind,
)
from leukolens.inference.borders import are_cut
from leukolens.models.catalogue import ModelSpec
from leukolens.training.detection.crops import Crop, cut_through, cut_whole
from leukolens.training.detection.fields import TrainingField
from leukolens.training.detection.module import NMS_IOU, list_boxes, measure_precisions, pair_field

_SCALES = (1.0, 0.95, 1.05, 0.9, 1.1, 0.85, 1.15, 0.8, 1.2, 0.75, 1.25, 0.7, 1.3, 0.65, 0.6)
"""Widths to try, nearest to the network's own first: of equals the first is taken."""

_WORTH = 0.02
"""Average precision that another width must gain: smaller changes are chance."""

_RULERS = (CellKind.LEUKOCYTE, CellKind.RED_CELL)
"""Kinds whose boxes are measured, for the scale and for crops: their width follows the relabelled boxes alone."""

_NEARLY_ALL = 0.5
"""A dataset with at least this negative weight has boxes for nearly all cells of the kind."""


@dataclass(frozen=True)
class DetectorSettings:
    """What is chosen on validation; the fields mean what they mean in `DetectorCard`."""

    score_thresholds: dict[CellKind, float]
    nms_iou: float
    box_scales: dict[CellKind, float]
    cut_gains: dict[CellKind, float]
    validation: DetectorValidation


_Judged = list[tuple[TrainingField, JudgedField]]


def choose_settings(
    network: nn.Module, spec: ModelSpec, fields: Sequence[TrainingField], red_cell_px: float
) -> DetectorSettings:
    """Widths of boxes, thresholds and gains per kind, and what they give on validation fields.

    A kind's width and threshold are chosen on the fields whose datasets box nearly all cells of it, where there are
    such: a detected cell without a box would count as an error, and push the threshold up. A threshold says whether a
        cell is
    there; how closely it is boxed is what the width decides.

    Nearly every dataset boxes all its leukocytes, and what counts as one differs from site to site. So their threshold
    is chosen on all fields that have them, and it is the lowest of equals: a false leukocyte is classified next and
    looked at, a missed one is lost.
    """
    network.eval()

    def judge(field: TrainingField, crop: Crop) -> JudgedField:
        with torch.inference_mode():
            return pair_field(field, crop, network(prepare_crop(crop, spec)), spec.stride_px)

    judged: _Judged = [(field, judge(field, cut_whole(field, red_cell_px))) for field in fields]
    thresholds: dict[CellKind, float] = {}
    scales: dict[CellKind, float] = {}
    gains: dict[CellKind, float] = {}
    rates: dict[CellKind, KindRates] = {}
    for number, kind in enumerate(DETECTED_KINDS):
        least = min(_NEARLY_ALL, max(field.negative_weight[number] for field in fields))
        complete = [field.negative_weight[number] >= least > 0 for field in fields]
        boxed = list(compress(judged, complete))
        own = [] if kind in _RULERS else _pair_with_own(boxed, red_cell_px)
        scale = choose_scale([item for _, item in boxed], own, kind)
        if scale != 1:
            scales[kind] = scale
        judged = [(field, widen_boxes(item, kind, scale)) for field, item in judged]
        boxed = list(compress(judged, complete))
        if kind is CellKind.LEUKOCYTE:
            everywhere = [item for field, item in judged if field.negative_weight[number] > 0]
            thresholds[kind] = match_kind(everywhere, kind, LOOSE_OVERLAP).lowest_threshold()
            gains[kind] = choose_cut_gain(_cut_fields(boxed, judge, red_cell_px, kind), kind, thresholds[kind])
        else:
            thresholds[kind] = match_kind([item for _, item in boxed], kind, LOOSE_OVERLAP).best_threshold()
        rates[kind] = _measure_rates(boxed, kind, thresholds[kind])
    precisions = {CellKind(kind): value for kind, value in measure_precisions(judged).items()}
    validation = DetectorValidation(fields=len(fields), average_precision_50=precisions, at_thresholds=rates)
    return DetectorSettings(thresholds, NMS_IOU, scales, gains, validation)


def _cut_fields(
    boxed: _Judged, judge: Callable[[TrainingField, Crop], JudgedField], red_cell_px: float, kind: CellKind
) -> list[JudgedField]:
    """Fields cut through their leukocytes, with the cells at the cut alone."""
    parts = [(field, part) for field, _ in boxed for part in cut_through(field, red_cell_px)]
    return [keep_cut(judge(field, part), part, kind) for field, part in parts]


def _measure_rates(boxed: _Judged, kind: CellKind, threshold: float) -> KindRates:
    matches = match_kind([item for _, item in boxed], kind)
    found = matches.rates_at(threshold)
    return KindRates(
        precision=found.precision,
        recall=found.recall,
        f1=found.f1,
        fields=len(boxed),
        cells=int(matches.truths.sum()),
        data=", ".join(sorted({field.data for field, _ in boxed})),
    )


def choose_cut_gain(fields: Sequence[JudgedField], kind: str, threshold: float) -> float:
    """Logits to add to the scores of cells cut by the border, so that the threshold of whole cells holds for them too.

    Args:
        fields: With cut cells and their detections alone.
        kind: Theirs.
        threshold: Of whole ones.
    """
    matches = match_kind(fields, kind, LOOSE_OVERLAP)
    if not matches.hits.any():
        return 0.0
    return max(0.0, float(logit(threshold) - logit(matches.best_threshold())))


def keep_cut(judged: JudgedField, part: Crop, kind: str) -> JudgedField:
    """The cells and detections of one kind that the border of a part of a field cuts."""
    height, width = (int(part.inside.any(axis=axis).sum()) for axis in (1, 0))

    def cut(boxes: Sequence[Box]) -> NDArray[np.bool_]:
        return are_cut(stack_corners(boxes), height, width)

    truths, finds = boxes_of_kind(judged.truths, kind), detections_of_kind(judged.detections, kind)
    return replace(
        judged,
        truths=tuple(compress(truths, cut(truths))),
        detections=tuple(compress(finds, cut([find.box for find in finds]))),
    )


def choose_scale(fields: Sequence[JudgedField], own: Sequence[JudgedField], kind: str) -> float:
    """The best factor on a kind's widths and heights.

    People differ in how wide they box a cell. So a factor is as good as its worse agreement: with the relabelled boxes,
    or with the boxes that came with the same fields.

    Args:
        fields: Detections beside ground truth.
        own: The same detections beside the boxes that the fields came with; may be empty.
        kind: The kind.
    """
    truths = [judged for judged in (fields, own) if any(boxes_of_kind(field.truths, kind) for field in judged)]
    if not truths:
        return 1.0

    def measure(scale: float) -> float:
        """The lower average precision of both."""
        widened = ([widen_boxes(field, kind, scale) for field in judged] for judged in truths)
        return min(match_kind(judged, kind).average_precision() for judged in widened)

    precisions = {scale: measure(scale) for scale in _SCALES}
    best = max(precisions.values())
    good = [scale for scale in _SCALES if precisions[scale] > best - _WORTH]
    return 1.0 if 1.0 in good else sorted(good)[len(good) // 2]


def _pair_with_own(found: Sequence[tuple[TrainingField, JudgedField]], red_cell_px: float) -> list[JudgedField]:
    """The detections of relabelled fields with the boxes that these came with, in pixels of the network's input."""
    held = []
    for field, judged in found:
        if field.own_labels is not None:
            corners = field.own_labels.boxes * red_cell_px / field.red_cell_px
            held.append(replace(judged, truths=list_boxes(corners, field.own_labels.kinds), doubtful=()))
    return held


def widen_boxes(field: JudgedField, kind: str, scale: float) -> JudgedField:
    """A field whose detections of a kind are `scale` times as wide and high, about their middles."""
    widened = (
        replace(found, box=found.box.widen(scale)) if found.box.kind == kind else found for found in field.detections
    )
    return replace(field, detections=tuple(widened))


def prepare_crop(crop: Crop, spec: ModelSpec) -> Tensor:
    """The network's input `(1, 3, h, w)`, as inference prepares it: zeros beyond the field."""
    return torch.from_numpy(normalise_colours(crop.pixels[None], spec.mean, spec.std) * crop.inside)
