"""What is chosen on validation once a detector is trained: how wide each kind's boxes are, and from which score finds count."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import compress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logit
from torch import Tensor, nn

from leukolens.core.overlaps import stack_corners
from leukolens.core.pixels import normalise_colours
from leukolens.core.results import Box
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.evaluation.detection.matching import (
    LOOSE_OVERLAP,
    JudgedField,
    boxes_of_kind,
    detections_of_kind,
    match_kind,
)
from leukolens.inference.borders import are_cut
from leukolens.models.detector import MEAN, STD
from leukolens.training.detection.fields import Crop, TrainingField, cut_through, cut_whole
from leukolens.training.detection.module import NMS_IOU, judge_field, list_boxes, measure_precisions

_SCALES = (1.0, 0.95, 1.05, 0.9, 1.1, 0.85, 1.15, 0.8, 1.2, 0.75, 1.25, 0.7, 1.3, 0.65, 0.6)
"""Tried widths, nearest to what the network says first: of equals the first is taken."""

_WORTH = 0.02
"""Average precision that another width must win: small changes are chance."""

_RULERS = ("leukocyte", "red_cell")
"""Kinds whose boxes are measured, for the scale and for what a classifier is shown: as close as people drew them anew."""

_NEARLY_ALL = 0.5
"""A dataset whose unboxed places teach at least so much has boxes for nearly all cells of the kind."""


def judge_detector(network: nn.Module, fields: Sequence[TrainingField], red_cell_px: float) -> dict[str, Any]:
    """Widths of boxes and thresholds per kind, and what they give on validation fields, for `environment.json`.

    A kind's width and threshold are chosen on the fields whose datasets box nearly all cells of it, where there are such:
    unboxed cells that are found would count as errors, and push a threshold up. A threshold says whether a cell is there;
    how closely it is boxed is the width's affair.

    Leukocytes are left out hardly anywhere, and what is taken for them differs from laboratory to laboratory, so their
    threshold is chosen on all fields that have them: the lowest of equals, for what was taken for one is named next and
    looked at, what was missed is lost.
    """
    network.eval()

    def judge(field: TrainingField, crop: Crop) -> JudgedField:
        with torch.inference_mode():
            return judge_field(field, crop, network(prepare_crop(crop)))

    found = [(field, judge(field, cut_whole(field, red_cell_px))) for field in fields]
    thresholds: dict[str, float] = {}
    scales: dict[str, float] = {}
    gains: dict[str, float] = {}
    rates: dict[str, Any] = {}
    for number, kind in enumerate(DETECTED_KINDS):
        least = min(_NEARLY_ALL, max(field.nothing[number] for field in fields))
        complete = [field.nothing[number] >= least > 0 for field in fields]
        judged_by = [pair for pair, chosen in zip(found, complete, strict=True) if chosen]
        own = [] if kind in _RULERS else _hold_to_own(judged_by, red_cell_px)
        scale = choose_scale([judged for _, judged in judged_by], own, kind)
        if scale != 1:
            scales[kind] = scale
        found = [(field, widen_boxes(judged, kind, scale)) for field, judged in found]
        chosen_on = [pair for pair, chosen in zip(found, complete, strict=True) if chosen]
        judged_on = [judged for _, judged in chosen_on]
        if kind == "leukocyte":
            everywhere = [judged for field, judged in found if field.nothing[number] > 0]
            thresholds[kind] = match_kind(everywhere, kind, LOOSE_OVERLAP).lowest_threshold()
            parts = [(part, judge(field, part)) for field, _ in chosen_on for part in cut_through(field, red_cell_px)]
            at_border = [keep_cut(judged, part, kind) for part, judged in parts]
            gains[kind] = choose_cut_gain(at_border, kind, thresholds[kind])
        else:
            thresholds[kind] = match_kind(judged_on, kind, LOOSE_OVERLAP).best_threshold()
        matches = match_kind(judged_on, kind)
        rates[kind] = matches.rates_at(thresholds[kind])._asdict() | {
            "fields": len(chosen_on),
            "cells": int(matches.truths.sum()),
            "data": ", ".join(sorted({field.data for field, _ in chosen_on})),
        }
    return {
        "mean": list(MEAN),
        "std": list(STD),
        "score_thresholds": thresholds,
        "nms_iou": NMS_IOU,
        "box_scales": scales,
        "cut_gains": gains,
        "validation": {
            "fields": len(fields),
            "average_precision_50": measure_precisions(found),
            "at_thresholds": rates,
        },
    }


def choose_cut_gain(fields: Sequence[JudgedField], kind: str, threshold: float) -> float:
    """Logits by which the scores of cells that a border cuts must rise to be judged by the threshold of whole ones.

    Args:
        fields: With cut cells and finds of them alone.
        kind: Theirs.
        threshold: Of whole ones.
    """
    matches = match_kind(fields, kind, LOOSE_OVERLAP)
    if not matches.hits.any():
        return 0.0
    return max(0.0, float(logit(threshold) - logit(matches.best_threshold())))


def keep_cut(judged: JudgedField, part: Crop, kind: str) -> JudgedField:
    """What the border of a part of a field may cut, of one kind: cells and finds."""
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
    """What a kind's widths and heights are best multiplied by.

    People differ in how wide they box a cell, so a width is as good as the boxes that it agrees with least: those drawn anew,
    or those that came with the same fields.

    Args:
        fields: Finds, and the boxes that they are to be.
        own: The same finds of those fields that came with other boxes; may be empty.
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


def _hold_to_own(found: Sequence[tuple[TrainingField, JudgedField]], red_cell_px: float) -> list[JudgedField]:
    """Fields boxed anew, their finds beside the boxes that they came with, in pixels of the network's input."""
    held = []
    for field, judged in found:
        if field.own is not None:
            corners = field.own.boxes * red_cell_px / field.red_cell_px
            held.append(replace(judged, truths=list_boxes(corners, field.own.kinds), doubtful=()))
    return held


def widen_boxes(field: JudgedField, kind: str, scale: float) -> JudgedField:
    """A field whose finds of a kind are `scale` times as wide and high, about their middles."""
    widened = (
        replace(found, box=found.box.widen(scale)) if found.box.kind == kind else found for found in field.detections
    )
    return replace(field, detections=tuple(widened))


def prepare_crop(crop: Crop) -> Tensor:
    """The network's input `(1, 3, h, w)`: as the runtime prepares it, zeros beyond the field."""
    return torch.from_numpy(normalise_colours(crop.pixels[None], MEAN, STD) * crop.inside)
