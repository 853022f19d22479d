"""`leukolens evaluate`: from a run, a bundle or a file of predictions to figures and a report."""

import sys
from pathlib import Path

import click

from leukolens.cli.main import SOME_REFUSED


@click.command(
    "evaluate",
    epilog="Examples: leukolens evaluate pbc --data pbc --out report    leukolens evaluate --predictions predictions.csv --out report    leukolens evaluate cells --data bccd --out report",
)
@click.argument("model", required=False, metavar="[RUN_OR_BUNDLE]")
@click.option("--data", "data_name", metavar="NAME", help="Dataset to measure on.")
@click.option(
    "--split",
    "part",
    metavar="PART",
    help="PART of the split that the model was trained on: train, validation, test or all; not a file. Default: test, or all of a dataset that it was not trained on.",
)
@click.option(
    "--truth",
    type=click.Choice(["raw", "relabelled"]),
    help="For a detector on BCCD's test fields: which boxes lead the report, the dataset's own or the relabelled ones. Default: relabelled.",
)
@click.option(
    "--whole",
    is_flag=True,
    help="Give a classifier each image as it is, without detecting its cell first.",
)
@click.option(
    "--predictions",
    "predictions_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Evaluate this file of predictions, which has a column `truth`.",
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
    """Measure a model on a dataset. Writes figures and a report with the errors and their pictures.

    A classifier gets accuracy with intervals, each class and calibration. A detector gets average precision, and its
    counts beside the true ones.
    """
    from leukolens.core.errors import UsageError
    from leukolens.core.files import require_absent
    from leukolens.training.run import evaluate, evaluate_predictions
    from leukolens.training.task import Reporter

    require_absent(out, force)
    if (model is None) == (predictions_path is None) or (model is not None and data_name is None):
        raise UsageError("Give a run or bundle with --data NAME, or --predictions FILE alone.")
    if predictions_path is not None:
        found = evaluate_predictions(predictions_path, data_name, out=out, part=part or "")
    else:
        assert model is not None and data_name is not None
        reporter = Reporter(_show_progress, lambda line: click.echo(line, err=True))
        found = evaluate(model, data_name, out=out, part=part, whole=whole, truth=truth, reporter=reporter)
    for refusal in found.refused:
        click.echo(f"refused: {refusal.image} {refusal.why}", err=True)
    if found.why_leaky:
        click.secho(f"This split leaks: {found.why_leaky}", fg="red", err=True)
    for line in found.lines:
        click.echo(line)
    click.echo(f"report: {found.report}")
    ctx.exit(SOME_REFUSED if found.refused else 0)


def _show_progress(what: str, done: int, total: int) -> None:
    if sys.stderr.isatty() and (done == total or done % 20 == 0):
        click.echo(f"\r{what}: {done} of {total} images", nl=done == total, err=True)
