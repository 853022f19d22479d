from collections.abc import Callable
from pathlib import Path

import pytest

from leukolens.core.errors import DataError
from leukolens.ladder.overview import FAR_BELOW, measure_gap, tabulate, tabulate_not_comparable
from leukolens.ladder.records import RunRecord, RunWithoutWeights, read_run_record, read_runs_without_weights
from leukolens.ladder.rungs import RUNGS
from leukolens.ladder.seeds import group_seeds

LADDER = Path(__file__).parents[2] / "docs" / "ladder"
MakeRecord = Callable[..., RunRecord]


def test_several_seeds_are_one_row_with_median_and_every_value(make_record: MakeRecord) -> None:
    accuracies = {0: 0.721, 2: 0.854, 1: 0.861}
    records = [
        make_record(rung="conv1-augmented", variant=f"pbc@seed{seed}" if seed else "pbc", accuracy=value, seed=seed)
        for seed, value in accuracies.items()
    ]
    section = tabulate({"conv1-augmented": records}, lambda record: record.variant)
    (row,) = section.rows
    assert row[4] == ".854, median of 3 seeds (.721, .861, .854), n 100"
    assert row[6] == "-1.6"
    assert section.links == ("pbc",)


def test_folds_are_no_row_of_the_main_table(make_record: MakeRecord) -> None:
    records = [make_record(variant=f"folds@{fold}") for fold in (1, 2)] + [make_record(variant="merged")]
    assert [row[2] for row in tabulate({"conv5": records}, lambda record: "").rows] == ["merged"]


def test_a_run_without_weights_is_a_line_until_it_is_run_with_them(make_record: MakeRecord) -> None:
    runs = [RunWithoutWeights("vgg16", "merged"), RunWithoutWeights("vgg16", "fields")]
    section = tabulate_not_comparable(runs, {"vgg16": []})
    assert [row[2] for row in section.rows] == ["merged", "fields"]
    assert all("not comparable" in row[3] and "leukolens ladder run vgg16" in row[4] for row in section.rows)
    recorded = {"vgg16": [make_record(rung="vgg16", variant="merged")]}
    assert [row[2] for row in tabulate_not_comparable(runs, recorded).rows] == ["fields"]


def test_committed_runs_without_weights_are_not_tabulated_and_say_how_to_be_run() -> None:
    runs = read_runs_without_weights(LADDER / "not-comparable.csv")
    assert len(runs) == 26
    assert all(RUNGS[run.rung].to_run for run in runs)
    for path in LADDER.glob("runs/*/*/metrics.json"):
        assert not read_run_record(path.parent).facts.weights_origin.startswith("random: no ImageNet")


def test_a_rung_far_below_its_text_says_why() -> None:
    by_rung = {
        name: [read_run_record(path.parent) for path in sorted(LADDER.glob(f"runs/{name}/*/metrics.json"))]
        for name in RUNGS
    }
    gaps = {group.rung: gap for group in group_seeds(by_rung) if (gap := measure_gap(group, RUNGS[group.rung]))}
    assert gaps
    assert [name for name, gap in gaps.items() if gap < -FAR_BELOW and not RUNGS[name].why] == []


def test_a_damaged_record_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"train": {"n": 3}}')
    with pytest.raises(DataError, match=r"metrics\.json cannot be read as RunMetrics"):
        read_run_record(tmp_path)
