"""`leukolens explore`: what a dataset looks like before anyone trains."""

import sys
from pathlib import Path

import click

from leukolens.cli.main import SOME_REFUSED


@click.command(
    "explore",
    epilog="Examples: leukolens explore pbc --out looks    leukolens explore pbc --predictions report/predictions.csv --out looks",
)
@click.argument("data_name", metavar="DATA")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for report.html and the tables as CSV.",
)
@click.option(
    "--predictions",
    "predictions_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A model's predictions.csv on images of DATA: judges the one-cell gate by the errors it would have caught.",
)
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@click.pass_context
def command(ctx: click.Context, data_name: str, out: Path, predictions_path: Path | None, force: bool) -> None:
    """Show what a dataset looks like: classes, brightness, thresholds, quality, stained content, a one-cell gate."""
    from leukolens.core.files import require_absent, show_name
    from leukolens.core.predictions import read_predictions
    from leukolens.core.tasks import Task
    from leukolens.datasets.manifest import find_pictures
    from leukolens.datasets.registry import open_dataset
    from leukolens.exploration.gate import find_doubtful
    from leukolens.exploration.report import build_gate, write_exploration
    from leukolens.exploration.scan import scan
    from leukolens.inference.bundles import load_bundle

    require_absent(out, force)
    predictions = read_predictions(predictions_path) if predictions_path else None
    records = open_dataset(data_name).cells().records
    shown = sys.stderr.isatty()
    with click.progressbar(length=len(records), hidden=not shown, file=sys.stderr) as bar:
        seen = scan(records, bar.update)
    pictures = find_pictures(records)
    with click.progressbar(
        length=len(predictions.items) if predictions else 0, hidden=not shown, file=sys.stderr
    ) as bar:
        gate = build_gate(
            seen,
            predictions,
            lambda judged: find_doubtful(seen.rows, judged, pictures, load_bundle(task=Task.DETECTION), bar.update),
        )
    synthetic = any(record.source == "synth" for record in records)
    report = write_exploration(out, data_name, seen, gate, pictures, synthetic)
    for refusal in seen.refused:
        click.echo(f"refused: {show_name(refusal.image)} {refusal.why}", err=True)
    click.echo(f"{len(seen.rows)} images in {len(seen.tallies)} classes; {len(seen.refused)} refused")
    for score in gate.scores:
        click.echo(
            f"gate by {score.gate}: catches {score.caught} of {score.errors} errors, loses {score.lost} of {score.judged - score.errors} right predictions"
        )
    click.echo(f"report: {report}")
    ctx.exit(SOME_REFUSED if seen.refused else 0)
