import pytest

from leukolens.core.taxonomy import CELL_CLASSES, LEUKOCYTE_CLASSES, CellName, match_cell, match_class


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("NEUTROPHIL", CellName("neutrophil")),
        ("2_Eosinophils", CellName("eosinophil")),
        ("ig", CellName("immature_granulocyte")),
        ("Band-Neutrophil", CellName("neutrophil", "band")),
        ("SNE", CellName("neutrophil", "segmented")),
        ("metamyelocytes", CellName("immature_granulocyte", "metamyelocyte")),
        ("nRBC", CellName("erythroblast")),
        ("thrombocyte", CellName("platelet")),
        ("cat", None),
        ("", None),
    ],
)
def test_words_of_datasets(word: str, expected: CellName | None) -> None:
    assert match_class(word) == expected


@pytest.mark.parametrize("name", CELL_CLASSES)
def test_every_class_knows_its_own_name(name: str) -> None:
    assert match_class(name) == CellName(name)


def test_a_differential_counts_neither_erythroblasts_nor_platelets() -> None:
    assert set(CELL_CLASSES) - set(LEUKOCYTE_CLASSES) == {"erythroblast", "platelet"}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("WBC", ("leukocyte", None)),
        ("White Blood Cells", ("leukocyte", None)),
        ("RBC", ("red_cell", None)),
        ("Platelets", ("platelet", "platelet")),
        ("nRBC", ("leukocyte", "erythroblast")),
        ("Band-Neutrophil", ("leukocyte", "neutrophil")),
        ("wheel", None),
    ],
)
def test_words_for_boxes(word: str, expected: tuple[str, str | None] | None) -> None:
    assert match_cell(word) == expected
