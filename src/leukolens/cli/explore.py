"""`leukolens explore`: what the images of a dataset look like."""

import sys
from pathlib import Path

import click

from leukolens.cli.main import SOME_REFUSED


@click.command(
    "explore",
    epilog="Examples: leukolens explore pbc --out exploration    "
    "leukolens explore pbc --predictions report/predictions.csv --out exploration",
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
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A model's predictions.csv on images of DATA: shows how many errors a one-cell gate would stop.",
)
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@click.pass_context
def command(ctx: click.Context, data_name: str, out: Path, predictions: Path | None, force: bool) -> None:
    """Show what the images of a dataset look like.

    The report shows classes, brightness, thresholds, image quality and stained content. It also tries a gate that lets
    only images of one cell pass.
    """
    from leukolens.core.files import show_name
    from leukolens.exploration.explore import explore

    found = explore(data_name, out, predictions=predictions, force=force, report=_report)
    for refusal in found.refused:
        click.echo(f"refused: {show_name(refusal.image)} {refusal.why}", err=True)
    click.echo(f"{len(found.scan.rows)} images in {len(found.classes)} classes; {len(found.refused)} refused")
    for score in found.scores:
        click.echo(
            f"gate by {score.gate}: stops {score.caught} of {score.errors} errors "
            f"and {score.lost} of {score.judged - score.errors} right predictions"
        )
    click.echo(f"report: {found.report}")
    ctx.exit(SOME_REFUSED if found.refused else 0)


def _report(what: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{done} of {total} {what}", nl=done == total, err=True)
