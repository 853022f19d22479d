import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from leukolens.core.errors import DataError
from leukolens.datasets.manifest import Manifest, save_manifest
from leukolens.datasets.registry import manifest_path
from leukolens.datasets.splits import Split, read_split
from leukolens.training.classification.recipe import ClassificationRecipe, DataConfig, SiteConfig
from leukolens.training.classification.sites import SiteCells, weigh_draws
from leukolens.training.classification.tensors import CellArray
from leukolens.training.run import train


@pytest.fixture
def add(cells: Manifest) -> Callable[[str], None]:
    """Adds the same cells once more, as another site's; two of each class are for training."""

    def save(name: str) -> None:
        seen: dict[str | None, int] = {}
        records = []
        for record in cells.records:
            seen[record.label] = seen.get(record.label, 0) + 1
            part = "train" if seen[record.label] <= 2 else "test"
            records.append(dataclasses.replace(record, source=name, part=part))
        save_manifest(manifest_path(name), Manifest(name, tuple(records)))

    return save


@pytest.mark.filterwarnings("ignore")
def test_another_site_is_trained_on_and_the_rest_of_it_kept(
    cells: Manifest, split: Split, config: ClassificationRecipe, add: Callable[[str], None], tmp_path: Path
) -> None:
    add("there")
    add("elsewhere")
    both = (SiteConfig("there", 0.3, "provided"), SiteConfig("elsewhere", 0.2))
    run = train(structs.replace(config, data=DataConfig(sites=both)), cells, split=split, out=tmp_path)
    there, elsewhere = (read_split(run.site_split(name)) for name in ("there", "elsewhere"))
    facts = json.loads(run.environment.read_text())
    assert facts["sites"] == {"there": 6, "elsewhere": len(elsewhere.parts["train"])}
    assert len(there.parts["train"]) == 6 and len(there.parts["test"]) == len(cells.records) - 6
    assert len(elsewhere.parts["test"]) == pytest.approx(len(cells.records) / 5, abs=2)
    assert facts["images"]["train"] == len(
        split.parts["train"]
    )  # what stands in the run's own split is its own dataset


def test_a_site_that_cannot_be_trained_on_is_refused(
    cells: Manifest, split: Split, config: ClassificationRecipe, add: Callable[[str], None], tmp_path: Path
) -> None:
    add("there")
    few = tuple(record for record in cells.records if record.label != "platelet")
    ids = {record.id for record in few}
    parts = {part: tuple(name for name in names if name in ids) for part, names in split.parts.items()}
    platelets = tuple(record for record in cells.records if record.label == "platelet")
    save_manifest(manifest_path("small"), Manifest("small", platelets))

    def with_one(name: str, share: float) -> ClassificationRecipe:
        return structs.replace(config, data=DataConfig(sites=(SiteConfig(name, share),)))

    with pytest.raises(DataError, match="no cell of eosinophil, lymphocyte"):
        without = dataclasses.replace(split, parts=parts)
        train(with_one("small", 0.2), cells, split=without, out=tmp_path / "a")
    with pytest.raises(ValueError, match="sum to less than 1, received 1"):
        with_one("there", 1.0)
    with pytest.raises(DataError, match="nowhere"):
        train(with_one("nowhere", 0.2), cells, split=split, out=tmp_path / "c")


def test_draws_keep_the_shares_and_rare_classes_are_drawn_by_their_roots(cells: Manifest, split: Split) -> None:
    def array_of(**counts: int) -> CellArray:
        named = ((label, number) for label, count in counts.items() for number in range(count))
        records = [dataclasses.replace(cells.records[0], label=label, group=f"{label}{n}") for label, n in named]
        return CellArray(np.zeros((len(records), 4, 4, 3), np.uint8), tuple(records), ())

    home = array_of(lymphocyte=10, platelet=30)
    other = SiteCells(0.25, split, array_of(lymphocyte=4, eosinophil=36))
    assert weigh_draws([home], "none", []) is None
    weights = weigh_draws([home], "none", [other])
    assert weights is not None
    np.testing.assert_allclose(weights[:40], 0.75 / 40)
    np.testing.assert_allclose(weights[40:44], 0.25 * 2 / 8 / 4)  # roots of 4 and 36: 2 and 6
    np.testing.assert_allclose(weights[44:], 0.25 * 6 / 8 / 36)
    by_class = weigh_draws([home], "classes", [other])
    assert by_class is not None and by_class[:10].sum() == pytest.approx(0.375) and by_class.sum() == pytest.approx(1)
