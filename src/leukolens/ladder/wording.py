"""How the ladder's tables write numbers: shares without the leading zero, intervals beside them."""

from leukolens.core.intervals import Interval
from leukolens.evaluation.classification.comparison import Estimate


def format_share(value: float | None) -> str:
    """`.977`, or an empty string for None."""
    return "" if value is None else f"{value:.3f}".lstrip("0") if value < 1 else "1.000"


def format_interval(interval: Interval) -> str:
    """`.958 to .990`."""
    return f"{format_share(interval.low)} to {format_share(interval.high)}"


def format_points(interval: Interval) -> str:
    """An interval of a difference in points of one hundred: `-1.2 to +3.4`."""
    return f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}"


def format_accuracy(estimate: Estimate) -> str:
    """Accuracy per image with its interval."""
    return f"{format_share(estimate.accuracy)} ({format_interval(estimate.interval)})"


def format_group_accuracy(estimate: Estimate) -> str:
    """Share of groups with more than half of their images right, with its interval."""
    return f"{format_share(estimate.group_accuracy)} ({format_interval(estimate.group_interval)})"
