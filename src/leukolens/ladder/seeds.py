"""Runs of one rung under one protocol that differ only by their seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from leukolens.evaluation.classification.records import Metrics
from leukolens.ladder.records import RunRecord
from leukolens.ladder.wording import format_interval, format_share

ByRung = Mapping[str, Sequence[RunRecord]]
"""Records by the name of their rung, in the order of the ladder."""


@dataclass(frozen=True)
class SeedGroup:
    """All seeds of one rung under one protocol, seed 0 first; often there is only one."""

    rung: str
    protocol: str
    records: tuple[RunRecord, ...]

    @property
    def test(self) -> Metrics:
        """The test part of seed 0; figures that do not depend on the seed may be read from it."""
        return self.records[0].metrics.test

    def median(self, value: Callable[[RunRecord], float]) -> float:
        """Median of a figure over the seeds."""
        return median(value(record) for record in self.records)

    def list_accuracies(self) -> list[float]:
        """Test accuracy of each seed."""
        return [record.metrics.test.accuracy for record in self.records]


def group_seeds(by_rung: ByRung) -> list[SeedGroup]:
    """One group for each rung and protocol, in the order of the ladder; folds are left out."""
    groups = []
    for rung, records in by_rung.items():
        kept = [record for record in records if not record.is_fold]
        for protocol in dict.fromkeys(record.protocol for record in kept):
            same = sorted((record for record in kept if record.protocol == protocol), key=lambda one: one.facts.seed)
            groups.append(SeedGroup(rung, protocol, tuple(same)))
    return groups


def format_test_accuracy(group: SeedGroup) -> str:
    """Test accuracy per image: with its interval for one seed, as median and every value for several."""
    test = group.test
    if len(group.records) == 1:
        return f"{format_share(test.accuracy)} ({format_interval(test.accuracy_ci)}), n {test.n}"
    return f"{_format_median(group.list_accuracies())}, n {test.n}"


def format_test_groups(group: SeedGroup) -> str:
    """The same per source field; empty where every image is its own group."""
    found = [record.metrics.test.groups for record in group.records]
    groups = [figures for figures in found if figures is not None]
    if not groups:
        return ""
    if len(groups) == 1:
        return f"{format_share(groups[0].accuracy)} of {groups[0].n} ({format_interval(groups[0].ci)})"
    return f"{_format_median([figures.accuracy for figures in groups])} of {groups[0].n}"


def _format_median(values: Sequence[float]) -> str:
    each = ", ".join(format_share(value) for value in values)
    return f"{format_share(median(values))}, median of {len(values)} seeds ({each})"
