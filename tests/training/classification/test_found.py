from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from leukolens.core.results import Box
from leukolens.datasets.manifest import Record
from leukolens.training.classification import found
from leukolens.training.classification.found import find_cells_of


def test_pictures_are_cut_to_their_cells_once_and_kept(
    toy_detector: Path, toy_finder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = [(x, y) for x in range(60, 600, 90) for y in range(60, 420, 90) if (x, y) != (330, 240)]
    boxes = [Box(x - 24, y - 24, x + 24, y + 24, "red_cell") for x, y in grid]
    cell = Box(297, 207, 363, 273, "leukocyte")
    for name, drawn in (("with", [*boxes, cell]), ("without", boxes)):
        Image.fromarray(toy_finder.draw_discs((480, 640), drawn)).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_text("no picture")
    records = [
        Record(name, str(tmp_path / f"{name}.png"), "lymphocyte", "", "t", name)
        for name in ("with", "without", "broken")
    ]
    known = Record(
        "known", str(tmp_path / "with.png"), "lymphocyte", "", "t", "known", cell=Box(0, 0, 9, 9, "leukocyte")
    )
    seen: list[int] = []
    first = find_cells_of([*records, known], str(toy_detector), True, lambda done, total: seen.append(done))
    assert seen == [1, 2, 3, 4] and [record.id for record in first] == ["with", "without", "broken", "known"]
    assert first[0].cell and first[1].cell is None and first[2].cell is None
    middle = np.array([first[0].cell.x0 + first[0].cell.x1, first[0].cell.y0 + first[0].cell.y1]) / 2
    np.testing.assert_allclose(middle, (330, 240), atol=4)
    # A boxed cell is cut where it is boxed, as wide as the finder's scale has it.
    boxed = first[3].cell
    assert boxed and (boxed.x0 + boxed.x1, boxed.y0 + boxed.y1) == (9, 9)
    assert boxed.x1 - boxed.x0 == pytest.approx(first[0].cell.x1 - first[0].cell.x0)
    monkeypatch.setattr(found, "Detector", None)  # not asked a second time
    assert find_cells_of([*records, known], str(toy_detector), True, lambda done, total: None) == first
