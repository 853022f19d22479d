import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukolens.core.errors import UsageError
from leukolens.inference.tiles import lay_tiles


@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 4), st.integers(0, 40), st.integers(1, 3))
def test_cores_cover_each_pixel_once_and_keep_their_margin(
    height: int, width: int, power: int, margin: int, more: int
) -> None:
    multiple = 2**power
    side = -(-2 * margin // multiple) * multiple + more * 3 * multiple
    seen = np.zeros((height, width), int)
    for tile in lay_tiles((height, width), side, margin, multiple):
        for span, length in ((tile.rows, height), (tile.columns, width)):
            assert span.start % multiple == (span.stop - span.start) % multiple == 0
            assert span.stop - span.start <= side
            assert span.start == 0 or span.core_start - span.start >= margin
            assert span.stop >= length or span.stop - span.core_stop >= margin
            assert span.stop < length + multiple
        seen[tile.rows.core_start : tile.rows.core_stop, tile.columns.core_start : tile.columns.core_stop] += 1
    assert (seen == 1).all()


def test_a_field_no_longer_than_a_tile_is_one_tile() -> None:
    (tile,) = lay_tiles((240, 320), 640, 96, 32)
    assert (tile.rows.stop, tile.rows.core_stop, tile.columns.stop) == (256, 240, 320)


@pytest.mark.parametrize(("size", "side"), [((0, 5), 640), ((5, 5), 192), ((5, 5), 650)])
def test_what_cannot_be_laid_is_refused(size: tuple[int, int], side: int) -> None:
    with pytest.raises(UsageError):
        lay_tiles(size, side, 96, 32)
