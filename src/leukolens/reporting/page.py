"""HTML reports in one file: they need no network and no script, and they can be printed.

The template escapes all text; only SVG from `leukolens.reporting.charts` and `.plates` is inserted as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape
from numpy.typing import NDArray

from leukolens.reporting.plates import Plate, encode_picture

CAUTION = "Research use. LeukoLens is not a medical device: do not diagnose or treat with these results."

_PICTURE_PIXELS = 224 * 224


@dataclass(frozen=True)
class Picture:
    """One image of a gallery.

    Attributes:
        pixels: `(h, w, 3)` uint8 RGB.
        title: In bold below it.
        lines: Further lines.
        mark: `good`, `bad`, `unsure` or empty: the colour of its frame. Its lines must say the same in words.
        beside: A second image on its right, `(h, w, 3)` uint8 RGB; None without one.
        spoken: Read out by screen readers; the title where it is empty.
        link: Where the image leads, relative to the page; empty for nowhere.
    """

    pixels: NDArray[np.uint8]
    title: str
    lines: tuple[str, ...] = ()
    mark: str = ""
    beside: NDArray[np.uint8] | None = None
    spoken: str = ""
    link: str = ""

    @property
    def address(self) -> str:
        """The image as a data address, reduced to about 224 x 224 px."""
        return encode_picture(self.pixels, _PICTURE_PIXELS, 85)

    @property
    def beside_address(self) -> str:
        """The second image likewise; empty without one."""
        return "" if self.beside is None else encode_picture(self.beside, _PICTURE_PIXELS, 85)


@dataclass(frozen=True)
class Section:
    """One part of a page; empty fields are not shown.

    Attributes:
        title: Its heading.
        text: Paragraphs.
        warning: A paragraph in red.
        figures: Large numbers, `(value, what it is)`.
        header: Of the table.
        rows: Of the table.
        charts: SVG from `leukolens.reporting.charts`, shown side by side where there is room.
        pictures: A gallery.
        links: Target of a link on the first cell of each row, relative to the page; empty, or one per row.
        plates: Large images that can be enlarged.
        small: Whether the gallery shows its images small.
    """

    title: str
    text: tuple[str, ...] = ()
    warning: str = ""
    figures: tuple[tuple[str, str], ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    charts: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    links: tuple[str, ...] = ()
    plates: tuple[Plate, ...] = ()
    small: bool = False


def render_page(title: str, subtitle: str, sections: Sequence[Section], dated: bool = True) -> str:
    """The page as HTML; without a date, equal sections give an equal page."""
    environment = Environment(
        loader=PackageLoader("leukolens.reporting"),
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC") if dated else ""
    return environment.get_template("page.html").render(
        title=title, subtitle=subtitle, sections=sections, caution=CAUTION, made=made
    )
