from pathlib import Path

import pytest

from leukolens.core.errors import UsageError
from leukolens.core.tasks import Task
from leukolens.training.classification.recipe import ClassificationRecipe
from leukolens.training.detection.recipe import DetectionRecipe
from leukolens.training.recipe import format_recipe, read_recipe, read_recipe_task
from leukolens.training.run import load_recipe

FOLDER = Path(__file__).parents[2] / "recipes"
RECIPES = sorted(FOLDER.rglob("*.toml"))
DETECTOR, PBC, LABS = (FOLDER / name for name in ("detector.toml", "pbc.toml", "pbc-labs.toml"))
NUMBERS = {
    "rounds.0.learning_rate": 11.0,
    "rounds.0.warmup": 1.5,
    "optimiser.weight_decay": 11.0,
    "optimiser.label_smoothing": 1.0,
    "optimiser.average_decay": 1.0,
    "augment.scale": 11.0,
    "augment.stain": 2.0,
    "augment.colour": 2.0,
    "augment.hue_degrees": 181.0,
    "augment.noise": 2.0,
    "augment.jpeg": 2.0,
    "augment.blur_px": 51.0,
    "rounds.0.scale": 5.0,
    "rounds.0.epochs": 10_001,
    "optimiser.batch_size": 65_537,
    "optimiser.early_stopping_patience": 10_000_001,
    "seed": 2**31,
    "budget_seconds": 2**31,
}
"""A value beyond the upper end of each key that holds a number."""


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_reads_and_survives_a_round_trip(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    again = tmp_path / "again.toml"
    again.write_text(format_recipe(recipe), encoding="utf-8")
    assert load_recipe(again) == recipe and read_recipe_task(again) is recipe.task


def test_a_recipe_says_its_task_and_is_of_classification_where_it_does_not(tmp_path: Path) -> None:
    assert isinstance(load_recipe(PBC), ClassificationRecipe) and isinstance(load_recipe(DETECTOR), DetectionRecipe)
    path = tmp_path / "old.toml"
    path.write_text(PBC.read_text(encoding="utf-8").replace('task = "classification"\n', ""), encoding="utf-8")
    assert read_recipe_task(path) is Task.CLASSIFICATION and load_recipe(path) == load_recipe(PBC)
    path.write_text('task = "segmentation"\n', encoding="utf-8")
    with pytest.raises(
        UsageError, match="task: expected one of 'classification', 'detection', received 'segmentation'"
    ):
        load_recipe(path)
    with pytest.raises(UsageError, match="task: expected 'classification', received 'detection'"):
        read_recipe(DETECTOR, ClassificationRecipe)


def test_set_overrides_one_value_also_inside_a_round() -> None:
    recipe = load_recipe(PBC, ("optimiser.batch_size=7", "rounds.0.epochs=3", "model.weights=none"))
    assert isinstance(recipe, ClassificationRecipe)
    assert (recipe.optimiser.batch_size, recipe.rounds[0].epochs, recipe.model.weights) == (7, 3, "none")
    detector = load_recipe(DETECTOR, ["data.fields.0.negative_weight.red_cell=0.3"])
    assert isinstance(detector, DetectionRecipe)
    assert [part.data for part in detector.data.fields] == ["bccd", "txl", "chula"]
    assert detector.data.fields[0].negative_weight.red_cell == 0.3


@pytest.mark.parametrize(
    ("path", "override", "words"),
    [
        (PBC, "optimiser.batchsize=7", "unknown key optimiser.batchsize; expected one of method, batch_size, "),
        (PBC, "surprise=1", "unknown key surprise; expected one of name, rounds, "),
        (PBC, "rounds.1.surprise=1", "unknown key rounds.1.surprise; expected one of epochs, learning_rate"),
        (PBC, "optimiser.batch_size=much", "optimiser.batch_size: expected int, received 'much'"),
        (PBC, "optimiser.batch_size=0", "optimiser.batch_size: expected int >= 1, received 0"),
        (PBC, "optimiser=3", "optimiser: expected object, received 3"),
        (PBC, "data.balance=some", "data.balance: expected one of 'none', 'classes', 'groups', received 'some'"),
        (PBC, "rounds.1.schedule=steep", "rounds.1.schedule: expected one of 'cosine', 'constant', received 'steep'"),
        *(
            (path, f"{key}={value}", rf"{key.replace('.', '[.]')}: expected .*received {value}")
            for path in (PBC, DETECTOR)
            for key, limit in NUMBERS.items()
            for value in ("nan", "inf", "-1", str(limit))
        ),
        (PBC, "preparation.height_px=5", "preparation.height_px: expected int >= 8"),
        (PBC, "model.filters=100000", "model.filters: expected int <= 4096"),
        (PBC, "model.kernel_px=1000", "model.kernel_px: expected int <= 101"),
        (PBC, "data.synthetic_cells=1000000", "data.synthetic_cells: expected int <= 100000"),
        (PBC, "name=''", "name: expected str of length >= 1"),
        (PBC, "rounds=[]", r"rounds: expected array of length >= 1, received \[\]"),
        (PBC, "rounds.9.epochs=1", "the recipe has no place rounds.9.epochs"),
        (PBC, "seed", "key=value"),
        (PBC, "seed=true", "seed: expected int, received True"),
        (PBC, "model.dropout=nan", "model.dropout: expected float .*received nan"),
        (LABS, "data.sites.0.share=0.9", "data: expected sites whose shares sum to less than 1, received 1.05"),
        (LABS, "data.sites.0.share=0.0", "data.sites.0.share: expected float > 0.0, received 0.0"),
        (DETECTOR, "input.crop_px=100", "input.crop_px: expected int that's a multiple of 32, received 100"),
        (DETECTOR, "data.fields.0.negative_weight.red_cell=2.0", "red_cell: expected float <= 1.0, received 2.0"),
        (DETECTOR, "augment.rotation_degrees=90.0", "augment.rotation_degrees: expected 0 .*quarters.* received 90"),
        (DETECTOR, "augment.shift=0.1", "augment.shift: expected 0"),
        (DETECTOR, "optimiser.label_smoothing=0.1", "optimiser.label_smoothing: expected 0"),
        (DETECTOR, "rounds.0.trainable=head", "rounds.0: a detector is trained whole .*'head'"),
        (DETECTOR, "data.fields.0.share=-1.0", "data.fields.0.share: expected float >= 0.0, received -1.0"),
        (DETECTOR, "data.crops_per_epoch=2", "data.crops_per_epoch: expected at least one batch of 16, received 2"),
        (DETECTOR, "data.fields.0.red_cell_px=0.0", "data.fields.0.red_cell_px: expected float >= 8.0, received 0.0"),
        (DETECTOR, "data.fields.0.margin_px=-1.0", "data.fields.0.margin_px: expected float >= 0.0, received -1.0"),
        (DETECTOR, "data.fields=[]", "data.fields: expected array of length >= 1"),
        (DETECTOR, "model.dropout=0.5", "unknown key model.dropout"),
        (DETECTOR, "task=classification", "task: expected 'detection', received 'classification'"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_key_and_reason(path: Path, override: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load_recipe(path, (override,))


def test_shares_that_are_all_nothing_are_refused() -> None:
    nothing = [f"data.fields.{number}.share=0.0" for number in range(3)]
    with pytest.raises(UsageError, match="shares that are not all 0"):
        load_recipe(DETECTOR, [*nothing, "data.fields.0.relabelled_share=0.0", "data.synthetic_share=0.0"])


def test_a_recipe_that_lacks_its_model_says_so(tmp_path: Path) -> None:
    path = tmp_path / "bare.toml"
    path.write_text('name = "bare"\n[[rounds]]\nepochs = 1\nlearning_rate = 1e-3\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"bare.toml: model is missing"):
        load_recipe(path)


@pytest.mark.parametrize("raw", [b"\xff", b"a = ", b'name = "x"\n' + b"[a]\n" * 2, b"a = " + b"[" * 5000])
def test_what_is_no_toml_is_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "raw.toml"
    path.write_bytes(raw)
    with pytest.raises(UsageError, match="cannot be read as TOML"):
        load_recipe(path)


def test_a_recipe_is_named_by_text_or_path_and_a_missing_one_is_refused_in_words() -> None:
    assert load_recipe(str(PBC)) == load_recipe(PBC)
    with pytest.raises(UsageError, match=r"There is no recipe nowhere\.toml"):
        load_recipe("nowhere.toml")


def test_a_blur_that_is_wider_than_the_picture_is_refused() -> None:
    with pytest.raises(UsageError, match=r"blur_px: expected less than half of the input's side of 32 px in rounds.0"):
        load_recipe(PBC, ("preparation.height_px=32", "rounds.0.scale=1.0", "augment.blur_px=16.0"))
    with pytest.raises(UsageError, match=r"blur_px: expected less than half of input\.crop_px, 64"):
        load_recipe(DETECTOR, ("input.crop_px=64", "augment.blur_px=32.0"))
