"""Our own maps of what is hidden in public datasets, made by matching and hashing pictures: the CSV files beside this.

`kaggle-source-map.csv` names the original field of each augmented copy, `kaggle-same-field-pairs.csv` originals that
show one field twice, `pbc-near-duplicates.csv` PBC pictures that are one (distance 0) or nearly, `txl-pbc-cells.csv`
the PBC cell that a TXL-PBC picture is. `bccd-test-relabelled.csv` holds every cell of BCCD's 72 test fields, boxed by eye,
blind to any detector (the public boxes miss half of the red cells); `doubt` says what was hard to tell. Of red cells those
were to be boxed of which a third shows. `bccd-taught-relabelled.csv` holds the cells, slivers at the border among them, of
fields that a finder learns from or, by `part`, is chosen by; `bccd-taught-platelets.csv` the platelets alone of the other
fields that it learns from, `bccd-test-platelets.csv` those of test fields as a second look boxed them.
`kaggle-test-by-eye.csv` holds what a pair of eyes, blind to labels and models, called the leukocyte of each of Kaggle's
71 TEST fields, and which labels an earlier look had doubted. Sources and splits read them; the audit finds what it can without them.
"""

import csv
from collections import defaultdict
from collections.abc import Collection
from importlib.resources import files

from leukolens.core.results import Box
from leukolens.core.taxonomy import CellKind

BCCD_HEIGHT_PX, BCCD_WIDTH_PX = 480, 640
RED_CELL_SHOWN = 1 / 3
"""How much of a red cell had to show for whoever boxed BCCD's test fields anew."""


def read_map(name: str) -> list[dict[str, str]]:
    """The rows of one of the CSV files."""
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def name_field(number: str) -> str:
    """What an original field of BCCD and Kaggle is called everywhere: `BloodImage_00042`."""
    return f"BloodImage_{int(number):05d}"


def list_same_pictures() -> list[tuple[str, str]]:
    """Pairs of PBC ids that are one picture."""
    return [(row["a"], row["b"]) for row in read_map("pbc-near-duplicates.csv") if row["distance"] == "0"]


def list_same_fields() -> list[tuple[str, str]]:
    """Pairs of groups that show one field twice: BCCD's and Kaggle's originals."""
    return [(name_field(row["a"]), name_field(row["b"])) for row in read_map("kaggle-same-field-pairs.csv")]


def list_kaggle_test_fields() -> set[str]:
    """The original fields of which Kaggle's TEST holds copies."""
    rows = read_map("kaggle-source-map.csv")
    return {
        name_field(row["source_blood_image"])
        for row in rows
        if row["source_blood_image"] and row["file"].startswith("TEST/")
    }


def list_relabelled() -> dict[str, tuple[tuple[Box, ...], tuple[Box, ...]]]:
    """The cells of BCCD's test fields as boxed by eye, by field: those without a doubt, and the doubtful ones."""
    return _list_boxes("bccd-test-relabelled.csv")


def list_redrawn() -> dict[str, tuple[tuple[Box, ...], tuple[Box, ...]]]:
    """The cells of some of BCCD's other fields, likewise.

    That one is cut, or hidden in part, is no doubt here; a doubted platelet was boxed as one more likely than not, and is one.
    """
    return _list_boxes("bccd-taught-relabelled.csv", ("cut", "hidden"), ("platelet",))


def list_validation_fields() -> set[str]:
    """Those of BCCD's fields boxed anew that a finder is chosen by: an unboxed cell would count there as a false find."""
    return {row["field"] for row in read_map("bccd-taught-relabelled.csv") if row["part"] == "validation"}


def list_second_look() -> dict[str, tuple[tuple[Box, ...], tuple[Box, ...]]]:
    """The cells of some of BCCD's test fields as a second look boxed them, which did not know the first; likewise."""
    return _list_boxes("bccd-test-second-look.csv")


def list_second_platelets() -> dict[str, tuple[Box, ...]]:
    """Every platelet of each of BCCD's test fields as a second look boxed them, which did not know the first."""
    whole = _list_boxes("bccd-test-second-look.csv", (), ("platelet",))
    told = {field: tuple(box for box in sure if box.kind == CellKind.PLATELET) for field, (sure, _) in whole.items()}
    return told | _list_platelets("bccd-test-platelets.csv")


def list_taught_platelets() -> dict[str, tuple[Box, ...]]:
    """Every platelet of fields that a finder learns from and whose other cells keep the public boxes."""
    return _list_platelets("bccd-taught-platelets.csv")


def _list_platelets(name: str) -> dict[str, tuple[Box, ...]]:
    """By field; one that has none stands in the file with an empty box."""
    told = _list_boxes(name, (), ("platelet",))
    return {row["field"]: told.get(row["field"], ((), ()))[0] for row in read_map(name)}


def _list_boxes(
    name: str, no_doubts: Collection[str] = (), believed: Collection[str] = ()
) -> dict[str, tuple[tuple[Box, ...], tuple[Box, ...]]]:
    """By field, the boxes without a doubt and the doubtful ones.

    Args:
        name: Of the file.
        no_doubts: Remarks that are none.
        believed: Kinds whose cells are taken for sure in spite of a doubt.
    """
    sure: dict[str, list[Box]] = defaultdict(list)
    doubtful: dict[str, list[Box]] = defaultdict(list)
    for row in read_map(name):
        if row["x0"] == "":
            continue
        x0, y0, x1, y1 = (float(row[side]) for side in ("x0", "y0", "x1", "y1"))
        label = "platelet" if row["kind"] == "platelet" else None
        doubted = row["doubt"] and row["doubt"] not in no_doubts and row["kind"] not in believed
        (doubtful if doubted else sure)[row["field"]].append(Box(x0, y0, x1, y1, CellKind(row["kind"]), label))
    return {field: (tuple(sure[field]), tuple(doubtful[field])) for field in sorted({*sure, *doubtful})}
