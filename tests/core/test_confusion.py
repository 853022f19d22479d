import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukolens.core.confusion import Confusion, ConfusionTable, count_confusion


def parse_confusion(fields: object) -> Confusion:
    """As a card is read."""
    return msgspec.json.decode(json.dumps(fields), type=ConfusionTable).to_confusion()


CLASSES = ("neutrophil", "lymphocyte")
FIELDS = {"labels": list(CLASSES), "counts": [[8, 1], [0, 9]], "unsure": [[0, 1], [0, 2]]}


def test_cells_are_counted_by_truth_and_call() -> None:
    truths = ["neutrophil", "neutrophil", "lymphocyte", "lymphocyte", "monocyte", "neutrophil"]
    calls = ["neutrophil", "lymphocyte", "lymphocyte", "neutrophil", "lymphocyte", ""]  # the last was never named
    confusion = count_confusion(CLASSES, truths, calls, [True, False, True, False, True, False])
    np.testing.assert_array_equal(confusion.counts, [[1, 1], [1, 1]])
    np.testing.assert_array_equal(confusion.unsure, [[0, 1], [1, 0]])


def test_the_table_survives_json() -> None:
    confusion = parse_confusion(FIELDS)
    assert confusion.labels == CLASSES and msgspec.to_builtins(confusion.to_table()) == {
        key: tuple(map(tuple, value)) if key != "labels" else tuple(value) for key, value in FIELDS.items()
    }
    assert confusion.counts.dtype == np.int64


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("labels", ["neutrophil", "neutrophil"]),
        ("labels", ["neutrophil", "unicorn"]),
        ("labels", ["neutrophil", ["lymphocyte"]]),
        ("labels", []),
        ("labels", "neutrophil"),
        ("counts", [[8, 1]]),
        ("counts", [[8, 1, 1], [0, 9, 0]]),
        ("counts", [[8, -1], [0, 9]]),
        ("counts", [[8, 1.0], [0, 9]]),
        ("counts", [[8, True], [0, 9]]),
        ("counts", [[8, 10**30], [0, 9]]),
        ("counts", [[8, float("nan")], [0, 9]]),
        ("unsure", [0, 2]),
        ("unsure", [[0, 0], [0, 10]]),
    ],
)
def test_a_hostile_table_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"xpected|malformed"):
        parse_confusion(FIELDS | {key: value})


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(["", *FIELDS]),
)
def test_nothing_gets_past_as_another_error(value: Any, key: str) -> None:
    try:
        assert isinstance(parse_confusion(FIELDS | {key: value} if key else value), Confusion)
    except ValueError:
        pass


def test_the_shipped_card_says_what_its_model_did_on_validation() -> None:
    import leukolens
    from leukolens.core.card import read_card

    card = read_card(Path(leukolens.__file__).parent / "bundles" / "pbc")
    assert card.confusion is not None
    assert card.confusion.counts.sum() == card.validation.n
    accepted = card.confusion.counts - card.confusion.unsure
    assert np.trace(card.confusion.counts) / card.confusion.counts.sum() == pytest.approx(card.validation.accuracy)
    assert np.trace(accepted) / accepted.sum() == pytest.approx(card.validation.accepted_accuracy)
