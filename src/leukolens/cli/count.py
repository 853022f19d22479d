"""`leukolens count`: photographed fields of a smear to a differential count with its report."""

import dataclasses
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leukolens.cli.main import FAILED, SOME_REFUSED

if TYPE_CHECKING:
    from leukolens.smear.ranges import ReferenceRanges
    from leukolens.smear.records import SmearRecord


class _Positive(click.FloatRange):
    """A finite number above 0; click's own range lets `nan` and `inf` through."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


POSITIVE = _Positive(min=0, min_open=True)


@click.command(
    "count",
    epilog="Examples: leukolens count smear-12/ --out smear-12-count    "
    "leukolens count field*.jpg --out count --pixel-size-um 0.1 --wbc-per-liter 7.2e9",
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path())
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the tables, the overlays, report.html and fhir.json.",
)
@click.option("--smear", metavar="NAME", help="What the smear is called in its files; else as the folder.")
@click.option("--pixel-size-um", type=POSITIVE, help="Micrometres a pixel; else measured on the red cells.")
@click.option("--wbc-per-liter", type=POSITIVE, help="Leukocytes per litre from a counter or chamber, such as 7.2e9.")
@click.option("--ranges", metavar="NAME_OR_FILE", help="Reference ranges, by --age and --sex.")
@click.option("--age", type=click.FloatRange(0, 130), metavar="YEARS", help="Of the patient, for --ranges.")
@click.option("--sex", type=click.Choice(["female", "male"]), help="Of the patient, for --ranges.")
@click.option("--platelet-factor", type=POSITIVE, help="Your own: platelets per microlitre for one in a field.")
@click.option("--red-cell-factor", type=POSITIVE, help="Your own: red cells per microlitre for one in a field.")
@click.option("--bundle", "bundle_name", metavar="NAME_OR_DIR", help="Which model names the cells.")
@click.option("--detector", "detector_name", metavar="NAME_OR_DIR", help="Which model finds the cells.")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[str, ...],
    out: Path,
    smear: str | None,
    pixel_size_um: float | None,
    wbc_per_liter: float | None,
    ranges: str | None,
    age: float | None,
    sex: str | None,
    platelet_factor: float | None,
    red_cell_factor: float | None,
    bundle_name: str | None,
    detector_name: str | None,
    force: bool,
) -> None:
    """Count the cells on the fields of one smear: a differential with intervals, and a report to check it by.

    PATH is an image of a field, a folder (searched down) or @FILE with one path a line; all of them are one smear.
    Research use, not a medical device.
    """
    from leukolens.core.files import require_absent
    from leukolens.inference.classifier import load_bundle
    from leukolens.inference.classify import find_images
    from leukolens.inference.detector import load_detector
    from leukolens.smear.count import CountSettings, count_smear
    from leukolens.smear.files import write_smear

    require_absent(out, force)
    factors = {"platelet": platelet_factor, "red_cell": red_cell_factor}
    settings = CountSettings(
        name=smear or out.resolve().name,
        pixel_size_um=pixel_size_um,
        leukocytes_per_liter=wbc_per_liter,
        ranges=_choose_ranges(ranges, age, sex),
        factors={kind: factor for kind, factor in factors.items() if factor is not None},
    )
    sources, missing = find_images(paths)
    if not sources and not missing:
        click.echo("No images were found: give images of fields, or folders that hold some.", err=True)
        ctx.exit(FAILED)
    namer, finder = load_bundle(bundle_name), load_detector(detector_name)
    click.echo(f"cells found by {finder.card.name}, named by {namer.card.name}; {len(sources)} fields", err=True)
    shown: Any = {"hidden": not sys.stderr.isatty(), "file": sys.stderr}
    with click.progressbar(length=len(sources), label="counting", **shown) as bar:
        result = count_smear(sources, namer, finder, settings, lambda done: bar.update(1))
    result = dataclasses.replace(result, refused=(*missing, *result.refused))
    with click.progressbar(length=len(result.fields), label="drawing", **shown) as bar:
        report = write_smear(out, result, (namer.card, finder.card), report=lambda done: bar.update(1))
    ctx.exit(_sum_up(result, report))


def _choose_ranges(name: str | None, age: float | None, sex: str | None) -> "ReferenceRanges | None":
    if name is None:
        if age is not None or sex is not None:
            raise click.UsageError("--age and --sex choose among reference ranges: give --ranges too.")
        return None
    from leukolens.smear.ranges import read_ranges

    table = read_ranges(name)
    chosen = table.choose(age, sex or "")
    if chosen is None:
        raise click.UsageError(f"{table.name} has no range for this patient: give --age and --sex, or another table.")
    return chosen


def _sum_up(result: "SmearRecord", report: Path) -> int:
    """Says what was counted and what was not; gives the exit code."""
    from leukolens.core.files import show_name

    for refusal in result.refused:
        click.echo(f"refused: {show_name(refusal.image)} {refusal.why}", err=True)
    left_out = [field for field in result.fields if not field.usable]
    for field in left_out:
        why = "; ".join(f"{advice.fault}: {advice.action}" for advice in field.advice if advice.stops)
        click.echo(f"not counted: {show_name(field.name)} {why}", err=True)
    used = len(result.fields) - len(left_out)
    click.echo(
        f"Leukocytes counted: {result.differential.leukocytes}, on {used} of {len(result.fields)} fields.", err=True
    )
    click.echo(f"Report: {show_name(str(report.resolve()))}", err=True)
    if not used:
        return FAILED
    return SOME_REFUSED if result.refused or left_out else 0
