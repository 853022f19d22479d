"""The record of a detector's run: what its export needs."""

from typing import Annotated

from msgspec import Meta

from leukolens.core.card import DetectorValidation
from leukolens.core.pixels import Colour, Spread
from leukolens.core.runs import FinishedRun
from leukolens.core.tasks import Task
from leukolens.core.taxonomy import CellKind

Score = Annotated[float, Meta(ge=0.0, le=1.0)]


class DetectionRun(
    FinishedRun, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="task", tag=str(Task.DETECTION)
):
    """A finished run of a detector; the fields mean what they mean in `DetectorCard`.

    Attributes:
        red_cell_px: Diameter of red cells in the network's input.
        crop_px: Side of the crops that it was trained on.
        mean: Per channel.
        std: Per channel.
        score_thresholds: By kind.
        nms_iou: Overlap of two detections of one cell.
        box_scales: By kind.
        cut_gains: By kind.
        validation: What the thresholds give.
    """

    red_cell_px: float
    crop_px: int
    mean: Colour
    std: Spread
    score_thresholds: dict[CellKind, Score]
    nms_iou: Score
    box_scales: dict[CellKind, float]
    cut_gains: dict[CellKind, float]
    validation: DetectorValidation
