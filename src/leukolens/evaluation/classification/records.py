"""The figures of a classifier as typed records: what `metrics.json` holds, in its order."""

import msgspec

from leukolens.core.intervals import Interval


class ClassMetrics(msgspec.Struct, frozen=True):
    """Figures of one class, over images.

    Attributes:
        precision: Of the images predicted as this class, the share that is right; 0 where there is none.
        recall: Of the images of this class, the share that is predicted so; 0 where there is none.
        f1: Harmonic mean of the two; 0 where both are 0.
        support: Images of this class.
        recall_ci: Wilson's 95 % interval of the recall.
    """

    precision: float
    recall: float
    f1: float
    support: int
    recall_ci: Interval


class ConfusionCounts(msgspec.Struct, frozen=True):
    """Images by true class (rows) and predicted class (columns).

    Attributes:
        labels: `m` classes.
        counts: `m` rows of `m` images. A rejected image stands in no column.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class ClassGroups(msgspec.Struct, frozen=True):
    """Groups of one class.

    Attributes:
        n: Groups.
        accuracy: Share of them that is right.
        ci: Wilson's 95 % interval of the share.
        note: A warning where the groups are too few; empty otherwise.
    """

    n: int
    accuracy: float
    ci: Interval
    note: str


class GroupMetrics(msgspec.Struct, frozen=True):
    """Figures over groups. A group is right when more than half of its images are.

    Attributes:
        n: Groups.
        accuracy: Share of them that is right.
        ci: 95 % bootstrap interval over groups, drawn within classes.
        per_class: The same for each class that has groups.
    """

    n: int
    accuracy: float
    ci: Interval
    per_class: dict[str, ClassGroups]


class SharedClasses(msgspec.Struct, frozen=True):
    """Figures where only the classes that both model and data have may be predicted.

    Attributes:
        classes: Those classes.
        accuracy: Share of images that is right.
        balanced_accuracy: Mean over these classes of the share that is right.
    """

    classes: tuple[str, ...]
    accuracy: float
    balanced_accuracy: float


class PartMetrics(msgspec.Struct, frozen=True):
    """The few figures that are kept of a part of a split that is not the result (`train`, `validation`); see `Metrics`."""

    n: int
    accuracy: float
    accuracy_ci: Interval
    balanced_accuracy: float
    macro_f1: float
    cross_entropy: float | None
    binary_cross_entropy: float | None
    per_class: dict[str, ClassMetrics]


class Metrics(msgspec.Struct, frozen=True):
    """All figures of a classifier on one set of images.

    Attributes:
        n: Images with a ground truth.
        n_refused: Images that could not be read; they are in no other figure.
        accuracy: Share of images that is right.
        accuracy_ci: Its 95 % interval: bootstrap over groups where images share groups, else Wilson's.
        accuracy_ci_naive: Wilson's interval, as if each image were independent.
        balanced_accuracy: Mean of the recalls of the classes present.
        balanced_accuracy_ci: Its 95 % bootstrap interval over groups, drawn within classes.
        macro_f1: Mean of the F1 of the classes present.
        auc: Mean over classes of the area under the ROC curve, one class against all others; None where undefined.
        cross_entropy: Mean of -log of the probability of the true class, in nats.
        binary_cross_entropy: Mean over images and classes of the two-class cross-entropy.
        ece: Expected calibration error over 15 bins of equal mass.
        per_class: Figures of each class.
        confusion: Images by true and predicted class.
        groups: Figures over groups; None where each image is a group of its own.
        coverage: Share of images whose prediction is accepted.
        accepted_accuracy: Share of these that is right; None where none is accepted.
        shared_classes: Figures over the shared classes; None where model and data have the same.
        model: See `Provenance`, as are the rest.
        data: Likewise.
        split: Likewise.
        leaky: Likewise.
        why_leaky: Likewise.
    """

    n: int
    n_refused: int
    accuracy: float
    accuracy_ci: Interval
    accuracy_ci_naive: Interval
    balanced_accuracy: float
    balanced_accuracy_ci: Interval
    macro_f1: float
    auc: float | None
    cross_entropy: float | None
    binary_cross_entropy: float | None
    ece: float
    per_class: dict[str, ClassMetrics]
    confusion: ConfusionCounts
    groups: GroupMetrics | None
    coverage: float
    accepted_accuracy: float | None
    shared_classes: SharedClasses | None
    model: str
    data: str
    split: str
    leaky: bool
    why_leaky: str

    def worst_class(self) -> tuple[str, float]:
        """The class of the lowest recall among those present, and that recall."""
        present = {name: values.recall for name, values in self.per_class.items() if values.support}
        name = min(present, key=lambda label: present[label])
        return name, present[name]

    def to_part(self) -> PartMetrics:
        """The few figures that are kept of a part that is not the result."""
        return PartMetrics(*(getattr(self, name) for name in PartMetrics.__struct_fields__))
