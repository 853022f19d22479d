import numpy as np
import pytest
import torch
from torch import Tensor, nn

from leukolens.core.pixels import Preparation
from leukolens.core.tasks import Task
from leukolens.models.catalogue import CATALOGUE
from leukolens.models.shape import NetworkShape
from leukolens.training.classification.gradcam import grad_cam, map_batch


@pytest.mark.parametrize("name", [name for name, spec in CATALOGUE.items() if spec.task is Task.CLASSIFICATION])
def test_every_classifier_of_the_catalogue_can_be_asked(name: str) -> None:
    torch.manual_seed(0)
    network = CATALOGUE[name].build(NetworkShape(3, 0.1, 96, 96)).eval()
    before = [value.clone() for value in network.state_dict().values()]
    maps = grad_cam(network, torch.rand(2, 3, 96, 96), torch.tensor([0, 2]))
    assert maps.shape == (2, 96, 96) and maps.dtype == np.float32
    assert np.isfinite(maps).all() and maps.min() >= 0 and maps.max() <= 1
    assert all(torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True))
    assert all(parameter.grad is None for parameter in network.parameters())


class Corner(nn.Module):
    """Class 0 is how red the picture is, class 1 how green."""

    def forward_features(self, images: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(images, 8)

    def forward_head(self, features: Tensor) -> Tensor:
        return features[:, :2].mean((2, 3))


def test_the_map_points_where_the_answer_is() -> None:
    batch = np.zeros((2, 64, 64, 3), np.uint8)
    batch[:, :16, :16, 0] = 255
    batch[:, 48:, 48:, 1] = 255
    preparation = Preparation(64, 64, mean=(0.0,) * 3, std=(1.0,) * 3)
    red, green = map_batch(Corner().eval(), preparation, batch, np.array([0, 1]))
    assert red[4, 4] == pytest.approx(1) and red[24:].max() == 0
    assert green[60, 60] == pytest.approx(1) and green[:40].max() == 0


def test_where_nothing_speaks_for_a_class_the_map_is_empty() -> None:
    maps = grad_cam(Corner().eval(), torch.zeros(1, 3, 32, 32), torch.tensor([1]))
    assert (maps == 0).all()
