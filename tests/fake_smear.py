"""A smear for tests: synthetic fields whose true boxes become cells, as a detector and a classifier would give them.

Which cells are for review or set apart is random. The figures look like a smear's, but mean nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from leukolens.core.pixels import Pixels
from leukolens.core.results import Advice, Box, CellStatus, FieldCell, Refusal
from leukolens.core.taxonomy import CELL_CLASSES, CellKind
from leukolens.datasets.synthetic import SyntheticField, draw_field, draw_slide
from leukolens.inference.bundles import load_bundle
from leukolens.smear.differential import count_kinds, make_differential
from leukolens.smear.ranges import read_ranges
from leukolens.smear.records import FieldResult
from leukolens.smear.results import SmearResult

PIXEL_UM = 0.13
REASONS = {
    CellStatus.REVIEW: "probability below 0.900",
    CellStatus.CUT: "lies on the border",
    CellStatus.CLUMPED: "touches another leukocyte",
    CellStatus.REPEATED: "was counted in another field",
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
    refused = (Refusal("fields/notes <b>.txt", "is not an image in a known format"),)
    ranges = read_ranges("united-kingdom").choose(40, "female")
    card = load_bundle().card
    result = SmearResult(
        name="S-12 <i>",
        fields=tuple(results),
        refused=refused,
        differential=make_differential(cells, card.confusion, 7e9, ranges),
        kinds=count_kinds(results, {CellKind.PLATELET: 20_000.0}),
        classes=CELL_CLASSES,
        classifier="pbc",
        detector="finder",
        cards=(card,),
    )
    return FakeSmear(result, pictures)


def _read_field(name: str, drawn: SyntheticField, number: int, rng: np.random.Generator) -> FieldResult:
    cells = []
    for cell in drawn.cells:
        box = Box(*map(float, (cell.x0, cell.y0, cell.x1, cell.y1)), kind=CellKind(cell.kind), label=cell.label)
        if cell.kind != CellKind.LEUKOCYTE:
            cells.append(FieldCell(box, 0.9, 0.9, np.empty(0), CellStatus.ACCEPTED))
            continue
        status = CellStatus(rng.choice([CellStatus.ACCEPTED, *REASONS], p=[0.8, 0.04, 0.08, 0.05, 0.03]))
        sure = float(rng.uniform(0.86, 0.999) if status == CellStatus.ACCEPTED else rng.uniform(0.35, 0.6))
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
