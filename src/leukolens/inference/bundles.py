"""Bundles: where they lie, and how one is opened by its name, its folder or by default."""

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar, overload

from leukolens.core.card import CARD_NAME, Card, ClassifierCard, DetectorCard, read_card, read_task
from leukolens.core.errors import BundleError, UsageError
from leukolens.core.files import find_home, show_name
from leukolens.core.tasks import Task

SHIPPED = Path(__file__).parent.parent / "bundles"

DEFAULTS = {Task.CLASSIFICATION: "pbc", Task.DETECTION: "cells"}
"""The bundle of each task that is used where none is named."""

AnyCard = TypeVar("AnyCard", bound=Card, covariant=True)


@dataclass(frozen=True)
class Bundle(Generic[AnyCard]):
    """A folder with a model and its card.

    Attributes:
        folder: Where it lies.
        card: Read and checked.
    """

    folder: Path
    card: AnyCard


def list_bundles(task: Task | None = None) -> dict[str, Path]:
    """Folders of bundles by name: those that come with LeukoLens and those in the home folder.

    A bundle in the home folder takes the place of one of the same name that comes with LeukoLens.

    Args:
        task: Only bundles of this task; without it all, those with a broken card too.
    """
    found: dict[str, Path] = {}
    home = find_home()
    for root in [SHIPPED] + ([home / "bundles"] if home else []):
        found |= {path.parent.name: path.parent for path in sorted(root.glob(f"*/{CARD_NAME}"))}
    return {name: folder for name, folder in found.items() if task is None or read_task(folder) is task}


@overload
def load_bundle(
    model: str | Path | Bundle[Card] | None = None, task: Literal[Task.CLASSIFICATION] = Task.CLASSIFICATION
) -> Bundle[ClassifierCard]: ...
@overload
def load_bundle(model: str | Path | Bundle[Card] | None, task: Literal[Task.DETECTION]) -> Bundle[DetectorCard]: ...
@overload
def load_bundle(
    model: str | Path | Bundle[Card] | None = None, *, task: Literal[Task.DETECTION]
) -> Bundle[DetectorCard]: ...
@overload
def load_bundle(model: str | Path | Bundle[Card], task: None) -> Bundle[Card]: ...
def load_bundle(
    model: str | Path | Bundle[Card] | None = None, task: Task | None = Task.CLASSIFICATION
) -> Bundle[ClassifierCard] | Bundle[DetectorCard] | Bundle[Card]:
    """A bundle by its name or folder, or the default one of a task.

    Args:
        model: Name or folder; an opened bundle is given back; None for the default bundle of the task.
        task: What the model must be for; None for any task.

    Raises:
        BundleError: there is no such bundle, it is for another task, or its card and files do not hold together.
    """
    if isinstance(model, Bundle):
        bundle = model
    elif model is not None and not isinstance(model, str | Path):
        wanted = f"A {task.model}" if task else "A model"
        raise UsageError(
            f"{wanted} is expected: opened, as a bundle, or its bundle's name or folder; received {model!r}."
        )
    else:
        folder = _find_folder(DEFAULTS[task or Task.CLASSIFICATION] if model is None else model, task)
        bundle = Bundle(folder, read_card(folder))
    if task is not None and bundle.card.task is not task:
        raise BundleError(
            f"{show_name(str(bundle.folder))} is the bundle of a {bundle.card.task.model}, but a {task.model} is "
            f"needed here. There are: {', '.join(list_bundles(task)) or 'none'}."
        )
    return bundle


def _find_folder(model: str | Path, task: Task | None) -> Path:
    known = list_bundles(task)
    folder = known.get(str(model), Path(model))
    if not (folder / CARD_NAME).is_file():
        folder = list_bundles().get(str(model), folder)  # of another task, which the caller refuses in words
    if not (folder / CARD_NAME).is_file():
        raise BundleError(
            f"No bundle{f' of a {task.model}' if task else ''} is called {show_name(str(model))!r}, and it is no "
            f"folder with a card. There are: {', '.join(known) or 'none'}."
        )
    return folder
