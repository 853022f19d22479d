"""The evaluation of a classifier: figures, and a report with the errors and their crops. Needs no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from leukolens.core.card import ClassifierCard
from leukolens.core.errors import DataError, TrainingError, UsageError
from leukolens.core.files import show_name
from leukolens.core.predictions import Predictions, read_predictions
from leukolens.core.results import Refusal
from leukolens.core.runs import RunFolder, name_site_split
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.splits import Split, read_split
from leukolens.evaluation.classification.metrics import compute_metrics
from leukolens.evaluation.classification.records import Metrics
from leukolens.evaluation.classification.report import write_evaluation
from leukolens.evaluation.records import Provenance
from leukolens.inference.bundles import Bundle
from leukolens.inference.classifier import open_classifier
from leukolens.inference.classify import predict_records
from leukolens.inference.crops import find_crops
from leukolens.inference.detector import open_detector
from leukolens.inference.failures import Mapper, find_reasons
from leukolens.inference.heatmap import HeatMapper
from leukolens.training.run_split import read_run_split
from leukolens.training.task import Evaluation, Question


@dataclass(frozen=True)
class _Predicted:
    """Predictions on known cells, and where they come from."""

    predictions: Predictions
    provenance: Provenance
    refused: tuple[Refusal, ...] = ()


def evaluate_run(run: RunFolder, question: Question) -> Evaluation:
    """Evaluates the predictions that a run left on one part of its split.

    Raises:
        UsageError: the run was trained on another dataset.
        DataError: the run left none on that part, or its split is not the one that it was trained with.
    """
    own = read_run_split(run)
    part, folder = question.part or "test", show_name(str(run.path))
    if own.dataset != question.data.name:
        raise UsageError(
            f"The run {folder} was trained on {show_name(own.dataset)} and keeps predictions on that alone; received --data "
            f"{show_name(question.data.name)}. Export it with `leukolens export {folder} --out BUNDLE`, then evaluate BUNDLE."
        )
    _compare_versions(question, own)
    if not run.predictions(part).is_file():
        known = ", ".join(name for name in own.parts if run.predictions(name).is_file()) or "none"
        raise DataError(f"{folder} has no predictions on the part {part!r}. It has: {known}.")
    predictions = read_predictions(run.predictions(part))
    provenance = Provenance(run.path.name, own.dataset, f"{part} of {own.kind}", own.leaky, own.why_leaky)
    mapper = _map_with_network(run, question.reporter.tell)
    return _write(_Predicted(predictions, provenance), question.data.cells().labelled(), question.out, mapper)


def evaluate_bundle(bundle: Bundle[ClassifierCard], question: Question) -> Evaluation:
    """Predicts the cells of a dataset, and evaluates the predictions.

    Raises:
        UsageError: the model was not trained on the dataset, so that there is no such part.
        DataError: the split has no such part.
    """
    cells = question.data.cells().labelled()
    classifier = open_classifier(bundle, threads=1)
    detector = None if question.whole else open_detector(threads=1)
    splits = (bundle.folder / name for name in (name_site_split(cells.name), "split.json"))
    split = next((read_split(path) for path in splits if path.name in bundle.card.files), None)
    if split is not None and split.dataset == cells.name:
        _compare_versions(question, split)
    records, what = _choose(cells, split, question.part, question.reporter.tell)
    progress = question.reporter.progress
    predictions, refused = predict_records(
        records, classifier, detector, lambda done: progress("classifying", done, len(records))
    )
    leaky = split is not None and split.dataset == cells.name and split.leaky
    crops = "images as they are" if detector is None else f"cells found by {detector.card.name}"
    provenance = Provenance(
        f"{bundle.card.name} ({bundle.card.architecture}, ONNX), {crops}",
        cells.name,
        what,
        leaky,
        split.why_leaky if split is not None and leaky else "",
    )
    drawer = HeatMapper(classifier)
    mapper = Mapper(bundle.card.preparation, drawer.map_batch, drawer.method)
    return _write(_Predicted(predictions, provenance, refused), cells, question.out, mapper)


def evaluate_file(path: Path, data: Manifest | None, out: Path, part: str = "") -> Evaluation:
    """Evaluates a file of predictions with a column `truth`.

    Args:
        path: The file.
        data: The dataset that they are on, for the crops of the report; None for a report without.
        out: Folder for figures and report.
        part: What the predictions are on, in words.
    """
    provenance = Provenance(path.name, data.name if data else "", part)
    cells, predictions = data.cells().labelled() if data else None, read_predictions(path)
    if cells is not None and not {item.image for item in predictions.items} & {record.id for record in cells.records}:
        raise UsageError(
            f"None of the images of {show_name(path.name)} is in {show_name(cells.name)}: these predictions are on other "
            "data. Give its name as --data, or leave --data out."
        )
    return _write(_Predicted(predictions, provenance), cells, out, None)


def _write(found: _Predicted, cells: Manifest | None, out: Path, mapper: Mapper | None) -> Evaluation:
    predictions, provenance = found.predictions, found.provenance
    metrics = compute_metrics(predictions, provenance, len(found.refused))
    records = cells.records if cells else ()
    findings = None
    if cells is not None and predictions.truths:
        findings = find_reasons(predictions, {record.id: record for record in records}, mapper)
    crops = find_crops(records, {item.image: item.crop_box for item in predictions.items})
    report = write_evaluation(out, predictions, metrics, crops, findings)
    return Evaluation(report, _sum_up(metrics), found.refused, provenance.why_leaky if provenance.leaky else "")


def _sum_up(metrics: Metrics) -> tuple[str, ...]:
    data = f"data {show_name(metrics.data)}" if metrics.data else f"file {show_name(metrics.model)}"
    name, recall = metrics.worst_class()
    interval = metrics.balanced_accuracy_ci
    lines = [
        f"{data}, split: {metrics.split or 'not known'}, {metrics.n} images",
        f"balanced accuracy {metrics.balanced_accuracy:.4f} ({interval.low:.4f} to {interval.high:.4f}), n {metrics.n}",
        f"worst class {name} {recall:.4f}; accuracy {metrics.accuracy:.4f}; ECE {metrics.ece:.4f}",
    ]
    if metrics.groups:
        lines.append(f"per group {metrics.groups.accuracy:.4f}, {metrics.groups.n} groups")
    return tuple(lines)


def _map_with_network(run: RunFolder, tell: Callable[[str], None]) -> Mapper | None:
    """Draws heat maps of a run's network; None where this installation or the run lacks what that needs."""
    try:
        from leukolens.training.classification.export import load_run
        from leukolens.training.classification.gradcam import METHOD, map_batch

        trained = load_run(run)
    except (ImportError, TrainingError) as error:
        tell(f"note: the report has no heat maps: {error}")
        return None
    network, preparation = trained.network, trained.preparation
    return Mapper(preparation, lambda batch, classes: map_batch(network, preparation, batch, classes), METHOD)


def _compare_versions(question: Question, split: Split) -> None:
    cells = question.data.cells().labelled()
    if split.dataset_hash != cells.hash:
        # Labels or groups differ from those it was trained with. Parts go by image ids, so they still hold.
        question.reporter.tell(f"note: {cells.name} here is not the same version that the model was trained on.")


def _choose(
    cells: Manifest, split: Split | None, part: str | None, tell: Callable[[str], None]
) -> tuple[tuple[Record, ...], str]:
    """The records of a part of the bundle's own split, or all of a dataset that it was not trained on."""
    if split is None or split.dataset != cells.name:
        if part not in (None, "all"):
            raise UsageError(
                f"The model was not trained on {cells.name}, so it has no part {part!r} of it. Leave --split out."
            )
        return cells.records, f"all of {cells.name}, never trained on"
    if part == "all":
        tell("warning: these images include those that the model was trained on.")
        return cells.records, "all, training images included"
    chosen = part or "test"
    if chosen not in split.parts:
        raise DataError(f"The split has no part {chosen!r}. It has: {', '.join(split.parts)}, and all.")
    if not split.parts[chosen]:
        raise DataError(f"The part {chosen!r} of the split has no image. Give --split with another part.")
    return cells.select(split.parts[chosen]).records, f"{chosen} of {split.kind} (seed {split.seed}, {split.hash[:12]})"
