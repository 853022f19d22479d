"""The command `leukolens`: finds the subcommand, and turns errors into exit codes.

0 all done; 1 some inputs were refused; 2 wrong usage, nothing done; 3 the work failed or every input was refused.
"""

import os
import sys
import warnings
from importlib import import_module

import click

from leukolens.core.errors import LeukolensError, NothingRead, UsageError

COMMANDS = {
    "classify": "Name the cell in each image.",
    "count": "Count the cells on the fields of a smear, with intervals and a report.",
    "data": "Add, check, split and draw datasets.",
    "explore": "Show what a dataset looks like before anyone trains.",
    "train": "Train a model by a recipe.",
    "evaluate": "Judge a run, a bundle or a predictions file.",
    "ladder": "Train the models of the student texts, and tabulate them beside what was published.",
    "export": "Make a bundle of a finished run.",
    "demo": "Classify synthetic cells, or your own images, and write a report.",
    "doctor": "Say what is installed, and test it on a known image.",
}

SOME_REFUSED = 1
FAILED = 3


class _LazyGroup(click.Group):
    """Imports a command's file only when the command is used, so that the program starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"leukolens.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command("leukolens", cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="leukolens", prog_name="leukolens")
def group() -> None:
    """Read photographs of stained blood: name white blood cells, say how sure that is.

    Research use, not a medical device: do not diagnose with it.
    """


def main() -> None:
    """Runs the command and leaves with its exit code."""
    # Remarks on odd metadata inside pictures tell a user nothing; what matters is refused or warned of by us.
    warnings.filterwarnings("ignore", module="PIL")
    try:
        code = group.main(prog_name="leukolens", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = 2
    except NothingRead as error:
        _say(error)
        code = FAILED
    except UsageError as error:
        _say(error)
        code = 2
    except LeukolensError as error:
        _say(error)
        code = FAILED
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped. Nothing half-written was left.", err=True)
        code = 130
    except BrokenPipeError:
        # Whoever read our output has left: not an error of ours, and nothing more can be said to them.
        _drop_output()
        code = 0
    except OSError as error:
        _say(error)
        code = FAILED
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()  # else the interpreter tries once more as it ends, and complains in its own words
    sys.exit(code if isinstance(code, int) else 0)


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(error: Exception) -> None:
    click.echo(f"leukolens: {error}", err=True)
