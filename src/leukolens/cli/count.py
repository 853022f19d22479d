"""`leukolens count`: photographs of fields in, a differential count with its report out."""

import math
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leukolens.cli.main import FAILED, SOME_REFUSED

if TYPE_CHECKING:
    from leukolens.smear.files import Progress
    from leukolens.smear.ranges import ReferenceRanges
    from leukolens.smear.results import SmearResult


class _Positive(click.FloatRange):
    """A finite number above 0; click's own range accepts `nan` and `inf`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


POSITIVE = _Positive(min=0, min_open=True)


class _LeukocyteCount(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """A count with its unit, as counters print it, in leukocytes per litre."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from leukolens.core.errors import UsageError
        from leukolens.smear.leukocyte_count import parse_leukocyte_count

        try:
            return parse_leukocyte_count(str(value))
        except UsageError as error:
            self.fail(str(error), param, ctx)


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
@click.option(
    "--smear", metavar="NAME", help="Name of the smear in its files; without it, the name of the folder --out."
)
@click.option("--pixel-size-um", type=POSITIVE, help="Micrometres per pixel; without it, measured on the red cells.")
@click.option(
    "--wbc-per-liter",
    type=_LeukocyteCount(),
    help="Leukocyte count from a counter or chamber, with its unit: 7.2e9/L, 7.2x10^9/L, 7200/uL, 7.2 G/L or 7.2 K/uL. "
    "Without a unit: per litre.",
)
@click.option(
    "--ranges",
    metavar="NAME_OR_FILE",
    help="Reference ranges: mali, united-kingdom, united-states or a TOML file. Also give --age, and --sex.",
)
@click.option("--age", type=click.FloatRange(0, 130), metavar="YEARS", help="Age of the patient, for --ranges.")
@click.option("--sex", type=click.Choice(["female", "male"]), help="Sex of the patient, for --ranges.")
@click.option(
    "--platelet-factor", type=POSITIVE, help="Your own factor: platelets per microlitre for one platelet per field."
)
@click.option(
    "--red-cell-factor", type=POSITIVE, help="Your own factor: red cells per microlitre for one red cell per field."
)
@click.option(
    "--bundle", "bundle_name", metavar="NAME_OR_DIR", help="Classifier to use; `leukolens doctor` lists them."
)
@click.option(
    "--detector", "detector_name", metavar="NAME_OR_DIR", help="Detector to use; `leukolens doctor` lists them."
)
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
    """Count the cells on photographed fields of one smear: a differential with intervals, and a report to check it.

    PATH is the photograph of one field, a folder of them, or @FILE with one path per line. Subfolders are searched.
    All photographs are taken as one smear. Research use, not a medical device.
    """
    from leukolens.core.folders import hold_folder
    from leukolens.core.taxonomy import CellKind
    from leukolens.smear.count import count
    from leukolens.smear.files import write_smear

    factors = {CellKind.PLATELET: platelet_factor, CellKind.RED_CELL: red_cell_factor}
    with hold_folder(out, force):
        with _bar("counting") as progress:
            result = count(
                paths,
                name=smear or out.resolve().name,
                pixel_size_um=pixel_size_um,
                leukocytes_per_liter=wbc_per_liter,
                ranges=_choose_ranges(ranges, age, sex),
                factors={kind: factor for kind, factor in factors.items() if factor is not None},
                classifier=bundle_name,
                detector=detector_name,
                progress=progress,
            )
        with _bar("drawing") as progress:
            report = write_smear(out, result, progress=progress)
    ctx.exit(_sum_up(result, report))


@contextmanager
def _bar(label: str) -> "Iterator[Progress]":
    """A progress bar on stderr, shown on a terminal only."""
    shown: Any = {"hidden": not sys.stderr.isatty(), "file": sys.stderr}
    with click.progressbar(length=1, label=label, **shown) as bar:

        def show(done: int, fields: int) -> None:
            bar.length = fields
            bar.update(1)

        yield show


def _choose_ranges(name: str | None, age: float | None, sex: str | None) -> "ReferenceRanges | None":
    if name is None:
        if age is not None or sex is not None:
            raise click.UsageError("--age and --sex are used with --ranges only: give --ranges too.")
        return None
    from leukolens.smear.ranges import read_ranges

    table = read_ranges(name)
    chosen = table.choose(age, sex or "")
    if chosen is None:
        raise click.UsageError(f"{table.name} has no range for this patient. Give --age and --sex, or another table.")
    return chosen


def _sum_up(result: "SmearResult", report: Path) -> int:
    """Says what was counted and what was not; gives the exit code."""
    from leukolens.core.files import show_name

    click.echo(f"Cells found by {result.detector}, classified by {result.classifier}.", err=True)
    for refusal in result.refused:
        click.echo(f"refused: {show_name(refusal.image)} {refusal.why}", err=True)
    for warning, fields in Counter(warning for field in result.fields for warning in field.warnings).items():
        click.echo(f"warning: {warning} (fields: {fields})", err=True)
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
