"""A fake Kaggle: sixty fields of four copies each, TRAIN and TEST, so that the protocols have something to divide."""

import pytest

from leukolens.datasets.manifest import Manifest, Record

CLASSES = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")


@pytest.fixture
def kaggle() -> Manifest:
    records = []
    for field in range(60):
        label, part = CLASSES[field % 4], "test" if field >= 48 else "train"
        for copy in range(4):
            name = f"{part.upper()}/{label}/{field}_{copy}"
            records.append(Record(name, f"{name}.jpg", label, label, "kaggle", f"field-{field}", part))
    return Manifest("kaggle", tuple(records))
