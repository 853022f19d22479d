from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from leukolens.core.pixels import Preparation
from leukolens.core.results import Box
from leukolens.datasets.manifest import Record
from leukolens.inference.crops import place_crop
from leukolens.training.classification import found as module
from leukolens.training.classification.found import RecordCrop, place_crops


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
    preparation = Preparation(32, 32)
    seen: list[int] = []
    everything = [*records, known]
    first = place_crops(everything, str(toy_detector), preparation, True, lambda done, total: seen.append(done))
    assert seen == [1, 2, 3, 4] and [crop.record for crop in first] == everything
    found, none, unread, boxed = (crop.crop_box for crop in first)
    assert none is None and unread is None
    assert found and found.centre == pytest.approx((330, 240), abs=4)
    # The crop of a boxed cell lies around its box, as wide as the detector's scale has it.
    assert (
        boxed
        and boxed.centre == pytest.approx((4.5, 4.5), abs=0.5)
        and boxed.width == pytest.approx(found.width, abs=1)
    )
    monkeypatch.setattr(module, "open_detector", None)  # not opened a second time
    assert place_crops(everything, str(toy_detector), preparation, True, lambda done, total: None) == first
    plain = place_crops(everything, "", preparation, True, lambda done, total: None)
    assert plain[0] == RecordCrop(records[0], None) and plain[3].crop_box == place_crop(known.cell, None, preparation)
