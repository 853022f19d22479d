import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from leukolens.core.errors import DataError, UsageError
from leukolens.core.predictions import Predictions, read_predictions
from leukolens.core.results import Box, Prediction, Refusal
from leukolens.core.taxonomy import CellKind

CLASSES = ("neutrophil", "platelet")
CALLS = (
    Prediction("a b.png", "neutrophil", 0.75, np.array([0.75, 0.25]), "accepted"),
    Prediction("=new\nline\udcff.png", "platelet", 0.5, np.array([0.5, 0.5]), "review", 'unsure, "very"'),
    Prediction("blank.png", "", 0.0, np.empty(0), "rejected", "no cell"),
)


def test_predictions_survive_a_round_trip(tmp_path: Path) -> None:
    before = Predictions(CLASSES, CALLS, ("neutrophil", "platelet", ""), ("f1", "f1", "f2"))
    before.save(tmp_path / "p.csv")
    after = read_predictions(tmp_path / "p.csv")
    assert (after.classes, after.truths, after.groups) == (before.classes, before.truths, before.groups)
    for one, other in zip(after.items, before.items, strict=True):
        assert (one.image, one.label, one.status, one.reason) == (other.image, other.label, other.status, other.reason)
    np.testing.assert_allclose(after.proba, before.proba)
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
        ("image,label,probability,p_platelet\na,platelet,nan,1\n", "line 2: the probability is nan"),
        ("image,label,probability,p_platelet\na,platelet,inf,1\n", "line 2: the probability is inf"),
        ("image,label,probability,p_platelet\na,platelet,-0.5,1\n", "line 2: the probability is -0.5"),
        ("image,label,probability,p_platelet\na,platelet,1.01,1\n", "line 2: the probability is 1.01"),
        ("image,label,probability,p_platelet,p_monocyte\na,platelet,1,1.5,-0.5\n", "line 2: .*least is -0.5"),
        (
            "image,label,probability,p_platelet,p_monocyte\na,platelet,.8,.2,.8\n",
            "p_platelet is 0.2 and p_monocyte 0.8",
        ),
        (
            "image,label,probability,p_platelet,p_monocyte\na,platelet,.4,.8,.2\n",
            "probability 0.4, but p_platelet is 0.8",
        ),
        ("image,label,probability,p_platelet\na,unicorn,1,1\n", "line 2: the label is 'unicorn'"),
        ("image,label,probability,p_platelet\na,monocyte,1,1\n", "line 2: the label is 'monocyte'"),
        ("image,label,probability,p_platelet\na,,1,1\n", "line 2: the label is ''"),
        ("image,label,probability,p_platelet\na,platelet,1,1\nb,platelet,1,1\na,platelet,1,1\n", "line 4: a .* line 2"),
        ("image,label,probability,p_platelet,p_platelet\na,platelet,1,1,1\n", "p_platelet stands in it twice"),
        ("image,label,probability,p_platelet,truth\na,platelet,1,1,Wheel\n", "called 'Wheel' in the column truth"),
    ],
)
def test_what_is_no_predictions_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_predictions(path)


def test_words_for_classes_are_understood(tmp_path: Path) -> None:
    rows = ["a,Platelets,1,1,0,Neutrophils", "b,platelet ,1,1,0,MONO", "c,plt,1,1,0, Lymphocyte ", "d,PLT,1,1,0,"]
    text = "image,label,probability,p_platelet,p_monocyte,truth\n" + "\n".join(rows)
    (tmp_path / "p.csv").write_text(text)
    read = read_predictions(tmp_path / "p.csv")
    assert read.truths == ("neutrophil", "monocyte", "lymphocyte", "")
    assert read.label.tolist() == ["platelet"] * 4


def test_a_spreadsheet_of_another_country_is_read(tmp_path: Path) -> None:
    text = "image;label;probability;p_platelet;p_monocyte\r\nFärbung.png;platelet;0,75;0,75;0,25\r\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        (tmp_path / "p.csv").write_bytes(text.encode(encoding))
        read = read_predictions(tmp_path / "p.csv")
        assert read.items[0].image == "Färbung.png"
        np.testing.assert_array_equal(read.proba, [[0.75, 0.25]])


@pytest.fixture
def three() -> Predictions:
    boxed = dataclasses.replace(CALLS[0], box=Box(1, 2, 31, 42, CellKind.LEUKOCYTE))
    return Predictions(CLASSES, (boxed, *CALLS[1:]), refused=(Refusal("x.txt", "is no picture"),), bundle="pbc")


def test_predictions_are_arrays(three: Predictions) -> None:
    assert three.label.tolist() == ["neutrophil", "platelet", ""]
    assert three.status.tolist() == ["accepted", "review", "rejected"]
    assert three.probability.tolist() == [0.75, 0.5, 0.0]
    np.testing.assert_array_equal(three.proba, [[0.75, 0.25], [0.5, 0.5], [np.nan, np.nan]])
    np.testing.assert_array_equal(three.xyxy, [[1, 2, 31, 42], [np.nan] * 4, [np.nan] * 4])
    assert (three.proba.dtype, three.xyxy.dtype, three.probability.dtype) == (np.float64,) * 3
    assert repr(three) == "3 predictions of pbc: 1 accepted, 1 for review, 1 rejected; 1 refused"
    empty = Predictions(CLASSES, ())
    assert (empty.proba.shape, empty.xyxy.shape, empty.label.shape, empty.label.dtype.kind) == (
        (0, 2),
        (0, 4),
        (0,),
        "U",
    )
    assert repr(empty) == "0 predictions: 0 accepted, 0 for review; 0 refused"


def test_rows_are_chosen_as_in_an_array(three: Predictions) -> None:
    assert list(three) == list(three.items) and three[-1] is three.items[2] and len(three) == 3
    known = dataclasses.replace(three, truths=("platelet", "", "neutrophil"), groups=("a", "b", "c"))
    chosen = known[known.status != "review"]
    assert chosen.items == (known.items[0], known.items[2])
    assert (chosen.truths, chosen.groups, chosen.bundle) == (("platelet", "neutrophil"), ("a", "c"), "pbc")
    assert three[1:].truths == () and three[1:].label.tolist() == ["platelet", ""]


def test_a_table_holds_numbers(three: Predictions) -> None:
    table = dataclasses.replace(three, truths=("platelet", "", "neutrophil")).to_pandas()
    assert table.columns.tolist() == [
        *(
            "image",
            "label",
            "probability",
            "status",
            "reason",
            "p_neutrophil",
            "p_platelet",
            "truth",
            "x0",
            "y0",
            "x1",
            "y1",
        )
    ]
    assert table["p_neutrophil"].dtype == table["x0"].dtype == np.float64
    np.testing.assert_array_equal(table[["p_neutrophil", "p_platelet"]].to_numpy(), three.proba)
    assert table["image"].tolist() == [item.image for item in three]


def test_a_json_file_holds_everything(three: Predictions, tmp_path: Path) -> None:
    three.save(tmp_path / "p.json")
    held = json.loads((tmp_path / "p.json").read_text())
    assert held == three.to_dict()
    assert held["refused"] == [{"image": "x.txt", "why": "is no picture"}] and held["bundle"] == "pbc"
    assert held["predictions"][0]["box"] == [1, 2, 31, 42] and held["predictions"][1]["box"] is None
    assert held["predictions"][1]["image"] == "=new\\x0aline\\xff.png"
    assert held["predictions"][2]["probabilities"] == {}
    with pytest.raises(UsageError, match=r"received p\.xlsx"):
        three.save(tmp_path / "p.xlsx")
