"""The command `leukolens`: runs a subcommand, and turns errors into exit codes.

0: all done. 1: some inputs were refused, the rest is done. 2: wrong usage, nothing done. 3: the work failed, or every
    input
was refused.
"""

import io
import os
import sys
import warnings
from importlib import import_module

import click

from leukolens.core.errors import LeukolensError, NothingRead, UsageError

COMMANDS = {
    "classify": "Classify the cell in each image: one row per image.",
    "count": "Count the cells on fields of a smear: a differential with intervals, and a report.",
    "data": "Add datasets, check them for leaks, split them, draw synthetic ones.",
    "explore": "Write a report on what a dataset looks like.",
    "train": "Train a model from a recipe.",
    "evaluate": "Measure how well a run, a bundle or a predictions file classifies or detects.",
    "ladder": "Train the models of the student texts, and tabulate them with the published figures.",
    "export": "Make a bundle from a finished run.",
    "demo": "Count a small synthetic smear, or your own fields, and write the report.",
    "doctor": "List what is installed, and test the models on synthetic cells.",
}

_EXTRAS = {
    "lab": ("pandas", "sklearn", "skimage", "scipy", "statsmodels", "matplotlib", "pooch", "kagglehub"),
    "train": (
        *("torch", "torchvision", "timm", "lightning", "torchmetrics", "onnx", "onnxscript", "safetensors"),
        *("huggingface_hub", "tensorboard", "tomli_w", "optuna", "filelock"),
    ),
}
"""Libraries that each extra of the package brings, by the names that Python imports."""

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
    """Find, classify and count the cells on photographs of stained blood, with intervals.

    Research use. Not a medical device: do not diagnose with it.
    """


def main() -> None:
    """Runs the command and exits with its code."""
    # Pillow's warnings on odd metadata do not help a user. LeukoLens itself refuses what cannot be used, or warns.
    warnings.filterwarnings("ignore", module="PIL")
    _open_output()
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
        click.echo("Stopped. No half-written file was left.", err=True)
        code = 130
    except ModuleNotFoundError as error:
        extra = _find_extra(error)
        if extra is None:
            raise
        _say(
            f"This command needs the library {error.name}, which the light install leaves out. "
            f"Install it with: pip install 'leukolens[{extra}]'"
        )
        code = FAILED
    except BrokenPipeError:
        # The program that read the output has ended. This is not an error.
        _drop_output()
        code = 0
    except OSError as error:
        _say(error)
        code = FAILED
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()  # else the interpreter tries again at exit and prints an error of its own
    sys.exit(code if isinstance(code, int) else 0)


def _find_extra(error: ModuleNotFoundError) -> str | None:
    """The extra of the package that brings a missing library; None where no extra does."""
    name = (error.name or "").partition(".")[0]
    extra = next((extra for extra, names in _EXTRAS.items() if name in names), None)
    # A training needs libraries of both extras; `train` brings `lab` too.
    return "train" if extra and sys.argv[1:2] in (["train"], ["export"], ["ladder"]) else extra


def _open_output() -> None:
    """Lets any file name be written: what goes to a file or a pipe is UTF-8, as all files of LeukoLens are."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        encoding = sys.stdout.encoding if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(error: Exception | str) -> None:
    click.echo(f"leukolens: {error}", err=True)
