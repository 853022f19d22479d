"""How the ladder's pages write a figure: shares without the leading zero, intervals beside them."""

from leukolens.core.intervals import Interval
from leukolens.evaluation.classification.comparison import Estimate


def tell_share(value: float | None) -> str:
    """`.977`, or nothing where there is none."""
    return "" if value is None else f"{value:.3f}".lstrip("0") if value < 1 else "1.000"


def tell_ends(interval: Interval) -> str:
    """`.958 to .990`."""
    return f"{tell_share(interval.low)} to {tell_share(interval.high)}"


def tell_accuracy(found: Estimate) -> str:
    """Accuracy per image with its interval."""
    return f"{tell_share(found.accuracy)} ({tell_ends(found.interval)})"


def tell_group_accuracy(found: Estimate) -> str:
    """Share of groups called rightly with its interval."""
    return f"{tell_share(found.group_accuracy)} ({tell_ends(found.group_interval)})"
