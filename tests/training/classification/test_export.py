from pathlib import Path

import numpy as np
import pytest

from leukolens.core.card import read_card
from leukolens.core.errors import TrainingError
from leukolens.core.pixels import Preparation, prepare_image
from leukolens.core.predictions import read_predictions
from leukolens.core.runs import RunFolder
from leukolens.datasets.formats.class_folders import read_class_folders
from leukolens.datasets.manifest import Manifest
from leukolens.datasets.splits import make_split
from leukolens.datasets.synthetic import write_cells
from leukolens.images.decoding import read_image
from leukolens.inference.bundles import load_bundle
from leukolens.inference.classifier import Classifier
from leukolens.training.classification.export import export_run, load_run, write_bundle
from leukolens.training.classification.int8 import quantise_bundle
from leukolens.training.classification.parity import compare_bundle
from leukolens.training.classification.recipe import ClassificationRecipe, ModelConfig, PreparationConfig
from leukolens.training.recipe import OptimiserConfig, RoundConfig
from leukolens.training.run import train
from leukolens.training.task import Reporter


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEUKOLENS_HOME", str(folder / "home"))
        write_cells(folder / "cells", 24, seed=5)
        manifest = Manifest("toy", read_class_folders(folder / "cells").records)
        config = ClassificationRecipe(
            name="toy",
            model=ModelConfig("conv-batchnorm", "none", 0.1),
            preparation=PreparationConfig(32, 48, subtract_background=True),
            rounds=(RoundConfig(1, 1e-3),),
            optimiser=OptimiserConfig(batch_size=8),
        )
        split = make_split(manifest, "random", (0.4, 0.3, 0.3))
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return train(config, manifest, split=split, out=folder / "out")


@pytest.mark.filterwarnings("ignore")
def test_the_bundle_says_what_the_run_says(run: RunFolder, tmp_path: Path) -> None:
    card = write_bundle(load_run(run), run, tmp_path / "toy").card
    assert read_card(tmp_path / "toy").training == card.training
    assert set(card.files) == {"model.onnx", "split.json", "background.png"}
    assert card.confusion is not None and card.confusion.counts.sum() == card.validation.n
    network = load_run(run).network
    bundle = load_bundle(tmp_path / "toy")
    assert bundle.card.preparation.background is not None
    images = np.random.default_rng(0).integers(0, 256, (70, 32, 48, 3), np.uint8)
    parity = compare_bundle(network, bundle, images)
    assert parity.images == parity.same_labels == 70 and parity.largest_difference < 1e-4
    whole = Classifier(bundle).classify_batch(images[:5]).probabilities
    single = np.concatenate([Classifier(bundle).classify_batch(images[i : i + 1]).probabilities for i in range(5)])
    np.testing.assert_allclose(whole, single, atol=1e-6)

    broken = {key: value + (0.5 if key == "head.5.bias" else 0) for key, value in network.state_dict().items()}
    broken["head.5.bias"][0] += 3
    network.load_state_dict(broken)
    with pytest.raises(TrainingError, match="differs"):
        compare_bundle(network, bundle, images)


def test_an_unfinished_run_is_not_exported(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not a finished run"):
        export_run(RunFolder(tmp_path), tmp_path / "b", 8, False, Reporter())


@pytest.mark.filterwarnings("ignore")
def test_the_exported_file_carries_no_path_of_this_machine(run: RunFolder, tmp_path: Path) -> None:
    write_bundle(load_run(run), run, tmp_path / "toy")
    raw = (tmp_path / "toy" / "model.onnx").read_bytes()
    assert str(Path.home()).encode() not in raw and b"site-packages" not in raw and b".py" not in raw


@pytest.mark.filterwarnings("ignore")
def test_eight_bits_are_smaller_and_judged_anew(run: RunFolder, tmp_path: Path) -> None:
    before = write_bundle(load_run(run), run, tmp_path / "toy").card
    large = (tmp_path / "toy" / "model.onnx").stat().st_size
    parts = {part: load_images(run, part, before.preparation) for part in ("train", "validation")}
    images, truths = parts["validation"]
    _, agreement = quantise_bundle(load_bundle(tmp_path / "toy"), parts["train"][0], images, truths)
    bundle = load_bundle(tmp_path / "toy")  # the card vouches for the new file
    assert (tmp_path / "toy" / "model.onnx").stat().st_size < large / 2
    called = np.concatenate([Classifier(bundle).classify_batch(images[i : i + 1]).logits for i in range(len(images))])
    assert agreement.images == len(truths)
    assert agreement.accuracy_after == pytest.approx((called.argmax(1) == truths).mean())
    assert agreement.same_labels >= len(truths) - 1
    assert bundle.card.validation.precision.startswith("8-bit")


def load_images(run: RunFolder, part: str, preparation: Preparation) -> tuple[np.ndarray, np.ndarray]:
    """Prepared pictures and truths of a part, from the drawn cells beside the run."""
    records = {record.id: record for record in read_class_folders(run.path.parent / "cells").records}
    predictions = read_predictions(run.predictions(part))
    pixels = [prepare_image(read_image(records[call.image].image).pixels, preparation) for call in predictions.items]
    return np.stack(pixels), np.array([predictions.classes.index(truth) for truth in predictions.truths])
