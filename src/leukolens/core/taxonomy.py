"""The cell types LeukoLens knows, and what datasets call them.

Every room takes its class names from here. Synonyms that hold in any dataset stand here; codes that one dataset
alone uses (PBC's file prefixes, Chula's numbers) stand with that dataset's source.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

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
"""Classes in the order that every file, card and chart uses."""

LEUKOCYTE_CLASSES = CELL_CLASSES[:6]
"""The classes whose percentages make a differential."""


class CellKind(StrEnum):
    """What a detector tells apart before the classifier is asked; an erythroblast is a leukocyte until then."""

    LEUKOCYTE = "leukocyte"
    RED_CELL = "red_cell"
    PLATELET = "platelet"


DETECTED_KINDS = tuple(CellKind)
"""The kinds in the order that every card and table uses."""


@dataclass(frozen=True)
class CellName:
    """A class of ours, and the finer type a dataset gave, where it gave one."""

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


_BY_FOLDED_NAME = {_fold(word): name for name, words in _SYNONYMS.items() for word in words}


def match_class(name: str) -> CellName | None:
    """The class that a dataset's word for a cell type means, or None where we do not know the word.

    Case, plural, digits, underscores and hyphens do not matter: `2_Eosinophils` is an eosinophil.
    """
    return _BY_FOLDED_NAME.get(_fold(name))
