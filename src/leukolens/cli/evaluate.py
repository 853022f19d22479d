"""`leukolens evaluate`: predictions of a run, a bundle or a file to figures and a report."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leukolens.cli.evaluate_detector import evaluate_detector, is_detector
from leukolens.cli.main import SOME_REFUSED

if TYPE_CHECKING:
    from leukolens.core.predictions import Predictions
    from leukolens.core.results import Refusal
    from leukolens.datasets.manifest import Manifest, Record
    from leukolens.datasets.splits import Split
    from leukolens.evaluation.classification.records import Metrics
    from leukolens.evaluation.records import Provenance
    from leukolens.inference.classifier import Classifier
    from leukolens.inference.failures import Mapper


@click.command(
    "evaluate",
    epilog="Examples: leukolens evaluate pbc --data pbc --out report    leukolens evaluate --predictions calls.csv --out report    leukolens evaluate cells --data bccd --out report",
)
@click.argument("model", required=False, metavar="[RUN_OR_BUNDLE]")
@click.option("--data", "data_name", metavar="NAME", help="Dataset to judge on.")
@click.option(
    "--split",
    "part",
    metavar="S",
    help="train, validation, test or all. Default: test of the split in the card, or all of a dataset that it never saw.",
)
@click.option(
    "--truth",
    type=click.Choice(["raw", "relabelled"]),
    help="For a finder of cells on BCCD's test fields: which boxes come first in the report, its own or those drawn anew. Default: drawn anew.",
)
@click.option(
    "--whole",
    is_flag=True,
    help="Give a bundle each image as it is, without first finding the cell that it is about.",
)
@click.option(
    "--predictions",
    "predictions_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Judge this file, which has a column `truth`.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for metrics.json, predictions.csv, figures and report.html.",
)
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@click.pass_context
def command(
    ctx: click.Context,
    model: str | None,
    data_name: str | None,
    part: str | None,
    truth: str | None,
    whole: bool,
    predictions_path: Path | None,
    out: Path,
    force: bool,
) -> None:
    """Judge predictions: accuracy with intervals, each class, calibration, and the errors with their pictures.

    Of a bundle that finds cells: average precision, counts against truth, and what it missed or made up.
    """
    from leukolens.core.errors import UsageError
    from leukolens.core.files import require_absent
    from leukolens.core.predictions import read_predictions
    from leukolens.datasets.registry import open_dataset
    from leukolens.evaluation.classification.metrics import compute_metrics
    from leukolens.evaluation.classification.report import write_evaluation
    from leukolens.evaluation.records import Provenance
    from leukolens.inference.crops import find_crops
    from leukolens.inference.failures import find_reasons

    require_absent(out, force)
    if (model is None) == (predictions_path is None) or (model is not None and data_name is None):
        raise UsageError("Give a run or bundle with --data NAME, or --predictions FILE alone.")
    manifest = open_dataset(data_name) if data_name else None
    if model is not None and manifest is not None and is_detector(model):
        ctx.exit(SOME_REFUSED if evaluate_detector(model, manifest, part, truth, out) else 0)
    if truth is not None:
        raise UsageError("--truth is for a finder of cells; what is judged here names cells.")
    cells = manifest.cells().labelled() if manifest else None
    refused: tuple[Refusal, ...] = ()
    classifier = _open_classifier(model) if model is not None else None
    if predictions_path is not None:
        predictions = read_predictions(predictions_path)
        provenance = Provenance(predictions_path.name, data_name or "", part or "")
    else:
        assert cells is not None and model is not None
        predictions, refused, provenance = _predict(model, classifier, cells, part, whole)
    metrics = compute_metrics(predictions, provenance, len(refused))
    records = cells.records if cells else ()
    findings = None
    if cells is not None and predictions.truths:
        mapper = _make_mapper(model, classifier) if model is not None else None
        findings = find_reasons(predictions, {record.id: record for record in records}, mapper)
    crops = find_crops(records, {item.image: item.crop_box for item in predictions.items})
    report = write_evaluation(out, predictions, metrics, crops, findings)
    for refusal in refused:
        click.echo(f"refused: {refusal.image} {refusal.why}", err=True)
    if provenance.leaky:
        click.secho(f"This split leaks: {provenance.why_leaky}", fg="red", err=True)
    _say(metrics)
    click.echo(f"report: {report}")
    ctx.exit(SOME_REFUSED if refused else 0)


def _open_classifier(model: str) -> "Classifier | None":
    """The classifier of a bundle; None for a run, which has its predictions."""
    from leukolens.core.runs import RunFolder
    from leukolens.inference.classifier import open_classifier

    return None if RunFolder(Path(model)).recipe.is_file() else open_classifier(model, threads=1)


def _say(metrics: "Metrics") -> None:
    name, recall = metrics.worst_class()
    interval = metrics.balanced_accuracy_ci
    click.echo(
        f"balanced accuracy {metrics.balanced_accuracy:.4f} ({interval.low:.4f} to {interval.high:.4f}), n {metrics.n}"
    )
    click.echo(f"worst class {name} {recall:.4f}; accuracy {metrics.accuracy:.4f}; ECE {metrics.ece:.4f}")
    if metrics.groups:
        click.echo(f"per group {metrics.groups.accuracy:.4f}, {metrics.groups.n} groups")


def _predict(
    model: str, classifier: "Classifier | None", cells: "Manifest", part: str | None, whole: bool
) -> "tuple[Predictions, tuple[Refusal, ...], Provenance]":
    """Predictions of a bundle, made now, or those that a run left."""
    from leukolens.core.predictions import read_predictions
    from leukolens.core.runs import RunFolder, name_laboratory_split
    from leukolens.datasets.splits import read_split
    from leukolens.evaluation.records import Provenance
    from leukolens.inference.classify import predict_records
    from leukolens.inference.detector import open_detector

    if classifier is None:
        run = RunFolder(Path(model))
        own = read_split(run.split)
        chosen = part or "test"
        predictions = read_predictions(run.predictions(chosen))
        return (
            predictions,
            (),
            Provenance(run.path.name, own.dataset, f"{chosen} of {own.kind}", own.leaky, own.why_leaky),
        )
    bundle, detector = classifier.bundle, None if whole else open_detector(threads=1)
    splits = (bundle.folder / name for name in (name_laboratory_split(cells.name), "split.json"))
    split = next((read_split(path) for path in splits if path.name in bundle.card.files), None)
    records, what = _choose(cells, split, part)
    shown = sys.stderr.isatty()
    with click.progressbar(length=len(records), hidden=not shown, file=sys.stderr) as bar:
        predictions, refused = predict_records(records, classifier, detector, lambda done: bar.update(1))
    home = split is not None and split.dataset == cells.name
    leaky = home and split is not None and split.leaky
    why = split.why_leaky if leaky and split is not None else ""
    cut = "images as they are" if detector is None else f"cells found by {detector.card.name}"
    return (
        predictions,
        refused,
        Provenance(f"{bundle.card.name} ({bundle.card.architecture}, ONNX), {cut}", cells.name, what, leaky, why),
    )


def _make_mapper(model: str, classifier: "Classifier | None") -> "Mapper | None":
    """What draws heat maps of the model; None where this installation or the run lacks what that needs."""
    from leukolens.core.errors import TrainingError
    from leukolens.core.runs import RunFolder
    from leukolens.inference.failures import Mapper
    from leukolens.inference.heatmap import HeatMapper

    if classifier is not None:
        drawer = HeatMapper(classifier)
        return Mapper(classifier.card.preparation, drawer.map_batch, drawer.method)
    try:
        from leukolens.training.classification.export import load_network
        from leukolens.training.classification.gradcam import METHOD, map_batch

        network, _, preparation = load_network(RunFolder(Path(model)))
    except (ImportError, TrainingError) as error:
        click.echo(f"note: no maps of where the model looked: {error}", err=True)
        return None
    return Mapper(preparation, lambda batch, classes: map_batch(network, preparation, batch, classes), METHOD)


def _choose(cells: "Manifest", split: "Split | None", part: str | None) -> "tuple[tuple[Record, ...], str]":
    """The records of a part of the bundle's own split, or all of a dataset that it never saw."""
    from leukolens.core.errors import DataError, UsageError

    if split is None or split.dataset != cells.name:
        if part not in (None, "all"):
            raise UsageError(
                f"The model was not trained on {cells.name}, so it has no part {part!r} of it. Leave --split out."
            )
        return cells.records, f"all of {cells.name}, never trained on"
    if split.dataset_hash != cells.hash:
        # Labels or groups differ from those it was trained with; ids decide what is what, so parts still hold.
        click.echo(f"note: {cells.name} here is not quite the version that the model was trained on.", err=True)
    if part == "all":
        click.echo("warning: these images include those that the model was trained on.", err=True)
        return cells.records, "all, training images included"
    chosen = part or "test"
    if chosen not in split.parts:
        raise DataError(f"The split has no part {chosen!r}. It has: {', '.join(split.parts)}, and all.")
    return cells.select(split.parts[chosen]).records, f"{chosen} of {split.kind} (seed {split.seed}, {split.hash[:12]})"
