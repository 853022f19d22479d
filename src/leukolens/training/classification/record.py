"""The record of a classifier's run: what its export needs."""

from leukolens.core.card import ClassifierValidation
from leukolens.core.pixels import Preparation
from leukolens.core.runs import FinishedRun
from leukolens.core.tasks import Task
from leukolens.models.shape import NetworkShape


class ClassificationRun(
    FinishedRun, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="task", tag=str(Task.CLASSIFICATION)
):
    """A finished run of a classifier; the fields mean what they mean in `ClassifierCard`.

    Attributes:
        shape: What the network was built for.
        classes: In the order of the network's outputs.
        preparation: How an image becomes the network's input; a background image stands beside the record.
        temperature: Divides the logits.
        accept_threshold: Calibrated probability at or above which a prediction is accepted.
        validation: What the two give.
    """

    shape: NetworkShape
    classes: tuple[str, ...]
    preparation: Preparation
    temperature: float
    accept_threshold: float
    validation: ClassifierValidation
