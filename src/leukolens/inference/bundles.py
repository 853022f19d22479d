"""Where bundles lie: those that come with LeukoLens and those in the home folder. Opens none of them."""

from pathlib import Path

from leukolens.core.card_fields import CARD_NAME, read_task
from leukolens.core.errors import BundleError
from leukolens.core.files import home_folder, show_name

SHIPPED = Path(__file__).parent.parent / "bundles"


def list_bundles(task: str) -> dict[str, Path]:
    """The bundles for a task, by name; one in the home folder stands for its namesake that comes with LeukoLens."""
    found: dict[str, Path] = {}
    for root in (SHIPPED, home_folder() / "bundles"):
        found |= {path.parent.name: path.parent for path in sorted(root.glob(f"*/{CARD_NAME}"))}
    return {name: folder for name, folder in found.items() if read_task(folder) == task}


def find_bundle(name_or_folder: str | Path, task: str) -> Path:
    """The folder of a bundle for a task, by its name or as given; its card's task is checked where it is read.

    Raises:
        BundleError: no bundle is called so, and it is no folder with a card.
    """
    known = list_bundles(task)
    folder = known.get(str(name_or_folder), Path(name_or_folder))
    if not (folder / CARD_NAME).is_file():
        raise BundleError(
            f"No {task}'s bundle is called {show_name(str(name_or_folder))!r}, and it is no folder with a card. "
            f"There are: {', '.join(known) or 'none'}."
        )
    return folder
