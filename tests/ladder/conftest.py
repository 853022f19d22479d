"""A fake Kaggle (sixty fields of four copies each, TRAIN and TEST), and records with chosen figures."""

from collections.abc import Callable, Sequence

import pytest

from leukolens.core.intervals import Interval
from leukolens.datasets.manifest import Manifest, Record
from leukolens.evaluation.classification.comparison import GroupTally
from leukolens.evaluation.classification.records import ConfusionCounts, Metrics
from leukolens.ladder.records import InputSize, RunFacts, RunMetrics, RunRecord

CLASSES = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")


@pytest.fixture
def kaggle() -> Manifest:
    records = []
    for field in range(60):
        label, part = CLASSES[field % 4], "test" if field >= 48 else "train"
        for copy in range(4):
            name = f"{part.upper()}/{label}/{field}_{copy}"
            records.append(Record(name, f"{name}.jpg", label, label, "kaggle", f"field-{field}", part))
    return Manifest("kaggle", tuple(records))


@pytest.fixture
def make_record() -> Callable[..., RunRecord]:
    def make(
        tallies: Sequence[GroupTally] = (),
        rung: str = "conv5",
        variant: str = "fields",
        split: str = "s",
        accuracy: float = 0.5,
        seed: int = 0,
    ) -> RunRecord:
        interval = Interval(0.4, 0.6, "Wilson")
        test = Metrics(
            n=100,
            n_refused=0,
            accuracy=accuracy,
            accuracy_ci=interval,
            accuracy_ci_naive=interval,
            balanced_accuracy=accuracy,
            balanced_accuracy_ci=interval,
            macro_f1=accuracy,
            auc=None,
            cross_entropy=None,
            binary_cross_entropy=None,
            ece=0.0,
            per_class={},
            confusion=ConfusionCounts((), ()),
            groups=None,
            coverage=1.0,
            accepted_accuracy=None,
            shared_classes=None,
            model=rung,
            data="kaggle",
            split=split,
            leaky=False,
            why_leaky="",
        )
        facts = RunFacts(seed, "kaggle", "d", "s", split, "random", "CPU", 1.0, 2, 2, 10, "c", InputSize(8, 8))
        return RunRecord(rung, variant, RunMetrics(test.to_part(), test.to_part(), test), facts, tallies=tuple(tallies))

    return make
