"""`leukolens demo`: counts a synthetic smear, or the user's own fields, and writes the report."""

from pathlib import Path

import click

from leukolens.cli.main import FAILED, SOME_REFUSED


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
    from leukolens.core.files import require_absent, show_name
    from leukolens.smear.count import count
    from leukolens.smear.drawn import count_drawn_smear

    require_absent(out, force)
    if images:
        result = count(images, name="demo", classifier=bundle_name, detector=detector_name)
        report = result.save(out, force=True)
    else:
        drawn = count_drawn_smear(out, bundle_name, detector_name)
        result, report = drawn.result, drawn.report
        for row in drawn.rows:
            found = f"{row.found} found, {row.cut} cut by the border, {row.review} for review"
            click.echo(f"{row.name}: {row.drawn} drawn, {found}")
        click.echo("These cells were drawn. This shows that the program works, not how well it works on blood.")
    for refusal in result.refused:
        click.echo(f"refused: {show_name(refusal.image)} {refusal.why}", err=True)
    click.echo(f"Leukocytes counted: {result.differential.leukocytes}, on {len(result.fields)} fields.")
    click.echo(f"Report: {report.resolve()}")
    if not any(field.usable for field in result.fields):
        ctx.exit(FAILED)
    ctx.exit(SOME_REFUSED if result.refused else 0)
