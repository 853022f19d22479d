"""Numbers of a scan against second implementations and worked cases."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from leukolens.datasets.manifest import Record
from leukolens.exploration.scan import Scan, scan
from leukolens.exploration.tables import (
    choose_thresholds,
    compare_brightness,
    compare_moments,
    count_classes,
    measure_thresholds,
    summarise_quality,
)


def flat(folder: Path, name: str, values: np.ndarray, label: str, group: str) -> Record:
    Image.fromarray(np.repeat(values[..., None], 3, axis=2).astype(np.uint8)).save(folder / f"{name}.png")
    return Record(name, str(folder / f"{name}.png"), label, label, "test", group)


@pytest.fixture
def two_classes(tmp_path: Path) -> Scan:
    generator = np.random.default_rng(3)
    records = []
    for label, mean in (("monocyte", 120), ("neutrophil", 140)):
        for index in range(9):
            values = generator.normal(mean + 8 * (index // 3), 15, (40, 40)).clip(20, 250)
            records.append(flat(tmp_path, f"{label}{index}", values, label, f"{label} field {index // 3}"))
    return scan(records)


def test_anova_from_moments_is_scipys_and_statsmodels() -> None:
    generator = np.random.default_rng(0)
    parts = [generator.normal(mean, 4, size) for mean, size in ((10, 12), (13, 30), (11, 7))]
    ours = compare_moments("image", "grey", [(len(part), part.sum(), (part**2).sum()) for part in parts])
    theirs = stats.f_oneway(*parts)
    assert ours.f == pytest.approx(theirs.statistic)
    assert ours.p == pytest.approx(theirs.pvalue)
    frame = pd.DataFrame({"y": np.concatenate(parts), "c": np.repeat(list("abc"), [len(part) for part in parts])})
    table = anova_lm(ols("y ~ C(c)", frame).fit())
    between, within = table["sum_sq"]
    error = table["mean_sq"].iloc[1]
    assert ours.eta_squared == pytest.approx(between / (between + within))
    assert ours.omega_squared == pytest.approx((between - 2 * error) / (between + within + error))


@pytest.mark.parametrize(
    "classes", [[], [(5, 10.0, 30.0)], [(1, 1.0, 1.0), (1, 2.0, 4.0)], [(3, 6.0, 12.0), (2, 8.0, 32.0)]]
)
def test_anova_is_not_defined_without_classes_or_spread(classes: list[tuple[float, float, float]]) -> None:
    assert compare_moments("image", "grey", classes).f is None


def test_brightness_is_compared_by_pixels_images_and_fields(two_classes: Scan) -> None:
    by_unit = {row.unit: row for row in compare_brightness(two_classes) if row.channel == "green"}
    images = [[row.means[2] for row in two_classes.rows if row.label == name] for name in two_classes.tallies]
    fields = [np.reshape(part, (3, 3)).mean(axis=1) for part in images]
    assert by_unit["pixel"].n == 18 * 40 * 40
    assert by_unit["image"].f == pytest.approx(stats.f_oneway(*images).statistic)
    assert by_unit["group"].n == 6
    assert by_unit["group"].f == pytest.approx(stats.f_oneway(*fields).statistic)
    assert by_unit["pixel"].f > by_unit["image"].f > by_unit["group"].f
    counts = [np.repeat(np.arange(256), tally.histogram[2]) for tally in two_classes.tallies.values()]
    assert by_unit["pixel"].f == pytest.approx(stats.f_oneway(*counts).statistic)


def test_classes_are_counted_in_images_and_groups(tmp_path: Path) -> None:
    values = np.full((20, 20), 99)
    records = [flat(tmp_path, f"m{n}", values, "monocyte", f"field {n % 2}") for n in range(6)]
    records += [flat(tmp_path, "x", values, "monocyte", "unmapped/x"), flat(tmp_path, "n", values, "neutrophil", "n")]
    neutrophil, monocyte = count_classes(scan(records))
    assert (neutrophil.images, neutrophil.groups) == (1, 1)
    assert (monocyte.images, monocyte.groups, monocyte.images_of_unknown_group) == (7, 2, 1)
    assert monocyte.images_per_group == 3
    assert monocyte.share == 7 / 8


def test_otsu_parts_two_heaps_and_the_border_misleads_it(tmp_path: Path) -> None:
    values = np.full((60, 60), 200)
    values[20:40, 20:40] = 120
    bordered = values.copy()
    bordered[:, :15] = 0
    chosen = choose_thresholds(scan([flat(tmp_path, "plain", values, "monocyte", "a")]))
    assert chosen["Otsu"] is not None and 120 < chosen["Otsu"] <= 200
    assert "Otsu, border included" not in chosen
    # More border than cell: now the darkest heap is the border.
    chosen = choose_thresholds(scan([flat(tmp_path, "bordered", bordered, "monocyte", "b")]))
    assert chosen["Otsu"] is not None and chosen["Otsu"] > 120
    assert chosen["Otsu, border included"] is not None and chosen["Otsu, border included"] <= 120


def test_thresholds_count_what_lies_below(tmp_path: Path) -> None:
    values = np.full((120, 120), 220)
    values[:, :30] = 190
    values[:, 30:42] = 160
    seen = scan([flat(tmp_path, "bands", values, "monocyte", "a")])
    taken = {row.name: row.taken for row in measure_thresholds(seen, choose_thresholds(seen)) if row.label == "all"}
    assert taken["200"] == pytest.approx(42 / 120)
    assert taken["180"] == pytest.approx(12 / 120)
    assert taken["150"] == 0


def test_one_flat_image_survives_everything(tmp_path: Path) -> None:
    seen = scan([flat(tmp_path, "flat", np.full((30, 30), 77), "monocyte", "a")])
    assert choose_thresholds(seen)["Otsu"] is None
    assert all(row.f is None for row in compare_brightness(seen))
    assert summarise_quality(seen)[0].focus == 0


def test_quality_counts_the_blurred(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    records = [flat(tmp_path, f"s{n}", generator.integers(50, 200, (30, 30)), "monocyte", str(n)) for n in range(5)]
    records.append(flat(tmp_path, "soft", np.full((30, 30), 120), "monocyte", "soft"))
    assert summarise_quality(scan(records))[0].blurred == 1
