from pathlib import Path

import optuna
import pytest
from msgspec import structs

from leukolens.core.files import read_rows
from leukolens.datasets.manifest import Manifest
from leukolens.datasets.splits import Split
from leukolens.training.classification import search as search_module
from leukolens.training.classification.recipe import ClassificationRecipe, ModelConfig
from leukolens.training.classification.search import search_recipe, suggest_recipe
from leukolens.training.recipe import AugmentConfig, OptimiserConfig, RoundConfig
from leukolens.training.task import Reporter, TrainingData


@pytest.fixture
def tiny(config: ClassificationRecipe) -> ClassificationRecipe:
    return structs.replace(
        config,
        model=ModelConfig("conv-tuned", "none", 0.1, filters=8, kernel_px=3),
        rounds=(RoundConfig(2, 1e-3),),
        optimiser=OptimiserConfig(batch_size=8),
        augment=AugmentConfig(),
    )


def test_a_recipe_keeps_what_is_not_searched(tiny: ClassificationRecipe) -> None:
    params = {
        "filters": 32, "kernel_px": 5, "dropout": 0.3, "image_size": 0.5, "method": "sgd", "batch_size": 16,
        "weight_decay": 1e-3, "learning_rate": 2e-3, "epochs": 1,
    }  # fmt: skip
    found = suggest_recipe(optuna.trial.FixedTrial(params), tiny)
    assert (found.model.filters, found.model.kernel_px, found.model.dropout) == (32, 5, 0.3)
    assert (found.preparation.height_px, found.preparation.width_px) == (16, 16)
    assert found.preparation.crop_fraction == tiny.preparation.crop_fraction
    assert (found.optimiser.method, found.optimiser.batch_size, found.rounds[0].epochs) == ("sgd", 16, 1)
    assert (found.name, found.seed, found.augment) == (tiny.name, tiny.seed, tiny.augment)


@pytest.mark.filterwarnings("ignore")
def test_a_killed_search_goes_on_and_never_sees_the_test_part(
    tiny: ClassificationRecipe, cells: Manifest, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []
    source = TrainingData((cells,), cells, split)
    rehearse = search_module.rehearse

    def watch(recipe: ClassificationRecipe, source: TrainingData, *rest: object) -> None:
        seen.append(set(source.split.parts))
        if len(seen) == 2:
            raise KeyboardInterrupt  # killed in its second trial
        rehearse(recipe, source, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(search_module, "rehearse", watch)
    with pytest.raises(KeyboardInterrupt):
        search_recipe(tiny, source, tmp_path, 2, Reporter())
    best = search_recipe(tiny, source, tmp_path, 2, Reporter())
    assert seen == [{"train", "validation"}] * 3, "one finished, one killed, one tried anew"
    rows = [row for row in read_rows(tmp_path / "search.csv") if row["state"] == "complete"]
    assert len(rows) == 2
    top = max(rows, key=lambda row: float(row["validation_balanced_accuracy"]))
    assert best.optimiser.batch_size == int(top["batch_size"]) and best.model.filters == int(top["filters"])
