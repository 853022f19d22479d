"""Every picture is opened when a dataset is added."""

import time
from pathlib import Path

import pytest
from PIL import Image

from leukolens.core.results import Box
from leukolens.core.taxonomy import CellKind
from leukolens.datasets import opening
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.opening import open_pictures


def test_pictures_that_cannot_be_decoded_are_refused(tmp_path: Path) -> None:
    for name in ("whole", "cut"):
        Image.effect_noise((64, 64), 50).save(tmp_path / f"{name}.png")
    data = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    names = ("whole", "cut", "gone")
    records = tuple(Record(name, str(tmp_path / f"{name}.png"), "basophil", "", "m", name) for name in names)
    done: list[tuple[int, int]] = []
    opened = open_pictures(Manifest("m", records), lambda *count: done.append(count))
    assert opened.records == records[:1]
    assert [(refusal.image, refusal.why.split()[1]) for refusal in opened.refused] == [
        ("cut", "damaged"),
        ("gone", "not"),
    ]
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_boxes_outside_their_picture_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20)).save(tmp_path / "f.png")

    def box(x0: float, y0: float) -> Box:
        return Box(x0, y0, x0 + 10, y0 + 10, CellKind.RED_CELL, None)

    inside, over_the_border, mostly_outside, far = box(30, 10), box(-3, 5), box(36, 5), box(5000, 5000)
    boxes = {"some": (inside, over_the_border, mostly_outside, far), "none": (far,), "empty": ()}
    fields = [Record(name, str(tmp_path / "f.png"), None, "", "m", name, boxes=given) for name, given in boxes.items()]
    cell = Record("cell", str(tmp_path / "f.png"), "basophil", "", "m", "cell", cell=far)
    opened = open_pictures(Manifest("m", (*fields, cell)))
    assert {record.id: record.boxes for record in opened.records} == {"some": (inside, over_the_border), "empty": ()}
    assert [refusal.image for refusal in opened.refused] == ["some", "some", "none", "none", "cell", "cell"]
    assert "5000, 5000 to 5010, 5010 lies outside its picture of 40 x 20 pixels" in opened.refused[1].why


def test_a_stop_does_not_wait_for_all_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def measure(image: str) -> tuple[int, int]:
        time.sleep(0.01)
        opened.append(image)
        return 1, 1

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(opening, "_measure", measure)
    records = tuple(Record(str(number), f"{number}.png", "basophil", "", "m", "g") for number in range(500))
    with pytest.raises(KeyboardInterrupt):
        open_pictures(Manifest("m", records), stop)
    assert len(opened) < 100
