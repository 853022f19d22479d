"""`leukolens export`: a finished run to a bundle."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from leukolens.core.runs import RunFolder
    from leukolens.datasets.manifest import Record


@click.command("export", epilog="Example: leukolens export runs/pbc --out bundles/pbc")
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The bundle's folder; its name is the bundle's name."
)
@click.option("--images", default=256, show_default=True, help="Validation images on which parity is proved.")
@click.option(
    "--int8", is_flag=True, help="In 8-bit integers: smaller and faster; temperature and threshold are fitted anew."
)
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
def command(run: Path, out: Path, images: int, int8: bool, force: bool) -> None:
    """Export a finished run as ONNX with its card, and prove on real images that both say the same."""
    import numpy as np

    from leukolens.core.files import require_absent
    from leukolens.core.runs import open_run
    from leukolens.datasets.registry import open_dataset
    from leukolens.datasets.splits import read_split
    from leukolens.inference.bundles import load_bundle
    from leukolens.training.classification.export import export_bundle, load_network
    from leukolens.training.classification.found import place_crops
    from leukolens.training.classification.parity import compare_bundle
    from leukolens.training.classification.tensors import CellArray, load_cells
    from leukolens.training.detection.export import is_detector_run
    from leukolens.training.recipe import read_recipe

    folder = open_run(run)
    require_absent(out, force)
    if is_detector_run(folder):
        if int8:
            raise click.UsageError("--int8 is for classifiers.")
        _export_detector(folder, out, images)
        return
    network, facts, preparation = load_network(folder)
    card = export_bundle(folder, out, out.name)
    records = {record.id: record for record in open_dataset(facts["data"]).cells().records}
    parts = read_split(folder.split).parts
    detector = read_recipe(folder.recipe).data.find
    platelets = any(record.label == "platelet" for record in records.values())

    def load(part: str, most: int | None) -> CellArray:
        """Prepared cells of a part of the run's split, spread over the part where not all are wanted."""
        step = max(1, len(parts[part]) // most) if most else 1
        chosen = [records[name] for name in parts[part][::step][:most]]
        crops = place_crops(chosen, detector, preparation, platelets, lambda done, total: None)
        return load_cells(crops, preparation, lambda done, total: None)

    chosen_on = load("validation", None if int8 else images)
    bundle = load_bundle(out)
    parity = compare_bundle(network, bundle, chosen_on.images[: min(images, len(chosen_on.records))])
    proof = f"Parity with the run on {facts['data']} validation: {parity}."
    if int8:
        from leukolens.training.classification.int8 import CALIBRATION_IMAGES, quantise_bundle

        learned = load("train", CALIBRATION_IMAGES)
        truths = np.array([card.classes.index(record.label or "") for record in chosen_on.records])
        shown = chosen_on.images[: len(truths)]
        _, agreement = quantise_bundle(bundle, learned.images[: len(learned.records)], shown, truths)
        proof += f" In 8-bit integers: {agreement}."
    size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    click.echo(f"{out}: {size:.1f} MB. {proof}")


def _export_detector(folder: "RunFolder", out: Path, images: int) -> None:
    from leukolens.datasets.registry import open_dataset
    from leukolens.datasets.splits import read_split
    from leukolens.training.detection.export import compare_detector, export_detector, load_detector_network
    from leukolens.training.detection.fields import cut_whole
    from leukolens.training.detection.finish import prepare_crop
    from leukolens.training.detection.fit import load_part
    from leukolens.training.detection.recipe import read_detector_recipe
    from leukolens.training.detection.smudges import teach_smudges

    network, facts = load_detector_network(folder)
    card = export_detector(folder, out, out.name)
    config = read_detector_recipe(folder.recipe)
    split = read_split(folder.split)
    inputs = []
    records: dict[str, Record] = {}
    for told in config.data.fields:
        manifest = open_dataset(told.data)
        records |= {record.id: record for record in manifest.records}
        fields, _ = load_part(manifest, told, split, "validation", lambda what, done, total: None)
        inputs += [prepare_crop(cut_whole(field, card.red_cell_px)).numpy() for field in fields]
    click.echo("Smudge cells: drawing some into the fields that it learned from, a second or so a field.")
    known = {part: [records[name] for name in split.parts[part] if name in records] for part in ("train", "validation")}
    card = teach_smudges(out, known["train"], known["validation"], lambda line: click.echo(f"Smudge cells: {line}."))
    step = max(1, len(inputs) // images)
    parity = compare_detector(network, out, card, inputs[::step][:images])
    size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    click.echo(f"{out}: {size:.1f} MB. Parity with the run on {facts['data']} validation: {parity}.")
