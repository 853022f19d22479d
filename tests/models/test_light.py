import torch

from leukolens.models.light import LightBalance


def picture() -> torch.Tensor:
    image = torch.full((1, 3, 64, 64), 0.9)
    image[:, :, 20:44, 20:44] = torch.tensor([0.25, 0.1, 0.4])[None, :, None, None]
    return image


def test_a_coloured_lamp_and_a_dim_one_make_no_difference() -> None:
    balance = LightBalance((0.0,) * 3, (1.0,) * 3)
    lamp = torch.tensor([0.5, 0.8, 1.1]).reshape(1, 3, 1, 1)
    torch.testing.assert_close(balance(picture() * lamp), balance(picture()), atol=1e-5, rtol=0)
    torch.testing.assert_close(balance(picture() * 0.3), balance(picture()), atol=1e-5, rtol=0)


def test_a_milky_picture_gets_its_contrast_back() -> None:
    even = LightBalance((0.0,) * 3, (1.0,) * 3)(picture() * 0.4 + 0.5)
    assert even.max() > 0.94 and even.min() < 0.15


def test_normalised_values_stay_normalised_and_a_blank_is_finite() -> None:
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    shift, scale = torch.tensor(mean).reshape(1, 3, 1, 1), torch.tensor(std).reshape(1, 3, 1, 1)
    plain = LightBalance((0.0,) * 3, (1.0,) * 3)(picture())
    torch.testing.assert_close(LightBalance(mean, std)((picture() - shift) / scale) * scale + shift, plain)
    for value in (0.0, 0.5, 1.0):
        assert torch.isfinite(LightBalance(mean, std)(torch.full((1, 3, 32, 32), value))).all()
