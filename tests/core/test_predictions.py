from pathlib import Path

import numpy as np
import pytest

from leukolens.core.errors import DataError
from leukolens.core.predictions import Predictions, read_predictions, write_predictions
from leukolens.core.results import Prediction

CLASSES = ("neutrophil", "platelet")
CALLS = (
    Prediction("a b.png", "neutrophil", 0.75, np.array([0.75, 0.25]), "accepted"),
    Prediction("=new\nline\udcff.png", "platelet", 0.5, np.array([0.5, 0.5]), "review", 'unsure, "very"'),
    Prediction("blank.png", "", 0.0, np.empty(0), "rejected", "no cell"),
)


def test_predictions_survive_a_round_trip(tmp_path: Path) -> None:
    before = Predictions(CLASSES, CALLS, ("neutrophil", "platelet", ""), ("f1", "f1", "f2"))
    write_predictions(tmp_path / "p.csv", before)
    after = read_predictions(tmp_path / "p.csv")
    assert (after.classes, after.truths, after.groups) == (before.classes, before.truths, before.groups)
    for one, other in zip(after.items, before.items, strict=True):
        assert (one.image, one.label, one.status, one.reason) == (other.image, other.label, other.status, other.reason)
    np.testing.assert_allclose(after.probabilities, before.probabilities)
    assert before.to_csv() == (tmp_path / "p.csv").read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,label\n1,2\n", "not a predictions file"),
        ("image,label,probability,p_unicorn\na,unicorn,1,1\n", "not a predictions file"),
        ("image,label,probability,p_platelet\na,platelet,much,1\n", "line 2"),
        ("image,label,probability,p_platelet\na,platelet,1,0.5\n", "sum to"),
        ("image,label,probability,p_platelet\na,platelet,nan,nan\n", "sum to"),
        ("image,label,probability,p_platelet\n", "no predictions"),
    ],
)
def test_what_is_no_predictions_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_predictions(path)
