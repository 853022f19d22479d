"""`leukolens data`: fetch, add, list, audit, split and draw datasets."""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leukolens.cli.main import SOME_REFUSED

if TYPE_CHECKING:
    from leukolens.datasets.audit import Audit, Pair
    from leukolens.datasets.manifest import Manifest
    from leukolens.datasets.splits import Split

LEAKS = 1
_SHOWN = 20


@click.group("data", epilog="Example: leukolens data add pbc PBC_dataset_normal_DIB.zip")
def command() -> None:
    """Add datasets, list them, audit them and split them."""


@command.command("list", epilog="Example: leukolens data list")
def list_datasets() -> None:
    """List the datasets that were added, and the public datasets that LeukoLens can read."""
    from leukolens.datasets.registry import added_names, open_dataset
    from leukolens.datasets.sources import SOURCES

    added = added_names()
    click.echo("Added:")
    for name in added:
        click.echo(f"  {name}: {_describe(open_dataset(name))}")
    click.echo("  synth: synthetic cells, drawn by LeukoLens when first used")
    click.echo("Public (leukolens data get NAME; or download it yourself, then leukolens data add NAME PATH):")
    for name, source in SOURCES.items():
        origin = source.origin
        click.echo(f"  {name}{' (added)' if name in added else ''}: {origin.title}")
        click.echo(f"    licence {origin.licence}; credit {origin.credit}; {origin.home}")


def _describe(manifest: "Manifest") -> str:
    from leukolens.core.taxonomy import CELL_CLASSES

    cells = manifest.cells().labelled().records
    boxes = sum(len(record.boxes) for record in manifest.records)
    classes = Counter(record.label for record in cells)
    words = [f"{len(manifest.records)} images", f"{len({record.group for record in manifest.records})} groups"]
    words += [f"{boxes} boxes"] if boxes else []
    counts = ", ".join(f"{label} {classes[label]}" for label in CELL_CLASSES if classes[label])
    words += [f"{len(cells)} cells with a class: {counts}"] if cells else []
    words += [f"{len(manifest.refused)} refused"] if manifest.refused else []
    words += [f"{len(manifest.doubts)} unsure"] if manifest.doubts else []
    return "; ".join(words)


@command.command("get", epilog="Example: leukolens data get pbc")
@click.argument("name")
@click.option("--force", is_flag=True, help="Replace a dataset of that name.")
@click.pass_context
def get(ctx: click.Context, name: str, force: bool) -> None:
    """Download a public dataset and add it.

    No other command uses the network, except `train` and `ladder run`, which may download pretrained weights.
    """
    from leukolens.core.errors import UsageError
    from leukolens.datasets.download import fetch_dataset
    from leukolens.datasets.sources import SOURCES

    if name not in SOURCES:
        raise UsageError(f"No public dataset is called {name!r}. There are: {', '.join(SOURCES)}.")
    origin = SOURCES[name].origin
    click.echo(f"{name}: {origin.title}. Licence {origin.licence}; credit {origin.credit}.", err=True)
    with _progress(f"downloading {name}") as report:
        path = fetch_dataset(name, origin, report)
    _add(ctx, name, path, force)


@command.command("add", epilog="Example: leukolens data add mycells cells   (with folders neutrophil, eosinophil, ...)")
@click.argument("name")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--groups",
    "group_pattern",
    metavar="PATTERN",
    default="",
    help="Regular expression that finds the patient or slide in each image's path: `--groups 'P[0-9]+'`.",
)
@click.option("--dry-run", is_flag=True, help="Show how the dataset is understood, and write nothing.")
@click.option("--force", is_flag=True, help="Replace a dataset of that name.")
@click.pass_context
def add(ctx: click.Context, name: str, path: Path, group_pattern: str, dry_run: bool, force: bool) -> None:
    """Add a folder, a zip, a table or a MedMNIST file as a dataset.

    \b
    Label formats:
      class folders   neutrophil/, eosinophil/ at any level; or 0/, 1/ with classes.txt
      CSV             columns image and label; also group (or patient, slide) and split
      COCO            a .json file with images, annotations, categories
      Pascal VOC      an .xml file for each image
      YOLO            a .txt file for each image, and data.yaml or classes.txt
      MedMNIST        an .npz file
      manifest        the .csv of a dataset that was added before

    Each image is opened once, and broken ones are refused. No image is copied, so leave it where it is; only the images
    of a MedMNIST file are written to the data folder. A public dataset (`leukolens data list` names them) is read by
    its own rules. Exit code 1: some images or boxes were refused, the others were added.
    """  # noqa: D301, as click keeps lines after the character itself
    if dry_run:
        _preview(ctx, name, path, group_pattern)
    _add(ctx, name, path, force, group_pattern)


def _preview(ctx: click.Context, name: str, path: Path, group_pattern: str) -> None:
    """Says how a dataset is understood, and ends the command."""
    from leukolens.core.files import show_name
    from leukolens.datasets.registry import interpret_dataset

    with _progress(f"opening images of {name}") as report:
        reading = interpret_dataset(name, path, report, group_pattern)
    manifest = reading.manifest
    click.echo(f"layout: {reading.layout}")
    click.echo("classes:")
    for word, meaning in reading.meanings.items():
        click.echo(f"  {show_name(word)} -> {meaning or 'not known, left out'}")
    click.echo(f"images: {len(manifest.records)}")
    groups = len({record.group for record in manifest.records})
    alone = " (each image is a group of its own: give patients or slides by --groups, or by a column of a CSV)" * (
        groups == len(manifest.records) > 1
    )
    click.echo(f"groups: {groups}{alone}")
    kinds = Counter(box.label or str(box.kind) for record in manifest.records for box in record.boxes)
    click.echo(f"boxes: {', '.join(f'{kind} {count}' for kind, count in kinds.items()) or 'none'}")
    parts = Counter(record.part for record in manifest.records if record.part)
    click.echo(f"split that it came with: {', '.join(f'{part} {count}' for part, count in parts.items()) or 'none'}")
    cells = Counter(record.label for record in manifest.cells().labelled().records)
    click.echo(f"cells with a class: {', '.join(f'{label} {count}' for label, count in cells.items()) or 'none'}")
    for what, notes in (("refused", manifest.refused), ("unsure, but used", manifest.doubts)):
        click.echo(f"{what}: {len(notes)}")
        _show_some(f"{note.image}: {note.why}" for note in notes)
    click.echo("Nothing was written. Leave out --dry-run to add the dataset.")
    ctx.exit(SOME_REFUSED if manifest.refused else 0)


def _add(ctx: click.Context, name: str, path: Path, force: bool, group_pattern: str = "") -> None:
    from leukolens.core.files import show_name
    from leukolens.datasets.registry import add_dataset, manifest_path

    with _progress(f"opening images of {name}") as report:
        manifest = add_dataset(name, path, force, report, group_pattern)
    click.echo(f"{name}: {_describe(manifest)}")
    for what, notes in (("refused", manifest.refused), ("unsure, but used", manifest.doubts)):
        if notes:
            beside = show_name(str(manifest_path(name).with_suffix(".notes.csv")))
            click.echo(f"{len(notes)} {what}; all of them in {beside}:", err=True)
            _show_some((f"{note.image}: {note.why}" for note in notes), to_stderr=True)
    ctx.exit(SOME_REFUSED if manifest.refused else 0)


@command.command("audit", epilog="Example: leukolens data audit kaggle --split kaggle-random.json")
@click.argument("name")
@click.option(
    "--split",
    "split_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Audit this split instead of the one that the dataset came with.",
)
@click.option(
    "--with", "other", metavar="OTHER", help="Look for pictures and groups that this dataset shares with OTHER."
)
@click.pass_context
def audit(ctx: click.Context, name: str, split_path: Path | None, other: str | None) -> None:
    """Find duplicates, contradicting labels, unreadable files and leaks.

    A split leaks if a group, a field or a picture stands in several of its parts. Exit code 1: the split leaks, or
    the dataset shares something with OTHER.
    """
    from leukolens.core.errors import UsageError
    from leukolens.datasets.audit import audit_dataset, pair_datasets
    from leukolens.datasets.registry import open_dataset
    from leukolens.datasets.splits import read_split

    if split_path and other:
        raise UsageError("Give --split or --with, not both.")
    manifest = open_dataset(name)
    split = read_split(split_path) if split_path else None
    if other:
        manifest = pair_datasets(manifest, open_dataset(other))
    with _progress(f"comparing images of {manifest.name}") as report:
        found = audit_dataset(manifest, split, report)
    _print_audit(found, manifest.name)
    ctx.exit(LEAKS if found.leaks else 0)


def _print_audit(found: "Audit", name: str) -> None:
    click.echo(f"{name}: {found.images} pictures, {found.groups} groups, {len(found.refused)} unreadable")
    _show_some(f"{refusal.image}: {refusal.why}" for refusal in found.refused)
    apart = sum(not pair.same_group for pair in found.near)
    for title, pairs in (
        ("identical pairs", found.identical),
        (f"near-identical pairs ({apart} of them in different groups)", found.near),
        ("pairs with contradicting labels", found.contradicting),
    ):
        click.echo(f"{title}: {len(pairs)}")
        _show_some(map(_word_pair, pairs))
    for part in found.parts:
        unmapped = f", and {part.unmapped} images of unknown group" if part.unmapped else ""
        click.echo(f"{part.part}: {part.images} images of {part.groups} groups{unmapped}")
    if found.parts:
        click.echo(f"groups in several parts: {len(found.crossing_groups)}")
        _show_some(f"{group}: {', '.join(parts)}" for group, parts in found.crossing_groups)
        click.echo(f"fields with photographs in several parts: {len(found.crossing_fields)}")
        _show_some(f"{fields}: {', '.join(parts)}" for fields, parts in found.crossing_fields)
        click.echo(f"identical or near-identical pairs in different parts: {len(found.crossing_pairs)}")
        _show_some(map(_word_pair, found.crossing_pairs))
        click.secho("IT LEAKS" if found.leaks else "no leak found", fg="red" if found.leaks else "green")


def _word_pair(pair: "Pair") -> str:
    words = [f"{pair.first} {'=' if pair.exact else '~'} {pair.second}"]
    words += [] if pair.exact else [f"correlation {pair.correlation:.3f}"]
    words += [" but ".join(pair.labels)] if pair.labels else []
    words += [" and ".join(pair.parts)] if pair.parts else []
    return ", ".join(words)


@command.command(
    "split", epilog="Example: leukolens data split pbc --kind grouped --fractions 64/16/20 --out split.json"
)
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["provided", "random", "grouped"]),
    default="grouped",
    show_default=True,
    help="provided: as the dataset came. random: image by image. grouped: groups stay together.",
)
@click.option("--fractions", default="64/16/20", show_default=True, help="Training, validation and test in percent.")
@click.option("--folds", type=click.IntRange(3), help="Make this many splits. Each fold is the test part of one.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed gives another split.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write. Without it, a file in the data folder of LeukoLens.",
)
@click.option("--force", is_flag=True, help="Overwrite.")
def split(name: str, kind: str, fractions: str, folds: int | None, seed: int, out: Path | None, force: bool) -> None:
    """Split a dataset into training, validation and test, and write the split as a file.

    The same data, kind, fractions and seed give the same split again. Of identical files one is kept. Groups that share
    nearly identical pictures stay together.
    """
    from leukolens.core.files import home_folder
    from leukolens.datasets.registry import open_dataset
    from leukolens.datasets.splits import split_dataset

    shares = _parse_fractions(fractions)
    with _progress("comparing images") as report:
        splits = split_dataset(open_dataset(name), kind, shares, folds, seed, report)
    size = f"{folds}folds" if folds else fractions.replace("/", "-")
    place = out or home_folder() / "splits" / f"{name}-{kind}-{size}-seed{seed}.json"
    places = [place]
    if folds:
        places = [place.with_name(f"{place.stem}-fold{number}{place.suffix}") for number in range(1, folds + 1)]
    _write_splits(dict(zip(places, splits, strict=True)), force)


def _parse_fractions(text: str) -> tuple[float, float, float]:
    """`64/16/20` as shares of training, validation and test.

    Raises:
        UsageError: not three numbers that sum to 100, or an empty training part.
    """
    from leukolens.core.errors import UsageError

    numbers = [float(word) for word in re.findall(r"\d+(?:\.\d+)?", text)]
    if len(numbers) != 3 or abs(sum(numbers) - 100) > 1e-6 or numbers[0] <= 0:
        raise UsageError(f"--fractions takes training/validation/test in percent, such as 64/16/20; received {text!r}.")
    return numbers[0] / 100, numbers[1] / 100, numbers[2] / 100


def _write_splits(splits: "dict[Path, Split]", force: bool) -> None:
    from leukolens.core.files import require_absent, show_name
    from leukolens.datasets.splits import write_split

    for place in splits:
        require_absent(place, force)
    for place, split in splits.items():
        write_split(place, split)
        sizes = ", ".join(f"{part} {len(ids)}" for part, ids in split.parts.items())
        click.echo(f"{show_name(str(place))}: {sizes}, left out {len(split.left_out)}, hash {split.hash[:16]}")
        if split.leaky:
            click.secho(f"This split leaks: {split.why_leaky}.", fg="red", err=True)


@command.command("synth", epilog="Example: leukolens data synth --cells 400 --fields 20 --out drawn")
@click.option(
    "--cells", type=click.IntRange(0), default=0, help="How many images of single cells, of all classes in turn."
)
@click.option("--fields", type=click.IntRange(0), default=0, help="How many fields of 640x480 pixels, with truth.csv.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed draws the same images.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write.")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
def synth(cells: int, fields: int, seed: int, out: Path, force: bool) -> None:
    """Draw synthetic cells and fields with their ground truth."""
    from leukolens.core.errors import UsageError
    from leukolens.core.files import require_absent, show_name
    from leukolens.datasets.synthetic import write_cells, write_fields

    if not cells and not fields:
        raise UsageError("Give --cells N or --fields N, or both.")
    require_absent(out, force)
    if cells:
        write_cells(out / "cells" if fields else out, cells, seed)
    if fields:
        write_fields(out / "fields" if cells else out, fields, seed)
    click.echo(f"{show_name(str(out))}: {cells} synthetic cells, {fields} synthetic fields, seed {seed}")


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A report that moves a progress bar, if stderr is a terminal."""
    with click.progressbar(length=1, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def report(done: int, total: int) -> None:
            bar.length = max(total, done, 1)
            bar.update(done - bar.pos)

        yield report


def _show_some(lines: Iterable[str], to_stderr: bool = False) -> None:
    from leukolens.core.files import show_name

    given = list(lines)
    for line in given[:_SHOWN]:
        click.echo(f"  {show_name(line)}", err=to_stderr)
    if len(given) > _SHOWN:
        click.echo(f"  and {len(given) - _SHOWN} more", err=to_stderr)
