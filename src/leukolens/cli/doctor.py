"""`leukolens doctor`: lists what is installed, and tests the default models on synthetic cells."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leukolens.cli.main import FAILED
from leukolens.core.tasks import Task
from leukolens.core.taxonomy import CellKind

if TYPE_CHECKING:
    from leukolens.core.card import Card

_INSTALLS = {
    "light": ("numpy", "onnxruntime", "pillow", "click", "jinja2", "msgspec", "platformdirs"),
    "lab": ("pandas", "scipy", "scikit-learn", "scikit-image", "statsmodels", "matplotlib", "pooch"),
    "train": ("torch", "torchvision", "timm", "lightning", "onnx", "safetensors"),
}


@click.command("doctor", epilog="Example: leukolens doctor")
@click.pass_context
def command(ctx: click.Context) -> None:
    """List the installed packages and bundles, and test the default models on synthetic cells.

    The test shows whether the installation works. It does not show how well photographs of blood are read.
    """
    from leukolens.core.files import find_home
    from leukolens.inference.bundles import DEFAULTS, list_bundles

    click.echo(f"leukolens {version('leukolens')}, Python {platform.python_version()}, {platform.platform()}")
    for install, packages in _INSTALLS.items():
        have = {name: _version(name) for name in packages}
        missing = [name for name, number in have.items() if not number]
        state = "complete" if not missing else f"missing: {', '.join(missing)}"
        click.echo(f"{install}: {state}  ({', '.join(f'{name} {number}' for name, number in have.items() if number)})")
    click.echo(f"home: {find_home() or 'none; set LEUKOLENS_HOME to a folder to add datasets'}")
    healthy = True
    for name, folder in list_bundles().items():
        healthy &= _report_bundle(name, folder)
    right, total = _test_classifier()
    click.echo(f"self-test: {DEFAULTS[Task.CLASSIFICATION]} classifies {right} of {total} synthetic cells correctly")
    found, drawn = _test_detector()
    click.echo(f"self-test: {DEFAULTS[Task.DETECTION]} finds {found} of {drawn} leukocytes on a synthetic field")
    if not healthy or right < total or found < drawn:
        click.echo(
            "This installation does not work correctly. Install LeukoLens again before you use its results.", err=True
        )
        ctx.exit(FAILED)


def _report_bundle(name: str, folder: Path) -> bool:
    """Prints what a bundle is; gives whether card and files belong together."""
    from leukolens.core.card import ClassifierCard, read_card
    from leukolens.core.errors import BundleError
    from leukolens.inference.bundles import DEFAULTS

    try:
        card: Card = read_card(folder)
    except BundleError as error:
        click.echo(f"bundle {name}: BROKEN. {error}")
        return False
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    what = (
        f"classifies into {len(card.classes)} classes"
        if isinstance(card, ClassifierCard)
        else f"finds {len(card.kinds)} kinds of cell"
    )
    mark = " (default)" if name == DEFAULTS[card.task] else ""
    click.echo(f"bundle {name}{mark}: {what}, {card.architecture}, {size:.1f} MB, hashes agree")
    return True


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _test_classifier() -> tuple[int, int]:
    """How many synthetic cells, one per class, the default classifier classifies correctly, and how many there are."""
    import numpy as np

    from leukolens.datasets.synthetic import draw_cell
    from leukolens.inference.bundles import load_bundle
    from leukolens.inference.classify import classify

    bundle = load_bundle()
    cells = [draw_cell(name, np.random.default_rng(7)) for name in bundle.card.classes]
    predictions = classify(cells, bundle)
    return sum(item.label == name for item, name in zip(predictions, bundle.card.classes, strict=True)), len(cells)


def _test_detector() -> tuple[int, int]:
    """How many leukocytes of a synthetic field the default detector finds, and how many were drawn."""
    import numpy as np

    from leukolens.core.overlaps import measure_overlaps, stack_corners
    from leukolens.core.results import Box
    from leukolens.datasets.synthetic import draw_field
    from leukolens.inference.detector import open_detector
    from leukolens.inference.view import detect_cells

    field = draw_field(np.random.default_rng(7), leukocytes=("neutrophil", "lymphocyte", "monocyte"))
    drawn = [Box(c.x0, c.y0, c.x1, c.y1, CellKind(c.kind)) for c in field.cells if c.kind == CellKind.LEUKOCYTE]
    detected = detect_cells(field.image, open_detector()).detected
    found = [item.box for item in detected if item.box.kind == CellKind.LEUKOCYTE]
    overlaps = measure_overlaps(stack_corners(drawn)[:, None], stack_corners(found)[None])
    return int((overlaps > 0.5).any(axis=1).sum()), len(drawn)
