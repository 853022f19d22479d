"""The report on classified images: every picture with its call, those that need a person first."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from leukolens.analysis.classify import Calls
from leukolens.core.card import Card
from leukolens.core.errors import InputRefused
from leukolens.core.files import show_name, write_text
from leukolens.core.results import CellCall
from leukolens.data.images import read_image
from leukolens.reporting.page import Picture, Section, render_page

MOST_PICTURES = 400
"""A page with more pictures opens slowly on an old laptop."""

_ORDER = {"rejected": 0, "review": 1, "accepted": 2}


def write_report(path: Path, result: Calls, card: Card, truths: Mapping[str, str]) -> Path:
    """Writes `report.html`.

    Args:
        path: Where to.
        result: Calls on image files.
        card: Of the bundle that made them.
        truths: What was drawn, by image, where the images are synthetic; else empty.
    """
    ordered = sorted(result.calls, key=lambda call: (_ORDER[call.status], call.probability))
    shown = [_show(call, truths.get(call.image, "")) for call in ordered[:MOST_PICTURES]]
    counts = {
        status: sum(call.status == status for call in result.calls) for status in ("accepted", "review", "rejected")
    }
    overview = Section(
        "In short",
        text=(
            f"Model: {card.name} ({card.architecture}), trained on {card.training.get('data', 'unknown data')}. "
            f"Accepted means: calibrated probability at least {card.accept_threshold:.3f}, above which 99 % of its own laboratory's validation cells were right.",
            "In another laboratory, with another stain or camera, it can be wrong more often and sure of it: check some cells by eye first.",
        ),
        warning="These cells are synthetic: drawn by a program, not photographed." if truths else "",
        figures=(
            (str(len(result.calls)), "images"),
            (str(counts["accepted"]), "accepted"),
            (str(counts["review"]), "for a person to review"),
            (str(counts["rejected"]), "rejected: no cell to be seen"),
            (str(len(result.refused)), "refused: could not be read"),
        ),
    )
    classes = [(name, sum(call.label == name for call in result.calls)) for name in result.classes]
    table = Section(
        "Classes called",
        text=("A tally of these images, not a differential count.",),
        header=("class", "images"),
        rows=tuple((name.replace("_", " "), str(count)) for name, count in classes),
    )
    left = len(ordered) - len(shown)
    note = (f"{left} more images stand in predictions.csv only.",) if left > 0 else ()
    gallery = Section("Every image, those that need a person first", text=note, pictures=tuple(shown))
    sections = [overview, table, gallery]
    if result.refused:
        rows = tuple((show_name(refusal.image), refusal.why) for refusal in result.refused)
        sections.append(Section("Refused", header=("image", "why"), rows=rows))
    title = "Synthetic cells, classified" if truths else "Cells, classified"
    write_text(path, render_page(title, f"bundle {card.name}", sections))
    return path


def _show(call: CellCall, truth: str) -> Picture:
    name = show_name(Path(call.image).name)
    title = f"{call.label.replace('_', ' ')} {call.probability:.0%}" if call.label else "no cell"
    lines = [call.status + (f": {call.reason}" if call.reason else ""), name]
    mark = {"accepted": "good", "review": "unsure", "rejected": "bad"}[call.status]
    if truth:
        lines.insert(0, f"drawn as {truth.replace('_', ' ')}" + ("" if truth == call.label else ": WRONG"))
        mark = "good" if truth == call.label else "bad"
    try:
        pixels = read_image(call.image).pixels
    except InputRefused as error:
        # The call stands; only its picture went away between reading and reporting.
        return Picture(np.full((64, 64, 3), 230, np.uint8), title, (*lines, f"picture gone: {error}"), mark)
    return Picture(pixels, title, tuple(lines), mark)
