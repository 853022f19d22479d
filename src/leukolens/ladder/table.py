"""Writes the ladder's table from the records alone: `ladder.md`, and on request HTML pages with charts.

No figure is typed by hand: ours come from the records, those of the texts from `leukolens.ladder.rungs`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from leukolens.core.files import write_text
from leukolens.ladder.comparisons import compare_leaks, compare_with_rival, draw_generations, tabulate_repeats
from leukolens.ladder.doubted_labels import compare_with_look
from leukolens.ladder.overview import (
    Link,
    list_notes,
    tabulate,
    tabulate_classes,
    tabulate_not_comparable,
    tabulate_runs,
)
from leukolens.ladder.records import RunRecord, RunWithoutWeights, read_run_records, read_runs_without_weights
from leukolens.ladder.run_page import render_run
from leukolens.ladder.rungs import RUNGS
from leukolens.ladder.runs import plan_runs
from leukolens.ladder.shared_fields import leave_shared_out
from leukolens.ladder.speed import tabulate_speed
from leukolens.reporting.page import Section, render_page

_INTRODUCTION = "What this is"


def write_table(folder: Path) -> Path:
    """Writes `<folder>.md` beside the folder of the ladder, whose `runs` holds the records; returns its path."""
    path = folder.parent / f"{folder.name}.md"
    write_text(path, _format_markdown(_make_sections(folder, lambda record: f"{folder.name}/{_address_of(record)}")))
    return path


def write_pages(folder: Path, out: Path) -> list[Path]:
    """Writes the same table with charts as `ladder.html`, and a page for each run under `runs`; returns the paths."""
    sections = [
        _strip_code_marks(section)
        for section in _make_sections(folder, lambda record: f"runs/{record.rung}/{record.variant}.html")
    ]
    written = [out / "ladder.html"]
    page = render_page(
        "The ladder", "The models of five texts, trained again under the same rules", sections, dated=False
    )
    write_text(written[0], page)
    for record in read_run_records(folder / "runs"):
        path = out / "runs" / record.rung / f"{record.variant}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, render_run(record, RUNGS[record.rung]))
        written.append(path)
    return written


def _strip_code_marks(section: Section) -> Section:
    """The section without Markdown's marks of code, which an HTML page would show as they are."""
    rows = tuple(tuple(cell.replace("`", "") for cell in row) for row in section.rows)
    return replace(section, text=tuple(paragraph.replace("`", "") for paragraph in section.text), rows=rows)


def _address_of(record: RunRecord) -> str:
    return f"runs/{record.rung}/{record.variant}/metrics.json"


def _make_sections(folder: Path, link: Link) -> list[Section]:
    records = read_run_records(folder / "runs")
    by_rung = {name: [record for record in records if record.rung == name] for name in RUNGS}
    without = read_runs_without_weights(folder / "not-comparable.csv")
    sections = [
        _introduce(records, without),
        tabulate(by_rung, link),
        tabulate_not_comparable(without, by_rung),
        tabulate_runs(by_rung, link),
        tabulate_classes(by_rung),
        compare_leaks(by_rung),
        draw_generations(by_rung),
        tabulate_repeats(by_rung),
        compare_with_rival(by_rung),
        leave_shared_out(folder / "shared-fields.csv", by_rung),
        *compare_with_look(by_rung),
        *tabulate_speed(folder / "timings.json"),
        list_notes(by_rung),
    ]
    return [section for section in sections if section.rows or section.charts or section.title == _INTRODUCTION]


def _introduce(records: Sequence[RunRecord], without: Sequence[RunWithoutWeights]) -> Section:
    there = {(record.rung, record.variant) for record in records} | {(run.rung, run.protocol) for run in without}
    left = [f"{run.rung} {run.variant}" for run in plan_runs((), None, None) if (run.rung, run.variant) not in there]
    missing = (f"Not run yet: {', '.join(left)}.",) if left else ()
    return Section(
        _INTRODUCTION,
        (
            f"{len(records)} runs. Each row is a real training. Its recipe, history, environment and metrics lie under "
            "`docs/ladder/runs`. `leukolens ladder run` makes them; `leukolens ladder table` writes this page from them. "
            "Research use, not a medical device.",
            *missing,
            "LEAKS: copies of one source field, or photographs of one place, stand on both sides of that split, so the "
            "figure is too high. Where a rung was trained from several seeds, its row shows the median and each value; "
            "the intervals are in the section on folds and seeds. Intervals are 95 %: a bootstrap over source fields "
            "within classes where there are source fields, else Wilson's. Kaggle's TEST holds 71 source fields, of "
            "which 4 are monocytes. One monocyte field holds about a quarter of its class's images, some 6 points of "
            "accuracy per image, so no figure on it can tell two good models apart.",
        ),
    )


def _format_markdown(sections: Sequence[Section]) -> str:
    lines = [
        "# The ladder",
        "",
        "Written by `leukolens ladder table`. `make docs` builds the same with charts: `build/docs/ladder.html`.",
        "",
    ]
    for section in sections:
        if not section.rows and section.charts:
            continue
        lines += [f"## {section.title}", ""]
        for paragraph in section.text:
            lines += [paragraph, ""]
        if section.rows:
            lines += ["| " + " | ".join(section.header) + " |", "|" + "---|" * len(section.header)]
            for row, link in zip(section.rows, section.links or [""] * len(section.rows), strict=True):
                first = f"[{row[0]}]({link})" if link else row[0]
                lines.append("| " + " | ".join([first, *(cell.replace("|", "/") for cell in row[1:])]) + " |")
            lines.append("")
    return "\n".join(lines)
