"""`leukolens classify`: images in, a predictions file out."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leukolens.cli.main import FAILED, SOME_REFUSED
from leukolens.core.acceptance import BELOW_THRESHOLD
from leukolens.core.results import CellStatus
from leukolens.core.tasks import Task

if TYPE_CHECKING:
    from leukolens.core.card import ClassifierCard
    from leukolens.core.results import Prediction, Refusal
    from leukolens.inference.bundles import Bundle


@click.command(
    "classify",
    epilog="Examples: leukolens classify cell.jpg    leukolens classify slides/ --out predictions.csv    leukolens classify @list.txt --json",
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path())
@click.option(
    "--bundle",
    "bundle_name",
    metavar="NAME_OR_DIR",
    help="Classifier to use; `leukolens doctor` lists them and marks the default.",
)
@click.option("--detector", "detector_name", metavar="NAME_OR_DIR", help="Detector to use, likewise.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Predictions file to write; without it, stdout. Refused inputs are listed in a second file beside it.",
)
@click.option(
    "--whole",
    is_flag=True,
    help="Classify each image as it is, without searching the cell in it first.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object per line instead of CSV.")
@click.option("--force", is_flag=True, help="Overwrite --out.")
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[str, ...],
    bundle_name: str | None,
    detector_name: str | None,
    out: Path | None,
    whole: bool,
    as_json: bool,
    force: bool,
) -> None:
    """Classify the cell in each image: one row per image, with class, probability and status.

    PATH is an image, a folder or @FILE with one path per line. Subfolders are searched. The status is accepted, review
    (a person must look) or rejected (no cell is visible). Research use, not a medical device.
    """
    from leukolens.core.files import require_absent, write_rows
    from leukolens.core.results import Refusal
    from leukolens.inference.bundles import load_bundle
    from leukolens.inference.classify import classify_images
    from leukolens.inference.sources import find_images

    if out is not None:
        require_absent(out, force)
    bundle, detector = load_bundle(bundle_name), None if whole else load_bundle(detector_name, Task.DETECTION)
    sources, refused = find_images(paths)
    found = "none, images as they are" if detector is None else detector.card.name
    click.echo(f"classifier: {bundle.card.name}; detector: {found}; {len(sources)} images", err=True)
    tally: Counter[str] = Counter()
    # On a terminal, a bar would be mixed with the rows.
    hidden = not sys.stderr.isatty() or (out is None and sys.stdout.isatty())

    def predict() -> "Iterator[Prediction]":
        with click.progressbar(
            classify_images(sources, bundle, detector), len(sources), hidden=hidden, file=sys.stderr
        ) as results:
            for result in results:
                if isinstance(result, Refusal):
                    refused.append(result)
                else:
                    _note(result, tally)
                    yield result

    _write(predict(), bundle, out, as_json)
    _warn_of_shift(tally, bundle)
    if refused and out is not None:
        beside = out.with_name(f"{out.stem}.refused.csv")
        write_rows(beside, ("image", "why"), [(refusal.image, refusal.why) for refusal in refused])
        click.echo(f"{len(refused)} inputs were refused, see {beside}", err=True)
    elif refused:
        _list_refused(refused)
    if not tally["done"]:
        if not refused:
            click.echo(
                "No images were found. Give image files, or folders with .jpg, .png, .webp, .tif or .bmp files.",
                err=True,
            )
        ctx.exit(FAILED)
    ctx.exit(SOME_REFUSED if refused else 0)


def _write(
    predictions: "Iterator[Prediction]", bundle: "Bundle[ClassifierCard]", out: Path | None, as_json: bool
) -> None:
    """Writes each prediction when it is ready, so that memory stays flat. A killed run leaves no file."""
    from leukolens.core.files import format_rows, write_atomically
    from leukolens.core.predictions import Predictions

    classes = bundle.card.classes
    lines: Iterator[str]
    if as_json:
        described = (Predictions(classes, (item,)).to_dict()["predictions"][0] for item in predictions)
        lines = (json.dumps({**fields, "bundle": bundle.card.name}) + "\n" for fields in described)
    else:
        header = Predictions(classes, ()).header()
        lines = (format_rows((), Predictions(classes, (item,)).rows()).partition("\n")[2] for item in predictions)
        lines = _after(",".join(header) + "\n", lines)
    if out is None:
        for line in lines:
            sys.stdout.write(line)
        return
    with write_atomically(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        stream.writelines(lines)


def _note(prediction: "Prediction", tally: Counter[str]) -> None:
    tally["done"] += 1
    tally[prediction.status] += 1
    tally[BELOW_THRESHOLD] += BELOW_THRESHOLD in prediction.reason


def _warn_of_shift(tally: Counter[str], bundle: "Bundle[ClassifierCard]") -> None:
    from leukolens.smear.correction import find_shift

    confusion = bundle.card.confusion
    if confusion and (
        shift := find_shift(tally[BELOW_THRESHOLD], tally[CellStatus.REVIEW] + tally[CellStatus.ACCEPTED], confusion)
    ):
        told = "Expect more errors than the card states. Measure them on labelled cells of your own: leukolens evaluate"
        click.echo(f"warning: {shift}. {told}", err=True)


def _after(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _list_refused(refused: "list[Refusal]") -> None:
    from leukolens.core.files import show_name

    for refusal in refused:
        click.echo(f"refused: {show_name(refusal.image)} {refusal.why}", err=True)
