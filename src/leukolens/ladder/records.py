"""What a run of the ladder leaves in the repository: small files, no photographs, from which the table is made.

A record is a folder `<rung>/<protocol>` with `metrics.json` (train, validation, test), `recipe.toml`, `environment.json`,
`history.csv`, `errors.csv`, `faults.csv` and `groups.csv`; figures are drawn from them again at any time.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from leukolens.core.files import read_rows, write_rows, write_text
from leukolens.core.predictions import Predictions
from leukolens.core.runs import RunFolder
from leukolens.datasets.splits import Split
from leukolens.evaluation import records
from leukolens.evaluation.classification.comparison import GroupTally, tally_groups
from leukolens.evaluation.classification.failures import FaultRow, Findings, tabulate_faults
from leukolens.evaluation.classification.metrics import compute_metrics
from leukolens.evaluation.classification.records import Metrics, PartMetrics
from leukolens.evaluation.records import Provenance
from leukolens.training.recipe import TrainConfig, format_recipe

MOST_ERRORS = 200
"""Surest errors that a record lists."""

_DRAWS = 1000
_FEW_DRAWS = 100  # of the bootstrap on the parts that are not the result


class RunMetrics(msgspec.Struct, frozen=True):
    """Figures of a run on each part of its split; in full for the test part."""

    train: PartMetrics
    validation: PartMetrics
    test: Metrics


@dataclass(frozen=True)
class RunRecord:
    """One judged run of the ladder.

    Attributes:
        rung: Its name.
        variant: The protocol, with the fold or seed where there are several.
        metrics: Of each part.
        environment: As training wrote it.
        history: One row per epoch.
        errors: The surest errors on test.
        tallies: Right calls of each test group; empty where each image stands for itself.
        faults: How often what was measured of the pictures stands beside errors and beside right calls.
    """

    rung: str
    variant: str
    metrics: RunMetrics
    environment: dict[str, Any]
    history: tuple[dict[str, str], ...]
    errors: tuple[dict[str, str], ...]
    tallies: tuple[GroupTally, ...]
    faults: tuple[dict[str, str], ...]

    @property
    def protocol(self) -> str:
        """The protocol's name, without fold or seed."""
        return self.variant.partition("@")[0]


@dataclass(frozen=True)
class Judged:
    """The test part's predictions, and what was measured of its pictures."""

    predictions: Predictions
    findings: Findings


def judge_run(parts: Mapping[str, Predictions], name: str, split: Split) -> RunMetrics:
    """Metrics of each part of a finished run; intervals in full for the test part."""

    def measure(part: str, draws: int) -> Metrics:
        provenance = Provenance(name, split.dataset, f"{part} of {split.kind}", split.leaky, split.why_leaky)
        return compute_metrics(parts[part], provenance, draws=draws)

    return RunMetrics(
        measure("train", _FEW_DRAWS).to_part(), measure("validation", _FEW_DRAWS).to_part(), measure("test", _DRAWS)
    )


def write_record(folder: Path, run: RunFolder, config: TrainConfig, metrics: RunMetrics, judged: Judged) -> None:
    """Writes a judged run's small files; `metrics.json` comes last, so that a record with it is whole.

    Args:
        folder: Of the record.
        run: Finished.
        config: Its recipe, without folders of this machine.
        metrics: By part.
        judged: Its test part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / run.recipe.name, format_recipe(config))
    for path in (run.environment, run.history):
        shutil.copyfile(path, folder / path.name)
    predictions, findings = judged.predictions, judged.findings
    errors = _surest_errors(predictions, findings)
    write_rows(folder / "errors.csv", ("image", "group", "truth", "called", "probability", "measured"), errors)
    faults = [_word_faults(row) for row in tabulate_faults(predictions, findings)]
    write_rows(folder / "faults.csv", ("fault", "beside errors", "beside right calls", "verdict"), faults)
    if metrics.test.groups:
        rows = [(tally.group, tally.label, tally.images, tally.right) for tally in tally_groups(predictions)]
        write_rows(folder / "groups.csv", ("group", "class", "images", "right"), rows)
    records.write_record(folder / "metrics.json", metrics)


def _surest_errors(predictions: Predictions, findings: Findings) -> list[tuple[str, ...]]:
    wrong: list[tuple[str, ...]] = [
        (
            call.image,
            group,
            truth,
            call.label,
            f"{call.probability:.4f}",
            ", ".join(findings.faults.get(call.image, ())),
        )
        for call, truth, group in zip(predictions.items, predictions.truths, predictions.groups, strict=True)
        if call.label != truth
    ]
    return sorted(wrong, key=lambda row: row[4], reverse=True)[:MOST_ERRORS]


def _word_faults(row: FaultRow) -> tuple[str, ...]:
    shares = (
        f"{share.count} of {share.images} ({share.interval.low:.1%} to {share.interval.high:.1%}, {share.groups} groups)"
        for share in (row.wrong, row.right)
    )
    return (row.word, *shares, row.verdict)


def is_recorded(folder: Path) -> bool:
    """Whether a whole record stands there."""
    return (folder / "metrics.json").is_file()


def read_records(root: Path) -> list[RunRecord]:
    """All whole records under a folder, by rung and protocol."""
    return [read_record(path.parent) for path in sorted(root.glob("*/*/metrics.json"))]


def read_record(folder: Path) -> RunRecord:
    """One record."""
    return RunRecord(
        folder.parent.name,
        folder.name,
        records.read_record(folder / "metrics.json", RunMetrics),
        json.loads((folder / "environment.json").read_text(encoding="utf-8")),
        tuple(read_rows(folder / "history.csv")),
        tuple(read_rows(folder / "errors.csv")),
        _read_tallies(folder / "groups.csv"),
        tuple(read_rows(folder / "faults.csv")),
    )


def _read_tallies(path: Path) -> tuple[GroupTally, ...]:
    if not path.is_file():
        return ()
    rows = read_rows(path)
    return tuple(GroupTally(row["group"], row["class"], int(row["images"]), int(row["right"])) for row in rows)
