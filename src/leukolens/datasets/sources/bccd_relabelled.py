"""Boxes that we drew again on BCCD's fields, because the public ones miss half of the red cells and some platelets.

Everybody who drew boxes worked without knowing what a detector finds. The files:

- `bccd-test-relabelled.csv`: all cells of the 72 test fields. A red cell had to show a third of itself to get a box.
- `bccd-test-second-look.csv`: all cells of some test fields, drawn a second time without knowing the first boxes.
- `bccd-test-platelets.csv`: the platelets of the other test fields, drawn a second time likewise.
- `bccd-training-relabelled.csv`: all cells of some fields for training or, by `part`, for validation. Cells of which
  only a sliver shows at the border have boxes too.
- `bccd-training-platelets.csv`: the platelets of other fields for training. Their other cells keep the public boxes.

`doubt` says what was hard to tell.
"""

from collections import defaultdict
from collections.abc import Collection

from leukolens.core.results import Box
from leukolens.core.taxonomy import CellKind
from leukolens.datasets.sources.tables import read_table

BCCD_HEIGHT_PX, BCCD_WIDTH_PX = 480, 640
RED_CELL_SHOWN = 1 / 3
"""How much of a red cell had to show to get a box in a test field."""

Relabelled = dict[str, tuple[tuple[Box, ...], tuple[Box, ...]]]
"""By field, the boxes without a doubt and the doubtful ones."""


def list_relabelled_test() -> Relabelled:
    """The cells of BCCD's test fields."""
    return _list_boxes("bccd-test-relabelled.csv")


def list_relabelled_training() -> Relabelled:
    """The cells of the relabelled fields for training and validation.

    A cell that is cut by the border, or hidden in part, is not doubtful here. A doubtful platelet was boxed only if it
    is more likely one than not, so it is taken as one.
    """
    return _list_boxes("bccd-training-relabelled.csv", ("cut", "hidden"), ("platelet",))


def list_validation_fields() -> set[str]:
    """The relabelled fields for validation. All their cells have boxes, so no correct detection counts as false."""
    return {row["field"] for row in read_table("bccd-training-relabelled.csv") if row["part"] == "validation"}


def list_second_look() -> Relabelled:
    """The cells of some of BCCD's test fields, drawn a second time."""
    return _list_boxes("bccd-test-second-look.csv")


def list_second_platelets() -> dict[str, tuple[Box, ...]]:
    """All platelets of each of BCCD's test fields, drawn a second time."""
    whole = _list_boxes("bccd-test-second-look.csv", (), ("platelet",))
    platelets = {
        field: tuple(box for box in sure if box.kind == CellKind.PLATELET) for field, (sure, _) in whole.items()
    }
    return platelets | _list_platelets("bccd-test-platelets.csv")


def list_training_platelets() -> dict[str, tuple[Box, ...]]:
    """All platelets of the fields for training whose other cells keep the public boxes."""
    return _list_platelets("bccd-training-platelets.csv")


def _list_platelets(name: str) -> dict[str, tuple[Box, ...]]:
    """By field. A field without platelets stands in the file with an empty box."""
    found = _list_boxes(name, (), ("platelet",))
    return {row["field"]: found.get(row["field"], ((), ()))[0] for row in read_table(name)}


def _list_boxes(name: str, no_doubts: Collection[str] = (), believed: Collection[str] = ()) -> Relabelled:
    """By field, the boxes without a doubt and the doubtful ones.

    Args:
        name: Of the file.
        no_doubts: Remarks in the column `doubt` that do not make a cell doubtful.
        believed: Kinds whose doubtful cells are taken as certain.
    """
    sure: dict[str, list[Box]] = defaultdict(list)
    doubtful: dict[str, list[Box]] = defaultdict(list)
    for row in read_table(name):
        if row["x0"] == "":
            continue
        x0, y0, x1, y1 = (float(row[side]) for side in ("x0", "y0", "x1", "y1"))
        label = "platelet" if row["kind"] == "platelet" else None
        doubted = row["doubt"] and row["doubt"] not in no_doubts and row["kind"] not in believed
        (doubtful if doubted else sure)[row["field"]].append(Box(x0, y0, x1, y1, CellKind(row["kind"]), label))
    return {field: (tuple(sure[field]), tuple(doubtful[field])) for field in sorted({*sure, *doubtful})}
