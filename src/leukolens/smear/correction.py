"""The mix of cells behind the calls: a smear's counts corrected for the classifier's known errors, and for the border.

A cell of class i is called k, sure or not, with a probability that validation cells tell, with an error of its own.
The calls of a smear are then multinomial over the mix times these probabilities. Unsure calls count as they stand:
which cells are unsure changes from slide to slide and from class to class, and most of what is unsure is called rightly.
The point estimate is the likeliest mix without negative shares (EM; Dempster, Laird and Rubin 1977). The interval
inverts a score test, as Wilson's does: the efficient linear estimate of a share, its variance taken at the share
under test, from the smear's counts and from the validation rows together. With a perfect classifier it is Wilson's.
Where few cells were called, Clopper and Pearson's (1934) exact limits are carried through instead. Shares are of the
cells that stand behind those seen whole (`analysis.border`), whose number for each is taken as known.

Of four candidates it alone kept its coverage over all mixes tried (`bench/coverage.py`): bootstrap percentiles and a
Dirichlet posterior lose it for classes of a few cells. It holds where the smear's cells are like the validation
cells, in this laboratory's stain and light; nothing here can know that, save that too many unsure cells give it
away. Called by `analysis.differential`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukolens.core.confusion import Confusion
from leukolens.core.intervals import Z_95, clopper_pearson_interval, wilson_interval

FEWEST_CELLS = 20
"""Validation cells of a class below which its row is not known well enough to correct by."""

FEW_CALLS = 5
"""Calls of a class below which its interval is the exact one."""

_PRIOR_CELLS = 1.0
"""Added to each validation row, spread evenly: an error not yet seen is not impossible (Perks 1947)."""

_WEAKEST_SINGULAR_VALUE = 0.1
"""Of the table of rates; below it two classes look alike to the classifier, and the mix cannot be told."""

_EM_STEPS = 500
_HALVINGS = 30

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CorrectedShares:
    """Shares of the members of a group, for `n` smears and `c` members.

    Attributes:
        shares: `(n, c)` likeliest shares, 0..1, each row summing to 1.
        low: `(n, c)` lower ends of the 95 % intervals.
        high: `(n, c)` upper ends.
        exact: `(n, c)` whether the interval is the exact one of a class with few calls.
    """

    shares: Floats
    low: Floats
    high: Floats
    exact: NDArray[np.bool_]


@dataclass(frozen=True)
class _Rates:
    """What the validation cells say.

    Attributes:
        rates: `(k, k)` probability of each call for each class.
        cells: `(k,)` cells behind each row, the prior's included.
    """

    rates: Floats
    cells: Floats


def find_strangeness(unsure: int, cells: int, confusion: Confusion) -> str:
    """Why a smear's cells seem unlike those that the classifier was judged on, in words; empty where they do not.

    Args:
        unsure: Cells of the smear set aside for review.
        cells: All that were looked at.
        confusion: Of validation cells.
    """
    known = wilson_interval(int(confusion.unsure.sum()), int(confusion.counts.sum()))
    if cells and wilson_interval(unsure, cells).low > known.high:
        return f"{unsure} of {cells} cells are unsure, a larger share than on validation: these cells are unlike those"
    return ""


def find_obstacle(confusion: Confusion) -> str:
    """Why no smear's counts can be corrected by this confusion of validation cells, in words; empty where they can."""
    rows = confusion.counts.sum(axis=1)
    if rows.min() < FEWEST_CELLS:
        label = confusion.labels[int(rows.argmin())]
        return f"the classifier was judged on {rows.min()} cells of {label}, at least {FEWEST_CELLS} are needed"
    if np.linalg.svd(_learn_rates(confusion).rates, compute_uv=False).min() < _WEAKEST_SINGULAR_VALUE:
        return "the classifier mistakes some classes for each other so often that their shares cannot be told"
    return ""


def correct_shares(
    calls: NDArray[np.integer],
    confusion: Confusion,
    members: Sequence[str],
    stand_for: Mapping[str, float] | None = None,
) -> CorrectedShares:
    """Shares of classes within a group, corrected for the classifier's errors, with 95 % intervals.

    Args:
        calls: `(n, k)` cells of `n` smears by the class called, sure or not, as the confusion orders them; one of the
            members at least in each.
        confusion: Of validation cells; `find_obstacle` has nothing against it.
        members: The `c` classes whose shares sum to 1: the leukocytes.
        stand_for: By class, how many cells stand behind one; None, and a class not named, for one.
    """
    known = _learn_rates(confusion)
    seen = np.asarray(calls, np.float64)
    cells = seen.sum(axis=1)
    mix = _find_mix(seen / cells[:, None], known.rates)
    inside = np.array([confusion.labels.index(name) for name in members], np.intp)
    behind = np.array([(stand_for or {}).get(name, 1.0) for name in members])
    shares = mix[:, inside] * behind
    shares /= shares.sum(axis=1, keepdims=True)
    test = _ScoreTest(seen / cells[:, None], cells, mix, inside, behind, known)
    low, high = test.find_ends()
    called = np.asarray(calls)[:, inside]
    exact = called < FEW_CALLS
    for smear, member in zip(*np.nonzero(exact), strict=True):
        ends = _exact_ends(int(called[smear, member]), int(cells[smear]), mix[smear], int(inside[member]), known)
        low[smear, member], high[smear, member] = _weigh_ends(ends, member, mix[smear, inside], behind)
    return CorrectedShares(shares, np.minimum(low, shares), np.maximum(high, shares), exact)


def _learn_rates(confusion: Confusion) -> _Rates:
    counts = confusion.counts + _PRIOR_CELLS / len(confusion.labels)
    cells = counts.sum(axis=1)
    return _Rates(counts / cells[:, None], cells)


def _find_mix(seen: Floats, rates: Floats) -> Floats:
    """The likeliest mixes `(n, k)` for shares of calls `(n, k)`."""
    mix = np.full((len(seen), len(rates)), 1 / len(rates))
    for _ in range(_EM_STEPS):
        before = mix
        mix = mix * ((seen / (mix @ rates)) @ rates.T)
        if np.abs(mix - before).max() < 1e-8:
            break
    return mix


class _ScoreTest:
    """Tests shares of many smears and members at once; arrays are `(n, c)` or `(n, c, ...)`."""

    def __init__(
        self, seen: Floats, cells: Floats, mix: Floats, inside: NDArray[np.intp], behind: Floats, known: _Rates
    ) -> None:
        self._seen, self._cells, self._known, self._inside = seen, cells, known, inside
        weighted = known.rates / (mix @ known.rates)[:, None, :]
        # Weighted least squares: estimates the mix without bias, and as well as the likelihood does.
        estimators = np.linalg.solve(weighted @ known.rates.T, weighted)[:, inside] * behind[:, None]
        self._estimators, self._whole = estimators, estimators.sum(axis=1)[:, None, :]
        self._within, self._behind = mix[:, inside].sum(axis=1)[:, None], behind
        self._outside = mix.copy()
        self._outside[:, inside] = 0
        # What a share gives up or takes goes to the other members as they stand to each other.
        own = np.eye(len(inside))
        others = (mix[:, inside] * behind)[:, None, :] * (1 - own)
        total = others.sum(axis=2, keepdims=True)
        even = (1 - own) / max(1, len(inside) - 1)
        self._others = np.where(total > 0, others / np.where(total > 0, total, 1), even)
        self._own = own

    def find_ends(self) -> tuple[Floats, Floats]:
        """The least and the greatest share that the test does not reject, each `(n, c)`."""
        estimate = np.einsum("nco,no->nc", self._estimators, self._seen)
        whole = np.einsum("nco,no->nc", self._whole, self._seen)
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
        distance = np.einsum("nco,no->nc", weights, self._seen)
        return np.asarray(distance**2 > Z_95**2 * variance)


def _exact_ends(calls: int, cells: int, mix: Floats, label: int, known: _Rates) -> tuple[float, float]:
    """Ends for a class's share of all cells from a handful of calls.

    The exact limits of the share called, less the share that the other classes are called so, both errors joined as
    Zou and Donner (2008) join them, over the share of the class's own cells that are called so.
    """
    column = known.rates[:, label]
    others = mix.copy()
    others[label] = 0
    others /= max(others.sum(), 1e-12)
    false = float(others @ column)
    variance = float((others**2 * column * (1 - column) / (known.cells + 1)).sum())
    false_ends = wilson_interval(false * (weight := false * (1 - false) / max(variance, 1e-12)), weight)
    called, called_ends = calls / cells, clopper_pearson_interval(calls, cells)
    power = float(column[label]) - false
    if power <= 0:
        return 0.0, 1.0
    below = np.hypot(called - called_ends.low, false_ends.high - false)
    above = np.hypot(called_ends.high - called, false - false_ends.low)
    low, high = (called - false - below) / power, (called - false + above) / power
    return max(0.0, float(low)), min(1.0, max(0.0, float(high)))


def _weigh_ends(ends: tuple[float, float], member: int, mix: Floats, behind: Floats) -> tuple[float, float]:
    """A class's ends as shares of the cells that stand behind the members, from shares of all cells."""
    others = np.delete(mix, member)
    behind_others = float(np.delete(behind, member) @ others / others.sum()) if others.sum() > 0 else behind[member]
    shares = [min(1.0, end / mix.sum()) for end in ends]
    low, high = (share * behind[member] / (share * behind[member] + (1 - share) * behind_others) for share in shares)
    return float(low), float(high)
