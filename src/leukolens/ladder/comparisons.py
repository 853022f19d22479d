"""Tables that compare runs: with and without the leak, generation by generation, over seeds and folds, against text 003."""

import math
from collections.abc import Sequence
from statistics import stdev

from leukolens.evaluation.classification.comparison import GroupTally, compare_runs, estimate_runs
from leukolens.evaluation.classification.records import Metrics
from leukolens.ladder.records import RunRecord
from leukolens.ladder.rungs import RUNGS
from leukolens.ladder.seeds import ByRung, group_seeds
from leukolens.ladder.wording import (
    format_accuracy,
    format_group_accuracy,
    format_interval,
    format_points,
    format_share,
)
from leukolens.reporting.charts import draw_curves
from leukolens.reporting.page import Section

_RIVAL = "conv-batchnorm"
_GENERATIONS = ("dense", "conv1-pbc", "conv1-augmented", "conv3", "resnet50-frozen", "resnet50")


def compare_leaks(by_rung: ByRung) -> Section:
    """Each merged split by image beside the same by source field."""
    rows = []
    for name, records in by_rung.items():
        found = {record.variant: record.metrics.test for record in records}
        for leaky, honest in (("merged", "merged-fields"), ("merged-70", "merged-70-fields")):
            if leaky in found and honest in found:
                by_image, by_field = found[leaky], found[honest]
                gain = 100 * (by_image.accuracy - by_field.accuracy)
                fields = str(by_field.groups.n) if by_field.groups else ""
                rows.append((name, _with_interval(by_image), _with_interval(by_field), f"{gain:+.1f}", fields))
    header = ("rung", "by image (LEAKS)", "by source field", "the leak, in points", "test fields")
    text = "Seed 0 of each. Model, images and fractions are the same; only the unit of the split differs."
    return Section(
        "How much of the merged splits' accuracy comes from the leak", (text,), header=header, rows=tuple(rows)
    )


def _with_interval(part: Metrics) -> str:
    return f"{format_share(part.accuracy)} ({format_interval(part.accuracy_ci)})"


def draw_generations(by_rung: ByRung) -> Section:
    """Text 001's models in one chart, published test accuracy beside ours."""
    groups = [group for group in group_seeds(by_rung) if group.rung in _GENERATIONS and group.protocol == "pbc"]
    groups.sort(key=lambda group: _GENERATIONS.index(group.rung))
    if not groups:
        return Section("Text 001's generations")
    series: dict[str, list[float]] = {
        "train": [group.median(lambda record: record.metrics.train.accuracy) for group in groups],
        "validation": [group.median(lambda record: record.metrics.validation.accuracy) for group in groups],
        "test": [group.median(lambda record: record.metrics.test.accuracy) for group in groups],
    }
    published = [RUNGS[group.rung].published.test for group in groups]
    series["published test"] = [math.nan if value is None else value for value in published]
    names = ", ".join(f"{index} {group.rung}" for index, group in enumerate(groups))
    chart = draw_curves(series, "Accuracy by generation on PBC", "generation", "accuracy")
    return Section("Text 001's generations", (f"Generations: {names}. Medians over seeds.",), charts=(chart,))


def tabulate_repeats(by_rung: ByRung) -> Section:
    """What several seeds or folds of one rung are worth together."""
    rows = []
    for name, records in by_rung.items():
        for protocol in dict.fromkeys(record.protocol for record in records):
            several = [record for record in records if record.protocol == protocol]
            if len(several) > 1:
                rows.append((name, protocol, str(len(several)), *_estimate(several), _list_each(several)))
    text = (
        "Seeds are averaged field by field; folds are put together. Intervals are over source fields within "
        "classes. PBC's images have no source field, so its rows have no interval over fields."
    )
    header = ("rung", "protocol", "runs", "per image (95 %)", "per source field (95 %)", "images of fields", "each run")
    return Section("Folds and seeds", (text,), header=header, rows=tuple(rows))


def _estimate(records: Sequence[RunRecord]) -> tuple[str, str, str]:
    if not all(record.tallies for record in records):
        return "", "", str(records[0].metrics.test.n)
    found = estimate_runs([record.tallies for record in records])
    return format_accuracy(found), format_group_accuracy(found), f"{found.images} of {found.groups}"


def _list_each(records: Sequence[RunRecord]) -> str:
    values = [record.metrics.test.accuracy for record in records]
    return f"{', '.join(map(format_share, values))}; standard deviation {format_share(stdev(values))}"


def compare_with_rival(by_rung: ByRung) -> Section:
    """Each rung against text 003's network on the same 71 fields of TEST, one bootstrap of fields for both."""

    def list_tallies(name: str, protocol: str) -> list[tuple[GroupTally, ...]]:
        return [record.tallies for record in by_rung[name] if record.protocol == protocol and record.tallies]

    rows = []
    for name in by_rung:
        own = list_tallies(name, "fields")
        for protocol in ("fields", RUNGS[_RIVAL].as_published):
            rival = list_tallies(_RIVAL, protocol)
            if own and rival and name != _RIVAL:
                found = compare_runs(own, rival)
                per_image = f"{100 * found.difference:+.1f} ({format_points(found.interval)})"
                per_field = f"{100 * found.group_difference:+.1f} ({format_points(found.group_interval)})"
                against = f"{_RIVAL}, {protocol}, {_count(rival)}"
                size = f"{found.images} of {found.groups}"
                rows.append((f"{name}, {_count(own)}", against, per_image, per_field, size))
    text = (
        f"How many points a rung is above our run of {_RIVAL}. Each is compared with that network twice: trained on the "
        "same fields, and trained as published (on more of TRAIN, its best epoch chosen on copies of training fields). "
        "Seeds are averaged; the intervals are a paired bootstrap over source fields within classes. The intervals are about fields like these 71, of which 4 are monocytes, not about other sites."
    )
    header = ("rung", "against", "points per image (95 %)", "points per source field (95 %)", "images of fields")
    return Section("Against text 003's network, field by field", (text,), header=header, rows=tuple(rows))


def _count(runs: Sequence[tuple[GroupTally, ...]]) -> str:
    return f"{len(runs)} run{'s' if len(runs) > 1 else ''}"
