import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from leukolens.reporting.charts import ShareBar, draw_shares
from leukolens.reporting.page import Section, render_page
from leukolens.reporting.plates import DASHED, WHOLE, Outline, Plate, draw_plate, encode_picture, ink_on, reduce_picture

SVG = "{http://www.w3.org/2000/svg}"
NOISE = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)


def test_outlines_lie_on_the_picture_in_its_own_pixels() -> None:
    outlines = (
        Outline((1, 2, 11, 12), "#8a8f98", WHOLE),
        Outline((20, 2, 31, 12), "#8a8f98", WHOLE),
        Outline((60, 40, 90, 70), "#0072B2", DASHED, "cell <b>"),
    )
    tree = ElementTree.fromstring(draw_plate(NOISE, outlines, "Field & 1", 10_000))
    assert tree.attrib["viewBox"] == "0 0 120 90" and tree.attrib["aria-label"] == "Field & 1"
    paths = tree.findall(f".//{SVG}path")
    # Those without a word share one path: a field has hundreds of red cells.
    assert paths[0].attrib["d"] == "M1 2H11V12H1ZM20 2H31V12H20Z" and "stroke-dasharray" not in paths[0].attrib
    assert paths[-1].attrib["d"] == "M60 40H90V70H60Z" and "stroke-dasharray" in paths[-1].attrib
    assert [text.text for text in tree.iter(f"{SVG}text")] == ["cell <b>"]


def test_a_word_at_the_edge_stays_on_the_picture() -> None:
    outlines = [Outline((110, 0, 120, 9), "#0072B2", WHOLE, "immature granulocyte?")]
    tree = ElementTree.fromstring(draw_plate(NOISE, outlines, "t", 10_000))
    plate = tree.find(f".//{SVG}g/{SVG}rect")
    assert plate is not None
    x, y, width = (float(plate.attrib[key]) for key in ("x", "y", "width"))
    assert x >= 0 and y >= 0 and x + width <= 120


def test_a_picture_is_reduced_to_the_pixels_asked_for() -> None:
    data = base64.b64decode(encode_picture(NOISE, 2700).partition(",")[2])
    assert Image.open(io.BytesIO(data)).size == (60, 45)
    assert encode_picture(NOISE, 10**6) == encode_picture(NOISE, 90 * 120)


@pytest.mark.parametrize("scale", [0.9, 0.5, 0.3, 0.04, 0.001])
def test_reducing_in_bands_keeps_colours_where_they_were(scale: float) -> None:
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[:, 200:] = 250
    reduced = reduce_picture(picture, scale)
    assert reduced.shape == (max(1, int(300 * scale)), max(1, int(400 * scale)), 3)
    assert abs(float(reduced.mean()) - 125) < 12 or reduced.shape[1] == 1
    if reduced.shape[1] > 4:
        assert reduced[:, 0].max() == 0 and reduced[:, -1].min() == 250


def test_words_are_readable_on_any_colour() -> None:
    assert ink_on("#ffffff") == ink_on("#E69F00") == "#111111" and ink_on("#000000") == ink_on("#0072B2") == "#ffffff"


def test_plates_can_be_enlarged_by_keyboard_and_without_script() -> None:
    plates = tuple(Plate(f"F <{n}>", draw_plate(NOISE, (), "t", 99), ("a & b",), f"field-{n}") for n in (1, 2))
    page = render_page("t", "s", [Section("Fields", plates=plates)])
    assert "<script" not in page and "javascript" not in page and "onclick" not in page
    assert page.count('type="radio"') == 6 and page.count('type="checkbox"') == 2
    names = re.findall(r'id="([^"]+)"', page)
    assert len(names) == len(set(names))
    assert set(re.findall(r'for="([^"]+)"', page)) <= set(names)
    assert "F &lt;1&gt;" in page and "a &amp; b" in page


def test_every_share_is_said_in_words_and_drawn_to_scale() -> None:
    rows = [ShareBar("a <b>", (50.0, 40.0, 60.0), (45.0, 30.0, 70.0)), ShareBar("c", (0.0, 0.0, 3.7), None, "low")]
    tree = ElementTree.fromstring(draw_shares(rows, "T", ("one", "two")))
    words = ["".join(text.itertext()) for text in tree.iter(f"{SVG}text")]
    assert "50.0 % (40.0 to 60.0)" in words and "a <b>" in words and "c LOW" in words and "two" in words
    assert "80 %" in words and "100 %" not in words  # the axis ends after the longest interval
    bars = [bar for bar in tree.iter(f"{SVG}rect") if bar.attrib.get("height") in ("13", "9")]
    first, second, empty = (float(bar.attrib["width"]) for bar in bars)
    assert second / first == pytest.approx(0.9, abs=0.001) and empty == 0


def test_without_a_second_estimate_the_key_does_not_name_one() -> None:
    assert "two" not in draw_shares([ShareBar("a", (5, 1, 9))], "T", ("one", "two"))
    assert "nan" not in draw_shares([], "T", ("one", "two"))
