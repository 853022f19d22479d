from pathlib import Path

import pytest
import torch
from torch import nn

from leukolens.core.errors import TrainingError, UsageError
from leukolens.core.tasks import Task
from leukolens.models.catalogue import CATALOGUE, find_model, trained_modules
from leukolens.models.pretrained import load_weights
from leukolens.models.shape import NetworkShape

SHAPE = NetworkShape(5, 0.1, 96, 96)


@pytest.mark.parametrize("name", [name for name, spec in CATALOGUE.items() if spec.task is Task.CLASSIFICATION])
def test_every_classifier_keeps_the_contract(name: str) -> None:
    spec = find_model(name)
    torch.manual_seed(0)
    network = spec.build(SHAPE)
    torch.manual_seed(0)
    again = spec.build(SHAPE)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))
    images = torch.rand(2, 3, 96, 96)
    network.train()
    loss = nn.functional.cross_entropy(network(images), torch.tensor([0, 4]))
    loss.backward()
    assert loss.item() < 4
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    network.eval()
    features = network.forward_features(images)
    # Inception's unpadded convolutions lose two places at the border.
    assert 96 // spec.stride_px - 2 <= features.shape[2] == features.shape[3] <= 96 // spec.stride_px
    logits = network.forward_head(features)
    assert logits.shape == (2, 5)
    torch.testing.assert_close(logits, network(images))
    weighed = [
        sum(p.numel() for part in trained_modules(network, spec, trainable) for p in part.parameters())
        for trainable in ("head", "last_block", "all")
        if trainable != "last_block" or spec.last_block
    ]
    assert weighed[0] > 0 and weighed == sorted(set(weighed))
    if not spec.last_block:
        with pytest.raises(UsageError, match="last block"):
            trained_modules(network, spec, "last_block")


def test_an_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="mobilenetv2_100"):
        find_model("transformer")
    with pytest.raises(UsageError, match="No classifier is called 'tf_efficientnet_lite0_detector'"):
        find_model("tf_efficientnet_lite0_detector")
    with pytest.raises(UsageError, match=r"No detector .* has: tf_efficientnet_lite0_detector"):
        find_model("resnet18", Task.DETECTION)


@pytest.mark.parametrize("name", [name for name, spec in CATALOGUE.items() if spec.task is Task.DETECTION])
def test_every_detector_keeps_the_contract(name: str) -> None:
    spec = find_model(name, Task.DETECTION)
    with torch.no_grad():
        centres, sides = spec.build(NetworkShape(3, 0.0, 64, 96)).eval()(torch.rand(2, 3, 64, 96))
    grid = (64 // spec.stride_px, 96 // spec.stride_px)
    assert centres.shape == (2, 3, *grid) and sides.shape == (2, 4, *grid)


def test_random_weights_are_never_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEUKOLENS_WEIGHTS", raising=False)
    monkeypatch.setattr("leukolens.models.pretrained._WHEELS", {})
    monkeypatch.setattr("leukolens.models.pretrained._from_hub", lambda model, architecture: "")
    network = CATALOGUE["resnet18"].build(NetworkShape(3, 0.0, 64, 64))
    with pytest.raises(TrainingError, match="weights=none"):
        load_weights(network, "resnet18", "imagenet")
    assert load_weights(network, "resnet18", "none").startswith("random")
    assert load_weights(network, "resnet18", "imagenet-or-random").startswith("random: no ImageNet")


def test_without_a_network_the_hub_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LEUKOLENS_WEIGHTS", raising=False)
    monkeypatch.setattr("leukolens.models.pretrained._hub_answers", lambda: False)
    monkeypatch.setattr("leukolens.models.pretrained.try_to_load_from_cache", lambda *given: None)
    monkeypatch.setattr("timm.create_model", lambda *given, **named: pytest.fail("the hub was asked"))
    network = torch.nn.Conv2d(3, 3, 3)
    assert load_weights(network, "densenet201", "imagenet-or-random").startswith("random: no ImageNet")


@pytest.mark.real
@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "mobilenetv2_100", "resnet18"])
def test_weights_of_the_local_folder_fit(name: str, real_weights: object) -> None:
    network = CATALOGUE[name].build(NetworkShape(3, 0.0, 64, 64))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    origin = load_weights(network, name, "imagenet")
    after = network.state_dict()
    assert "ImageNet" in origin and "from the file" in origin
    assert not torch.equal(
        before["conv1.weight" if name == "resnet18" else "conv_stem.weight"],
        after["conv1.weight" if name == "resnet18" else "conv_stem.weight"],
    )


def test_weights_of_another_network_are_refused(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    from safetensors.torch import save_file

    save_file({"nothing.weight": torch.zeros(3)}, tmp_path / "resnet18.wrong.safetensors")
    monkeypatch.setenv("LEUKOLENS_WEIGHTS", str(tmp_path))
    with pytest.raises(TrainingError, match="another network"):
        load_weights(CATALOGUE["resnet18"].build(NetworkShape(3, 0.0, 64, 64)), "resnet18", "imagenet")
    (tmp_path / "resnet18.wrong.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(TrainingError, match="safetensors"):
        load_weights(CATALOGUE["resnet18"].build(NetworkShape(3, 0.0, 64, 64)), "resnet18", "imagenet")
