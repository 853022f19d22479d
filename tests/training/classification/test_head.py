import numpy as np
import pytest
import torch

from leukolens.models.catalogue import CATALOGUE
from leukolens.models.shape import NetworkShape
from leukolens.training.classification.export import find_linear_head


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_100", "tf_efficientnet_lite0_balanced", "vgg16"])
def test_a_linear_head_on_the_mean_gives_its_weights(name: str) -> None:
    torch.manual_seed(0)
    network = CATALOGUE[name].build(NetworkShape(3, 0.1, 64, 64)).eval()
    images = torch.rand(2, 3, 64, 64)
    head = find_linear_head(network, images)
    assert head is not None and head.dtype == np.float32
    with torch.inference_mode():
        means = network.forward_features(images).mean((2, 3)).numpy()
        np.testing.assert_allclose(means @ head[:, :-1].T + head[:, -1], network(images).numpy(), atol=1e-4)


@pytest.mark.parametrize("name", ["dense", "conv1", "conv-batchnorm", "legacy_xception"])
def test_other_heads_are_not_taken_for_one(name: str) -> None:
    network = CATALOGUE[name].build(NetworkShape(3, 0.1, 64, 64)).eval()
    assert find_linear_head(network, torch.zeros(2, 3, 64, 64)) is None
