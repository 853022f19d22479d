"""`leukolens export`: from a finished run to a bundle."""

from pathlib import Path

import click


@click.command("export", epilog="Example: leukolens export runs/pbc --out bundles/pbc")
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The bundle's folder; its name is the bundle's name."
)
@click.option(
    "--images", default=256, show_default=True, help="Validation images on which the bundle is compared with the run."
)
@click.option(
    "--int8",
    is_flag=True,
    help="Write 8-bit integers: smaller and faster; temperature and threshold are fitted again. For classifiers.",
)
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
def command(run: Path, out: Path, images: int, int8: bool, force: bool) -> None:
    """Export a finished run as a bundle: an ONNX model with its card. Compares both on validation images."""
    from leukolens.training.run import export
    from leukolens.training.task import Reporter

    done = export(run, out=out, images=images, int8=int8, force=force, reporter=Reporter(tell=click.echo))
    size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    click.echo(f"{out}: {size:.1f} MB. {done.parity}")
