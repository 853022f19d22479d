"""Corrects a smear's shares for the known errors of the classifier, and for the cells that the border cuts.

Validation cells show with which probability a cell of class i is predicted as class k, and how well this probability is
known. The predictions on a smear are multinomial, with the mix of classes times these probabilities. Cells for review
are
included: which cells are for review changes from slide to slide and from class to class, and most of their predictions
are right.

The point estimate is the most likely mix without negative shares (EM; Dempster, Laird and Rubin 1977). The interval
inverts a score test, as Wilson's interval does. It uses the efficient linear estimate of a share, with the variance at
the share under test, from the counts of the smear and the validation rows together. With a perfect classifier it is
Wilson's interval. For classes with few predictions, the exact limits of Clopper and Pearson (1934) are used instead.
Shares are of the cells that the whole cells stand for (`leukolens.smear.border`); these numbers are taken as known.

Of four candidates only this one kept its coverage over all mixes tried (`bench/coverage.py`). Bootstrap percentiles and
a Dirichlet posterior lost it for classes of a few cells. The coverage holds if the cells of the smear are like the
validation cells. This cannot be known here; only too many cells for review show that it does not hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukolens.core.confusion import Confusion
from leukolens.core.intervals import Z_95, clopper_pearson_interval, wilson_interval

FEWEST_CELLS = 20
"""With fewer validation cells of a class, its errors are not known well enough."""

FEW_PREDICTED = 5
"""A class with fewer predictions than this gets the exact interval."""

_PRIOR_CELLS = 1.0
"""Added to each validation row, spread evenly: an error that did not occur is still possible (Perks 1947)."""

_WEAKEST_SINGULAR_VALUE = 0.1
"""Of the table of rates. Below it, the classifier hardly separates two classes, and the mix cannot be estimated."""

_EM_STEPS = 500
_HALVINGS = 30

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CorrectedShares:
    """Shares of `c` classes of a group in `n` smears.

    Attributes:
        shares: `(n, c)` float64, the most likely shares, 0..1; each row sums to 1.
        low: `(n, c)` float64, lower ends of the 95 % intervals.
        high: `(n, c)` float64, upper ends.
        exact: `(n, c)` bool, whether the interval is the exact one, for a class with few predictions.
    """

    shares: Floats
    low: Floats
    high: Floats
    exact: NDArray[np.bool_]


@dataclass(frozen=True)
class _Rates:
    """The errors of the classifier on validation cells.

    Attributes:
        rates: `(k, k)` probability of each prediction (column) for each class (row).
        cells: `(k,)` cells of each row, those of the prior included.
    """

    rates: Floats
    cells: Floats


def find_shift(review: int, cells: int, confusion: Confusion) -> str:
    """Why a smear's cells seem to differ from the validation cells, in words; empty where they do not.

    Args:
        review: Cells of the smear that are for review because of their probability.
        cells: Cells that were accepted or are for review.
        confusion: Of the validation cells.
    """
    known = wilson_interval(int(confusion.unsure.sum()), int(confusion.counts.sum()))
    if cells and wilson_interval(review, cells).low > known.high:
        told = f"the classifier is not sure of {review} of {cells} cells, a larger share than on validation"
        return f"{told}: these cells look different from those that the classifier was validated on"
    return ""


def find_obstacle(confusion: Confusion) -> str:
    """Why counts cannot be corrected with this confusion of validation cells, in words; empty where they can."""
    rows = confusion.counts.sum(axis=1)
    if rows.min() < FEWEST_CELLS:
        label = confusion.labels[int(rows.argmin())]
        return f"the classifier was validated on {rows.min()} cells of {label}, and at least {FEWEST_CELLS} are needed"
    if np.linalg.svd(_learn_rates(confusion).rates, compute_uv=False).min() < _WEAKEST_SINGULAR_VALUE:
        return "the classifier confuses some classes so often that their shares cannot be estimated"
    return ""


def correct_shares(
    predicted: NDArray[np.integer],
    confusion: Confusion,
    members: Sequence[str],
    stand_for: Mapping[str, float] | None = None,
) -> CorrectedShares:
    """Shares of classes within a group, corrected for the classifier's errors, with 95 % intervals.

    Args:
        predicted: `(n, k)` cells of `n` smears by predicted class, those for review included, in the order of the
            confusion. Each smear has at least one cell of the members.
        confusion: Of the validation cells; `find_obstacle` must give an empty text for it.
        members: The `c` classes whose shares sum to 1: the leukocytes.
        stand_for: By class, how many cells one cell stands for. None, and classes that are missing, mean one.
    """
    known = _learn_rates(confusion)
    counts = np.asarray(predicted, np.float64)
    cells = counts.sum(axis=1)
    mix = _find_mix(counts / cells[:, None], known.rates)
    inside = np.array([confusion.labels.index(name) for name in members], np.intp)
    behind = np.array([(stand_for or {}).get(name, 1.0) for name in members])
    shares = mix[:, inside] * behind
    shares /= shares.sum(axis=1, keepdims=True)
    test = _ScoreTest(counts / cells[:, None], cells, mix, inside, behind, known)
    low, high = test.find_ends()
    few = np.asarray(predicted)[:, inside]
    exact = few < FEW_PREDICTED
    for smear, member in zip(*np.nonzero(exact), strict=True):
        ends = _exact_ends(int(few[smear, member]), int(cells[smear]), mix[smear], int(inside[member]), known)
        low[smear, member], high[smear, member] = _weigh_ends(ends, member, mix[smear, inside], behind)
    return CorrectedShares(shares, np.minimum(low, shares), np.maximum(high, shares), exact)


def _learn_rates(confusion: Confusion) -> _Rates:
    counts = confusion.counts + _PRIOR_CELLS / len(confusion.labels)
    cells = counts.sum(axis=1)
    return _Rates(counts / cells[:, None], cells)


def _find_mix(predicted: Floats, rates: Floats) -> Floats:
    """The most likely mixes of classes `(n, k)` for shares of predictions `(n, k)`."""
    mix = np.full((len(predicted), len(rates)), 1 / len(rates))
    for _ in range(_EM_STEPS):
        before = mix
        mix = mix * ((predicted / (mix @ rates)) @ rates.T)
        if np.abs(mix - before).max() < 1e-8:
            break
    return mix


class _ScoreTest:
    """Tests shares of many smears and members at once; arrays are `(n, c)` or `(n, c, ...)`."""

    def __init__(
        self, predicted: Floats, cells: Floats, mix: Floats, inside: NDArray[np.intp], behind: Floats, known: _Rates
    ) -> None:
        self._predicted, self._cells, self._known, self._inside = predicted, cells, known, inside
        weighted = known.rates / (mix @ known.rates)[:, None, :]
        # Weighted least squares: an unbiased estimate of the mix, as efficient as maximum likelihood.
        estimators = np.linalg.solve(weighted @ known.rates.T, weighted)[:, inside] * behind[:, None]
        self._estimators, self._whole = estimators, estimators.sum(axis=1)[:, None, :]
        self._within, self._behind = mix[:, inside].sum(axis=1)[:, None], behind
        self._outside = mix.copy()
        self._outside[:, inside] = 0
        # If one share changes, the other members change in proportion.
        own = np.eye(len(inside))
        others = (mix[:, inside] * behind)[:, None, :] * (1 - own)
        total = others.sum(axis=2, keepdims=True)
        even = (1 - own) / max(1, len(inside) - 1)
        self._others = np.where(total > 0, others / np.where(total > 0, total, 1), even)
        self._own = own

    def find_ends(self) -> tuple[Floats, Floats]:
        """The lowest and the highest share that the test does not reject, each `(n, c)`."""
        estimate = np.einsum("nco,no->nc", self._estimators, self._predicted)
        whole = np.einsum("nco,no->nc", self._whole, self._predicted)
        centre = np.clip(estimate / np.maximum(whole, 1e-9), 0, 1)
        ends = []
        for limit in (0.0, 1.0):
            kept, dropped = centre, np.full_like(centre, limit)
            settled = ~self._rejects(dropped)
            for _ in range(_HALVINGS):
                middle = (kept + dropped) / 2
                rejected = self._rejects(middle)
                kept, dropped = np.where(rejected, kept, middle), np.where(rejected, middle, dropped)
            ends.append(np.where(settled, limit, kept))
        return ends[0], ends[1]

    def _rejects(self, share: Floats) -> NDArray[np.bool_]:
        weights = self._estimators - share[..., None] * self._whole
        members = (share[..., None] * self._own + (1 - share[..., None]) * self._others) / self._behind
        members *= self._within[..., None] / members.sum(axis=2, keepdims=True)
        mix = np.repeat(self._outside[:, None, :], share.shape[1], axis=1)
        mix[..., self._inside] = members
        expected = mix @ self._known.rates
        spread = (weights**2 * expected).sum(axis=2) - (weights * expected).sum(axis=2) ** 2
        rows = weights**2 @ self._known.rates.T - (weights @ self._known.rates.T) ** 2
        variance = spread / self._cells[:, None] + (mix**2 * rows / (self._known.cells + 1)).sum(axis=2)
        distance = np.einsum("nco,no->nc", weights, self._predicted)
        return np.asarray(distance**2 > Z_95**2 * variance)


def _exact_ends(predicted: int, cells: int, mix: Floats, label: int, known: _Rates) -> tuple[float, float]:
    """Limits for a class's share of all cells, from a few predictions.

    The exact limits of the share predicted as the class, minus the share of other classes that is predicted as it,
    divided by the share of the class's own cells that is predicted as it. The two errors are joined as in Zou and
    Donner (2008).
    """
    column = known.rates[:, label]
    others = mix.copy()
    others[label] = 0
    others /= max(others.sum(), 1e-12)
    false = float(others @ column)
    variance = float((others**2 * column * (1 - column) / (known.cells + 1)).sum())
    false_ends = wilson_interval(false * (weight := false * (1 - false) / max(variance, 1e-12)), weight)
    share, share_ends = predicted / cells, clopper_pearson_interval(predicted, cells)
    power = float(column[label]) - false
    if power <= 0:
        return 0.0, 1.0
    below = np.hypot(share - share_ends.low, false_ends.high - false)
    above = np.hypot(share_ends.high - share, false - false_ends.low)
    low, high = (share - false - below) / power, (share - false + above) / power
    return max(0.0, float(low)), min(1.0, max(0.0, float(high)))


def _weigh_ends(ends: tuple[float, float], member: int, mix: Floats, behind: Floats) -> tuple[float, float]:
    """A class's limits as shares of the cells that the members stand for, from shares of all cells."""
    others = np.delete(mix, member)
    behind_others = float(np.delete(behind, member) @ others / others.sum()) if others.sum() > 0 else behind[member]
    shares = [min(1.0, end / mix.sum()) for end in ends]
    low, high = (share * behind[member] / (share * behind[member] + (1 - share) * behind_others) for share in shares)
    return float(low), float(high)
