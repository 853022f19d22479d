import pytest

from leukolens.core.errors import UsageError
from leukolens.smear.leukocyte_count import check_leukocyte_count, parse_leukocyte_count


@pytest.mark.parametrize(
    "text",
    [
        *(
            "7.2e9",
            "7200000000",
            "7.2e9/L",
            "7.2 10*9/L",
            "7.2x10^9/l",
            "7.2 x 10⁹/L",
            "7.2\N{MULTIPLICATION SIGN}10^9/L",
            "7.2 10e9/L",
        ),
        *("7200/uL", "7200/µL", "7200 / mm³", "7200/mm^3", "7.2x10^3/uL", "7.2 10*3/mcL"),
        *("7.2 G/L", "7.2 Gpt/l", "7.2 K/uL", "7.2k/ul", " 7.2 thou/uL "),
    ],
)
def test_what_counters_print_is_read_with_its_unit(text: str) -> None:
    assert parse_leukocyte_count(text) == pytest.approx(7.2e9)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("7.2", r"7\.2 x 10\^9 per litre is meant, write 7\.2e9"),
        ("7200", r"7200 per microlitre is meant, write 7200/uL"),
        ("7200e9/L", "No living person"),
        ("7.2/uL", "No living person"),
        ("0", "No living person"),
        ("7e400", "No living person"),
        *(
            (text, "not a leukocyte count")
            for text in ("nan", "-7e9", "7,200/uL", "7.2e9/kg", "7.2x10/L", "710*9/L", "")
        ),
    ],
)
def test_what_no_living_person_has_is_refused_with_the_unit_meant(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse_leukocyte_count(text)


def test_numbers_are_checked_likewise() -> None:
    assert check_leukocyte_count(1e8) == 1e8 and check_leukocyte_count(1e12) == 1e12
    for number in (7.2, 9.9e7, 1.01e12, float("nan"), float("inf"), -7e9):
        with pytest.raises(UsageError, match="No living person"):
            check_leukocyte_count(number)
