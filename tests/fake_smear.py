"""A smear for tests: synthetic fields whose truth boxes become cells, as finding and naming them would give.

Numbers of its differential are Wilson's on the drawn truth and small changes of them: they look like a smear's, and
stand for nothing.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from leukolens.core.intervals import Interval, wilson_interval
from leukolens.core.pixels import Pixels
from leukolens.core.results import (
    Advice,
    Box,
    Differential,
    FieldCell,
    FieldResult,
    KindCount,
    Refusal,
    Share,
    SmearResult,
)
from leukolens.core.taxonomy import CELL_CLASSES, LEUKOCYTE_CLASSES
from leukolens.data.synthetic import SyntheticField, draw_field, draw_slide

PIXEL_UM = 0.13
REASONS = {
    "review": "the classifier is not sure enough",
    "cut": "lies on the border",
    "clumped": "touches another leukocyte",
    "smudge": "has burst",
    "repeated": "was counted in another field",
    "rejected": "is none of the classes",
}
_MIX = (*["neutrophil"] * 6, *["lymphocyte"] * 3, "monocyte", "eosinophil", "basophil", "erythroblast")


@dataclass(frozen=True)
class FakeSmear:
    """A result and the pictures that it speaks of, by name."""

    result: SmearResult
    pictures: dict[str, Pixels]


def make_smear(fields: int = 4, width: int = 320, seed: int = 0, names: Iterable[str] = ()) -> FakeSmear:
    """A smear of so many fields, three quarters as high as wide, with about four leukocytes each."""
    rng = np.random.default_rng(seed)
    slide = draw_slide(rng)
    given = [*names, *(f"fields/field {number}.png" for number in range(fields))][:fields]
    pictures, results = {}, []
    for number, name in enumerate(given):
        labels = rng.choice(_MIX, size=int(rng.integers(2, 6))).tolist()
        drawn = draw_field(rng, width, width * 3 // 4, PIXEL_UM, labels, slide)
        pictures[name] = drawn.image
        results.append(_read_field(name, drawn, number, rng))
    cells = [cell for field in results if field.usable for cell in field.cells]
    kinds = tuple(
        KindCount(kind, count, (count / fields, Interval(0.8 * count / fields, 1.2 * count / fields, "bootstrap")))
        for kind, count in sorted(Counter(cell.box.kind for cell in cells).items())
    )
    refused = (Refusal("fields/notes <b>.txt", "is not a picture that we read"),)
    differential = make_differential(cells)
    return FakeSmear(
        SmearResult("S-12 <i>", tuple(results), refused, differential, kinds, CELL_CLASSES, "pbc", "finder"), pictures
    )


def _read_field(name: str, drawn: SyntheticField, number: int, rng: np.random.Generator) -> FieldResult:
    cells = []
    for cell in drawn.cells:
        box = Box(*map(float, (cell.x0, cell.y0, cell.x1, cell.y1)), kind=cell.kind, label=cell.label)
        if cell.kind != "leukocyte":
            cells.append(FieldCell(box, 0.9, 0.9, np.empty(0), "accepted"))
            continue
        status = str(rng.choice(["accepted", *REASONS], p=[0.7, 0.1, 0.06, 0.05, 0.04, 0.03, 0.02]))
        sure = float(rng.uniform(0.86, 0.999) if status == "accepted" else rng.uniform(0.35, 0.6))
        shares = rng.dirichlet(np.ones(len(CELL_CLASSES))) * (1 - sure)
        shares[CELL_CLASSES.index(cell.label or "")] += sure
        cells.append(FieldCell(box, 0.97, float(shares.max()), shares, status, REASONS.get(status, "")))
    advice: tuple[Advice, ...] = ()
    if number == 1:
        advice = (Advice("too thin: cells lie far apart", "move away from the feathered edge"),)
    if number == 2:
        advice = (Advice("out of focus", "refocus on the nuclei of the leukocytes", stops=True),)
    height, width = drawn.image.shape[:2]
    return FieldResult(name, height, width, tuple(cells), 7.5 / PIXEL_UM, PIXEL_UM, "red cells", advice)


def make_differential(cells: Iterable[FieldCell]) -> Differential:
    """Wilson's intervals, and corrected figures a little beside them; eosinophils are called high."""
    nucleated = [cell for cell in cells if cell.box.kind == "leukocyte"]
    accepted = Counter(cell.box.label for cell in nucleated if cell.status == "accepted")
    total = sum(accepted[label] for label in LEUKOCYTE_CLASSES)
    apart = Counter(cell.status for cell in nucleated if cell.status != "accepted")
    shares = []
    for label in LEUKOCYTE_CLASSES:
        count = accepted[label]
        percent = 100 * count / total if total else 0.0
        interval = _scale(wilson_interval(count, total), 100, "Wilson")
        wide = _scale(wilson_interval(count, total, 2.6), 100, "Goodman 1965")
        volume = _scale(interval, 7e7, "Wilson times the count given") if total else None
        high = label == "eosinophil" and count > 0
        shares.append(
            Share(
                label,
                count,
                percent,
                interval,
                wide,
                0.95 * percent + 0.5 if total else None,
                Interval(0.9 * interval.low, min(100.0, 1.05 * interval.high + 1), "Bayes, 4000 draws")
                if total
                else None,
                (percent * 0.9, min(100.0, percent * 0.9 + 10)),
                (7e7 * percent, volume) if volume else None,
                "high" if high else "",
                "1.0 to 6.0 % (a textbook)" if label == "eosinophil" else "",
            )
        )
    per_100 = (100 * accepted["erythroblast"] / total, Interval(0.3, 9.1, "score")) if total else None
    ratio = (1.9, Interval(1.2, 3.1, "from Wilson's")) if total else None
    progress = tuple((goal, max(0, goal - total)) for goal in (100, 200, 400))
    given = 7e9 if total else None
    corrected = given / (1 + per_100[0] / 100) if given and per_100 else None
    return Differential(
        tuple(shares), total, dict(apart), accepted["erythroblast"], per_100, given, corrected, ratio, progress
    )


def _scale(interval: Interval, by: float, method: str) -> Interval:
    return Interval(by * interval.low, by * interval.high, method)
