"""`leukolens demo`: the main job in one go, on a drawn smear or on the user's own fields."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from leukolens.cli.main import FAILED, SOME_REFUSED

if TYPE_CHECKING:
    from leukolens.core.results import Box

FIELDS = 8
LEUKOCYTES_PER_FIELD = 5.0
SEED = 2


@click.command("demo", epilog="Examples: leukolens demo --out demo    leukolens demo --images my-fields/ --out demo")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the tables and the report.",
)
@click.option("--images", multiple=True, type=click.Path(), help="Your own fields or folders instead of drawn ones.")
@click.option("--bundle", "bundle_name", metavar="NAME_OR_DIR", help="Which model names the cells.")
@click.option("--detector", "detector_name", metavar="NAME_OR_DIR", help="Which model finds the cells.")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@click.pass_context
def command(
    ctx: click.Context,
    out: Path,
    images: tuple[str, ...],
    bundle_name: str | None,
    detector_name: str | None,
    force: bool,
) -> None:
    """Draw a small synthetic smear (or take --images), count it, and write report.html with every leukocyte."""
    from leukolens.core.files import require_absent, show_name
    from leukolens.datasets.synthetic import write_smear_fields
    from leukolens.inference.classifier import load_bundle
    from leukolens.inference.classify import find_images
    from leukolens.inference.detector import load_detector
    from leukolens.smear.count import CountSettings, count_smear
    from leukolens.smear.drawn import compare_with_drawn
    from leukolens.smear.files import write_smear

    require_absent(out, force)
    namer, finder = load_bundle(bundle_name), load_detector(detector_name)
    drawn = None
    if not images:
        drawn = write_smear_fields(out / "drawn", FIELDS, SEED, LEUKOCYTES_PER_FIELD)
        images = (str(drawn / "images"),)
    sources, missing = find_images(images)
    result = count_smear(sources, namer, finder, CountSettings(name="demo" if drawn is None else "drawn by a program"))
    known = compare_with_drawn(result, _read_truth(drawn / "truth.csv")) if drawn else None
    report = write_smear(out, result, (namer.card, finder.card), known=known)
    refused = (*missing, *result.refused)
    for refusal in refused:
        click.echo(f"refused: {show_name(refusal.image)} {refusal.why}", err=True)
    for cell, there, found, cut, unsure in known.rows if known else ():
        click.echo(f"{cell}: {there} drawn, {found} found, {cut} of them cut by the border, {unsure} unsure")
    if known:
        click.echo("Synthetic: this shows that it works, not how well.")
    click.echo(f"Leukocytes counted: {result.differential.leukocytes}, on {len(result.fields)} fields.")
    click.echo(f"Report: {report.resolve()}")
    if not any(field.usable for field in result.fields):
        ctx.exit(FAILED)
    ctx.exit(SOME_REFUSED if refused else 0)


def _read_truth(path: Path) -> "dict[str, list[Box]]":
    from leukolens.core.files import read_rows
    from leukolens.core.results import Box
    from leukolens.core.taxonomy import CellKind

    boxes: dict[str, list[Box]] = {}
    for row in read_rows(path):
        x0, y0, x1, y1 = (float(row[side]) for side in ("x0", "y0", "x1", "y1"))
        boxes.setdefault(row["field"], []).append(Box(x0, y0, x1, y1, CellKind(row["kind"]), row["label"] or None))
    return boxes
