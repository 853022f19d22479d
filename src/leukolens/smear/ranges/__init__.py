"""Reference ranges by site, age and sex: which shares and counts are usual in healthy people like this patient.

A table is a small TOML file with its source: shipped ones stand beside this module, a laboratory's own is read from a
path and trusted no more than any other input. What a range says about a count is judged in `analysis.differential`.
No shipped table is right for a place that it does not come from; a laboratory should write its own.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from leukolens.core.errors import DataError, UsageError
from leukolens.core.files import show_name
from leukolens.core.taxonomy import LEUKOCYTE_CLASSES

SEXES = ("female", "male", "any")
_FOLDER = Path(__file__).parent
_LARGEST_FILE_BYTES = 1 << 16
_LONGEST_TEXT = 600
_OLDEST_YEARS = 150.0
_MOST_PER_LITER = 1e13
_TABLE_KEYS = {"name", "source", "note", "group"}
_GROUP_KEYS = {"from_years", "to_years", "sex", "percent", "per_liter"}

Range = tuple[float, float]


@dataclass(frozen=True)
class ReferenceRanges:
    """The ranges for one group of people.

    Attributes:
        name: Of the table and the group, for a report.
        source: Where the figures come from.
        percent: Of the leukocytes, by class.
        per_liter: Cells per litre, by class.
    """

    name: str
    source: str
    percent: Mapping[str, Range]
    per_liter: Mapping[str, Range]


@dataclass(frozen=True)
class _Group:
    from_years: float
    to_years: float
    sex: str
    percent: Mapping[str, Range]
    per_liter: Mapping[str, Range]

    def holds(self, age_years: float, sex: str) -> bool:
        return self.from_years <= age_years < self.to_years and self.sex in (sex, "any")

    def overlaps(self, other: "_Group") -> bool:
        apart = self.to_years <= other.from_years or other.to_years <= self.from_years
        return not apart and (self.sex == other.sex or "any" in (self.sex, other.sex))


@dataclass(frozen=True)
class RangeTable:
    """Reference ranges of one site.

    Attributes:
        name: Whose ranges they are.
        source: Where the figures come from.
        note: What a reader must know of them.
        groups: By age and sex, none of which overlap.
    """

    name: str
    source: str
    note: str
    groups: tuple[_Group, ...]

    def choose(self, age_years: float | None, sex: str = "") -> ReferenceRanges | None:
        """The ranges for a person; None where the table has none, or the age (or a sex that it asks for) is unknown.

        Raises:
            UsageError: the age is not one, or the sex is neither `female`, `male` nor empty.
        """
        if sex not in ("", *SEXES[:2]):
            raise UsageError(f"Sex {sex!r}: expected female or male, or nothing where it is not known.")
        if age_years is None:
            return None
        if not 0 <= age_years <= _OLDEST_YEARS:
            raise UsageError(f"Age {age_years!r}: expected years from 0 to {_OLDEST_YEARS:.0f}.")
        for group in self.groups:
            if group.holds(age_years, sex):
                whom = "" if group.sex == "any" else f", {group.sex}"
                name = f"{self.name}, {group.from_years:g} to {group.to_years:g} years{whom}"
                return ReferenceRanges(name, self.source, group.percent, group.per_liter)
        return None


def list_tables() -> tuple[str, ...]:
    """Names of the tables that LeukoLens brings."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def read_ranges(path_or_name: str | Path) -> RangeTable:
    """Reads a table of reference ranges: a shipped one by name, or a laboratory's own TOML file by path.

    Raises:
        UsageError: there is neither such a name nor such a file.
        DataError: the file is no such table.
    """
    shipped = str(path_or_name) in list_tables()
    path = _FOLDER / f"{path_or_name}.toml" if shipped else Path(path_or_name)
    if not path.is_file():
        raise UsageError(
            f"No reference ranges {show_name(str(path_or_name))}: expected one of {', '.join(list_tables())}, "
            "or the path of a TOML file."
        )
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise ValueError(f"over {_LARGEST_FILE_BYTES >> 10} KiB")
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        return _parse_table(fields)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{show_name(str(path))} is no table of reference ranges: {error}. Copy a shipped one and change its figures."
        ) from error


def _parse_table(fields: dict[str, Any]) -> RangeTable:
    _check_keys(fields, _TABLE_KEYS, "table")
    groups = fields.get("group")
    if not isinstance(groups, list) or not groups:
        raise ValueError("expected at least one [[group]]")
    parsed = tuple(_parse_group(group) for group in groups)
    for one, other in combinations(parsed, 2):
        if one.overlaps(other):
            raise ValueError(f"two groups for the age of {max(one.from_years, other.from_years):g} years")
    return RangeTable(_parse_text(fields, "name"), _parse_text(fields, "source"), _parse_text(fields, "note"), parsed)


def _parse_group(fields: Any) -> _Group:
    if not isinstance(fields, dict):
        raise ValueError(f"group {fields!r}, expected a [[group]]")
    _check_keys(fields, _GROUP_KEYS, "group")
    ages = [_parse_number(fields.get(key), key, _OLDEST_YEARS) for key in ("from_years", "to_years")]
    if ages[0] >= ages[1]:
        raise ValueError(f"a group from {ages[0]:g} to {ages[1]:g} years")
    if fields.get("sex") not in SEXES:
        raise ValueError(f"sex {fields.get('sex')!r}, expected one of {SEXES}")
    percent = _parse_ranges(fields.get("percent", {}), "percent", 100.0)
    per_liter = _parse_ranges(fields.get("per_liter", {}), "per_liter", _MOST_PER_LITER)
    if not percent and not per_liter:
        raise ValueError("a group without ranges, expected [group.percent] or [group.per_liter]")
    return _Group(ages[0], ages[1], fields["sex"], percent, per_liter)


def _parse_ranges(fields: Any, what: str, most: float) -> dict[str, Range]:
    if not isinstance(fields, dict):
        raise ValueError(f"{what} {fields!r}, expected class = [low, high]")
    _check_keys(fields, set(LEUKOCYTE_CLASSES), what)
    ranges = {}
    for label, ends in fields.items():
        if not isinstance(ends, list) or len(ends) != 2:
            raise ValueError(f"{what} of {label} {ends!r}, expected [low, high]")
        low, high = (_parse_number(end, f"{what} of {label}", most) for end in ends)
        if low >= high:
            raise ValueError(f"{what} of {label} from {low:g} to {high:g}")
        ranges[label] = (low, high)
    return ranges


def _check_keys(fields: Mapping[str, Any], known: set[str], what: str) -> None:
    unknown = sorted(set(fields) - known)
    if unknown:
        raise ValueError(f"{what} with {', '.join(map(repr, unknown))}, expected only {', '.join(sorted(known))}")


def _parse_number(value: Any, what: str, most: float) -> float:
    # TOML knows inf, nan and booleans.
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not 0 <= value <= most
    ):
        raise ValueError(f"{what} {value!r}, expected a number from 0 to {most:g}")
    return float(value)


def _parse_text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_TEXT:
        raise ValueError(f"{key} {str(value)[:80]!r}, expected a text of at most {_LONGEST_TEXT} letters")
    return show_name(" ".join(value.split()))
