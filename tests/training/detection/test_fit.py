"""Training a detector on a handful of small synthetic fields: it learns, it resumes, it says what it did."""

from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from PIL import Image
from safetensors.numpy import load_file

from leukolens.core.errors import DataError, TrainingError, UsageError
from leukolens.core.results import Box, Detection
from leukolens.core.runs import RunFolder, read_environment
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.splits import Split
from leukolens.datasets.synthetic import draw_field
from leukolens.evaluation.detection.matching import JudgedField, match_kind
from leukolens.models.detector import CellDetector
from leukolens.models.pretrained import load_weights
from leukolens.training.detection.crops import Crop
from leukolens.training.detection.finish import choose_cut_gain, choose_scale, keep_cut, widen_boxes
from leukolens.training.detection.gather import load_part
from leukolens.training.detection.labels import label_boxes, tighten_boxes
from leukolens.training.detection.module import DetectorModule
from leukolens.training.detection.recipe import (
    DataConfig,
    DetectionRecipe,
    FieldsConfig,
    InputConfig,
    ModelConfig,
    NegativeWeight,
)
from leukolens.training.detection.record import DetectionRun
from leukolens.training.recipe import AugmentConfig, OptimiserConfig, RoundConfig, read_recipe
from leukolens.training.run import evaluate, train

ARCHITECTURE = "tf_efficientnet_lite0_detector"


def quiet(what: str, done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Seven fields of 128 x 96 px with red cells of some 25 px."""
    folder = tmp_path_factory.mktemp("fields")
    records = []
    for number in range(7):
        drawn = draw_field(np.random.default_rng(number), 128, 96, 0.3, ["lymphocyte"])
        Image.fromarray(drawn.image).save(folder / f"{number}.png")
        boxes = tuple(Box(cell.x0, cell.y0, cell.x1, cell.y1, cell.kind) for cell in drawn.cells)
        records.append(Record(str(number), str(folder / f"{number}.png"), None, "", "toy", str(number), boxes=boxes))
    return Manifest("toy", tuple(records))


@pytest.fixture
def config() -> DetectionRecipe:
    return DetectionRecipe(
        name="toy",
        input=InputConfig(25.0, 64),
        data=DataConfig((FieldsConfig("toy", 25.0, 1.0, NegativeWeight(red_cell=0.5)),), 8),
        rounds=(RoundConfig(3, 3e-3),),
        model=ModelConfig(ARCHITECTURE, "none"),
        optimiser=OptimiserConfig(batch_size=4, average_decay=0.5),
        augment=AugmentConfig(flip=True, scale=1.3, stain=0.1, colour=0.2, noise=0.02),
    )


def rows_of(run: RunFolder) -> list[list[str]]:
    return [line.split(",") for line in run.history.read_text().splitlines()]


@pytest.mark.filterwarnings("ignore")
def test_a_run_leaves_all_it_promises_and_a_killed_one_resumes_to_the_same_weights(
    fields: Manifest, config: DetectionRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(config, fields, out=tmp_path / "whole")
    for path in (whole.recipe, whole.history, whole.curves, whole.environment, whole.split, whole.weights):
        assert path.stat().st_size > 0, path
    assert read_recipe(whole.recipe, DetectionRecipe) == config
    assert len(rows_of(whole)) == 1 + 3
    record = read_environment(whole, DetectionRun)
    assert set(record.score_thresholds) == {"leukocyte", "red_cell", "platelet"}
    assert record.images == {"train": 6, "validation": 1}
    with pytest.raises(UsageError, match=r"leaves no predictions\. Export it"):
        evaluate(whole.path, fields, out=tmp_path / "report")

    origin = load_weights(CellDetector(), ARCHITECTURE, str(whole.path))  # a second round may start there
    assert "the run whole" in origin and "100% of the numbers loaded" in origin

    draw = DetectorModule.training_step

    def killed(self: DetectorModule, *batch: object) -> object:
        if self.current_epoch == 2:
            raise RuntimeError("killed")
        return draw(self, *batch)  # type: ignore[arg-type]

    monkeypatch.setattr(DetectorModule, "training_step", killed)
    with pytest.raises(RuntimeError, match="killed"):
        train(config, fields, out=tmp_path / "cut")
    monkeypatch.setattr(DetectorModule, "training_step", draw)
    resumed = train(config, fields, out=tmp_path / "cut", resume=True)
    assert [row[:-1] for row in rows_of(resumed)] == [row[:-1] for row in rows_of(whole)]  # all but the seconds
    ours, theirs = load_file(resumed.weights), load_file(whole.weights)
    assert all(np.array_equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.filterwarnings("ignore")
def test_a_few_fields_are_learned_by_heart(fields: Manifest, config: DetectionRecipe, tmp_path: Path) -> None:
    still = structs.replace(
        config,
        data=structs.replace(config.data, crops_per_epoch=40),
        rounds=(RoundConfig(6, 3e-3),),
        optimiser=OptimiserConfig(batch_size=4),
        augment=AugmentConfig(),
    )
    few = Manifest("toy", fields.records[:4])
    run = train(still, few, out=tmp_path / "run")
    losses = [float(row[1]) for row in rows_of(run)[1:]]
    assert losses[-1] < losses[0] / 2


def test_what_cannot_be_trained_is_refused(fields: Manifest, config: DetectionRecipe, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no checkpoints"):
        train(config, fields, out=tmp_path / "none", resume=True)
    with pytest.raises(DataError, match="No field is left for validation"):
        train(config, Manifest("toy", fields.records[:1]), out=tmp_path / "one")


def test_relabelled_fields_teach_by_their_new_boxes_and_by_all_of_their_ground(
    fields: Manifest, config: DetectionRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell, doubtful = Box(10, 10, 40, 40, "red_cell"), Box(50, 50, 60, 60, "platelet")
    monkeypatch.setattr(
        "leukolens.training.detection.gather.list_relabelled_training", lambda: {"0": ((cell,), (doubtful,))}
    )
    split = Split("toy", "", "grouped", 0, {"train": ("0", "1")})
    told = structs.replace(config.data.fields[0], relabelled_share=1.0, margin_px=3.0)
    anew, own = load_part(fields, told, split, "train", quiet)[0]
    assert (anew.data, anew.negative_weight) == (told.relabelled, (1, 1, 1))
    assert anew.labels.boxes.tolist() == [[10, 10, 40, 40], [50, 50, 60, 60]]
    assert anew.labels.sure.tolist() == [True, False]
    assert (own.data, own.negative_weight) == ("toy", (1, 0.5, 1)) and own.labels.sure.all()
    kept = load_part(fields, config.data.fields[0], split, "train", quiet)[0]
    assert [field.data for field in kept] == ["toy", "toy"]
    assert (own.labels.boxes[:, 2] < kept[1].labels.boxes[:, 2]).any()


def test_relabelled_platelets_take_the_place_of_the_public_ones_alone(
    fields: Manifest, config: DetectionRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    platelet = Box(70, 70, 78, 80, "platelet")
    split = Split("toy", "", "grouped", 0, {"train": ("0", "1")})
    told = structs.replace(config.data.fields[0], relabelled_share=1.0)
    before = load_part(fields, told, split, "train", quiet)[0]
    monkeypatch.setattr(
        "leukolens.training.detection.gather.list_training_platelets", lambda: {"0": (platelet,), "1": ()}
    )
    one, none = load_part(fields, told, split, "train", quiet)[0]
    assert (one.data, one.negative_weight) == ("toy", (1, 0.5, 1.0))
    assert one.labels.boxes[one.labels.kinds == 2].tolist() == [[70, 70, 78, 80]]
    assert not (none.labels.kinds == 2).any()
    for after, was in zip((one, none), before, strict=True):
        assert after.labels.boxes[after.labels.kinds < 2].tolist() == was.labels.boxes[was.labels.kinds < 2].tolist()


def test_boxes_that_stand_off_their_cells_are_drawn_in_but_not_at_the_edge() -> None:
    labels = label_boxes(
        [Box(20, 20, 60, 50, "red_cell"), Box(0, 10, 30, 80, "leukocyte"), Box(40, 40, 44, 44, "platelet")]
    )
    drawn = tighten_boxes(labels, 5.0, np.zeros((80, 100, 3), np.uint8))
    assert drawn.boxes.tolist() == [[25, 25, 55, 45], [0, 15, 25, 80], [41, 41, 43, 43]]
    assert drawn.kinds.tolist() == labels.kinds.tolist() and drawn.sure.all()
    assert tighten_boxes(labels, 0.0, np.zeros((80, 100, 3), np.uint8)).boxes.tolist() == labels.boxes.tolist()


def test_boxes_drawn_too_wide_are_narrowed_and_good_ones_are_left() -> None:
    rng = np.random.default_rng(0)

    def judged(factor: float) -> list[JudgedField]:
        fields = []
        for number in range(12):
            x, y = rng.uniform(20, 80, 2)
            half = 10 * factor
            found = Detection(Box(x - half, y - half, x + half, y + half, "platelet"), 0.9)
            fields.append(JudgedField(str(number), "", (Box(x - 10, y - 10, x + 10, y + 10, "platelet"),), (found,)))
        return fields

    assert choose_scale(judged(1.0), (), "platelet") == 1
    assert choose_scale(judged(1.2), (), "platelet") == 1  # they overlap by more than half as they are
    wide = judged(1.6)
    scale = choose_scale(wide, (), "platelet")
    assert 0.6 <= scale <= 0.9
    assert match_kind([widen_boxes(field, "platelet", scale) for field in wide], "platelet").average_precision() == 1
    assert choose_scale(wide, (), "red_cell") == 1  # none is there to choose by


def test_cut_leukocytes_are_lifted_to_the_threshold_of_whole_ones() -> None:
    def judged(score: float, left: float) -> JudgedField:
        box = Box(left, 40, left + 30, 70, "leukocyte")
        return JudgedField("a", "", (box,), (Detection(box, score),))

    inside = np.zeros((128, 128), bool)
    inside[:100, :120] = True
    part = Crop(np.zeros((128, 128, 3), np.uint8), inside, label_boxes(()), (1.0, 1.0, 1.0))
    at_border = [keep_cut(judged(0.25, left), part, "leukocyte") for left in (0, 90.5, 45)]
    assert [len(field.truths) for field in at_border] == [len(field.detections) for field in at_border] == [1, 1, 0]
    gain = choose_cut_gain(at_border, "leukocyte", 0.5)
    assert gain == pytest.approx(np.log(3))  # odds of 1 to 3 must become even
    assert choose_cut_gain(at_border, "leukocyte", 0.1) == choose_cut_gain([], "leukocyte", 0.5) == 0


def test_a_width_is_as_good_as_the_boxes_that_it_agrees_with_least() -> None:
    tight, loose = Box(40, 40, 60, 60, "platelet"), Box(36, 36, 64, 64, "platelet")  # 20 and 28 px wide
    found = (Detection(Box(41, 41, 59, 59, "platelet"), 0.9),)
    anew, own = (JudgedField("a", "", (truth,), found) for truth in (tight, loose))
    # 18 px are too narrow for the loose box; 20 to 28 px share half with both, 23 are tried up to: the middle is taken.
    assert choose_scale([anew], [own], "platelet") == 1.2
    assert choose_scale([anew], [], "platelet") == choose_scale([anew], [anew], "platelet") == 1
    none = JudgedField("a", "", (), found)
    assert choose_scale([anew], [none], "platelet") == choose_scale([none], [none], "platelet") == 1
