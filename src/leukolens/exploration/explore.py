"""A dataset explored: measured, its gate judged, tables and report written."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leukolens.core.card import DetectorCard
from leukolens.core.files import require_absent
from leukolens.core.predictions import Predictions, read_predictions
from leukolens.core.results import Refusal
from leukolens.core.tasks import Task
from leukolens.datasets.manifest import Manifest
from leukolens.datasets.registry import open_dataset
from leukolens.exploration.files import write_tables
from leukolens.exploration.gate import Gate, GateScore, Judged, build_gate, find_doubtful
from leukolens.exploration.report import write_exploration
from leukolens.exploration.scan import Scan, scan
from leukolens.inference.bundles import Bundle, load_bundle
from leukolens.inference.crops import find_crops

Report = Callable[[str, int, int], None]
"""Called with a step's name, how many images are done, and how many there are."""


@dataclass(frozen=True)
class Exploration:
    """What a dataset looks like.

    Attributes:
        data: Name of the dataset.
        scan: Measurements of each image, and sums by class.
        gate: Clusters of stained content, verdicts of the one-cell gate, and what it does to predictions.
        report: Path of `report.html`; the tables lie beside it as CSV.
    """

    data: str
    scan: Scan
    gate: Gate
    report: Path

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes that have images; `unlabelled` stands for none."""
        return tuple(self.scan.tallies)

    @property
    def refused(self) -> tuple[Refusal, ...]:
        """Images that could not be read."""
        return self.scan.refused

    @property
    def scores(self) -> tuple[GateScore, ...]:
        """What each gate does to the predictions; empty without predictions."""
        return self.gate.scores

    def __repr__(self) -> str:
        images = f"{len(self.scan.rows)} images in {len(self.classes)} classes"
        return f"<Exploration of {self.data}: {images}, {len(self.refused)} refused, {self.report}>"


def explore(
    data: str | Manifest,
    out: str | Path,
    *,
    predictions: Predictions | str | Path | None = None,
    detector: Bundle[DetectorCard] | None = None,
    force: bool = False,
    report: Report = lambda what, done, total: None,
) -> Exploration:
    """What the images of a dataset look like; writes a report and tables into a folder.

    Args:
        data: Name of a dataset, or its manifest. Fields of view are read as crops of their cells.
        out: Folder for `report.html` and CSV tables.
        predictions: A model's predictions on images of the dataset, or their file. The one-cell gate is judged on them.
        detector: Judged as a gate beside it; the default detector where none is given. Only used with predictions.
        force: Write into a folder that is not empty.
        report: Called on progress.

    Raises:
        UsageError: the folder is not empty.
        DataError: there is no such dataset, no image can be read, or the predictions are not of this dataset.
    """
    out = Path(out)
    require_absent(out, force)
    if isinstance(predictions, str | Path):
        predictions = read_predictions(Path(predictions))
    manifest = open_dataset(data) if isinstance(data, str) else data
    records = manifest.cells().records
    measured = scan(records, _count_up(report, "images measured", len(records)))
    pixels_of = find_crops(records)

    def ask_detector(judged: Judged) -> NDArray[np.bool_]:
        count = _count_up(report, "images searched for cells", len(judged.row))
        return find_doubtful(measured.rows, judged, pixels_of, detector or load_bundle(task=Task.DETECTION), count)

    gate = build_gate(measured.rows, predictions, ask_detector)
    write_tables(out, measured, gate)
    synthetic = any(record.source == "synth" for record in records)
    page = write_exploration(out, manifest.name, measured, gate, pixels_of, synthetic)
    return Exploration(manifest.name, measured, gate, page)


def _count_up(report: Report, what: str, total: int) -> Callable[[int], None]:
    """Turns steps into a running count."""
    done = 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        report(what, done, total)

    return add
