"""The crop that training sees is the crop that inference classifies, byte for byte, for every source of data."""

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from leukolens.core.pixels import Pixels, prepare_image
from leukolens.core.results import Box
from leukolens.datasets.manifest import Record
from leukolens.datasets.sources import SOURCES, read_source
from leukolens.inference.classifier import Classifier, ClassifierOutput, open_classifier
from leukolens.inference.classify import classify, predict_records
from leukolens.inference.crops import cut_crop
from leukolens.inference.detector import open_detector
from leukolens.inference.perception import perceive
from leukolens.inference.view import detect_cells
from leukolens.training.classification.found import place_crops
from leukolens.training.classification.tensors import load_cells

HEIGHT, WIDTH = 480, 640
CELL = Box(207, 117, 273, 183, "leukocyte")
RED_CELLS = [Box(x - 24, y - 24, x + 24, y + 24, "red_cell") for x in range(60, 600, 90) for y in range(60, 420, 90)]
GRID = [box for box in RED_CELLS if box.centre != CELL.centre]

Tree = dict[str, str | bytes]


def quiet(done: int, total: int) -> None:
    pass


def voc() -> str:
    corners = "".join(
        f"<{name}>{value:.0f}</{name}>" for name, value in zip(("xmin", "ymin", "xmax", "ymax"), CELL.xyxy, strict=True)
    )
    return f"<annotation><object><name>WBC</name><bndbox>{corners}</bndbox></object></annotation>"


def yolo(number: int) -> str:
    x, y = CELL.centre
    return f"{number} {x / WIDTH} {y / HEIGHT} {CELL.width / WIDTH} {CELL.height / HEIGHT}\n"


def draw_tree(source: str, field: bytes) -> Tree:
    """The smallest tree of a source, with one field of view as each of its pictures."""
    blood, bccd = "dataset-master/dataset-master", "BCCD_Dataset/BCCD"
    uuid = "0184a270-648e-5e6d-bc61-a9e8f7b0f6e4"
    trees: dict[str, Tree] = {
        "mine": {"lymphocyte/a.png": field, "eosinophil/b.png": field},
        "pbc": {"PBC_dataset_normal_DIB/neutrophil/BNE_1.jpg": field},
        "kaggle": {"TEST/EOSINOPHIL/_0_2183.jpeg": field},
        "kaggle-fields": {
            f"{blood}/labels.csv": ",Image,Category\n,0,NEUTROPHIL\n",
            f"{blood}/JPEGImages/BloodImage_00000.jpg": field,
            f"{blood}/Annotations/BloodImage_00000.xml": voc(),
        },
        "bccd": {
            f"{bccd}/JPEGImages/BloodImage_00000.jpg": field,
            f"{bccd}/Annotations/BloodImage_00000.xml": voc(),
            f"{bccd}/ImageSets/Main/train.txt": "BloodImage_00000\n",
        },
        "chula": {
            "WBC_Samples/train/images/N-5Bb_0001.webp": field,
            "WBC_Samples/train/labels/N-5Bb_0001.txt": yolo(0),
        },
        "txl": {f"TXL_PBC/images/val/{uuid}.webp": field, f"TXL_PBC/labels/val/{uuid}.txt": yolo(0)},
    }
    return trees[source]


def write_tree(tree: Tree, folder: Path, zipped: bool) -> Path:
    data = {name: content.encode() if isinstance(content, str) else content for name, content in tree.items()}
    if zipped:
        with zipfile.ZipFile(folder / "given.zip", "w") as archive:
            for name, content in data.items():
                archive.writestr(name, content)
        return folder / "given.zip"
    for name, content in data.items():
        path = folder / "given" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "given"


def encode(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


Show = Callable[[Callable[[], object]], list[Pixels]]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Show:
    """Gives what a classifier is shown, crop by crop, while something is done."""

    def record_while(done: Callable[[], object]) -> list[Pixels]:
        shown: list[Pixels] = []
        classify_batch = Classifier.classify_batch

        def spy(self: Classifier, batch: Pixels) -> ClassifierOutput:
            shown.extend(batch)
            return classify_batch(self, batch)

        with monkeypatch.context() as patch:
            patch.setattr(Classifier, "classify_batch", spy)
            done()
        return shown

    return record_while


def train_on(records: Sequence[Record], detector: str, classifier: Classifier) -> Pixels:
    """What training sees of records: `(n, h, w, 3)` uint8."""
    preparation = classifier.card.preparation
    crops = place_crops(records, detector, preparation, classifier.names_platelets, quiet)
    cells = load_cells(crops, preparation, quiet)
    assert cells.records == tuple(records) and not cells.refused
    return cells.images


def assert_same(shown: list[Pixels], trained: Pixels) -> None:
    assert len(shown) == len(trained) > 0
    for inferred, seen in zip(shown, trained, strict=True):
        np.testing.assert_array_equal(inferred, seen)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("finds", [True, False])
@pytest.mark.parametrize("source", ["mine", *SOURCES])
def test_a_source(
    source: str,
    finds: bool,
    zipped: bool,
    toy_bundle: Path,
    toy_detector: Path,
    toy_finder: Any,
    tmp_path: Path,
    show: Show,
) -> None:
    field = toy_finder.draw_discs((HEIGHT, WIDTH), [*GRID, CELL])
    root = write_tree(draw_tree(source, encode(field)), tmp_path, zipped)
    records = read_source(source, root).cells().records
    classifier, detector = open_classifier(toy_bundle), open_detector(toy_detector) if finds else None
    trained = train_on(records, str(toy_detector) if finds else "", classifier)
    for record, seen in zip(records, trained, strict=True):
        assert_same(show(lambda record=record: predict_records([record], classifier, detector)), seen[None])  # type: ignore[misc]
    # A detector or a box makes a crop of the field; without either the field is taken whole.
    whole = prepare_image(field, classifier.card.preparation)
    assert [np.array_equal(seen, whole) for seen in trained] == [
        not finds and record.cell is None for record in records
    ]


def draw_eyepiece(toy_finder: Any) -> Pixels:
    """A field inside the disc of an eyepiece, which is black around it."""
    field = np.array(toy_finder.draw_discs((900, 1200), [box.shift(300, 200) for box in [*GRID, CELL]]))
    rows, columns = np.indices(field.shape[:2])
    field[np.hypot(columns - 620, rows - 430) > 390] = 4
    return field


def test_a_photograph_through_an_eyepiece(
    toy_bundle: Path, toy_detector: Path, toy_finder: Any, tmp_path: Path, show: Show
) -> None:
    photograph = draw_eyepiece(toy_finder)
    Image.fromarray(photograph).save(tmp_path / "a.png")
    classifier, detector = open_classifier(toy_bundle), open_detector(toy_detector)
    left, top, right, bottom = detect_cells(photograph, detector).view
    assert 0 < left < right < 1200 and 0 < top < bottom < 900
    record = Record("a", str(tmp_path / "a.png"), "lymphocyte", "", "t", "a")
    boxed = Record("b", str(tmp_path / "a.png"), "lymphocyte", "", "t", "a", cell=CELL.shift(300, 200))
    trained = train_on([record, boxed], str(toy_detector), classifier)
    assert_same(show(lambda: predict_records([record, boxed], classifier, detector)), trained)
    assert_same(show(lambda: classify(str(tmp_path / "a.png"), classifier, detector)), trained[:1])
    (prediction,) = classify(photograph, classifier, detector)
    assert prediction.box is not None and prediction.box.centre == pytest.approx((540, 350), abs=4)


def test_what_counting_classifies_lies_in_the_crop_boxes_that_it_gives(
    toy_bundle: Path, toy_detector: Path, toy_finder: Any, show: Show
) -> None:
    photograph = draw_eyepiece(toy_finder)
    classifier, detector = open_classifier(toy_bundle), open_detector(toy_detector)
    shown = show(lambda: perceive(photograph, detector, classifier))
    cells = [cell for cell in perceive(photograph, detector, classifier).cells if cell.crop_box is not None]
    preparation = classifier.card.preparation
    assert_same(shown, np.stack([prepare_image(cut_crop(photograph, cell.crop_box), preparation) for cell in cells]))
    assert {cell.box.kind for cell in cells} == {"leukocyte"}


@pytest.mark.real
@pytest.mark.parametrize("source", ["pbc", "kaggle-fields", "chula"])
def test_real_cells_with_the_shipped_models(source: str, real_data: Path, show: Show) -> None:
    archives = {"pbc": "pbc-224.zip", "kaggle-fields": "kaggle-blood-cells.zip", "chula": "chula-wbc.zip"}
    records = read_source(source, real_data / archives[source]).cells().labelled().records[::97][:5]
    classifier, detector = open_classifier(), open_detector()
    trained = train_on(records, "cells", classifier)
    shown = [show(lambda record=record: predict_records([record], classifier, detector)) for record in records]  # type: ignore[misc]
    assert_same([crop for crops in shown for crop in crops], trained)
