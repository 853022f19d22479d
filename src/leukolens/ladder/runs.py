"""Runs rungs of the ladder: for each protocol draw the split, train or go on, judge, leave a record.

A run that was killed goes on from its last finished epoch; one that stands recorded is not run again.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import leukolens
from leukolens.core.errors import LeukolensError, UsageError
from leukolens.core.files import home_folder
from leukolens.core.predictions import read_predictions
from leukolens.core.runs import RunFolder
from leukolens.datasets.manifest import Manifest, find_pictures
from leukolens.datasets.registry import open_dataset
from leukolens.datasets.splits import PARTS, Split, read_split
from leukolens.evaluation.classification.report import write_evaluation
from leukolens.inference.failures import Mapper, find_reasons
from leukolens.ladder.protocols import PROTOCOLS, split_freely
from leukolens.ladder.records import Judged, RunMetrics, is_recorded, judge_run, write_record
from leukolens.ladder.rungs import RUNGS
from leukolens.training.classification.export import load_network
from leukolens.training.classification.fit import train
from leukolens.training.classification.gradcam import METHOD, map_batch
from leukolens.training.recipe import TrainConfig, read_recipe
from leukolens.training.trainer import Report

_FROM_RUNG = "rung:"
"""How a recipe's weights begin that are those of another rung's first honest run."""


@dataclass(frozen=True)
class PlannedRun:
    """One training of one rung.

    Attributes:
        rung: Its name.
        protocol: Name of a protocol, or of the dataset that it is tried on.
        variant: The protocol, with fold or seed where there are several: `folds@2`, `fields@seed1`.
        fold: Which of the protocol's splits.
        seed: Of weights and augmentation.
    """

    rung: str
    protocol: str
    variant: str
    fold: int = 0
    seed: int = 0


def recipes_folder() -> Path:
    """Where the ladder's recipes lie: inside the installed package, or beside the source."""
    package = Path(leukolens.__file__).parent
    inside = package / "recipes"
    return (inside if inside.is_dir() else package.parents[1] / "recipes") / "ladder"


def plan_runs(names: Sequence[str], which: str | None, data: str | None) -> list[PlannedRun]:
    """The runs that were asked for, in the order of the ladder.

    Args:
        names: Rungs; all where none is named.
        which: `published`, `honest`, or None for both.
        data: Another dataset to try the rungs on, instead of their protocols.

    Raises:
        UsageError: an unknown rung.
    """
    unknown = [name for name in names if name not in RUNGS]
    if unknown:
        raise UsageError(f"No rung is called {unknown[0]!r}. The ladder has: {', '.join(RUNGS)}.")
    chosen = [name for name in RUNGS if name in names or not names]
    if data:
        return [PlannedRun(name, data, data) for name in chosen]
    runs: dict[tuple[str, str], PlannedRun] = {}
    for name in chosen:
        rung = RUNGS[name]
        wanted = [rung.as_published] if which != "honest" and rung.as_published else []
        wanted += rung.honest if which != "published" else []
        for protocol in wanted:
            for run in _spread(name, protocol, rung.seeds):
                runs[run.rung, run.variant] = run
    return list(runs.values())


def _spread(name: str, protocol: str, seeds: int) -> Iterator[PlannedRun]:
    if protocol == "folds":
        for fold in range(5):
            yield PlannedRun(name, protocol, f"folds@{fold + 1}", fold)
    elif protocol == "fields" and seeds > 1:
        for seed in range(seeds):
            yield PlannedRun(name, protocol, f"fields@seed{seed}", seed=seed)
    else:
        yield PlannedRun(name, protocol, protocol)


class Ladder:
    """Runs planned runs; datasets are opened once."""

    def __init__(self, records: Path, budget_seconds: int, report: Report) -> None:
        """Takes where records go, the most seconds that each run may train (0 for the recipe's own), and who is told."""
        self._records = records
        self._budget_seconds = budget_seconds
        self._report = report
        self._manifests: dict[str, Manifest] = {}

    def record_folder(self, planned: PlannedRun) -> Path:
        """Where the small files of a run go; a trial on other data stays beside its run."""
        if planned.protocol in PROTOCOLS:
            return self._records / planned.rung / planned.variant
        return self.run_folder(planned) / "record"

    def run_folder(self, planned: PlannedRun) -> Path:
        """Where the run itself lies, with its checkpoints and its gallery of photographs."""
        return home_folder() / "ladder" / planned.rung / planned.variant

    def is_done(self, planned: PlannedRun) -> bool:
        """Whether the run stands recorded."""
        return is_recorded(self.record_folder(planned))

    def missing_starts(self, planned: PlannedRun) -> list[PlannedRun]:
        """The runs that it goes on from whose weights are not on this machine, recorded or not; in the order to train them."""
        start = _start_of(self._configure(planned))
        if start is None or RunFolder(self.run_folder(start)).weights.is_file():
            return []
        return [*self.missing_starts(start), start]

    def train(self, planned: PlannedRun) -> RunFolder:
        """Trains, or goes on with, one run, and leaves its record as it is.

        Raises:
            LeukolensError: the dataset or the weights are not there, or the training cannot be done.
        """
        manifest = self._open(planned)
        split = _divide(planned, manifest)
        config = self._configure(planned)
        start = _start_of(config)
        if start is not None:
            model = dataclasses.replace(config.model, weights=str(self.run_folder(start)))
            config = dataclasses.replace(config, model=model)
        folder = self.run_folder(planned)
        started = (folder / "checkpoints" / "last.ckpt").is_file()
        return train(config, manifest, split, folder, started, self._report)

    def run(self, planned: PlannedRun) -> RunMetrics:
        """Trains, or goes on with, one run, judges it and writes its record.

        Raises:
            LeukolensError: as `train`.
        """
        run = self.train(planned)
        records = self._open(planned).records
        predictions = {part: read_predictions(run.predictions(part)) for part in PARTS}
        metrics = judge_run(predictions, planned.rung, read_split(run.split))
        tested = predictions["test"]
        network, _, preparation = load_network(run)
        mapper = Mapper(preparation, functools.partial(map_batch, network, preparation), METHOD)
        findings = find_reasons(tested, {record.id: record for record in records}, mapper)
        write_evaluation(run.path / "report", tested, metrics.test, find_pictures(records), findings)
        write_record(self.record_folder(planned), run, self._configure(planned), metrics, Judged(tested, findings))
        return metrics

    def _open(self, planned: PlannedRun) -> Manifest:
        protocol = PROTOCOLS.get(planned.protocol)
        name = protocol.dataset if protocol else planned.protocol
        if name not in self._manifests:
            self._manifests[name] = open_dataset(name).cells().labelled()
        return self._manifests[name]

    def _configure(self, planned: PlannedRun) -> TrainConfig:
        config = read_recipe(recipes_folder() / f"{planned.rung}.toml")
        if self._budget_seconds:
            config = dataclasses.replace(config, budget_seconds=self._budget_seconds)
        return dataclasses.replace(config, seed=config.seed + planned.seed)


def _divide(planned: PlannedRun, manifest: Manifest) -> Split:
    protocol = PROTOCOLS.get(planned.protocol)
    return (protocol.make(manifest) if protocol else split_freely(manifest))[planned.fold]


def _start_of(config: TrainConfig) -> PlannedRun | None:
    """The run whose weights a recipe goes on from; None where it starts by itself."""
    if not config.model.weights.startswith(_FROM_RUNG):
        return None
    before = config.model.weights.removeprefix(_FROM_RUNG)
    return PlannedRun(before, RUNGS[before].honest[0], RUNGS[before].honest[0])


def run_all(
    ladder: Ladder, planned: Sequence[PlannedRun], tell: Callable[[PlannedRun, str], None]
) -> list[tuple[PlannedRun, str]]:
    """Runs one after another; one that cannot be run is told of and left, the rest go on.

    Returns:
        The runs that failed, and why.
    """
    failed = []
    for run in planned:
        if ladder.is_done(run):
            tell(run, "recorded before")
            continue
        try:
            for start in ladder.missing_starts(run):
                tell(start, f"begins, for {run.rung} goes on from its weights, which are not here")
                ladder.train(start)
            tell(run, "begins")
            metrics = ladder.run(run)
        except LeukolensError as error:
            failed.append((run, str(error)))
            tell(run, f"failed: {error}")
            continue
        shares = ", ".join(f"{part} {getattr(metrics, part).accuracy:.3f}" for part in PARTS)
        tell(run, f"accuracy {shares} (n {metrics.test.n})")
    return failed
