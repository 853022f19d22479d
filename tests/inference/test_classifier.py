from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leukolens.core.errors import BundleError
from leukolens.core.files import hash_file
from leukolens.core.pixels import Preparation
from leukolens.inference.bundles import load_bundle
from leukolens.inference.classifier import Classifier


def test_colours_are_named_and_temperature_softens(toy: Any, tmp_path: Path) -> None:
    batch = np.zeros((3, 32, 32, 3), np.uint8)
    for row in range(3):
        batch[row, :, :, row] = 255
    cold = Classifier(load_bundle(toy.make_bundle(tmp_path / "a"))).classify_batch(batch)
    assert cold.probabilities.argmax(1).tolist() == [0, 2, 1]
    np.testing.assert_allclose(cold.probabilities.sum(1), 1)
    np.testing.assert_allclose(cold.probabilities[0, 0], np.exp(8) / (np.exp(8) + 2), rtol=1e-6)
    warm = Classifier(load_bundle(toy.make_bundle(tmp_path / "b", temperature=8.0))).classify_batch(batch)
    np.testing.assert_allclose(warm.probabilities[0, 0], np.e / (np.e + 2), rtol=1e-6)


@pytest.mark.parametrize(
    ("model", "changes", "words"),
    [
        ({}, {"classes": ("platelet", "monocyte")}, "2 classes"),
        ({}, {"preparation": Preparation(64, 64)}, "one input"),
        ({}, {"feature_layer": "nothing"}, "promises the outputs"),
        ({}, {"files": {}}, "has no hash of"),
        ({"side": 16}, {}, "one input"),
    ],
)
def test_a_card_that_lies_about_its_model_is_found_out(
    toy: Any, tmp_path: Path, model: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    folder = toy.make_bundle(tmp_path / "liar", toy.make_model(**model), **changes)
    with pytest.raises(BundleError, match=words):
        Classifier(load_bundle(folder))


def test_a_model_cannot_read_other_files(toy: Any, tmp_path: Path) -> None:
    secret = tmp_path / "bundle" / "weights.bin"
    folder = toy.make_bundle(tmp_path / "bundle", toy.make_model(external="weights.bin"))
    secret.write_bytes(b"\0" * 36)
    with pytest.raises(BundleError, match="not a model that runs"):
        Classifier(load_bundle(folder))


def test_numbers_that_are_none_are_not_passed_on(toy: Any, tmp_path: Path) -> None:
    folder = toy.make_bundle(tmp_path / "b", preparation=Preparation(32, 32, mean=(0.0,) * 3, std=(1e-3,) * 3))
    classifier = Classifier(load_bundle(folder))
    classifier._session.run = lambda inputs: np.full((len(inputs), 3), np.nan, np.float32)  # type: ignore[method-assign]
    with pytest.raises(BundleError, match="not finite"):
        classifier.classify_batch(np.zeros((1, 32, 32, 3), np.uint8))


def test_an_unknown_bundle_names_those_there_are(toy: Any, home: Path) -> None:
    toy.make_bundle(home / "bundles" / "mine")
    assert load_bundle("mine").card.name == "mine"
    with pytest.raises(BundleError, match="mine"):
        load_bundle("nobody")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.booleans())
def test_hostile_model_bytes_only_raise_bundle_errors(
    toy: Any, tmp_path_factory: pytest.TempPathFactory, raw: bytes, spliced: bool
) -> None:
    folder = toy.make_bundle(tmp_path_factory.mktemp("fuzz") / "b")
    model = folder / "model.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[: len(whole) // 2] + raw + whole[len(whole) // 2 + len(raw) :] if spliced else raw)
    toy.write_card(
        folder,
        toy.ClassifierCard(
            name="b",
            architecture="toy",
            classes=toy.CLASSES,
            preparation=Preparation(32, 32),
            temperature=1.0,
            accept_threshold=0.9,
            files={"model.onnx": hash_file(model)},
        ),
    )
    try:
        Classifier(load_bundle(folder)).classify_batch(np.zeros((1, 32, 32, 3), np.uint8))
    except BundleError:
        pass
