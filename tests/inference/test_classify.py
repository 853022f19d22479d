import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from leukolens.core.errors import LeukolensError, UsageError
from leukolens.core.pixels import crop_cell
from leukolens.core.results import Advice, Box, Prediction
from leukolens.datasets.manifest import Record
from leukolens.inference import perception, session, view
from leukolens.inference.bundles import load_bundle
from leukolens.inference.classifier import open_classifier
from leukolens.inference.classify import BATCH_SIZE, classify, classify_images, predict_records
from leukolens.inference.detector import open_detector
from leukolens.inference.session import open_model
from leukolens.inference.sources import find_images

COLOURS = {"eosinophil": 0, "lymphocyte": 1, "basophil": 2}


def draw(label: str, size: int = 40) -> np.ndarray:
    """A picture of the toy's colour for a class, with enough contrast to be one."""
    image = np.zeros((size, size, 3), np.uint8)
    image[:, :, COLOURS[label]] = 255
    image[size // 4 : size // 2] //= 2
    return image


def test_arrays_and_files_get_the_same_calls_in_order(toy_bundle: Path, tmp_path: Path) -> None:
    labels = [list(COLOURS)[index % 3] for index in range(2 * BATCH_SIZE + 3)]
    paths = []
    for index, label in enumerate(labels):
        paths.append(tmp_path / f"{index:03}.png")
        Image.fromarray(draw(label)).save(paths[-1])
    from_files = classify(paths, toy_bundle, whole=True)
    from_arrays = classify([draw(label) for label in labels], toy_bundle, whole=True)
    assert [call.label for call in from_files.items] == labels == [call.label for call in from_arrays.items]
    assert [call.image for call in from_files.items] == [str(path) for path in paths]
    assert from_files.to_pandas()["label"].tolist() == labels
    np.testing.assert_allclose(from_files.items[0].probabilities, from_arrays.items[0].probabilities)


def test_what_cannot_be_read_is_refused_and_the_rest_goes_on(toy_bundle: Path, tmp_path: Path) -> None:
    good = tmp_path / "good.png"
    Image.fromarray(draw("basophil")).save(good)
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "empty.png").touch()
    result = classify([tmp_path, tmp_path / "missing.png"], toy_bundle, whole=True)
    assert [call.image for call in result.items] == [str(good)]
    assert {Path(refusal.image).name for refusal in result.refused} == {"text.jpg", "empty.png", "missing.png"}


def test_doubt_is_said(toy_bundle: Path) -> None:
    grey = np.full((40, 40, 3), 120, np.uint8)
    half = draw("basophil")
    half[:, :, 0] = 230
    tiny = draw("basophil", 12)
    sure, doubt, blank, small = classify([draw("basophil"), half, grey, tiny], toy_bundle, whole=True).items
    assert (sure.status, doubt.status, blank.status, small.status) == ("accepted", "review", "rejected", "rejected")
    assert "below 0.900" in doubt.reason and "one colour" in blank.reason and "pixels" in small.reason
    assert blank.label == "" and len(blank.probabilities) == 0


def test_a_wrong_array_is_refused(toy_bundle: Path) -> None:
    result = classify([np.zeros((8, 8), np.uint8), draw("lymphocyte")], toy_bundle, whole=True)
    assert len(result.refused) == 1 and "(8, 8)" in result.refused[0].why
    assert result.items[0].label == "lymphocyte"


def test_a_field_is_judged_by_its_cell(toy_bundle: Path, tmp_path: Path) -> None:
    field = np.zeros((100, 100, 3), np.uint8)
    field[:50], field[50:] = (255, 0, 0), (0, 255, 0)
    path = tmp_path / "field.png"
    Image.fromarray(field).save(path)
    cell = Box(40, 60, 50, 70, "leukocyte", "lymphocyte")
    record = Record("field#0", str(path), "lymphocyte", "", "t", "slide 1", cell=cell)
    gone = Record("gone", str(tmp_path / "gone.png"), "lymphocyte", "", "t", "slide 1")
    predictions, refused = predict_records([record, gone], load_bundle(toy_bundle), None)
    assert predictions.items[0].status == "rejected"  # the crop is plain green: one colour
    assert predictions.groups == ("slide 1",) and predictions.truths == ("lymphocyte",)
    assert [refusal.image for refusal in refused] == ["gone"]


def test_the_cell_that_a_picture_is_about_is_found_and_cut(
    toy_bundle: Path, toy_detector: Path, toy_finder: Any, tmp_path: Path
) -> None:
    grid = [(x, y) for x in range(60, 600, 90) for y in range(60, 420, 90)]
    red_cells = [Box(x - 24, y - 24, x + 24, y + 24, "red_cell") for x, y in grid if (x, y) != (330, 240)]
    cell = Box(330 - 33, 240 - 33, 330 + 33, 240 + 33, "leukocyte")
    field = toy_finder.draw_discs((480, 640), [*red_cells, cell])
    found, whole = (classify(field, toy_bundle, toy_detector, whole=whole).items[0] for whole in (False, True))
    assert found.box and found.crop_box and whole.box is None and whole.crop_box is None
    # The toy finds the cell's own box, so it is as wide as the disc; the crop is 33.4 um wide.
    assert found.box.xyxy == pytest.approx(cell.xyxy, abs=6) and found.crop_box.centre == pytest.approx(
        (330, 240), abs=4
    )
    shown = crop_cell(field, found.crop_box)
    assert len(shown) == found.crop_box.width == pytest.approx(4.45 * 48, rel=0.1)
    np.testing.assert_allclose(found.probabilities, classify(shown, toy_bundle, whole=True).items[0].probabilities)
    empty = classify(toy_finder.draw_discs((480, 640), red_cells), toy_bundle, toy_detector).items[0]
    assert (empty.status, empty.box, empty.crop_box) == ("review", None, None) and "no leukocyte" in empty.reason


def test_what_stops_a_field_sends_a_picture_to_review(
    toy_bundle: Path, toy_detector: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Advice("not a stained blood film", "Photograph one.", stops=True)
    monkeypatch.setattr(
        perception, "judge_field", lambda pixels, detected: (stop, Advice("a little pale", "Stain longer."))
    )
    (call,) = classify(draw("basophil", 64), toy_bundle, toy_detector).items
    assert call.status == "review" and call.reason.startswith("not a stained blood film")
    assert "pale" not in call.reason and call.label == "basophil"


def test_a_box_lies_in_the_photograph_where_the_eyepiece_is_cut_away(
    toy_bundle: Path, toy_detector: Path, toy_finder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = toy_finder.draw_discs((480, 640), [Box(60, 40, 126, 106, "leukocyte")])
    framed = np.pad(field, ((100, 50), (150, 20), (0, 0)))
    (plain,) = classify(field, toy_bundle, toy_detector).items
    monkeypatch.setattr(view, "find_content", lambda pixels: None)
    monkeypatch.setattr(view, "find_view", lambda pixels: (150, 100, 790, 580))
    (moved,) = classify(framed, toy_bundle, toy_detector).items
    assert plain.box and moved.box and plain.crop_box and moved.crop_box
    assert moved.box.xyxy - plain.box.xyxy == pytest.approx([150, 100, 150, 100])
    assert moved.crop_box.xyxy - plain.crop_box.xyxy == pytest.approx([150, 100, 150, 100])


def test_results_come_while_later_images_are_still_unread(toy_bundle: Path) -> None:
    read = 0

    def endless():  # type: ignore[no-untyped-def]
        nonlocal read
        while True:
            read += 1
            yield draw("basophil")

    stream = classify_images(endless(), load_bundle(toy_bundle), None)
    for _ in range(3 * BATCH_SIZE):
        assert isinstance(next(stream), Prediction)
    assert read <= 8 * BATCH_SIZE
    stream.close()


def test_words_of_a_command_line_become_images(tmp_path: Path) -> None:
    folder = tmp_path / "a b\nc"
    (folder / "deep").mkdir(parents=True)
    names = [folder / "2.PNG", folder / "10.jpg", folder / "deep" / "x.tif"]
    for path in names:
        path.touch()
    odd = os.fsdecode(os.fsencode(folder) + b"/\xff.png")
    Path(odd).touch()
    (folder / "notes.txt").touch()
    os.symlink(folder, folder / "deep" / "loop")
    listed = tmp_path / "list.txt"
    found, refused = find_images([str(folder), str(names[0]), str(tmp_path / "named.dat")])
    assert found == [*sorted([str(names[0]), str(names[1]), odd]), str(names[2]), str(tmp_path / "named.dat")]
    assert refused == []
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "y.png").touch()
    listed.write_text(f"{plain}\n")
    assert find_images([f"@{listed}"])[0] == [str(plain / "y.png")]
    for encoding in ("utf-8-sig", "utf-16"):  # as Notepad saves it
        listed.write_text(f"{plain}\r\n", encoding=encoding, newline="")
        assert find_images([f"@{listed}"])[0] == [str(plain / "y.png")]
    listed.write_bytes(b"\xff.png\n")
    assert find_images([f"@{listed}"])[0] == [os.fsdecode(b"\xff.png")]
    with pytest.raises(UsageError, match="cannot be read"):
        find_images(["@nothing-here.txt"])
    listed.write_bytes(b"\x89PNG\0")
    with pytest.raises(UsageError, match="zero bytes"):
        find_images([f"@{listed}"])


def test_opened_models_are_not_opened_again(
    toy_bundle: Path, toy_detector: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    monkeypatch.setattr(session, "open_model", lambda *given: opened.append(1) or open_model(*given))  # type: ignore[func-returns-value]
    pictures = [draw("basophil", 64)] * 9
    first = classify(pictures, toy_bundle, toy_detector)
    assert len(opened) == 2  # the classifier and the detector, once each, whatever the number of pictures
    classifier, detector = open_classifier(toy_bundle), open_detector(toy_detector)
    opened.clear()
    again = classify(pictures, classifier, detector)
    assert opened == [] and again.label.tolist() == first.label.tolist()


def test_one_model_in_place_of_the_other_is_refused_in_words(toy_bundle: Path, toy_detector: Path) -> None:
    classifier, detector = open_classifier(toy_bundle), open_detector(toy_detector)
    with pytest.raises(LeukolensError, match="a detector is needed"):
        classify(draw("basophil"), toy_bundle, classifier.bundle)
    for wrong in (detector, 7):
        with pytest.raises(
            UsageError, match=r"A classifier is expected: opened, as a bundle, or its bundle.s name or folder"
        ):
            classify(draw("basophil"), wrong, whole=True)
