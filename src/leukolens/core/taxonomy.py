"""The cell types that LeukoLens knows, and the names that datasets give them.

Names that any dataset may use stand here. Codes that only one dataset uses, such as Chula's numbers, stand in its
source.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

CELL_CLASSES = (
    "neutrophil",
    "eosinophil",
    "basophil",
    "lymphocyte",
    "monocyte",
    "immature_granulocyte",
    "erythroblast",
    "platelet",
)
"""The classes, in the order of every file, card and chart."""

LEUKOCYTE_CLASSES = CELL_CLASSES[:6]
"""The classes whose percentages are the differential."""


class CellKind(StrEnum):
    """What a detector tells apart before the classifier is asked; an erythroblast is a leukocyte until then."""

    LEUKOCYTE = "leukocyte"
    RED_CELL = "red_cell"
    PLATELET = "platelet"


DETECTED_KINDS = tuple(CellKind)
"""The kinds, in the order of every card and table."""


@dataclass(frozen=True)
class CellName:
    """A class, and the finer type if a dataset gives one."""

    label: str
    sub_label: str | None = None


_SYNONYMS: dict[CellName, tuple[str, ...]] = {
    CellName("neutrophil"): ("neutrophil", "neutrophile", "neut", "neu", "ne", "polymorphonuclear"),
    CellName("neutrophil", "segmented"): ("segmented neutrophil", "neutrophil segmented", "seg", "sne", "ngs"),
    CellName("neutrophil", "band"): ("band", "band neutrophil", "neutrophil band", "stab", "bne", "ngb"),
    CellName("eosinophil"): ("eosinophil", "eosinophile", "eos", "eo"),
    CellName("basophil"): ("basophil", "basophile", "baso", "ba", "bas"),
    CellName("lymphocyte"): ("lymphocyte", "lymph", "lym", "ly"),
    CellName("monocyte"): ("monocyte", "mono", "mon", "mo"),
    CellName("immature_granulocyte"): ("immature granulocyte", "ig"),
    CellName("immature_granulocyte", "promyelocyte"): ("promyelocyte", "pmy", "pmo"),
    CellName("immature_granulocyte", "myelocyte"): ("myelocyte", "my", "myb"),
    CellName("immature_granulocyte", "metamyelocyte"): ("metamyelocyte", "mmy", "mmz"),
    CellName("erythroblast"): ("erythroblast", "normoblast", "nucleated red blood cell", "nrbc", "ebo", "erb"),
    CellName("platelet"): ("platelet", "thrombocyte", "plt"),
}


def _fold(name: str) -> str:
    words = re.findall(r"[a-z]+", name.lower())
    return " ".join(word[:-1] if word.endswith("s") and len(word) > 4 else word for word in words)


_KIND_SYNONYMS: dict[CellKind, tuple[str, ...]] = {
    CellKind.LEUKOCYTE: ("leukocyte", "leucocyte", "white blood cell", "white cell", "wbc", "nucleated cell"),
    CellKind.RED_CELL: ("erythrocyte", "red blood cell", "red cell", "rbc"),
    CellKind.PLATELET: (),
}
_KIND_BY_FOLDED_NAME = {_fold(word): kind for kind, words in _KIND_SYNONYMS.items() for word in words}
_SHORTEST_WORD = 5
_BY_FOLDED_NAME = {_fold(word): name for name, words in _SYNONYMS.items() for word in words}


@lru_cache(1024)
def match_class(name: str) -> CellName | None:
    """The class that a dataset's name for a cell type means. None if the name is unknown.

    Case, plural, digits, underscores and hyphens do not matter: `2_Eosinophils` is an eosinophil.
    """
    return _BY_FOLDED_NAME.get(_fold(name))


def match_cell(name: str) -> tuple[CellKind, str | None] | None:
    """The kind of cell that a dataset's name for a box means, and its class if it is known. None if it is unknown."""
    kind = _KIND_BY_FOLDED_NAME.get(_fold(name))
    if kind is not None:
        return kind, None
    found = match_class(name)
    if found is None:
        return None
    return CellKind.PLATELET if found.label == CellKind.PLATELET else CellKind.LEUKOCYTE, found.label


def is_spelled_out(name: str) -> bool:
    """True if a name for a cell type is a word, such as `Eosinophils`, and no abbreviation such as `EO`."""
    return any(len(word) >= _SHORTEST_WORD for word in _fold(name).split())
