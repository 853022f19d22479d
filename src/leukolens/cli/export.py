"""`leukolens export`: a finished run to a bundle."""

from pathlib import Path

import click


@click.command("export", epilog="Example: leukolens export runs/pbc --out bundles/pbc")
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The bundle's folder; its name is the bundle's name."
)
@click.option("--images", default=256, show_default=True, help="Validation images on which parity is proved.")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
def command(run: Path, out: Path, images: int, force: bool) -> None:
    """Export a finished run as ONNX with its card, and prove on real images that both say the same."""
    from leukolens.core.files import require_absent
    from leukolens.core.runs import open_run
    from leukolens.data.manifest import open_dataset
    from leukolens.data.splits import read_split
    from leukolens.export.onnx import export_bundle, load_network
    from leukolens.export.parity import compare_bundle
    from leukolens.runtime.classifier import load_bundle
    from leukolens.training.tensors import load_cells

    folder = open_run(run)
    require_absent(out, force)
    network, facts, _ = load_network(folder)
    card = export_bundle(folder, out, out.name)
    records = {record.id: record for record in open_dataset(facts["data"]).cells().records}
    names = read_split(folder.split).parts["validation"][:images]
    cells = load_cells([records[name] for name in names], card.preparation, lambda done, total: None)
    bundle = load_bundle(out)
    parity = compare_bundle(network, bundle, cells.images[: len(cells.records)])
    size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    click.echo(f"{out}: {size:.1f} MB. Parity with the run on {card.training['data']} validation: {parity}.")
