"""What is chosen on validation once a detector is trained: how wide each kind's boxes are, and from which score finds count."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from leukolens.core.pixels import normalise_colours
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.evaluation.detection import JudgedField, match_kind
from leukolens.models.detector import MEAN, STD
from leukolens.training.detector_module import NMS_IOU, judge_field, measure_precisions
from leukolens.training.fields import Crop, TrainingField, cut_whole

_SCALES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)
_WORTH = 0.02
"""Average precision that another width must win: small changes are chance."""

_NEARLY_ALL = 0.5
"""A dataset whose unboxed places teach at least so much has boxes for nearly all cells of the kind."""


def judge_detector(network: nn.Module, fields: Sequence[TrainingField], red_cell_px: float) -> dict[str, Any]:
    """Widths of boxes and thresholds of best F1 per kind, and what they give on validation fields, for `environment.json`.

    A kind's threshold is chosen on the fields whose datasets box nearly all cells of it, where there are such: unboxed
    cells that are found would count as errors, and push it up.
    """
    network.eval()
    found = []
    for field in fields:
        crop = cut_whole(field, red_cell_px)
        with torch.inference_mode():
            found.append((field, judge_field(field, crop, network(prepare_crop(crop)))))
    thresholds: dict[str, float] = {}
    scales: dict[str, float] = {}
    rates: dict[str, Any] = {}
    for number, kind in enumerate(DETECTED_KINDS):
        least = min(_NEARLY_ALL, max(field.nothing[number] for field in fields))
        complete = [field.nothing[number] >= least > 0 for field in fields]
        scale = choose_scale([judged for (_, judged), chosen in zip(found, complete, strict=True) if chosen], kind)
        if scale != 1:
            scales[kind] = scale
        found = [(field, widen_boxes(judged, kind, scale)) for field, judged in found]
        chosen_on = [pair for pair, chosen in zip(found, complete, strict=True) if chosen]
        matches = match_kind([judged for _, judged in chosen_on], kind)
        thresholds[kind] = matches.best_threshold()
        rates[kind] = matches.rates_at(thresholds[kind]) | {
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
        "validation": {
            "fields": len(fields),
            "average_precision_50": measure_precisions(found),
            "at_thresholds": rates,
        },
    }


def choose_scale(fields: Sequence[JudgedField], kind: str) -> float:
    """What a kind's widths and heights are best multiplied by: the middle of what is about as good as the best."""
    precisions = {
        s: match_kind([widen_boxes(field, kind, s) for field in fields], kind).average_precision() for s in _SCALES
    }
    best = max(precisions.values())
    if not best > precisions[1.0] + _WORTH:
        return 1.0
    good = [scale for scale, precision in precisions.items() if precision > best - _WORTH]
    return good[len(good) // 2]


def widen_boxes(field: JudgedField, kind: str, scale: float) -> JudgedField:
    """A field whose finds of a kind are `scale` times as wide and high, about their middles."""
    widened = (
        replace(found, box=found.box.widen(scale)) if found.box.kind == kind else found for found in field.detections
    )
    return replace(field, detections=tuple(widened))


def prepare_crop(crop: Crop) -> Tensor:
    """The network's input `(1, 3, h, w)`: as the runtime prepares it, zeros beyond the field."""
    return torch.from_numpy(normalise_colours(crop.pixels[None], MEAN, STD) * crop.inside)
