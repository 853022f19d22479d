"""`leukolens ladder`: train the models of the student texts, and the table of ours beside theirs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leukolens.cli.main import SOME_REFUSED

if TYPE_CHECKING:
    from leukolens.ladder.runs import PlannedRun


@click.group("ladder", epilog="Example: leukolens ladder run dense conv1 --data synth --budget 300")
def command() -> None:
    """Run every model that the five texts describe, as published and honestly, and tabulate."""


@command.command("run", epilog="Example: leukolens ladder run conv1 --protocol honest")
@click.argument("rungs", nargs=-1)
@click.option(
    "--protocol",
    type=click.Choice(["published", "honest"]),
    help="As the text did it, or so that nothing leaks. Default: both.",
)
@click.option("--data", "data_name", metavar="NAME", help="Try the rungs on this dataset; the table is left alone.")
@click.option("--budget", default=0, metavar="SECONDS", help="Each run ends after the epoch that uses this up.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("docs/ladder"),
    show_default=True,
    help="Folder of the table; small files of each run go to its `runs`.",
)
@click.option("--plan", is_flag=True, help="Only say which runs there would be.")
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
    """Train rungs, judge them, leave their small files. A run that was killed goes on; a recorded one is not repeated."""
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


@command.command("table", epilog="Example: leukolens ladder table")
@click.option(
    "--out",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("docs/ladder"),
    show_default=True,
    help="Folder of the table, with the runs' small files under `runs`.",
)
def table(out: Path) -> None:
    """Write the table from the runs' small files: `ladder.md` beside the folder, `ladder.html` in it, a page per run."""
    from leukolens.ladder.table import write_table

    for path in write_table(out)[:2]:
        click.echo(str(path))


@command.command("time", epilog="Example: leukolens ladder time")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("docs/ladder"),
    show_default=True,
    help="Folder of the table; `timings.json` goes there.",
)
def time_rungs(out: Path) -> None:
    """Time every rung and text 004's twelve backbones on this machine: torch, ONNX, 8-bit ONNX. Keep the machine quiet."""
    from leukolens.ladder.timing import time_everything

    click.echo(str(time_everything(out, lambda words: click.echo(words, err=True))))
