"""What is chosen on validation once a detector is trained: the score from which a find of each kind is counted."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from leukolens.core.pixels import normalise_colours
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.evaluation.detection import match_kind
from leukolens.models.detector import MEAN, STD
from leukolens.training.detector_module import NMS_IOU, judge_field, measure_precisions
from leukolens.training.fields import Crop, TrainingField, cut_whole

_NEARLY_ALL = 0.5
"""A dataset whose unboxed places teach at least so much has boxes for nearly all cells of the kind."""


def judge_detector(network: nn.Module, fields: Sequence[TrainingField], red_cell_px: float) -> dict[str, Any]:
    """Thresholds of best F1 per kind and what they give on validation fields, for `environment.json`.

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
    rates: dict[str, Any] = {}
    for number, kind in enumerate(DETECTED_KINDS):
        least = min(_NEARLY_ALL, max(field.nothing[number] for field in fields))
        chosen_on = [(field.data, judged) for field, judged in found if field.nothing[number] >= least > 0]
        matches = match_kind([judged for _, judged in chosen_on], kind)
        thresholds[kind] = matches.best_threshold()
        rates[kind] = matches.rates_at(thresholds[kind]) | {
            "fields": len(chosen_on),
            "cells": int(matches.truths.sum()),
            "data": ", ".join(sorted({name for name, _ in chosen_on})),
        }
    return {
        "mean": list(MEAN),
        "std": list(STD),
        "score_thresholds": thresholds,
        "nms_iou": NMS_IOU,
        "validation": {
            "fields": len(fields),
            "average_precision_50": measure_precisions(found),
            "at_thresholds": rates,
        },
    }


def prepare_crop(crop: Crop) -> Tensor:
    """The network's input `(1, 3, h, w)`: as the runtime prepares it, zeros beyond the field."""
    return torch.from_numpy(normalise_colours(crop.pixels[None], MEAN, STD) * crop.inside)
