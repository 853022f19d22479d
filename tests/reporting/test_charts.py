import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from leukolens.reporting.charts import (
    draw_bars,
    draw_counts,
    draw_curves,
    draw_grid,
    draw_lines,
    draw_matrix,
    draw_points,
)
from leukolens.reporting.page import Picture, Section, render_page

CHARTS = {
    "curves": draw_curves({"train loss": [1.0, 0.5, float("nan")], "a < b": [0.2, 0.3, 0.4]}, "T & t", "epoch", "y"),
    "flat": draw_curves({"one": [0.5]}, "flat", "x", "y"),
    "empty": draw_curves({}, "empty", "x", "y"),
    "lines": draw_lines({str(k): [(0, 0), (1, 1)] for k in range(12)}, "many", "x", "y", diagonal=True),
    "bars": draw_bars([("a", 0.5, 0.4, 0.6), ("b", 0.0, 0.0, 1.0)], "bars", "share"),
    "counts": draw_counts([("a", (5, 2)), ("b & c", (0, 0))], ("images", "groups"), "counts", "x"),
    "points": draw_points({"a < b": [(0.1, -2.0), (0.5, 7.0)]}, "points", "x", "y", [("mean", 1.0, -3.0, 9.0)]),
    "grid": draw_grid([("immature_granulocyte", ["data:,"] * 8), ("b", [])], ("one", "two"), "grid", (40, 30)),
    "matrix": draw_matrix(["immature_granulocyte", "b"], [[9, 1], [0, 0]], "m", percent=True),
}


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_is_well_formed_and_stays_inside_its_frame(name: str) -> None:
    tree = ElementTree.fromstring(CHARTS[name])
    width, height = (float(value) for value in tree.attrib["viewBox"].split()[2:])
    for element in tree.iter():
        for key, most in (
            ("x", width),
            ("x1", width),
            ("x2", width),
            ("y", height),
            ("y1", height),
            ("y2", height),
            ("cx", width),
            ("cy", height),
        ):
            if key in element.attrib and "%" not in element.attrib[key]:
                assert -0.5 <= float(element.attrib[key]) <= most + 0.5
    assert "nan" not in CHARTS[name]


def test_a_long_line_is_drawn_with_fewer_points_and_keeps_its_ends() -> None:
    chart = draw_lines({"long": [(float(x), float(x % 7)) for x in range(5000)]}, "t", "x", "y")
    (line,) = (item for item in ElementTree.fromstring(chart).iter() if item.tag.endswith("polyline"))
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert 150 < len(points) < 300
    assert points[0][0] == pytest.approx(64, abs=0.1) and points[-1][0] == pytest.approx(420 - 16, abs=0.1)


def test_percentages_are_of_the_true_class() -> None:
    assert ">90.0<" in CHARTS["matrix"] and ">10.0<" in CHARTS["matrix"]


def test_text_is_escaped_and_pictures_stand_inside_the_page() -> None:
    picture = Picture(np.zeros((300, 300, 3), np.uint8), "<script>", ("line",), "bad")
    page = render_page(
        "a < b", "sub", [Section("s", ("<i>",), "warn", (("1", "n"),), ("h",), (("<td>",),), (), (picture,))]
    )
    assert "<script>" not in page and "&lt;script&gt;" in page and "<i>" not in page
    assert "data:image/webp;base64," in page and 'src="http' not in page


def test_links_lead_from_the_first_cell_only() -> None:
    section = Section("s", header=("a", "b"), rows=(("one", "1"), ("<b>", "2")), links=("one/r.html", ""))
    page = render_page("t", "u", [section], dated=False)
    assert '<a href="one/r.html">one</a>' in page and page.count("<a ") == 1 and "&lt;b&gt;" in page
    assert page == render_page("t", "u", [section], dated=False)


def test_levels_stand_in_their_bands_and_widen_the_range() -> None:
    chart = draw_points({"fields": [(1.0, 0.0), (2.0, 1.0)]}, "t", "x", "y", [("upper & limit", 8.0, 6.0, 10.0)])
    assert "upper &amp; limit +8.0" in chart
    root = ElementTree.fromstring(chart)
    line = next(item for item in root.iter() if item.get("stroke-dasharray") == "6 3")
    band = next(item for item in root.iter() if item.get("fill-opacity") == ".18")
    assert float(band.get("y", 0)) < float(line.get("y1", 0)) < float(band.get("y", 0)) + float(band.get("height", 0))
