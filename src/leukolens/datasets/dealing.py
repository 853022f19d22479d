"""Divides images into parts so that each part has its share of each class."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from leukolens.datasets.manifest import Record

_EVEN = 0.01
"""How far a class's share in a part may be off before the images are divided again."""
_TRIES = 50
_TRIED_UNITS = 100_000
"""Units divided in all tries together, so that large datasets take no longer than small ones."""


def deal_units(
    records: Sequence[Record], units: Mapping[str, str], shares: Mapping[str, float], order: np.random.Generator
) -> dict[str, list[str]]:
    """The ids of each part. Ids of one unit stay in one part.

    A few large units, such as the 19 slides of Chula, cannot be divided evenly. Then the best of several tries is
    taken.

    Args:
        records: What is divided.
        units: The unit of each id, such as its group.
        shares: Of all images, by part.
        order: Source of all chance.
    """
    members: dict[str, list[str]] = defaultdict(list)
    classes = sorted({record.label or "" for record in records})
    counts: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(len(classes)))
    for record in records:
        members[units[record.id]].append(record.id)
        counts[units[record.id]][classes.index(record.label or "")] += 1
    names = sorted(members)
    sizes = np.array([len(members[name]) for name in names])
    best, least = {}, np.inf
    for attempt in range(max(1, min(_TRIES, _TRIED_UNITS // max(len(names), 1)))):
        shuffled = order.permutation(len(names))
        blur = order.uniform(0.5, 1.5, len(names)) if attempt else np.ones(len(names))
        largest_first = shuffled[np.argsort(-(sizes * blur)[shuffled], kind="stable")]
        dealt, worst = _deal_in_order([names[index] for index in largest_first], counts, shares)
        if worst < least:
            best, least = dealt, worst
        if worst <= _EVEN:
            break
    return {part: [identity for name in best.get(part, ()) for identity in members[name]] for part in shares}


def _deal_in_order(
    names: Sequence[str], counts: Mapping[str, NDArray[np.float64]], shares: Mapping[str, float]
) -> tuple[dict[str, list[str]], float]:
    """Gives each unit to the part that lacks most of its classes; also says how far the worst class is off its share."""
    totals = np.maximum(np.sum([counts[name] for name in names], axis=0), 1)
    lacking = {part: totals * share for part, share in shares.items() if share > 0}
    dealt: dict[str, list[str]] = {part: [] for part in shares}
    for name in names:
        need = {part: float((left / totals) @ counts[name]) for part, left in lacking.items()}
        part = max(need, key=lambda candidate: need[candidate])
        lacking[part] = lacking[part] - counts[name]
        dealt[part].append(name)
    return dealt, max((float(np.abs(left / totals).max(initial=0)) for left in lacking.values()), default=0.0)
