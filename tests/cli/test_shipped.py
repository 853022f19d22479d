"""The shipped bundles on real cells that they never learned from."""

from pathlib import Path

import pytest

from leukolens.analysis.classify import predict_records
from leukolens.data.images import read_image
from leukolens.data.manifest import Manifest
from leukolens.data.sources import read_source
from leukolens.data.splits import read_split
from leukolens.evaluation.detection import finds_of_kind, match_cells, of_kind
from leukolens.runtime.classifier import load_bundle
from leukolens.runtime.detector import Detector, load_detector


@pytest.fixture
def pbc(real_data: Path) -> Manifest:
    return read_source("pbc", real_data / "pbc-224.zip")


@pytest.mark.real
def test_the_shipped_bundle_is_what_its_card_says(pbc: Manifest) -> None:
    bundle = load_bundle("pbc")
    assert sum(path.stat().st_size for path in bundle.folder.iterdir()) < 15_000_000
    split = read_split(bundle.folder / "split.json")
    assert split.hash == bundle.card.training["split_hash"] and not split.leaky
    chosen = split.parts["test"][::17]
    predictions, refused = predict_records(pbc.select(chosen).records, bundle, load_detector())
    right = sum(call.label == truth for call, truth in zip(predictions.calls, predictions.truths, strict=True))
    # 201 cells at an accuracy of .985 or more: under 190 right would happen less than once in a million tries.
    assert not refused and len(chosen) == 201 and right >= 190


@pytest.mark.real
def test_the_shipped_finder_finds_what_people_boxed(real_data: Path) -> None:
    bundle = load_detector()
    assert sum(path.stat().st_size for path in bundle.folder.iterdir()) < 15_000_000
    fields = read_source("bccd", real_data / "bccd.zip")
    split = read_split(bundle.folder / "split.json")
    assert split.hash == bundle.card.training["split_hash"] and not split.leaky
    finder = Detector(bundle)
    boxed = found = extra = 0
    for record in fields.select(split.parts["test"][::6]).records:
        detected = finder.find_cells(read_image(record.image).pixels)
        assert detected.scale_origin == "red cells"
        seen = finds_of_kind(detected.detections, "leukocyte")
        truth = of_kind(record.boxes, "leukocyte")
        hits = int((match_cells(truth, seen) >= 0).sum())
        boxed, found, extra = boxed + len(truth), found + hits, extra + len(seen) - hits
    # F1 is .97 against these boxes: of twelve leukocytes, three missed happen less than once in a hundred tries.
    assert boxed >= 10 and boxed - found <= 2 and extra <= 2
