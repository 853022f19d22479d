"""`leukolens ladder`: train the models of the student texts, and write the table of ours beside theirs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leukolens.cli.main import SOME_REFUSED

if TYPE_CHECKING:
    from leukolens.ladder.runs import PlannedRun


@click.group("ladder", epilog="Example: leukolens ladder run dense conv1 --data synth --budget 300")
def command() -> None:
    """Train every model that the five texts describe, and tabulate published figures beside ours."""


@command.command("run", epilog="Example: leukolens ladder run conv1 --protocol honest")
@click.argument("rungs", nargs=-1)
@click.option(
    "--protocol",
    type=click.Choice(["published", "honest"]),
    help="The split of the text, or splits with every group on one side. Default: both.",
)
@click.option("--data", "data_name", metavar="NAME", help="Try the rungs on this dataset; the table does not change.")
@click.option("--budget", default=0, metavar="SECONDS", help="Each run ends after the epoch that uses this up.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("docs/ladder"),
    show_default=True,
    help="Folder of the ladder; the small files of each run go to its `runs`.",
)
@click.option("--plan", is_flag=True, help="Only list the runs.")
@click.pass_context
def run(
    ctx: click.Context,
    rungs: tuple[str, ...],
    protocol: str | None,
    data_name: str | None,
    budget: int,
    out: Path,
    plan: bool,
) -> None:
    """Train rungs, evaluate them, write their records. A run that was killed resumes; a recorded one is skipped."""
    from leukolens.ladder.runs import Ladder, plan_runs, run_all

    def report(what: str, done: int, total: int) -> None:
        if sys.stderr.isatty() and (done == total or done % 500 == 0):
            click.echo(f"\r{what}: {done} of {total} images", nl=done == total, err=True)

    def tell(planned: "PlannedRun", words: str) -> None:
        click.echo(f"{planned.rung} {planned.variant}: {words}")

    ladder = Ladder(out / "runs", budget, report)
    planned = plan_runs(rungs, protocol, data_name)
    if plan:
        for one in planned:
            tell(one, "recorded" if ladder.is_done(one) else "to do")
        return
    failed = run_all(ladder, planned, tell)
    if len(failed) < len(planned) and data_name is None:
        click.echo("Next: leukolens ladder table", err=True)
    if data_name is not None:
        for one in planned:
            if ladder.is_done(one):
                click.echo(f"{ladder.run_folder(one) / 'report' / 'report.html'}", err=True)
    ctx.exit(3 if planned and len(failed) == len(planned) else SOME_REFUSED if failed else 0)


@command.command("table", epilog="Example: leukolens ladder table --pages build/docs")
@click.option(
    "--out",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("docs/ladder"),
    show_default=True,
    help="Folder of the ladder, with the records under `runs`.",
)
@click.option(
    "--pages",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the table with charts, and a page for each run, as HTML into this folder too.",
)
def table(out: Path, pages: Path | None) -> None:
    """Write the table from the records: `ladder.md` beside the folder, and HTML pages where --pages says."""
    from leukolens.ladder.table import write_pages, write_table

    click.echo(str(write_table(out)))
    if pages is not None:
        click.echo(str(write_pages(out, pages)[0]))


@command.command("time", epilog="Example: leukolens ladder time")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("docs/ladder"),
    show_default=True,
    help="Folder of the ladder; `timings.json` goes there.",
)
def time_rungs(out: Path) -> None:
    """Time every rung and text 004's twelve backbones here: torch, ONNX, 8-bit ONNX. Run nothing else meanwhile."""
    from leukolens.ladder.timing import time_everything

    click.echo(str(time_everything(out, lambda words: click.echo(words, err=True))))
