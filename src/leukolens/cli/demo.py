"""`leukolens demo`: the main job in one go, on drawn cells or on the user's own images."""

from pathlib import Path

import click

from leukolens.cli.main import FAILED, SOME_REFUSED

CELLS = 24
SEED = 7


@click.command("demo", epilog="Examples: leukolens demo --out demo    leukolens demo --images my-cells/ --out demo")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the predictions and the report.",
)
@click.option("--images", multiple=True, type=click.Path(), help="Your own images or folders instead of drawn cells.")
@click.option("--bundle", "bundle_name", metavar="NAME_OR_DIR", help="Which model.")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@click.pass_context
def command(ctx: click.Context, out: Path, images: tuple[str, ...], bundle_name: str | None, force: bool) -> None:
    """Classify synthetic cells (or --images) and write predictions.csv and report.html with every picture."""
    from leukolens.analysis.classify import classify
    from leukolens.analysis.report import write_report
    from leukolens.core.files import require_absent, show_name, write_rows
    from leukolens.core.predictions import Predictions, write_predictions
    from leukolens.data.synthetic import write_cells
    from leukolens.runtime.classifier import load_bundle

    require_absent(out, force)
    bundle = load_bundle(bundle_name)
    truths: dict[str, str] = {}
    if not images:
        drawn = write_cells(out / "cells", CELLS, SEED)
        images = (str(drawn),)
        truths = {str(path): path.parent.name for path in drawn.glob("*/*.png")}
    result = classify(images, bundle)
    for refusal in result.refused:
        click.echo(f"refused: {show_name(refusal.image)} {refusal.why}", err=True)
    if result.refused:
        write_rows(out / "predictions.refused.csv", ("image", "why"), [(r.image, r.why) for r in result.refused])
    if not result.calls:
        click.echo("No image could be classified.", err=True)
        ctx.exit(FAILED)
    named = tuple(truths.get(call.image, "") for call in result.calls) if truths else ()
    write_predictions(out / "predictions.csv", Predictions(result.classes, result.calls, named))
    report = write_report(out / "report.html", result, bundle.card, truths)
    if truths:
        right = sum(call.label == truths[call.image] for call in result.calls)
        click.echo(
            f"{right} of {len(result.calls)} drawn cells were named as drawn (synthetic: this shows that it works, not how well)."
        )
    accepted = sum(call.status == "accepted" for call in result.calls)
    click.echo(
        f"{len(result.calls)} images: {accepted} accepted, {len(result.calls) - accepted} for a person to review."
    )
    click.echo(f"Report: {report.resolve()}")
    ctx.exit(SOME_REFUSED if result.refused else 0)
