from pathlib import Path

import pytest

from leukolens.core.errors import UsageError
from leukolens.training.detection.recipe import is_detector_recipe
from leukolens.training.recipe import format_recipe, read_recipe

FOLDER = Path(__file__).parents[2] / "recipes"
RECIPES = sorted(path for path in FOLDER.rglob("*.toml") if not is_detector_recipe(path))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_reads_and_survives_a_round_trip(path: Path, tmp_path: Path) -> None:
    config = read_recipe(path)
    assert config.name == path.stem
    again = tmp_path / "again.toml"
    again.write_text(format_recipe(config), encoding="utf-8")
    assert read_recipe(again) == config


def test_set_overrides_one_value_also_inside_a_round() -> None:
    config = read_recipe(FOLDER / "pbc.toml", ("optimiser.batch_size=7", "rounds.0.epochs=3", "model.weights=none"))
    assert (config.optimiser.batch_size, config.rounds[0].epochs, config.model.weights) == (7, 3, "none")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optimiser.batchsize=7", "unknown keys"),
        ("optimiser.batch_size=much", "type int"),
        ("data.balance=some", "one of"),
        ("rounds.9.epochs=1", "no place"),
        ("seed", "key=value"),
        ("seed=true", "type int"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(override: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_recipe(FOLDER / "pbc.toml", (override,))


def test_a_recipe_that_lacks_its_model_says_so(tmp_path: Path) -> None:
    path = tmp_path / "bare.toml"
    path.write_text('name = "bare"\n', encoding="utf-8")
    with pytest.raises(UsageError, match="lacks"):
        read_recipe(path)
