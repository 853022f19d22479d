from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukolens.core.errors import DataError, LeukolensError, UsageError
from leukolens.core.taxonomy import LEUKOCYTE_CLASSES
from leukolens.smear.ranges import ClassRanges, list_tables, read_ranges

TABLE = """
name = "Here"
source = "our own 120 blood donors, 2026"
note = "Analyser A."

[[group]]
from_years = 1
to_years = 12
sex = "any"
[group.percent]
neutrophil = [20, 60]

[[group]]
from_years = 12
to_years = 99
sex = "female"
[group.per_liter]
neutrophil = [1.5e9, 7.0e9]

[[group]]
from_years = 12
to_years = 99
sex = "male"
[group.per_liter]
neutrophil = [1.4e9, 6.0e9]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "ranges.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", list_tables())
def test_each_shipped_table_names_its_source_and_fits_adults(name: str) -> None:
    table = read_ranges(name)
    assert any(character.isdigit() for character in table.source) or "Davis" in table.source
    adult = table.choose(40, "female")
    assert adult is not None and {"neutrophil", "lymphocyte"} <= set(adult.per_liter)
    assert adult.source == table.source and table.name in adult.name


def test_african_neutrophils_may_be_lower_than_british_ones() -> None:
    mali, britain = (read_ranges(name).choose(30, "male") for name in ("mali", "united-kingdom"))
    assert mali is not None and britain is not None
    assert mali.per_liter["neutrophil"][0] < britain.per_liter["neutrophil"][0]


def test_infants_have_more_lymphocytes() -> None:
    table = read_ranges("united-states")
    infant, adult = table.choose(1, ""), table.choose(40, "")
    assert infant is not None and adult is not None
    assert infant.percent["lymphocyte"][1] > adult.percent["lymphocyte"][1]
    assert table.choose(0.05, "") is None  # between the first day and one month the source says nothing


def test_age_and_sex_choose_the_group(tmp_path: Path) -> None:
    table = read_ranges(write(tmp_path, TABLE))
    child, woman, man = table.choose(11.9, "male"), table.choose(12, "female"), table.choose(40, "male")
    assert child is not None and child.percent == {"neutrophil": (20, 60)}
    assert woman is not None and woman.per_liter["neutrophil"] == (1.5e9, 7e9) and "female" in woman.name
    assert man is not None and man.per_liter["neutrophil"] == (1.4e9, 6e9)
    for age, sex in ((0.5, "male"), (99, "male"), (40, ""), (None, "male")):
        assert table.choose(age, sex) is None


@pytest.mark.parametrize(("age", "sex"), [(-1, ""), (float("nan"), ""), (1e9, ""), (40, "boy")])
def test_no_age_and_no_sex_are_refused(age: float, sex: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        read_ranges("mali").choose(age, sex)


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(UsageError, match="mali"):
        read_ranges("atlantis")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[20, 60]", "[60, 20]", r"neutrophil = \[60, 20\].*group\[0\]\.percent"),
        ("[20, 60]", "[20, 600]", r"<= 100.*group\[0\]\.percent\.neutrophil\[1\]"),
        ("[20, 60]", "[20]", r"length 2.*percent\.neutrophil"),
        ("[20, 60]", "[nan, 60]", r"percent\.neutrophil\[0\]"),
        ("[20, 60]", "[20, inf]", r"percent\.neutrophil\[1\]"),
        ("[20, 60]", "[-1, 60]", r"percent\.neutrophil\[0\]"),
        ("[20, 60]", "[false, true]", r"percent\.neutrophil\[0\]"),
        ("[20, 60]", '"20 to 60"', r"percent\.neutrophil"),
        ("[1.5e9, 7.0e9]", "[1.5e9, 7.0e19]", r"group\[1\]\.per_liter\.neutrophil\[1\]"),
        ("neutrophil = [20", "neutrophile = [20", r"unknown field `neutrophile`.*group\[0\]\.percent"),
        ("from_years = 1\n", "from_years = 13\n", r"from_years = 13 is not below to_years = 12"),
        ("from_years = 1\n", "from_years = nan\n", r"group\[0\]\.from_years"),
        ("from_years = 1\n", "", "missing required field `from_years`"),
        ("to_years = 12", "to_years = 13", "two groups contain the age of 12 years"),  # overlaps both sexes
        ('sex = "male"', 'sex = "female"', "two groups contain the age of 12 years"),
        ('sex = "male"', 'sex = "other"', r"'other'.*group\[2\]\.sex"),
        ('note = "Analyser A."', "", "missing required field `note`"),
        ('note = "Analyser A."', 'note = ""', r"\$\.note"),
        ('note = "Analyser A."', 'note = " "', r"\$\.note"),
        ('note = "Analyser A."', "note = 3", r"\$\.note"),
        ('note = "Analyser A."', f'note = "{"x" * 700}"', r"length <= 600.*\$\.note"),
        ('note = "Analyser A."', 'note = "A"\nscript = "x"', "unknown field `script`"),
        ("[group.percent]\nneutrophil = [20, 60]", "", r"no ranges.*group\[0\]"),
        ("[[group]]", "[group]", "."),
        (TABLE, 'name = "a"\nsource = "b"\nnote = "c"\ngroup = []', r"length >= 1.*\$\.group"),
        (TABLE, "", "missing required field `name`"),
        (TABLE, TABLE + "#" * 70_000, "larger than 64 KiB"),
    ],
)
def test_a_table_that_does_not_hold_together_is_refused_by_the_name_of_the_key(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert old in TABLE
    with pytest.raises(DataError, match=rf"is not a table of reference ranges: .*{told}"):
        read_ranges(write(tmp_path, TABLE.replace(old, new)))


def test_a_table_has_a_range_for_each_leukocyte_class() -> None:
    assert ClassRanges.__struct_fields__ == LEUKOCYTE_CLASSES


def test_control_characters_of_a_text_are_made_harmless(tmp_path: Path) -> None:
    table = read_ranges(write(tmp_path, TABLE.replace("Analyser A.", "a\\u001b[31mb\\nc")))
    assert table.note == "a\\x1b[31mb c"


@given(st.binary(max_size=120))
def test_no_bytes_get_past_as_another_error(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "ranges.toml"
    path.write_bytes(raw)
    with pytest.raises(LeukolensError):
        read_ranges(path)
