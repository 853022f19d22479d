"""`leukolens demo`: counts a synthetic smear, or the user's own fields, and writes the report."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from leukolens.cli.main import FAILED, SOME_REFUSED

if TYPE_CHECKING:
    from leukolens.smear.drawn import DrawnCount


@click.command("demo", epilog="Examples: leukolens demo --out demo    leukolens demo --images my-fields/ --out demo")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the tables and the report.",
)
@click.option("--images", multiple=True, type=click.Path(), help="Your own fields or folders instead of drawn ones.")
@click.option("--bundle", "bundle_name", metavar="NAME_OR_DIR", help="Classifier to use.")
@click.option("--detector", "detector_name", metavar="NAME_OR_DIR", help="Detector to use.")
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
    """Count a small synthetic smear, and write its report. Needs no photographs.

    The report compares what was drawn with what was found. With --images, your own fields are counted instead.
    """
    from leukolens.core.files import show_name
    from leukolens.core.folders import hold_folder
    from leukolens.smear.count import count
    from leukolens.smear.drawn import count_drawn_smear
    from leukolens.smear.files import write_smear

    with hold_folder(out, force):
        if images:
            result = count(images, name="demo", classifier=bundle_name, detector=detector_name)
            report = write_smear(out, result)
        else:
            drawn = count_drawn_smear(out, bundle_name, detector_name)
            result, report = drawn.result, drawn.report
            _compare(drawn)
    for refusal in result.refused:
        click.echo(f"refused: {show_name(refusal.image)} {refusal.why}", err=True)
    click.echo(f"Leukocytes counted: {result.differential.leukocytes}, on {len(result.fields)} fields.")
    click.echo(f"Report: {report.resolve()}")
    if not any(field.usable for field in result.fields):
        ctx.exit(FAILED)
    ctx.exit(SOME_REFUSED if result.refused else 0)


def _compare(drawn: "DrawnCount") -> None:
    for row in drawn.rows:
        found = f"{row.found} found, {row.cut} cut by the border, {row.review} for review"
        click.echo(f"{row.name}: {row.drawn} drawn, {found}")
    click.echo("These cells were drawn. This shows that the program works, not how well it works on blood.")
