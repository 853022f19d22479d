"""The trained weights of a run, back in a network of its architecture."""

from safetensors.torch import load_file
from torch import nn

from leukolens.core.errors import TrainingError
from leukolens.core.files import show_name
from leukolens.core.runs import RunFolder


def fill_network(network: nn.Module, run: RunFolder, architecture: str) -> nn.Module:
    """The network with the weights of a finished run, in evaluation mode.

    Raises:
        TrainingError: the network was built otherwise when the run was trained.
    """
    try:
        network.load_state_dict(load_file(run.weights))
    except RuntimeError as error:
        raise TrainingError(
            f"The weights of {show_name(str(run.path))} do not fit today's {architecture}: trained by another version of "
            "LeukoLens. Train it again, or use that version."
        ) from error
    return network.eval()
