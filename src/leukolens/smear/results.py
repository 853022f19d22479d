"""What `ll.count` gives: a counted smear as arrays, tables, pictures and files."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from leukolens.core.errors import InputRefused, UsageError
from leukolens.core.files import show_name
from leukolens.core.folders import hold_folder
from leukolens.core.pixels import Pixels
from leukolens.core.results import CellStatus
from leukolens.core.tables import needs_package
from leukolens.reporting.page import CAUTION
from leukolens.smear.cells import SmearCells, stack_cells
from leukolens.smear.files import Progress, ReadField, check_picture, read_again, write_report, write_smear
from leukolens.smear.overlay import CLASS_COLOURS, draw_overlay
from leukolens.smear.records import SmearRecord
from leukolens.smear.tables import SHARE_COLUMNS, describe_result, list_shares

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes


@dataclass(frozen=True, repr=False, eq=False)
class SmearResult(SmearRecord):
    """A counted smear.

    Pictures are not kept: what needs them reads the files again. Where a field was given as an array, give the array
    again.
    """

    @cached_property
    def cells(self) -> SmearCells:
        """All cells of all fields, counted or not, as arrays."""
        return stack_cells(self.fields)

    def to_dict(self) -> dict[str, object]:
        """What differential.json holds: the differential, counts and refused inputs as plain Python values."""
        return describe_result(self)

    def to_pandas(self, table: Literal["cells", "differential"] = "cells") -> "pandas.DataFrame":
        """A `pandas.DataFrame` of the cells, or of the differential in the columns of differential.csv.

        Raises:
            UsageError: pandas is not installed, or there is no such table.
        """
        with needs_package("pandas", "to_pandas()"):
            import pandas
        if table == "cells":
            return pandas.DataFrame(self.cells.columns())
        if table == "differential":
            return pandas.DataFrame(list_shares(self.differential.shares), columns=list(SHARE_COLUMNS))
        raise UsageError(f"No table is called {table!r}. Expected 'cells' or 'differential'.")

    def overlay(self, field_index: int, picture: Pixels | None = None) -> Pixels:
        """The picture of one field with its cells outlined: `(h, w, 3)` uint8 RGB, at most 2400 px on the longer side.

        Args:
            field_index: Place of the field in `fields`, from 0.
            picture: Its picture, `(h, w, 3)` uint8 RGB, where the field was given as an array.

        Raises:
            UsageError: the field's picture cannot be read any more, or the one given is another.
        """
        field = self.fields[field_index]
        try:
            pixels = read_again(field) if picture is None else check_picture(field, picture)
        except InputRefused as error:
            told = f"Field {field_index}, {show_name(field.name)}, cannot be drawn: it {error}"
            raise UsageError(f"{told} Give its array as `picture`.") from error
        return draw_overlay(pixels, field.cells)

    def report(self, path: str | Path, pictures: Sequence[Pixels] | None = None) -> None:
        """Writes the report, one HTML file that needs no network. An existing file is replaced.

        Args:
            path: Of the file.
            pictures: One `(h, w, 3)` uint8 RGB array for each of `fields`, where these were given as arrays.

        Raises:
            DataError: the file could not be written.
            UsageError: the number of pictures is wrong.
        """
        write_report(Path(path), self, self._reader(pictures))

    def save(
        self,
        folder: str | Path,
        pictures: Sequence[Pixels] | None = None,
        *,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Path:
        """Writes the files of `leukolens count` into a folder: tables, overlays, report and FHIR.

        Args:
            folder: Made if it does not exist.
            pictures: One `(h, w, 3)` uint8 RGB array for each of `fields`, where these were given as arrays.
            force: Whether to write into a folder that is not empty.
            progress: Called after each field with how many are drawn and how many there are.

        Returns:
            The path of the report.

        Raises:
            DataError: a file could not be written.
            UsageError: the folder is not empty, another process writes into it, or the number of pictures is wrong.
        """
        out = Path(folder)
        if not force and out.exists() and not (out.is_dir() and not any(out.iterdir())):
            raise UsageError(f"{show_name(str(out))} exists and is not an empty folder. Choose another, or force=True.")
        reader = self._reader(pictures)
        with hold_folder(out, force):
            return write_smear(out, self, reader, progress or (lambda done, fields: None))

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """The differential with its 95 % intervals as horizontal bars, drawn on matplotlib axes.

        Args:
            ax: Where to draw; a new figure where none is given.

        Returns:
            The axes; `axes.figure.savefig("smear.png")` saves them.

        Raises:
            UsageError: matplotlib is not installed.
        """
        with needs_package("matplotlib", "plot()"):
            from matplotlib import pyplot
        if ax is None:
            _, ax = pyplot.subplots(layout="constrained")
        shares = self.differential.shares
        names = [share.label.replace("_", " ") for share in shares]
        values = [share.percent for share in shares]
        errors = [
            [max(0.0, share.percent - share.interval.low) for share in shares],
            [max(0.0, share.interval.high - share.percent) for share in shares],
        ]
        colours = [CLASS_COLOURS[share.label] for share in shares]
        ax.barh(names, values, xerr=errors, color=colours, alpha=0.6, ecolor="#222222", capsize=3)
        ax.invert_yaxis()
        ax.set_xlim(0, 100)
        ax.set_xlabel("percent of leukocytes, with 95 % interval")
        ax.set_title(f"{show_name(self.name)}: {self.differential.leukocytes} leukocytes")
        return ax

    def __repr__(self) -> str:
        used = sum(field.usable for field in self.fields)
        review = self.differential.apart.get(CellStatus.REVIEW, 0)
        parts = [
            f"{self.differential.leukocytes} leukocytes on {used} of {len(self.fields)} fields",
            *(f"{share.label} {share.percent:.1f} %" for share in self.differential.shares if share.count),
            *([f"{review} for review"] if review else []),
            *([f"inputs refused: {len(self.refused)}"] if self.refused else []),
        ]
        return f"smear {show_name(self.name)}: {', '.join(parts)}"

    def _repr_html_(self) -> str:
        """The differential as a small table, for notebooks."""
        rows = "".join(
            f"<tr><th>{share.label.replace('_', ' ')}</th><td>{share.count}</td><td>{share.percent:.1f} %</td>"
            f"<td>{share.interval.low:.1f} to {share.interval.high:.1f}</td></tr>"
            for share in self.differential.shares
        )
        head = "<tr><th>class</th><th>cells</th><th>share</th><th>95 % interval</th></tr>"
        return f"<p>{escape(repr(self))}</p><table>{head}{rows}</table><p>{escape(CAUTION)}</p>"

    def _reader(self, pictures: Sequence[Pixels] | None) -> ReadField:
        if pictures is None:
            return read_again
        if len(pictures) != len(self.fields):
            raise UsageError(f"{len(pictures)} pictures were given. Expected {len(self.fields)}, one for each field.")
        try:
            given = [check_picture(field, picture) for field, picture in zip(self.fields, pictures, strict=True)]
        except InputRefused as error:
            raise UsageError(f"One of the pictures {error}") from error
        by_field = dict(zip(map(id, self.fields), given, strict=True))
        return lambda field: by_field[id(field)]
