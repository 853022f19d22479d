"""The photographs that BCCD and both halves of Kaggle's blood-cells share: `BloodImage_00000` to `BloodImage_00410`.

`kaggle-source-map.csv` gives the photograph from which each augmented copy in Kaggle's `dataset2-master` was made.
`kaggle-same-field-pairs.csv` gives photographs that show one field of view twice. Both were made by matching pictures.
"""

from collections.abc import Iterable
from dataclasses import replace

from leukolens.core.taxonomy import CellKind
from leukolens.datasets.formats.boxes import Kind
from leukolens.datasets.groups import merge_sets
from leukolens.datasets.manifest import Record
from leukolens.datasets.sources.bccd_relabelled import list_validation_fields
from leukolens.datasets.sources.tables import read_table

BOX_KINDS: dict[str, Kind] = {
    "WBC": (CellKind.LEUKOCYTE, None),
    "RBC": (CellKind.RED_CELL, None),
    "Platelets": (CellKind.PLATELET, "platelet"),
}
"""What the class names in the boxes of both datasets mean."""


def name_field(number: str) -> str:
    """The name of a photograph: `BloodImage_00042`."""
    return f"BloodImage_{int(number):05d}"


def list_same_fields() -> list[tuple[str, str]]:
    """Pairs of photographs that show one field of view."""
    return [(name_field(row["a"]), name_field(row["b"])) for row in read_table("kaggle-same-field-pairs.csv")]


def list_kaggle_test_fields(folders: tuple[str, ...] = ("TEST",)) -> set[str]:
    """The photographs from which the copies in some folders of Kaggle's `dataset2-master` were made."""
    return {
        name_field(row["source_blood_image"])
        for row in read_table("kaggle-source-map.csv")
        if row["source_blood_image"] and row["file"].partition("/")[0] in folders
    }


def unite_photographs(records: Iterable[Record]) -> tuple[Record, ...]:
    """The records with one united group for all photographs of a field of view."""
    united = _name_united()
    return tuple(replace(record, united_group=united.get(record.group, "")) for record in records)


def mark_for_detectors(records: Iterable[Record]) -> tuple[Record, ...]:
    """As `unite_photographs`; also what a detector must not be trained on, and the fields on which it is chosen.

    A detector trained on any photograph of a field of Kaggle's TEST could not be judged there.
    """
    united = _name_united()
    tested = {united.get(field, field) for field in list_kaggle_test_fields(("TEST", "TEST_SIMPLE"))}
    validation = list_validation_fields()
    why = "Kaggle's TEST is made from this field, or from another photograph of it"
    return tuple(
        replace(
            record,
            fixed_part="validation" if record.id in validation else "",
            not_trained_on=why if (record.united_group or record.group) in tested else "",
        )
        for record in unite_photographs(records)
    )


def _name_united() -> dict[str, str]:
    """One name for all photographs of a field of view, by photograph, where there are several."""
    return {name: names[0] for names in merge_sets(list_same_fields()) for name in names}
