"""The record of a run: the small files, without photographs, from which the table and its pages are made.

A record is a folder `<rung>/<protocol>` with `metrics.json` (train, validation, test), `recipe.toml`,
`environment.json`, `history.csv`, `errors.csv`, `faults.csv` and `groups.csv`. Further seeds and folds are records of
their own: `<protocol>@seed1`, `folds@2`. A run whose network should have begun from ImageNet weights that were not at
hand has no record, but a row in `not-comparable.csv`.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from leukolens.core.files import read_rows, write_rows, write_text
from leukolens.core.predictions import Predictions
from leukolens.core.runs import RunFolder
from leukolens.datasets.splits import Split
from leukolens.evaluation.classification.comparison import GroupTally, tally_groups
from leukolens.evaluation.classification.failures import FaultRow, Findings, tabulate_faults
from leukolens.evaluation.classification.metrics import compute_metrics
from leukolens.evaluation.classification.records import Metrics, PartMetrics
from leukolens.evaluation.records import Provenance, read_record, write_record
from leukolens.training.classification.recipe import ClassificationRecipe
from leukolens.training.recipe import format_recipe

MOST_ERRORS = 200
"""Number of errors that a record lists, those with the highest probability first."""

_DRAWS = 1000
_FEW_DRAWS = 100  # of the bootstrap on training and validation, which are not the result


class RunMetrics(msgspec.Struct, frozen=True):
    """`metrics.json` of a record: figures of each part of the split, in full for the test part."""

    train: PartMetrics
    validation: PartMetrics
    test: Metrics


class InputSize(msgspec.Struct, frozen=True):
    """Size of the network's input."""

    height_px: int
    width_px: int


class RunFacts(msgspec.Struct, frozen=True):
    """What the table uses of `environment.json`."""

    seed: int
    data: str
    data_hash: str
    split: str
    split_hash: str
    weights_origin: str
    device: str
    training_seconds: float
    epochs: int
    epochs_done: int
    parameters: int
    commit: str
    preparation: InputSize


@dataclass(frozen=True)
class RunRecord:
    """One evaluated run of the ladder.

    Attributes:
        rung: Its name.
        variant: The protocol, with the fold or seed where there are several.
        metrics: Of each part.
        facts: How it was trained.
        history: One row per epoch.
        errors: Errors on test, the highest probability first.
        tallies: Right predictions of each test group; empty where every image is its own group.
        faults: How often a measured fault of the image stands beside errors and beside right predictions.
    """

    rung: str
    variant: str
    metrics: RunMetrics
    facts: RunFacts
    history: tuple[dict[str, str], ...] = ()
    errors: tuple[dict[str, str], ...] = ()
    tallies: tuple[GroupTally, ...] = ()
    faults: tuple[dict[str, str], ...] = ()

    @property
    def protocol(self) -> str:
        """The protocol's name, without fold or seed."""
        return self.variant.partition("@")[0]

    @property
    def is_fold(self) -> bool:
        """Whether it is one fold of several, which share no test images."""
        return self.protocol == "folds"


@dataclass(frozen=True)
class RunWithoutWeights:
    """A row of `not-comparable.csv`: a run that began from random weights where its text had ImageNet's."""

    rung: str
    protocol: str


@dataclass(frozen=True)
class Evaluated:
    """A finished run's metrics, its predictions on the test part, and what was measured of the test images."""

    metrics: RunMetrics
    predictions: Predictions
    findings: Findings


def measure_run(parts: Mapping[str, Predictions], rung: str, split: Split) -> RunMetrics:
    """Metrics of each part of a finished run; the intervals of the test part take 1,000 draws."""

    def measure(part: str, draws: int) -> Metrics:
        provenance = Provenance(rung, split.dataset, f"{part} of {split.kind}", split.leaky, split.why_leaky)
        return compute_metrics(parts[part], provenance, draws=draws)

    return RunMetrics(
        measure("train", _FEW_DRAWS).to_part(), measure("validation", _FEW_DRAWS).to_part(), measure("test", _DRAWS)
    )


def write_run_record(folder: Path, run: RunFolder, config: ClassificationRecipe, evaluated: Evaluated) -> None:
    """Writes a run's small files; `metrics.json` comes last, so a record with it is complete.

    Args:
        folder: Of the record.
        run: Finished.
        config: Its recipe, without folders of this machine.
        evaluated: Its metrics and predictions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / run.recipe.name, format_recipe(config))
    for path in (run.environment, run.history):
        shutil.copyfile(path, folder / path.name)
    predictions, findings = evaluated.predictions, evaluated.findings
    errors = _list_errors(predictions, findings)
    write_rows(folder / "errors.csv", ("image", "group", "truth", "predicted", "probability", "measured"), errors)
    faults = [_word_faults(row) for row in tabulate_faults(predictions, findings)]
    write_rows(folder / "faults.csv", ("fault", "beside errors", "beside right predictions", "verdict"), faults)
    if evaluated.metrics.test.groups:
        rows = [(tally.group, tally.label, tally.images, tally.right) for tally in tally_groups(predictions)]
        write_rows(folder / "groups.csv", ("group", "class", "images", "right"), rows)
    write_record(folder / "metrics.json", evaluated.metrics)


def _list_errors(predictions: Predictions, findings: Findings) -> list[tuple[str, ...]]:
    wrong: list[tuple[str, ...]] = [
        (
            prediction.image,
            group,
            truth,
            prediction.label,
            f"{prediction.probability:.4f}",
            ", ".join(findings.faults.get(prediction.image, ())),
        )
        for prediction, truth, group in zip(predictions.items, predictions.truths, predictions.groups, strict=True)
        if prediction.label != truth
    ]
    return sorted(wrong, key=lambda row: row[4], reverse=True)[:MOST_ERRORS]


def _word_faults(row: FaultRow) -> tuple[str, ...]:
    shares = (
        f"{share.count} of {share.images} ({share.interval.low:.1%} to {share.interval.high:.1%}, {share.groups} groups)"
        for share in (row.wrong, row.right)
    )
    return (row.word, *shares, row.verdict)


def is_recorded(folder: Path) -> bool:
    """Whether a complete record stands there."""
    return (folder / "metrics.json").is_file()


def read_run_records(root: Path) -> list[RunRecord]:
    """All complete records under a folder, by rung and protocol."""
    return [read_run_record(path.parent) for path in sorted(root.glob("*/*/metrics.json"))]


def read_run_record(folder: Path) -> RunRecord:
    """One record.

    Raises:
        DataError: `metrics.json` or `environment.json` lacks a field, or is no JSON.
    """
    return RunRecord(
        folder.parent.name,
        folder.name,
        read_record(folder / "metrics.json", RunMetrics),
        read_record(folder / "environment.json", RunFacts),
        tuple(read_rows(folder / "history.csv")),
        tuple(read_rows(folder / "errors.csv")),
        _read_tallies(folder / "groups.csv"),
        tuple(read_rows(folder / "faults.csv")),
    )


def read_runs_without_weights(path: Path) -> list[RunWithoutWeights]:
    """The rows of `not-comparable.csv`; none where there is no such file."""
    rows = read_rows(path) if path.is_file() else []
    return [RunWithoutWeights(row["rung"], row["protocol"]) for row in rows]


def _read_tallies(path: Path) -> tuple[GroupTally, ...]:
    if not path.is_file():
        return ()
    rows = read_rows(path)
    return tuple(GroupTally(row["group"], row["class"], int(row["images"]), int(row["right"])) for row in rows)
