"""Trains rungs of the ladder: for each planned run it draws the split, trains or resumes, evaluates, writes a record.

A run that was killed resumes after its last finished epoch. A run with a record is not trained again.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

import leukolens
from leukolens.core.errors import LeukolensError, UsageError
from leukolens.core.files import home_folder
from leukolens.core.predictions import read_predictions
from leukolens.core.runs import RunFolder
from leukolens.datasets.manifest import PARTS, Manifest
from leukolens.datasets.registry import open_dataset
from leukolens.datasets.splits import Split, read_split
from leukolens.evaluation.classification.report import write_evaluation
from leukolens.inference.crops import find_crops
from leukolens.inference.failures import Mapper, find_reasons
from leukolens.ladder.protocols import PROTOCOLS, split_freely
from leukolens.ladder.records import Evaluated, RunMetrics, is_recorded, measure_run, write_run_record
from leukolens.ladder.rungs import RUNGS
from leukolens.training.classification.export import load_run
from leukolens.training.classification.gradcam import METHOD, map_batch
from leukolens.training.classification.recipe import ClassificationRecipe
from leukolens.training.recipe import read_recipe
from leukolens.training.run import train
from leukolens.training.task import Progress, Reporter

_FROM_RUNG = "rung:"
"""Prefix of a recipe's `weights` that names another rung: training starts from that rung's first honest run."""


@dataclass(frozen=True)
class PlannedRun:
    """One training of one rung.

    Attributes:
        rung: Its name.
        protocol: Name of a protocol, or of the dataset that it is tried on.
        variant: The protocol, with the fold or seed where there are several: `folds@2`, `fields@seed1`.
        fold: Which of the protocol's splits.
        seed: Added to the recipe's seed of weights and augmentation.
    """

    rung: str
    protocol: str
    variant: str
    fold: int = 0
    seed: int = 0


def recipes_folder() -> Path:
    """Folder of the ladder's recipes: inside the installed package, or beside the source."""
    package = Path(leukolens.__file__).parent
    inside = package / "recipes"
    return (inside if inside.is_dir() else package.parents[1] / "recipes") / "ladder"


def plan_runs(names: Sequence[str], which: str | None, data: str | None) -> list[PlannedRun]:
    """The runs that were asked for, in the order of the ladder.

    Args:
        names: Rungs; empty for all.
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
            for run in _spread(name, protocol):
                runs[run.rung, run.variant] = run
    return list(runs.values())


def _spread(name: str, protocol: str) -> Iterator[PlannedRun]:
    """The folds or seeds of one protocol; seed 0 bears the protocol's name alone."""
    if protocol == "folds":
        for fold in range(5):
            yield PlannedRun(name, protocol, f"folds@{fold + 1}", fold)
        return
    yield PlannedRun(name, protocol, protocol)
    if protocol == RUNGS[name].seeded_protocol:
        for seed in range(1, RUNGS[name].seeds):
            yield PlannedRun(name, protocol, f"{protocol}@seed{seed}", seed=seed)


class Ladder:
    """Trains planned runs; opens each dataset once."""

    def __init__(self, records: Path, budget_seconds: int, report: Progress) -> None:
        """Takes the folder of records, the most seconds of training for each run (0: as the recipe says), and progress."""
        self._records = records
        self._budget_seconds = budget_seconds
        self._report = report
        self._manifests: dict[str, Manifest] = {}

    def record_folder(self, planned: PlannedRun) -> Path:
        """Folder of a run's record; the record of a trial on other data lies beside its run."""
        if planned.protocol in PROTOCOLS:
            return self._records / planned.rung / planned.variant
        return self.run_folder(planned) / "record"

    def run_folder(self, planned: PlannedRun) -> Path:
        """Folder of the run itself, with its checkpoints and its report with photographs."""
        return home_folder() / "ladder" / planned.rung / planned.variant

    def is_done(self, planned: PlannedRun) -> bool:
        """Whether the run has a record."""
        return is_recorded(self.record_folder(planned))

    def list_missing_starts(self, planned: PlannedRun) -> list[PlannedRun]:
        """The runs whose weights it starts from and that are not on this machine, in the order to train them."""
        start = _find_start(self._configure(planned))
        if start is None or RunFolder(self.run_folder(start)).weights.is_file():
            return []
        return [*self.list_missing_starts(start), start]

    def train(self, planned: PlannedRun) -> RunFolder:
        """Trains or resumes one run, and leaves its record as it is.

        Raises:
            LeukolensError: the dataset or the weights are missing, or the training cannot be done.
        """
        manifest = self._open(planned)
        split = _divide(planned, manifest)
        config = self._configure(planned)
        start = _find_start(config)
        if start is not None:
            model = structs.replace(config.model, weights=str(self.run_folder(start)))
            config = structs.replace(config, model=model)
        folder = self.run_folder(planned)
        started = (folder / "checkpoints" / "last.ckpt").is_file()
        return train(config, manifest, split=split, out=folder, resume=started, reporter=Reporter(self._report))

    def run(self, planned: PlannedRun) -> RunMetrics:
        """Trains or resumes one run, evaluates it and writes its record.

        Raises:
            LeukolensError: as `train`.
        """
        run = self.train(planned)
        records = self._open(planned).records
        predictions = {part: read_predictions(run.predictions(part)) for part in PARTS}
        metrics, tested = measure_run(predictions, planned.rung, read_split(run.split)), predictions["test"]
        trained = load_run(run)
        network, preparation = trained.network, trained.preparation
        mapper = Mapper(preparation, functools.partial(map_batch, network, preparation), METHOD)
        findings = find_reasons(tested, {record.id: record for record in records}, mapper)
        write_evaluation(run.path / "report", tested, metrics.test, find_crops(records), findings)
        evaluated = Evaluated(metrics, tested, findings)
        write_run_record(self.record_folder(planned), run, self._configure(planned), evaluated)
        return metrics

    def _open(self, planned: PlannedRun) -> Manifest:
        protocol = PROTOCOLS.get(planned.protocol)
        name = protocol.dataset if protocol else planned.protocol
        if name not in self._manifests:
            self._manifests[name] = open_dataset(name).cells().labelled()
        return self._manifests[name]

    def _configure(self, planned: PlannedRun) -> ClassificationRecipe:
        config = read_recipe(recipes_folder() / f"{planned.rung}.toml", ClassificationRecipe)
        if self._budget_seconds:
            config = structs.replace(config, budget_seconds=self._budget_seconds)
        return structs.replace(config, seed=config.seed + planned.seed)


def _divide(planned: PlannedRun, manifest: Manifest) -> Split:
    protocol = PROTOCOLS.get(planned.protocol)
    return (protocol.make(manifest) if protocol else split_freely(manifest))[planned.fold]


def _find_start(config: ClassificationRecipe) -> PlannedRun | None:
    """The run whose weights a recipe starts from; None where it names no other rung."""
    if not config.model.weights.startswith(_FROM_RUNG):
        return None
    before = config.model.weights.removeprefix(_FROM_RUNG)
    return PlannedRun(before, RUNGS[before].honest[0], RUNGS[before].honest[0])


def run_all(
    ladder: Ladder, planned: Sequence[PlannedRun], tell: Callable[[PlannedRun, str], None]
) -> list[tuple[PlannedRun, str]]:
    """Trains one run after another; a run that fails is reported and skipped.

    Returns:
        The runs that failed, and why.
    """
    failed = []
    for run in planned:
        if ladder.is_done(run):
            tell(run, "recorded before")
            continue
        try:
            for start in ladder.list_missing_starts(run):
                tell(start, f"begins, because {run.rung} starts from its weights, which are not on this machine")
                ladder.train(start)
            tell(run, "begins")
            metrics = ladder.run(run)
        except LeukolensError as error:
            failed.append((run, str(error)))
            tell(run, f"failed: {error}")
            continue
        parts = (("train", metrics.train), ("validation", metrics.validation), ("test", metrics.test))
        shares = ", ".join(f"{name} {part.accuracy:.3f}" for name, part in parts)
        tell(run, f"accuracy {shares} (n {metrics.test.n})")
    return failed
