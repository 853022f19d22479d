"""The numbers that a network of the catalogue is built for. They are kept with a run, to build its network again."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkShape:
    """The numbers that decide a network's layers.

    Attributes:
        classes: Number of outputs.
        dropout: Share dropped before its last layer.
        height_px: Of its input; only networks that flatten their features depend on it.
        width_px: Likewise.
        filters: Of the first convolution, where the network leaves that open; 0 for its own default.
        kernel_px: Side of its kernels, likewise.
    """

    classes: int
    dropout: float
    height_px: int
    width_px: int
    filters: int = 0
    kernel_px: int = 0
