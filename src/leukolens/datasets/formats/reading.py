"""What a reader of a label format understood of a dataset."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from leukolens.core.taxonomy import match_cell, match_class
from leukolens.datasets.manifest import Manifest, Record


@dataclass(frozen=True)
class Reading:
    """A dataset and how it was understood.

    Attributes:
        manifest: Its images.
        layout: The label format, in words.
        meanings: What each class name of the dataset means; empty for a name that is not known.
    """

    manifest: Manifest
    layout: str
    meanings: Mapping[str, str] = field(default_factory=dict)


def explain_class(word: str) -> str:
    """The class that a name means, with the finer type; empty if it is unknown."""
    name = match_class(word)
    return "" if name is None else name.label + (f" ({name.sub_label})" if name.sub_label else "")


def explain_box(word: str) -> str:
    """The class or kind of cell that a name for boxes means; empty if it is unknown."""
    found = match_cell(word)
    return "" if found is None else found[1] or str(found[0])


def explain_records(records: tuple[Record, ...]) -> dict[str, str]:
    """What each class name means that stands in the records."""
    meanings: dict[str, str] = {}
    for record in records:
        if record.original_label and record.label:
            meanings[record.original_label] = record.label + (f" ({record.sub_label})" if record.sub_label else "")
    return meanings
