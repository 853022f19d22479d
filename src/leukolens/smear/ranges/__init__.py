"""Reference ranges by site, age and sex: the shares and counts of most healthy people like the patient.

A table is a small TOML file that names its source. LeukoLens brings some, which lie beside this module; a laboratory
can write its own, and it should: no table is right for another place than its own. A table from a file is not trusted:
everything in it is checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from leukolens.core.errors import DataError, UsageError
from leukolens.core.files import show_name

_FOLDER = Path(__file__).parent
_LARGEST_FILE_BYTES = 1 << 16
_OLDEST_YEARS = 150.0

Range = tuple[float, float]

_Text = Annotated[str, Meta(max_length=600, pattern=r"\S")]
_Years = Annotated[float, Meta(ge=0, le=_OLDEST_YEARS)]
_Percent = Annotated[float, Meta(ge=0, le=100)]
_PerLiter = Annotated[float, Meta(ge=0, le=1e13)]
_Number = TypeVar("_Number")


@dataclass(frozen=True)
class ReferenceRanges:
    """The ranges for one group of people.

    Attributes:
        name: Name of the table and the group, for a report.
        source: Where the figures come from.
        percent: By class, percent of the leukocytes: lower and upper end.
        per_liter: By class, cells per litre: lower and upper end.
    """

    name: str
    source: str
    percent: Mapping[str, Range]
    per_liter: Mapping[str, Range]


class ClassRanges(msgspec.Struct, Generic[_Number], frozen=True, forbid_unknown_fields=True):
    """One range per leukocyte class, low and high; None where the table has none."""

    neutrophil: tuple[_Number, _Number] | None = None
    eosinophil: tuple[_Number, _Number] | None = None
    basophil: tuple[_Number, _Number] | None = None
    lymphocyte: tuple[_Number, _Number] | None = None
    monocyte: tuple[_Number, _Number] | None = None
    immature_granulocyte: tuple[_Number, _Number] | None = None

    def __post_init__(self) -> None:
        """Refuses a range whose ends are the wrong way round."""
        for label, (low, high) in self.given().items():
            if low >= high:
                raise ValueError(f"{label} = [{low:g}, {high:g}], expected the lower end first")

    def given(self) -> dict[str, Range]:
        """The ranges that the table has, by class."""
        return {label: ends for label in self.__struct_fields__ if (ends := getattr(self, label)) is not None}


class AgeGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ranges of people of one age and sex, from `from_years` up to but not including `to_years`."""

    from_years: _Years
    to_years: _Years
    sex: Literal["female", "male", "any"]
    percent: ClassRanges[_Percent] = ClassRanges()
    per_liter: ClassRanges[_PerLiter] = ClassRanges()

    def __post_init__(self) -> None:
        """Refuses a group of no age or without ranges."""
        if self.from_years >= self.to_years:
            raise ValueError(f"from_years = {self.from_years:g} is not below to_years = {self.to_years:g}")
        if not self.percent.given() and not self.per_liter.given():
            raise ValueError("no ranges, expected [group.percent] or [group.per_liter]")

    def holds(self, age_years: float, sex: str) -> bool:
        """Whether the group is for people of this age and sex."""
        return self.from_years <= age_years < self.to_years and self.sex in (sex, "any")

    def overlaps(self, other: "AgeGroup") -> bool:
        """Whether there are people to whom both groups apply."""
        apart = self.to_years <= other.from_years or other.to_years <= self.from_years
        return not apart and (self.sex == other.sex or "any" in (self.sex, other.sex))


class RangeTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"groups": "group"}):
    """Reference ranges of one site.

    Attributes:
        name: Whose ranges they are.
        source: Where the figures come from.
        note: What a reader must know about them.
        groups: By age and sex; no two overlap.
    """

    name: _Text
    source: _Text
    note: _Text
    groups: Annotated[tuple[AgeGroup, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        """Refuses groups that overlap."""
        for one, other in combinations(self.groups, 2):
            if one.overlaps(other):
                years = max(one.from_years, other.from_years)
                raise ValueError(f"[[group]]: two groups contain the age of {years:g} years")

    def choose(self, age_years: float | None, sex: str = "") -> ReferenceRanges | None:
        """The ranges for a person; None where the table has none, or the age or a sex that it needs is unknown.

        Args:
            age_years: Age in years; None where unknown.
            sex: `female` or `male`; empty where unknown.

        Raises:
            UsageError: the age or the sex is not valid.
        """
        if sex not in ("", "female", "male"):
            raise UsageError(f"Sex {sex!r}: expected 'female' or 'male', or '' where it is unknown.")
        if age_years is None:
            return None
        if not 0 <= age_years <= _OLDEST_YEARS:
            raise UsageError(f"Age {age_years!r}: expected years from 0 to {_OLDEST_YEARS:.0f}.")
        for group in self.groups:
            if group.holds(age_years, sex):
                people = "" if group.sex == "any" else f", {group.sex}"
                name = f"{self.name}, {group.from_years:g} to {group.to_years:g} years{people}"
                return ReferenceRanges(name, self.source, group.percent.given(), group.per_liter.given())
        return None


def list_tables() -> tuple[str, ...]:
    """Names of the tables that come with LeukoLens."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def read_ranges(path_or_name: str | Path) -> RangeTable:
    """Reads a table of reference ranges: one that comes with LeukoLens by name, or a TOML file by path.

    Raises:
        UsageError: there is neither such a name nor such a file.
        DataError: the file is not such a table; the message names the key.
    """
    shipped = str(path_or_name) in list_tables()
    path = _FOLDER / f"{path_or_name}.toml" if shipped else Path(path_or_name)
    if not path.is_file():
        raise UsageError(
            f"There are no reference ranges {show_name(str(path_or_name))}. Expected one of {', '.join(list_tables())}, "
            "or the path of a TOML file."
        )
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise ValueError(f"it is larger than {_LARGEST_FILE_BYTES >> 10} KiB")
        table = msgspec.toml.decode(path.read_bytes(), type=RangeTable)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{show_name(str(path))} is not a table of reference ranges: {error}. Copy one that comes with LeukoLens "
            f"({_FOLDER}) and change its figures."
        ) from error
    texts = {key: show_name(" ".join(getattr(table, key).split())) for key in ("name", "source", "note")}
    return msgspec.structs.replace(table, **texts)
