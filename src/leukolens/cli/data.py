"""`leukolens data`: fetch, add, check, split and draw datasets."""

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
    """Datasets: what is known, what was added, whether it leaks, and how it is split."""


@command.command("list", epilog="Example: leukolens data list")
def list_datasets() -> None:
    """List the datasets that were added, and the public ones that LeukoLens reads."""
    from leukolens.datasets.registry import added_names, open_dataset
    from leukolens.datasets.sources import SOURCES

    added = added_names()
    click.echo("Added:")
    for name in added:
        click.echo(f"  {name}: {_describe(open_dataset(name))}")
    click.echo("  synth: drawn when first used; synthetic, none of it is real")
    click.echo("Known (leukolens data get NAME, or fetch by hand and leukolens data add NAME PATH):")
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
    words += [f"{len(cells)} named cells: {counts}"] if cells else []
    words += [f"{len(manifest.refused)} refused"] if manifest.refused else []
    words += [f"{len(manifest.doubts)} doubtful"] if manifest.doubts else []
    return "; ".join(words)


@command.command("get", epilog="Example: leukolens data get pbc")
@click.argument("name")
@click.option("--force", is_flag=True, help="Replace a dataset of that name.")
@click.pass_context
def get(ctx: click.Context, name: str, force: bool) -> None:
    """Fetch a public dataset from its home and add it. The only command that uses a network."""
    from leukolens.core.errors import UsageError
    from leukolens.datasets.download import fetch_dataset
    from leukolens.datasets.sources import SOURCES

    if name not in SOURCES:
        raise UsageError(f"No public home of {name!r} is known. Known are: {', '.join(SOURCES)}.")
    origin = SOURCES[name].origin
    click.echo(f"{name}: {origin.title}. Licence {origin.licence}; credit {origin.credit}.", err=True)
    with _progress(f"fetching {name}") as report:
        path = fetch_dataset(name, origin, report)
    _add(ctx, name, path, force)


@command.command("add", epilog="Example: leukolens data add mycells cells   (with folders neutrophil, eosinophil, ...)")
@click.argument("name")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a dataset of that name.")
@click.pass_context
def add(ctx: click.Context, name: str, path: Path, force: bool) -> None:
    """Add a folder, a zip or a manifest. Nothing is copied: leave it where it is.

    A known NAME (see `data list`) is read by its own rules, any other as a tree of class folders. Exit code 1 means
    that something in it was refused; the rest is added.
    """
    _add(ctx, name, path, force)


def _add(ctx: click.Context, name: str, path: Path, force: bool) -> None:
    from leukolens.core.files import show_name
    from leukolens.datasets.registry import add_dataset, manifest_path

    manifest = add_dataset(name, path, force)
    click.echo(f"{name}: {_describe(manifest)}")
    for what, notes in (("refused", manifest.refused), ("doubtful, but used", manifest.doubts)):
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
    help="Check this split, not the one that the dataset came with.",
)
@click.option("--with", "other", metavar="OTHER", help="Look for what this dataset and another one share.")
@click.pass_context
def audit(ctx: click.Context, name: str, split_path: Path | None, other: str | None) -> None:
    """Find duplicates, near-duplicates, contradicting labels, unreadable files, and what stands on both sides.

    Exit code 1 means that the split leaks, or that two datasets share something.
    """
    from leukolens.core.errors import UsageError
    from leukolens.datasets.audit import audit_dataset, join_datasets
    from leukolens.datasets.registry import open_dataset
    from leukolens.datasets.splits import read_split

    if split_path and other:
        raise UsageError("Give --split or --with, not both.")
    manifest = open_dataset(name)
    split = read_split(split_path) if split_path else None
    if other:
        manifest = join_datasets(manifest, open_dataset(other))
    elif split:
        manifest = manifest.cells()
    with _progress(f"looking at {manifest.name}") as report:
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
        click.echo(f"groups on both sides: {len(found.torn_groups)}")
        _show_some(f"{group}: {', '.join(parts)}" for group, parts in found.torn_groups)
        click.echo(f"fields photographed twice, on both sides: {len(found.torn_fields)}")
        _show_some(f"{fields}: {', '.join(parts)}" for fields, parts in found.torn_fields)
        click.echo(f"identical or near-identical pairs on both sides: {len(found.torn_pairs)}")
        _show_some(map(_word_pair, found.torn_pairs))
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
    help="As the dataset came, image by image, or groups kept together.",
)
@click.option("--fractions", default="64/16/20", show_default=True, help="Training, validation and test in percent.")
@click.option("--folds", type=click.IntRange(3), help="So many splits; each fold is the test part once.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File; otherwise under the home folder.")
@click.option("--force", is_flag=True, help="Overwrite.")
def split_dataset(
    name: str, kind: str, fractions: str, folds: int | None, seed: int, out: Path | None, force: bool
) -> None:
    """Draw a split and write it as a file with a hash; identical pictures are kept once.

    The same data, kind, fractions and seed give the same split again.
    """
    from leukolens.core.files import home_folder
    from leukolens.datasets.duplicates import find_identical_files
    from leukolens.datasets.registry import open_dataset
    from leukolens.datasets.splits import make_folds, make_split, parse_fractions

    shares = parse_fractions(fractions)
    manifest = open_dataset(name).cells()
    with _progress("looking for identical files") as report:
        same = find_identical_files(manifest.records, report)
    size = f"{folds}folds" if folds else fractions.replace("/", "-")
    place = out or home_folder() / "splits" / f"{name}-{kind}-{size}-seed{seed}.json"
    if folds:
        splits = make_folds(manifest, kind, folds, seed, same)
        places = [place.with_name(f"{place.stem}-fold{number}{place.suffix}") for number in range(1, folds + 1)]
    else:
        splits, places = [make_split(manifest, kind, shares, seed, same)], [place]
    _write_splits(dict(zip(places, splits, strict=True)), force)


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
@click.option("--cells", type=click.IntRange(0), default=0, help="Single cells, the classes by turns.")
@click.option("--fields", type=click.IntRange(0), default=0, help="Fields of 640x480 with truth.csv.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed draws the same pictures.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to draw into.")
@click.option("--force", is_flag=True, help="Draw into a folder that is not empty.")
def synth(cells: int, fields: int, seed: int, out: Path, force: bool) -> None:
    """Draw synthetic cells and fields with their truth. None of it is real, and each folder says so."""
    from leukolens.core.errors import UsageError
    from leukolens.core.files import require_absent, show_name
    from leukolens.datasets.synthetic import write_cells, write_fields

    if not cells and not fields:
        raise UsageError("Say how many: --cells N or --fields N, or both.")
    require_absent(out, force)
    if cells:
        write_cells(out / "cells" if fields else out, cells, seed)
    if fields:
        write_fields(out / "fields" if cells else out, fields, seed)
    click.echo(f"{show_name(str(out))}: {cells} synthetic cells, {fields} synthetic fields, seed {seed}")


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A callback of done and total that moves a bar, where stderr is a terminal."""
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
