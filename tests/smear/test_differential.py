import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukolens.core.confusion import Confusion
from leukolens.core.intervals import Interval, mean_interval, poisson_interval, wilson_interval
from leukolens.core.results import Advice, Box, FieldCell
from leukolens.core.taxonomy import CELL_CLASSES, LEUKOCYTE_CLASSES
from leukolens.inference.status import LOOKS_BURST
from leukolens.smear.differential import count_kinds, make_differential
from leukolens.smear.ranges import ReferenceRanges
from leukolens.smear.records import Differential, FieldResult, Share

SURE = Confusion(CELL_CLASSES, np.eye(8, dtype=np.int64) * 1000, np.zeros((8, 8), np.int64))


def make_cell(label: str | None, status: str = "accepted", kind: str = "leukocyte") -> FieldCell:
    return FieldCell(Box(0, 0, 9, 9, kind, label), 0.9, 0.9, np.empty(0), status)


def make_cells(unsure: int = 0, **counts: int) -> list[FieldCell]:
    cells = [make_cell(label) for label, count in counts.items() for _ in range(count)]
    return cells + [make_cell("basophil", "review") for _ in range(unsure)]


def make_field(*cells: FieldCell, stops: bool = False) -> FieldResult:
    advice = (Advice("blurred", "refocus", stops=True),) if stops else ()
    return FieldResult("f", 480, 640, cells, None, None, "unknown", advice)


def find(differential: Differential, label: str) -> Share:
    return next(share for share in differential.shares if share.label == label)


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, dict):
        yield from numbers(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from numbers(item)


def test_a_count_of_two_hundred_by_hand() -> None:
    cells = make_cells(
        unsure=10, neutrophil=120, lymphocyte=60, monocyte=14, eosinophil=5, immature_granulocyte=1, erythroblast=20
    )
    cells += [make_cell("platelet"), make_cell("neutrophil", "cut")]
    cells += [make_cell(None, "accepted", "red_cell")] * 500
    found = make_differential(cells, SURE, 11e9, None)
    assert found.leukocytes == 200 and found.apart == {"cut": 1, "review": 10}
    assert [share.label for share in found.shares] == list(LEUKOCYTE_CLASSES)
    neutrophil = find(found, "neutrophil")
    assert (neutrophil.count, neutrophil.percent) == (120, 60)
    wilson = wilson_interval(120, 200)
    assert neutrophil.interval == Interval(100 * wilson.low, 100 * wilson.high, "Wilson")
    assert (
        neutrophil.simultaneous.low < neutrophil.interval.low < neutrophil.interval.high < neutrophil.simultaneous.high
    )
    assert neutrophil.if_unsure == pytest.approx((100 * 120 / 210, 100 * 130 / 210))
    # 20 erythroblasts for 200 leukocytes are 10 per 100: of 11 x 10^9 nucleated cells 10 x 10^9 are leukocytes.
    assert found.erythroblasts == 20 and found.erythroblasts_per_100 is not None
    assert found.erythroblasts_per_100[0] == 10
    assert found.erythroblasts_per_100[1].low < 10 < found.erythroblasts_per_100[1].high
    assert found.corrected_leukocytes_per_liter == pytest.approx(10e9)
    assert neutrophil.per_liter is not None and neutrophil.per_liter[0] == pytest.approx(6e9)
    assert neutrophil.per_liter[1].low == pytest.approx(wilson.low * 10e9)
    assert found.neutrophil_lymphocyte_ratio is not None and found.neutrophil_lymphocyte_ratio[0] == 2
    assert found.progress == ((100, 0), (200, 0), (400, 200))


def test_a_sure_classifier_changes_little_and_names_its_method() -> None:
    found = make_differential(make_cells(neutrophil=120, lymphocyte=76, eosinophil=4), SURE, None, None)
    neutrophil, eosinophil = find(found, "neutrophil"), find(found, "eosinophil")
    assert neutrophil.corrected == pytest.approx(60, abs=0.2) and found.why_not_corrected == ""
    assert neutrophil.corrected_interval is not None and "score" in neutrophil.corrected_interval.method
    assert neutrophil.corrected_interval.low == pytest.approx(neutrophil.interval.low, abs=0.5)
    assert eosinophil.corrected_interval is not None and "Clopper-Pearson" in eosinophil.corrected_interval.method


def test_a_known_mistake_is_taken_back() -> None:
    counts = np.array(SURE.counts)
    counts[0, [0, 5]] = 900, 100  # one neutrophil in ten is called immature
    found = make_differential(
        make_cells(neutrophil=90, immature_granulocyte=10, lymphocyte=100),
        dataclasses.replace(SURE, counts=counts),
        None,
        None,
    )
    assert find(found, "neutrophil").percent == 45
    assert find(found, "neutrophil").corrected == pytest.approx(50, abs=0.5)
    immature = find(found, "immature_granulocyte")
    assert immature.percent == 5 and immature.corrected == pytest.approx(0, abs=0.5)
    assert (
        immature.interval.low > 2 and immature.corrected_interval is not None and immature.corrected_interval.low == 0
    )


def test_which_calls_are_unsure_does_not_move_the_corrected_shares() -> None:
    told = dataclasses.replace(SURE, unsure=np.eye(8, dtype=np.int64) * 100)
    sure = make_differential(make_cells(neutrophil=120, lymphocyte=80), told, None, None)
    cells = make_cells(neutrophil=120, lymphocyte=62) + [make_cell("lymphocyte", "review")] * 18
    unsure = make_differential(cells, told, None, None)
    assert find(unsure, "lymphocyte").count == 62 and find(unsure, "lymphocyte").percent < 35
    assert find(unsure, "lymphocyte").corrected == find(sure, "lymphocyte").corrected == pytest.approx(40, abs=0.5)


def test_platelets_that_await_review_do_not_make_the_smear_strange() -> None:
    cells = make_cells(neutrophil=100, lymphocyte=100)
    doubtful = make_differential(cells + [make_cell("platelet", "review")] * 20, SURE, None, None)
    assert doubtful.why_not_corrected == "" and doubtful.apart == {"review": 20}
    unsure = make_differential(cells + [make_cell("basophil", "review")] * 20, SURE, None, None)
    assert "not sure of 20 of 220 cells" in unsure.why_not_corrected


def test_why_nothing_is_corrected_is_said() -> None:
    cells = make_cells(neutrophil=50, lymphocyte=50)
    assert "card" in make_differential(cells, None, None, None).why_not_corrected
    counts = np.array(SURE.counts)
    counts[4] = 0
    few = make_differential(cells, dataclasses.replace(SURE, counts=counts), None, None)
    assert "monocyte" in few.why_not_corrected and find(few, "neutrophil").corrected is None
    assert find(few, "neutrophil").corrected_interval is None


@pytest.mark.parametrize("confusion", [SURE, None], ids=["known", "unknown"])
@pytest.mark.parametrize(
    "cells",
    [[], make_cells(neutrophil=1), make_cells(unsure=3), make_cells(erythroblast=2), make_cells(platelet=1)],
    ids=["none", "one", "unsure", "erythroblasts", "platelet"],
)
def test_hardly_any_cells_give_clear_figures(cells: list[FieldCell], confusion: Confusion | None) -> None:
    found = make_differential(cells, confusion, 5e9, None)
    assert all(math.isfinite(number) for number in numbers(dataclasses.asdict(found)))
    assert found.progress[0] == (100, 100 - found.leukocytes)
    if not found.leukocytes:
        assert found.erythroblasts_per_100 is None and found.corrected_leukocytes_per_liter is None
        assert found.neutrophil_lymphocyte_ratio is None
        assert all((share.interval.low, share.interval.high) == (0, 100) for share in found.shares)
        assert all(share.corrected is None and share.per_liter is None for share in found.shares)
        assert all(share.if_unsure == (0, 100) for share in found.shares)


@pytest.mark.parametrize(("leukocytes", "told"), [(1, False), (9, False), (10, True)])
def test_nucleated_red_cells_cannot_be_told_from_a_few_leukocytes(leukocytes: int, told: bool) -> None:
    found = make_differential(make_cells(neutrophil=leukocytes, erythroblast=1), SURE, 5e9, None)
    assert (found.erythroblasts_per_100 is not None) == (found.corrected_leukocytes_per_liter is not None) == told


def test_the_warning_and_the_tile_do_not_contradict_each_other() -> None:
    """A platelet and a suspected smudge cell are for review for what the detector says of them."""
    burst = dataclasses.replace(make_cell("neutrophil", "review"), reason=LOOKS_BURST)
    cells = [*make_cells(unsure=41, neutrophil=2), make_cell("platelet", "review"), burst]
    found = make_differential(cells, SURE, None, None)
    assert found.apart["review"] == 43 and found.shift.startswith("the classifier is not sure of 41 of 45 cells")


def test_a_bundle_of_four_classes_has_four_shares_and_cannot_correct_the_count() -> None:
    four = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")
    found = make_differential(make_cells(neutrophil=60, lymphocyte=40), None, 5e9, None, four)
    assert [share.label for share in found.shares] == list(four)
    assert found.erythroblasts_per_100 is None and found.corrected_leukocytes_per_liter is None
    assert find(found, "neutrophil").per_liter is not None


def make_ranges(**kinds: dict[str, tuple[float, float]]) -> ReferenceRanges:
    return ReferenceRanges("Here, adults", "our donors", kinds.get("percent", {}), kinds.get("per_liter", {}))


def test_a_flag_needs_the_whole_interval_outside() -> None:
    ranges = make_ranges(percent={"neutrophil": (40, 75), "lymphocyte": (20, 45)})
    some = make_differential(make_cells(neutrophil=78, lymphocyte=22), SURE, None, ranges)
    assert find(some, "neutrophil").flag == "" and find(some, "neutrophil").interval.low < 75
    many = make_differential(make_cells(neutrophil=900, lymphocyte=100), SURE, None, ranges)
    assert find(many, "neutrophil").flag == "high" and find(many, "lymphocyte").flag == "low"
    assert "40 to 75 %" in str(find(many, "neutrophil").reference)
    assert "our donors" in str(find(many, "neutrophil").reference)
    assert find(many, "monocyte").reference is None and find(many, "monocyte").flag == ""


def test_no_flag_where_the_classifiers_errors_may_have_made_it() -> None:
    counts = np.array(SURE.counts)
    counts[0, [0, 5]] = 900, 100
    cells = make_cells(neutrophil=180, immature_granulocyte=20, lymphocyte=200)
    ranges = make_ranges(percent={"immature_granulocyte": (0, 1)})
    assert find(make_differential(cells, SURE, None, ranges), "immature_granulocyte").flag == "high"
    doubtful = make_differential(cells, dataclasses.replace(SURE, counts=counts), None, ranges)
    assert find(doubtful, "immature_granulocyte").flag == ""


def test_counts_per_liter_are_judged_before_percentages() -> None:
    ranges = make_ranges(percent={"lymphocyte": (20, 45)}, per_liter={"lymphocyte": (1e9, 4e9)})
    cells = make_cells(neutrophil=900, lymphocyte=100)
    assert find(make_differential(cells, SURE, None, ranges), "lymphocyte").flag == "low"
    known = find(make_differential(cells, SURE, 20e9, ranges), "lymphocyte")
    assert known.flag == "" and "1 to 4 x 10^9" in str(known.reference)
    assert find(make_differential(cells, SURE, 5e9, ranges), "lymphocyte").flag == "low"


@given(st.lists(st.integers(0, 60), min_size=9, max_size=9))
def test_counts_sum_and_intervals_hold_their_shares(outcomes: list[int]) -> None:
    cells = make_cells(unsure=outcomes[8], **dict(zip(CELL_CLASSES, outcomes[:8], strict=True)))
    found = make_differential(cells, SURE, None, None)
    assert found.leukocytes == sum(share.count for share in found.shares) == sum(outcomes[:6])
    if found.leukocytes:
        assert sum(share.percent for share in found.shares) == pytest.approx(100)
    corrected = [share.corrected for share in found.shares if share.corrected is not None]
    assert not corrected or sum(corrected) == pytest.approx(100)
    for share in found.shares:
        assert share.interval.low <= share.percent + 1e-9 and share.percent <= share.interval.high + 1e-9
        assert share.if_unsure[0] <= share.percent + 1e-9
        if share.corrected is not None and share.corrected_interval is not None:
            assert share.corrected_interval.low <= share.corrected + 1e-6
            assert share.corrected <= share.corrected_interval.high + 1e-6


def test_kinds_are_counted_over_usable_fields() -> None:
    red = make_cell(None, "accepted", "red_cell")
    platelet = make_cell(None, "accepted", "platelet")
    first = make_field(*[red] * 100, *[platelet] * 8, make_cell("neutrophil"), make_cell("platelet"))
    second = make_field(*[red] * 140, *[platelet] * 10, make_cell("monocyte", "review"), make_cell("erythroblast"))
    third = make_field(*[red] * 120, *[platelet] * 6, make_cell(None, "cut"), make_cell("lymphocyte", "repeated"))
    blurred = make_field(*[red] * 999, stops=True)
    kinds = {item.kind: item for item in count_kinds([first, second, third, blurred], {"platelet": 15_000})}
    assert (kinds["leukocyte"].count, kinds["red_cell"].count, kinds["platelet"].count) == (2, 360, 25)
    assert kinds["red_cell"].per_field == (120, mean_interval([100, 140, 120]))
    assert kinds["platelet"].per_field[0] == pytest.approx(25 / 3)
    assert "about 125,000" in kinds["platelet"].estimate and "15000" in kinds["platelet"].estimate
    assert kinds["red_cell"].estimate == ""


def test_one_field_is_poissons_and_none_is_nothing() -> None:
    assert count_kinds([], {}) == () == count_kinds([make_field(stops=True)], {})
    one = count_kinds([make_field()], {"platelet": 1.0})
    exact = poisson_interval(0)
    assert all(item.per_field[0] == 0 and item.per_field[1].high == exact.high for item in one)


def test_more_unsure_cells_than_on_validation_get_a_warning_and_no_flag() -> None:
    ranges = make_ranges(percent={"lymphocyte": (20, 45)})
    usual = make_differential(make_cells(neutrophil=990, lymphocyte=10), SURE, None, ranges)
    assert usual.shift == "" and find(usual, "lymphocyte").flag == "low"
    strange = make_differential(make_cells(unsure=200, neutrophil=790, lymphocyte=10), SURE, None, ranges)
    assert "200 of 1000 cells" in strange.shift and strange.why_not_corrected == strange.shift
    assert find(strange, "lymphocyte").flag == "" and find(strange, "lymphocyte").reference is not None
    assert all(share.corrected is None for share in strange.shares)
    assert strange.shares[0].count == 790
