"""One-file HTML reports: sections in, a page out that needs no network and prints well.

All text is escaped by the template; only SVG from `leukolens.reporting.charts` and `.plates` passes as it is. What can be
opened, enlarged or hidden is done by style sheet alone: the page runs no script.
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
    """One picture of a gallery.

    Attributes:
        pixels: `(h, w, 3)` uint8 RGB.
        title: In bold below it.
        lines: Further lines.
        mark: `good`, `bad`, `unsure` or nothing: the colour of its edge, which its lines say in words too.
        beside: A second picture to the right of it, likewise `(h, w, 3)` uint8 RGB; None for most.
        spoken: Read out by screen readers where the title alone does not say what is shown.
    """

    pixels: NDArray[np.uint8]
    title: str
    lines: tuple[str, ...] = ()
    mark: str = ""
    beside: NDArray[np.uint8] | None = None
    spoken: str = ""

    @property
    def address(self) -> str:
        """The picture as a data address, of about 224 x 224 px at most."""
        return encode_picture(self.pixels, _PICTURE_PIXELS, 85)

    @property
    def beside_address(self) -> str:
        """The same of the picture beside it, or nothing."""
        return "" if self.beside is None else encode_picture(self.beside, _PICTURE_PIXELS, 85)


@dataclass(frozen=True)
class Section:
    """One part of a page; what is empty is left out.

    Attributes:
        title: Its heading.
        text: Paragraphs.
        warning: A paragraph in red, for what must not be missed.
        figures: Large numbers, `(value, what it is)`.
        header: Of the table.
        rows: Of the table.
        charts: SVG from `leukolens.reporting.charts`, shown side by side where there is room.
        pictures: A gallery.
        links: Where the first cell of each row leads, relative to the page; none, or one per row.
        plates: Large pictures that can be enlarged.
        small: Whether the gallery's pictures are shown small, for many cells of one kind.
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
    """The whole page as HTML; undated, the same sections give the same page."""
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
