"""The tables of an exploration as CSV files."""

from collections.abc import Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol

from leukolens.core.files import write_rows
from leukolens.core.intervals import Interval
from leukolens.exploration.gate import Gate, count_by_boxes
from leukolens.exploration.gate_tables import (
    BOXES_HEADER,
    CLUSTER_HEADER,
    GATE_HEADER,
    is_boxed,
    tabulate_clusters,
    tabulate_verdicts,
)
from leukolens.exploration.scan import CHANNELS, Scan
from leukolens.exploration.tables import (
    choose_thresholds,
    compare_brightness,
    count_classes,
    measure_thresholds,
    summarise_quality,
)

_IMAGE_HEADER = (
    *("id", "label", "group", "width_px", "height_px"),
    *(f"mean_{channel}" for channel in CHANNELS),
    *("contrast", "focus", "dark", "bright", "border", "stained", "strength", "pieces", "largest_piece"),
    *("largest_cut", "cluster", "gate"),
)


class _Row(Protocol):
    """A dataclass, of which each field is a column."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


def write_tables(out: Path, scan: Scan, gate: Gate) -> None:
    """Writes all tables into a folder."""
    _write_images(out / "images.csv", scan, gate)
    _write_records(out / "classes.csv", count_classes(scan))
    _write_records(out / "brightness-anova.csv", compare_brightness(scan))
    _write_records(out / "thresholds.csv", measure_thresholds(scan, choose_thresholds(scan)))
    _write_records(out / "quality.csv", summarise_quality(scan))
    write_rows(out / "clusters.csv", CLUSTER_HEADER, tabulate_clusters(scan, gate.clusters))
    write_rows(out / "gate-by-class.csv", GATE_HEADER, tabulate_verdicts(scan, gate.verdicts))
    if is_boxed(scan.rows):
        write_rows(out / "gate-by-boxes.csv", BOXES_HEADER, count_by_boxes(scan.rows, gate.verdicts))
    _write_histograms(out / "histograms.csv", scan)
    if gate.scores:
        _write_records(out / "gate.csv", gate.scores)


def _write_images(path: Path, scan: Scan, gate: Gate) -> None:
    rows = []
    for row, cluster, verdict in zip(scan.rows, gate.clusters.of_image, gate.verdicts, strict=True):
        measured = [*row.means, row.contrast, row.focus, row.dark, row.bright, row.border, row.stained, row.strength]
        pieces = [len(row.pieces), f"{row.pieces[0] if row.pieces else 0:.5g}", int(row.cut), int(cluster) + 1]
        given = [row.id, row.label, row.group, row.width, row.height]
        rows.append([*given, *(f"{value:.5g}" for value in measured), *pieces, verdict])
    write_rows(path, _IMAGE_HEADER, rows)


def _write_histograms(path: Path, scan: Scan) -> None:
    rows = [
        (name, channel, value, int(tally.histogram[index, value]), int(tally.border[index, value]))
        for name, tally in scan.tallies.items()
        for index, channel in enumerate(CHANNELS)
        for value in range(256)
    ]
    write_rows(path, ("label", "channel", "value", "pixels", "border_pixels"), rows)


def _write_records(path: Path, records: Sequence[_Row]) -> None:
    """One column a field; an interval takes two."""
    header: list[str] = []
    for column in fields(records[0]):
        is_interval = isinstance(getattr(records[0], column.name), Interval)
        header += [f"{column.name}_low", f"{column.name}_high"] if is_interval else [column.name]
    rows = []
    for record in records:
        row: list[object] = []
        for column in fields(record):
            value = getattr(record, column.name)
            row += [value.low, value.high] if isinstance(value, Interval) else [value]
        rows.append(row)
    write_rows(path, header, rows)
