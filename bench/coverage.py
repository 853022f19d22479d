"""Measures how often a differential's intervals hold: `python bench/coverage.py`, some minutes on one processor.

Each draw estimates the classifier's confusion on other cells, drawn anew, then counts a smear drawn from a known
population through the true confusion, and asks whether each interval holds the population's share. Confusions: the
shipped bundle's on its validation; the same with more cells of some classes unsure than of others; a foreign
laboratory's (.74 balanced).
`--candidates` compares the ways to correct that were tried; `--part` runs one part only. `--part end` draws whole
smears and counts them, detector and classifier included; it takes long, so it is not in the rest.
"""

import argparse
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.proportion import multinomial_proportions_confint

import leukolens
from leukolens.core.card import ClassifierCard, DetectorCard, read_card
from leukolens.core.confusion import Confusion, count_confusion
from leukolens.core.intervals import Interval, mean_interval, poisson_interval, wilson_interval
from leukolens.core.results import Box
from leukolens.core.tasks import Task
from leukolens.core.taxonomy import CELL_CLASSES, LEUKOCYTE_CLASSES
from leukolens.datasets.synthetic import SyntheticCell, draw_smear
from leukolens.inference.bundles import Bundle, load_bundle
from leukolens.smear.border import weigh_classes
from leukolens.smear.correction import correct_shares, find_shift
from leukolens.smear.count import count
from leukolens.smear.differential import make_differential
from leukolens.smear.multinomial import simultaneous_intervals

Floats = NDArray[np.float64]
Ends = tuple[Floats, Floats]
MEMBERS = len(LEUKOCYTE_CLASSES)
SMEARS_PER_CONFUSION = 10

# Shares of the cells that the detector takes for leukocytes, in the order of CELL_CLASSES.
POPULATIONS = {
    "normal adult": (0.58, 0.03, 0.007, 0.30, 0.07, 0.003, 0.005, 0.005),
    "neutrophilia": (0.85, 0.005, 0.003, 0.08, 0.04, 0.012, 0.005, 0.005),
    "eosinophilia": (0.40, 0.27, 0.010, 0.25, 0.055, 0.005, 0.005, 0.005),
    "lymphocytosis": (0.22, 0.02, 0.005, 0.68, 0.06, 0.005, 0.005, 0.005),
    "left shift": (0.62, 0.01, 0.010, 0.12, 0.06, 0.12, 0.05, 0.01),
}

# Per hundred cells: accepted as each class, then unsure; mistakes as on Chula's and Kaggle's own fields, scaled so that .70
# are accepted rightly on average. Of the unsure ones half are called rightly, the other half as the accepted mistakes lie.
FOREIGN = (
    (72, 4, 0, 0, 3, 9, 0, 6, 6),
    (9, 63, 4, 0, 2, 9, 0, 5, 8),
    (0, 4, 68, 2, 5, 12, 0, 1, 8),
    (0, 0, 0, 62, 11, 6, 10, 2, 9),
    (1, 0, 1, 3, 66, 17, 0, 1, 11),
    (8, 2, 3, 2, 10, 64, 1, 0, 10),
    (0, 0, 0, 8, 1, 4, 77, 2, 8),
    (1, 0, 0, 1, 0, 0, 1, 88, 9),
)
# Of each class, the share of its cells that a stricter threshold would set aside.
SET_ASIDE = (0.03, 0.02, 0.06, 0.01, 0.05, 0.20, 0.04, 0.01)


def make_confusions() -> dict[str, tuple[Floats, NDArray[np.int64]]]:
    """By name: the true rates `(8, 16)` of each call, accepted and then unsure, and the validation cells of each class."""
    shipped = read_card(Path(leukolens.__file__).parent / "bundles" / "pbc").confusion
    assert shipped is not None and shipped.labels == CELL_CLASSES
    cells = shipped.counts.sum(axis=1)
    # An error that 2,732 cells did not show may still be there: a cell a row, spread evenly; none more that is unsure.
    rates = np.hstack([shipped.counts - shipped.unsure + 1 / 8, shipped.unsure])
    rates /= rates.sum(axis=1, keepdims=True)
    aside = np.array(SET_ASIDE)[:, None]
    strict = np.hstack([add_unsure(rates) * (1 - aside), add_unsure(rates) * aside])
    foreign = np.array(FOREIGN, float) / 100
    accepted, unsure = foreign[:, :-1], foreign[:, -1:]
    wrong = accepted * (1 - np.eye(8))
    guesses = np.eye(8) / 2 + wrong / wrong.sum(axis=1, keepdims=True) / 2
    elsewhere = np.hstack([accepted, unsure * guesses])
    return {
        "shipped": (rates, cells),
        "shipped, stricter": (strict, cells),
        "foreign, 300 cells a class": (elsewhere, np.full(8, 300)),
        "foreign, 100 cells a class": (elsewhere, np.full(8, 100)),
    }


def add_unsure(outcomes: NDArray[Any]) -> NDArray[Any]:
    """Calls `(..., 8)`, sure or not, of outcomes `(..., 16)`."""
    return outcomes[..., :8] + outcomes[..., 8:]


def make_confusion(outcomes: NDArray[np.int64]) -> Confusion:
    return Confusion(CELL_CLASSES, add_unsure(outcomes), outcomes[:, 8:])


def wilson_ends(outcomes: NDArray[np.int64]) -> Ends:
    counted = outcomes[:, :MEMBERS]
    ends = [[wilson_interval(count, row.sum()) for count in row] for row in counted]
    return np.array([[i.low for i in row] for row in ends]), np.array([[i.high for i in row] for row in ends])


def goodman_ends(outcomes: NDArray[np.int64]) -> Ends:
    ends = [simultaneous_intervals([int(count) for count in row[:MEMBERS]]) for row in outcomes]
    return np.array([[i.low for i in row] for row in ends]), np.array([[i.high for i in row] for row in ends])


def score_ends(outcomes: NDArray[np.int64], confusion: Confusion, generator: np.random.Generator) -> Ends:
    found = correct_shares(add_unsure(outcomes), confusion, LEUKOCYTE_CLASSES)
    return found.low, found.high


def draw_rows(counts: Floats, generator: np.random.Generator) -> Floats:
    drawn = generator.gamma(counts) + 1e-300
    return np.asarray(drawn / drawn.sum(axis=-1, keepdims=True))


def bootstrap_ends(outcomes: NDArray[np.int64], confusion: Confusion, generator: np.random.Generator) -> Ends:
    """Percentiles of 400 parametric bootstrap draws of counts and confusion, each refitted by EM."""
    counts = confusion.counts + 1 / 8
    calls = add_unsure(outcomes)
    shares = correct_shares(calls, confusion, CELL_CLASSES).shares
    ends = []
    for mix, row in zip(shares, calls, strict=True):
        rates = draw_rows(np.broadcast_to(counts, (400, *counts.shape)), generator)
        seen = generator.multinomial(row.sum(), mix @ (counts / counts.sum(axis=1, keepdims=True)), 400) / row.sum()
        drawn = np.full((400, 8), 1 / 8)
        for _ in range(100):
            drawn = drawn * np.einsum("bo,bio->bi", seen / np.einsum("bi,bio->bo", drawn, rates), rates)
        within = drawn[:, :MEMBERS] / drawn[:, :MEMBERS].sum(axis=1, keepdims=True)
        ends.append(np.percentile(within, [2.5, 97.5], axis=0))
    return np.array([pair[0] for pair in ends]), np.array([pair[1] for pair in ends])


def posterior_ends(outcomes: NDArray[np.int64], confusion: Confusion, generator: np.random.Generator) -> Ends:
    """Percentiles of 500 Gibbs draws; Dirichlet priors of 1/2 a class on the mix, one cell a row on the confusion."""
    counts = confusion.counts + 1 / 8
    calls = add_unsure(outcomes)
    mix = np.full((len(calls), 8), 1 / 8)
    rates = np.broadcast_to(counts / counts.sum(axis=1, keepdims=True), (len(calls), 8, 8))
    kept = []
    for step in range(600):
        belief = mix[:, :, None] * rates
        hidden = generator.multinomial(calls, (belief / belief.sum(axis=1, keepdims=True)).transpose(0, 2, 1))
        mix = draw_rows(hidden.sum(axis=1) + 0.5, generator)
        rates = draw_rows(hidden.transpose(0, 2, 1) + counts, generator)
        if step >= 100:
            kept.append(mix[:, :MEMBERS] / mix[:, :MEMBERS].sum(axis=1, keepdims=True))
    low, high = np.percentile(kept, [2.5, 97.5], axis=0)
    return low, high


METHODS = {"corrected": score_ends, "bootstrap": bootstrap_ends, "posterior": posterior_ends}


def measure_mix(
    population: tuple[float, ...], rates: Floats, validation: NDArray[np.int64], draws: int, names: tuple[str, ...]
) -> tuple[Floats, dict[str, tuple[Floats, Floats]], float]:
    """Expected cells of 200, by method coverage and mean width over Wilson's, and how often all Goodman's hold."""
    generator = np.random.default_rng(20261121)
    mix = np.array(population) / sum(population)
    truth = mix[:MEMBERS] / mix[:MEMBERS].sum()
    found: dict[str, list[Ends]] = {name: [] for name in ("raw", "simultaneous", *names)}
    for _ in range(draws // SMEARS_PER_CONFUSION):
        counts = np.array([generator.multinomial(n, row) for n, row in zip(validation, rates, strict=True)])
        confusion = make_confusion(counts)
        outcomes = generator.multinomial(200, mix @ rates, SMEARS_PER_CONFUSION)
        found["raw"].append(wilson_ends(outcomes))
        found["simultaneous"].append(goodman_ends(outcomes))
        for name in names:
            found[name].append(METHODS[name](outcomes, confusion, generator))
    ends = {name: tuple(np.concatenate([pair[k] for pair in pairs]) for k in (0, 1)) for name, pairs in found.items()}
    held = {name: (low <= truth) & (truth <= high) for name, (low, high) in ends.items()}
    widths = {name: (high - low).mean(axis=0) for name, (low, high) in ends.items()}
    figures = {name: (held[name].mean(axis=0), widths[name] / widths["raw"]) for name in ends}
    return truth * 200, figures, float(held["simultaneous"].all(axis=1).mean())


def show_correction(draws: int, names: tuple[str, ...]) -> None:
    missed = []
    for (confusion, (rates, cells)), (population, mix) in itertools.product(
        make_confusions().items(), POPULATIONS.items()
    ):
        start = time.perf_counter()
        expected, figures, together = measure_mix(mix, rates, cells, draws, names)
        balanced = np.diag(add_unsure(rates)).mean()
        print(f"\n{population}, 200 cells; confusion {confusion} (balanced {balanced:.3f}); {draws} draws,", end=" ")
        print(f"{time.perf_counter() - start:.0f} s; all raw simultaneous intervals hold: {together:.3f}")
        header = "".join(f"{name:>14}{'width':>7}" for name in figures if name != "raw")
        print(f"  {'class':<22}{'expected':>9}{'raw':>8}{header}")
        for index, label in enumerate(LEUKOCYTE_CLASSES):
            shown = "".join(f"{c[index]:14.3f}{w[index]:7.2f}" for name, (c, w) in figures.items() if name != "raw")
            print(f"  {label:<22}{expected[index]:9.1f}{figures['raw'][0][index]:8.3f}{shown}")
            coverage, width = (values[index] for values in figures["corrected"])
            if (expected[index] >= 5 and not 0.94 <= coverage <= 0.98) or (expected[index] < 5 and coverage < 0.94):
                missed.append(f"{population}, {confusion}, {label} ({expected[index]:.1f}): coverage {coverage:.3f}")
            if expected[index] >= 5 and width > 1.5:
                missed.append(f"{population}, {confusion}, {label} ({expected[index]:.1f}): width {width:.2f}")
    print("\nOutside coverage .94 to .98 (at least .94 below 5 cells) or over 1.5 widths of Wilson's:")
    print("\n".join(f"  {line}" for line in missed) or "  nothing")


def show_wrong_confusion(draws: int) -> None:
    """What the shipped confusion does to a foreign laboratory's cells, to which it does not apply."""
    confusions = make_confusions()
    generator = np.random.default_rng(1)
    mix = np.array(POPULATIONS["normal adult"])
    truth = mix[:MEMBERS] / mix[:MEMBERS].sum()
    print("\nThe shipped confusion on a foreign laboratory's cells, normal adult, 200 cells:")
    for name in ("shipped", "shipped, stricter"):
        rates, cells = confusions[name]
        counts = np.array([generator.multinomial(n, row) for n, row in zip(cells, rates, strict=True)])
        confusion = make_confusion(counts)
        outcomes = generator.multinomial(200, mix @ confusions["foreign, 300 cells a class"][0], draws)
        found = correct_shares(add_unsure(outcomes), confusion, LEUKOCYTE_CLASSES)
        held = ((found.low <= truth) & (truth <= found.high)).mean(axis=0)
        refused = np.mean([bool(find_shift(int(row[8:].sum()), int(row.sum()), confusion)) for row in outcomes])
        print(f"  {name}: coverage {np.round(held, 3)}; withheld for too many unsure cells: {refused:.3f}")


def sison_glaz(counts: list[int]) -> Ends:
    ends = multinomial_proportions_confint(np.array(counts), alpha=0.05, method="sison-glaz")
    return ends[:, 0], ends[:, 1]


def goodman(counts: list[int]) -> Ends:
    return tuple(side[0] for side in goodman_ends(np.array([counts])))  # type: ignore[return-value]


def show_simultaneous(draws: int) -> None:
    """Goodman against Sison and Glaz on true labels: how often all six intervals hold, and how wide they are."""
    methods: dict[str, Callable[[list[int]], Ends]] = {"Goodman": goodman, "Sison-Glaz": sison_glaz}
    print(f"\nAll six classes at once, {draws} draws: share of draws in which all hold; mean width in points, by class")
    for (population, mix), cells in itertools.product(POPULATIONS.items(), (100, 200, 400)):
        truth = np.array(mix[:MEMBERS]) / sum(mix[:MEMBERS])
        for name, method in methods.items():
            generator = np.random.default_rng(7)
            held, widths = [], []
            for counts in generator.multinomial(cells, truth, draws):
                low, high = method([int(count) for count in counts])
                held.append(bool(((low <= truth) & (truth <= high)).all()))
                widths.append(high - low)
            print(f"  {population:<14}{cells:>4} {name:<11}{np.mean(held):6.3f}  {np.mean(widths, axis=0) * 100}")


def show_fields(draws: int) -> None:
    """Mean count per field, where fields vary by half their mean beyond chance."""
    print(f"\nMean per field over uneven fields (negative binomial, spread .5), {draws} draws: coverage, and Poisson's")
    for mean, fields in itertools.product((0.3, 2.0, 15.0, 150.0), (2, 5, 10, 20)):
        generator = np.random.default_rng(5)
        counts = generator.poisson(mean * generator.gamma(4.0, 1 / 4.0, (draws, fields)))
        ours = [mean_interval([int(count) for count in row]) for row in counts]
        plain = [poisson_interval(int(row.sum()), fields) for row in counts]
        held = [np.mean([each.low <= mean <= each.high for each in ends]) for ends in (ours, plain)]
        print(f"  mean {mean:>5}, {fields:>2} fields: {held[0]:.3f}  {held[1]:.3f}")


def show_end_to_end(smears: int) -> None:
    """Synthetic smears of 20 fields with 10 leukocytes each, the populations by turns, counted from their pictures.

    Says per class in how many smears the population's share lay in the raw and in the corrected interval; corrected
    by the shipped bundle's errors on its own validation cells (`card`), and by its errors on the cells of other drawn
    smears, as a laboratory's own validation would tell them (`its own`). Nothing measured on drawn cells says how well anything works on blood.
    """
    shipped = load_bundle()
    detector = load_bundle(task=Task.DETECTION)
    site = _validate_on_site(shipped, detector)
    ways = {
        "card": (shipped.card.confusion, True),
        "its own": (site, True),
        "its own, border left out": (site, False),
    }
    held: dict[str, dict[str, list[bool]]] = {label: defaultdict(list) for label in LEUKOCYTE_CLASSES}
    found, why_not = [], Counter[str]()
    for number, mix in zip(range(smears), itertools.cycle(POPULATIONS.values())):  # the cycle has no end
        shares = dict(zip(CELL_CLASSES[:7], mix[:7], strict=True))  # a smear's platelets are drawn beside these
        fields = draw_smear(np.random.default_rng([9, number]), 20, shares, leukocytes_per_field=10)
        result = count((field.image for field in fields), classifier=shipped, detector=detector)
        usable = [field for field in result.fields if field.usable]
        cells = [cell for field in usable for cell in field.cells]
        behind = weigh_classes(usable)
        found.append(result.differential.leukocytes)
        truth = {label: 100 * shares[label] / sum(mix[:MEMBERS]) for label in LEUKOCYTE_CLASSES}
        for name, (confusion, border) in ways.items():
            differential = make_differential(cells, confusion, None, None, stand_for=behind if border else None)
            why = "withheld as unlike" if differential.shift else differential.why_not_corrected
            why_not[f"{name}: {why or 'corrected'}"] += 1
            for share in differential.shares:
                if share.corrected_interval is not None:
                    held[share.label][name].append(_holds(share.corrected_interval, truth[share.label]))
        for share in result.differential.shares:
            held[share.label]["raw"].append(_holds(share.interval, truth[share.label]))
    print(f"\n{smears} synthetic smears end to end: {np.mean(found):.0f} leukocytes counted of 200 drawn on average")
    for words, times in sorted(why_not.items()):
        print(f"  {times:>3} {words}")
    for label, results in held.items():
        print(
            f"  {label:<22}{', '.join(f'{kind} {np.mean(each):.2f} of {len(each)}' for kind, each in results.items())}"
        )


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def _validate_on_site(bundle: Bundle[ClassifierCard], detector: Bundle[DetectorCard]) -> Confusion:
    """How the bundle errs on drawn cells, about 300 of each nucleated class.

    The row of platelets, of which hardly any is taken for a leukocyte, stays as it is.
    """
    labels = CELL_CLASSES[:7]
    truths, calls, accepted = [], [], []
    for slide in range(21):
        rng = np.random.default_rng([10, slide])
        fields = list(draw_smear(rng, 10, dict.fromkeys(labels, 1.0), leukocytes_per_field=10))
        counted = count([field.image for field in fields], classifier=bundle, detector=detector)
        for drawn, seen in zip(fields, counted.fields, strict=True):
            for cell in seen.cells:
                truth = _find_drawn(cell.box, drawn.cells)
                if cell.box.kind == "leukocyte" and cell.status in ("accepted", "review") and truth in labels:
                    truths.append(truth)
                    calls.append(str(cell.box.label))
                    accepted.append(cell.status == "accepted")
    confusion = count_confusion(CELL_CLASSES, truths, calls, accepted)
    shipped = bundle.card.confusion
    assert shipped is not None
    confusion.counts[-1], confusion.unsure[-1] = shipped.counts[-1], shipped.unsure[-1]
    print(f"validated on {len(truths)} drawn cells:\n{confusion.counts}")
    return confusion


def _find_drawn(found: Box, drawn: Iterable[SyntheticCell]) -> str | None:
    """The class of the one nucleated cell at the middle of what was found; None where there is none, or several."""
    x, y = (found.x0 + found.x1) / 2, (found.y0 + found.y1) / 2
    here = [box.label for box in drawn if box.kind == "leukocyte" and box.x0 < x < box.x1 and box.y0 < y < box.y1]
    return here[0] if len(here) == 1 else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--candidates", action="store_true", help="Also bootstrap and posterior: slow, take few draws.")
    parser.add_argument("--part", choices=("correction", "wrong", "simultaneous", "fields", "end"))
    chosen = parser.parse_args()
    np.set_printoptions(precision=1, suppress=True)
    if chosen.part in (None, "correction"):
        show_correction(chosen.draws, tuple(METHODS) if chosen.candidates else ("corrected",))
    if chosen.part in (None, "wrong"):
        show_wrong_confusion(chosen.draws // 10)
    if chosen.part in (None, "simultaneous"):
        show_simultaneous(chosen.draws // 20)  # statsmodels takes .02 s for each
    if chosen.part in (None, "fields"):
        show_fields(chosen.draws // 20)
    if chosen.part == "end":
        show_end_to_end(chosen.draws // 100)
