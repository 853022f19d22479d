"""Tables with one row for each rung and protocol: published figures beside ours, more of each run, F1, notes."""

from collections.abc import Callable, Sequence

from leukolens.core.taxonomy import CELL_CLASSES
from leukolens.ladder.protocols import PROTOCOLS
from leukolens.ladder.records import RunRecord, RunWithoutWeights
from leukolens.ladder.rungs import RUNGS, Rung
from leukolens.ladder.seeds import ByRung, SeedGroup, format_test_accuracy, format_test_groups, group_seeds
from leukolens.ladder.wording import format_share
from leukolens.reporting.page import Section

FAR_BELOW = 0.03
"""A rung further below its text's figure than this, under the same protocol, must say why."""

MAIN_HEADER = (
    "rung",
    "text",
    "protocol",
    "published test",
    "ours: test per image (95 %)",
    "ours: per source field (95 %)",
    "points against published",
    "weights began as",
)
MORE_HEADER = (
    "rung",
    "protocol",
    "training: published / ours",
    "validation: published / ours",
    "test: cross-entropy / binary (published)",
    "px, epochs, training seconds, device",
    "parameters",
    "seed, commit, data, split",
)

Link = Callable[[RunRecord], str]
"""Gives the address of a record, relative to the page."""


def tabulate(by_rung: ByRung, link: Link) -> Section:
    """The main table: published beside ours."""
    groups = group_seeds(by_rung)
    rows = tuple(_list_main_cells(group, RUNGS[group.rung]) for group in groups)
    return Section("Every rung", header=MAIN_HEADER, rows=rows, links=tuple(link(group.records[0]) for group in groups))


def _list_main_cells(group: SeedGroup, rung: Rung) -> tuple[str, ...]:
    same = group.protocol == rung.as_published
    return (
        group.rung,
        rung.text,
        f"{group.protocol}{' LEAKS' if group.test.leaky else ''}",
        format_share(rung.published.test) if same else "",
        format_test_accuracy(group),
        format_test_groups(group),
        _compare(group, rung),
        group.records[0].facts.weights_origin.partition(";")[0],
    )


def _compare(group: SeedGroup, rung: Rung) -> str:
    gap = measure_gap(group, rung)
    return "" if gap is None else f"{100 * gap:+.1f}" + (", see why below" if gap < -FAR_BELOW else "")


def measure_gap(group: SeedGroup, rung: Rung) -> float | None:
    """Our median test accuracy minus the published one; None under another protocol or where none is published."""
    if group.protocol != rung.as_published or rung.published.test is None:
        return None
    return group.median(lambda record: record.metrics.test.accuracy) - rung.published.test


def tabulate_not_comparable(runs: Sequence[RunWithoutWeights], by_rung: ByRung) -> Section:
    """One line for each run that lacked its text's ImageNet weights and has not been run with them since."""
    recorded = {(record.rung, record.protocol) for records in by_rung.values() for record in records}
    rows = tuple(
        (run.rung, RUNGS[run.rung].text, run.protocol, "not comparable: weights not at hand", RUNGS[run.rung].to_run)
        for name in RUNGS
        for run in runs
        if run.rung == name and (run.rung, run.protocol) not in recorded
    )
    text = (
        "These rungs begin from ImageNet weights. These weights were not at hand, and the runs began from random ones, so "
        "they say nothing about their texts. To run them with the weights, add Kaggle's and PBC's data (`leukolens data "
        "add`), run what the last column says, then `leukolens ladder table`. Image size and epochs in their recipes are "
        "small, for two processors: set larger ones if you have an accelerator.",
    )
    header = ("rung", "text", "protocol", "result", "how to run it")
    return Section("Not comparable", text, header=header, rows=rows)


def tabulate_runs(by_rung: ByRung, link: Link) -> Section:
    """Training and validation accuracy, losses, size, time and origin of each run but the folds."""
    records = [record for group in group_seeds(by_rung) for record in group.records]
    rows = tuple(_list_more_cells(record, RUNGS[record.rung]) for record in records)
    return Section("More of each run", header=MORE_HEADER, rows=rows, links=tuple(link(record) for record in records))


def _list_more_cells(record: RunRecord, rung: Rung) -> tuple[str, ...]:
    metrics, facts = record.metrics, record.facts
    same = record.protocol == rung.as_published
    published = rung.published
    loss = f" ({published.loss:.3f})" if same and published.loss else ""
    losses = (metrics.test.cross_entropy, metrics.test.binary_cross_entropy)
    size = facts.preparation
    return (
        record.rung,
        record.protocol,
        _pair(published.train if same else None, metrics.train.accuracy),
        _pair(published.validation if same else None, metrics.validation.accuracy),
        " / ".join("" if value is None else f"{value:.3f}" for value in losses) + loss,
        f"{size.height_px}x{size.width_px}, {facts.epochs_done} of {facts.epochs}, "
        f"{facts.training_seconds:.0f}, {facts.device}",
        f"{facts.parameters:,}",
        f"{facts.seed}, {facts.commit[:9]}, {facts.data_hash[:9]}, {facts.split_hash[:9]}",
    )


def tabulate_classes(by_rung: ByRung) -> Section:
    """F1 of each class on test, the median where there are several seeds."""
    rows = []
    for group in group_seeds(by_rung):
        rung = RUNGS[group.rung]
        published = rung.published.f1 if group.protocol == rung.as_published else {}
        rows.append(
            (
                group.rung,
                group.protocol,
                *(_format_f1(group, name, published.get(name)) for name in CELL_CLASSES),
            )
        )
    header = ("rung", "protocol", *(name.replace("_", " ") for name in CELL_CLASSES))
    return Section("F1 on test, class by class: published / ours", header=header, rows=tuple(rows))


def _format_f1(group: SeedGroup, name: str, published: float | None) -> str:
    if name not in group.test.per_class or not group.test.per_class[name].support:
        return ""
    return _pair(published, group.median(lambda record: record.metrics.test.per_class[name].f1))


def list_notes(by_rung: ByRung) -> Section:
    """Each rung and protocol in words."""
    rows = [(name, rung.idea, rung.note, rung.why) for name, rung in RUNGS.items() if by_rung[name] or rung.to_run]
    kinds = [(name, protocol.what, "", "") for name, protocol in PROTOCOLS.items()]
    header = ("name", "what", "note", "why ours is below, as far as it was tested")
    return Section("Rungs and protocols in words", header=header, rows=(*rows, *kinds))


def _pair(published: float | None, ours: float) -> str:
    return f"{format_share(published) or '-'} / {format_share(ours)}"
