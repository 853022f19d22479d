"""PBC, Barcelona (Acevedo et al. 2020, Mendeley Data snkd93bnjr, CC BY 4.0): one folder per class, 17,092 cells.

File prefixes name finer types (`BNE` band, `SNE` segmented, `MMY`, `MY`, `PMY`). There are no patient numbers, so a
cell's group is itself, or its known near-duplicates.
"""

from dataclasses import replace
from pathlib import Path

from leukolens.core.taxonomy import match_class
from leukolens.data.manifest import Manifest
from leukolens.data.maps import read_map
from leukolens.data.sources import folder


def read(root: Path) -> Manifest:
    """Reads the class folders, with the prefixes as sub-labels and near-duplicates as groups.

    Raises:
        DataError: the folder or zip cannot be read or holds nothing.
    """
    manifest = folder.read(root)
    group_of = {}
    for pair in read_map("pbc-near-duplicates.csv"):
        group_of[pair["b"]] = group_of[pair["a"]] = pair["a"]
    records = []
    for record in manifest.records:
        finer = match_class(record.id.partition("_")[0])
        # EO_225902 and BNE_191112 are one picture: a prefix counts only where it agrees with its folder.
        sub_label = finer.sub_label if finer and finer.label == record.label else None
        stem = record.id.rpartition("/")[2]
        records.append(replace(record, source="pbc", sub_label=sub_label, group=group_of.get(stem, record.id)))
    return Manifest("pbc", tuple(records), manifest.refused)
