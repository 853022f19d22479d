"""PBC, Barcelona (Acevedo et al. 2020, Mendeley Data snkd93bnjr, CC BY 4.0): one folder per class, 17,092 cells.

File prefixes give finer types (`BNE` band, `SNE` segmented, `MMY`, `MY`, `PMY`). There are no patient numbers, so a
cell is its own group, together with its near-duplicates. `pbc-near-duplicates.csv` lists cells whose pictures are
identical (distance 0) or nearly identical.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from leukolens.core.taxonomy import match_class
from leukolens.datasets.formats.class_folders import read_class_folders
from leukolens.datasets.groups import merge_sets
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.sources.origin import Origin
from leukolens.datasets.sources.tables import read_table

ORIGIN = Origin(
    "Barcelona PBC: 17,092 single cells of 8 classes, CellaVision DM96, May-Grünwald-Giemsa",
    "CC BY 4.0",
    "Acevedo, Merino, Alférez, Molina, Boldú, Rodellar (2020), Mendeley Data, doi:10.17632/snkd93bnjr.1",
    "https://data.mendeley.com/datasets/snkd93bnjr/1",
    "https://data.mendeley.com/public-files/datasets/snkd93bnjr/files/"
    "2fc38728-2ae7-4a62-a857-032af82334c3/file_downloaded",
)


def read(root: Path) -> Manifest:
    """Reads the class folders. Prefixes become sub-labels, near-duplicates become groups.

    Raises:
        DataError: the folder or zip cannot be read or holds no file.
    """
    manifest = read_class_folders(root)
    group_of = group_near_duplicates()
    records = []
    for record in manifest.records:
        stem = record.id.rpartition("/")[2]
        finer = match_class(stem.partition("_")[0])
        # EO_225902 and BNE_191112 are one picture, so a prefix counts only if it agrees with the folder.
        sub_label = finer.sub_label if finer and finer.label == record.label else None
        records.append(replace(record, source="pbc", sub_label=sub_label, group=group_of.get(stem, record.id)))
    return replace(manifest, name="pbc", records=mark(records))


def mark(records: Iterable[Record]) -> tuple[Record, ...]:
    """The records, each with the name of its picture if other records show the same picture."""
    pairs = [(row["a"], row["b"]) for row in read_table("pbc-near-duplicates.csv") if row["distance"] == "0"]
    picture_of = {name: names[0] for names in merge_sets(pairs) for name in names}
    return tuple(replace(record, same_picture=picture_of.get(record.id.rpartition("/")[2], "")) for record in records)


def group_near_duplicates() -> dict[str, str]:
    """The group of each PBC cell that has near-duplicates, by its id."""
    group_of: dict[str, str] = {}
    for pair in read_table("pbc-near-duplicates.csv"):
        group_of[pair["b"]] = group_of[pair["a"]] = pair["a"]
    return group_of
