"""Where the overlapping tiles of a field lie. Each has a core, and the cores cover each pixel once.

A detection counts only in the tile whose core holds its centre.
"""

from dataclasses import dataclass
from itertools import pairwise

from leukolens.core.errors import UsageError


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in pixels; ends are exclusive.

    Attributes:
        start: Where the tile begins.
        stop: Where the tile ends. The last tile may end beyond the field, whose length need not be a multiple.
        core_start: Where the core begins.
        core_stop: Where the core ends; the last core ends with the field.
    """

    start: int
    stop: int
    core_start: int
    core_stop: int


@dataclass(frozen=True)
class Tile:
    """One tile: its span down the field and its span across."""

    rows: Span
    columns: Span


def lay_tiles(size: tuple[int, int], side: int, margin: int, multiple: int) -> tuple[Tile, ...]:
    """Tiles over a field, row by row; a single one where the field is no longer than a tile.

    Args:
        size: Height and width of the field.
        side: Length of a tile; a multiple of `multiple`.
        margin: Least distance from the border of a core to the border of its tile, inside the field. Cells up to twice
            as wide are whole in the tile whose core holds their centre.
        multiple: Tiles begin at multiples of this and their sides are multiples of it.

    Raises:
        UsageError: the field has no pixels, or tiles of this side have no core.
    """
    if min(size) < 1 or side % multiple or side < 2 * margin + multiple:
        raise UsageError(
            f"Tiles of side {side} with margins of {margin} in steps of {multiple} cannot cover a field of {size}: "
            f"a side must be a multiple, and longer than both margins."
        )
    rows, columns = (_lay_spans(length, side, margin, multiple) for length in size)
    return tuple(Tile(row, column) for row in rows for column in columns)


def _lay_spans(length: int, side: int, margin: int, multiple: int) -> list[Span]:
    whole = -(-length // multiple) * multiple
    if whole <= side:
        return [Span(0, whole, 0, length)]
    free = (whole - side) // multiple
    step = (side - 2 * margin) // multiple
    count = -(-free // step) + 1
    starts = [free * index // (count - 1) * multiple for index in range(count)]
    # The cores of neighbours meet in the middle of their overlap.
    borders = [0, *((left + side + right) // 2 for left, right in pairwise(starts)), length]
    return [Span(start, start + side, borders[index], borders[index + 1]) for index, start in enumerate(starts)]
