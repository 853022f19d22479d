"""Counts classified cells: the differential with its intervals, and the cells of each kind per field.

Every interval states its method.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leukolens.core.confusion import Confusion
from leukolens.core.intervals import Interval, mean_interval, ratio_interval, wilson_interval
from leukolens.core.results import CellStatus, FieldCell
from leukolens.core.taxonomy import CELL_CLASSES, DETECTED_KINDS, LEUKOCYTE_CLASSES, CellKind
from leukolens.inference.status import LOOKS_BURST
from leukolens.smear.correction import correct_shares, find_obstacle, find_shift
from leukolens.smear.multinomial import simultaneous_intervals
from leukolens.smear.ranges import ReferenceRanges
from leukolens.smear.records import Differential, FieldResult, KindCount, Reference, Share

GOALS = (100, 200, 400)
"""Cells of a manual differential: the minimum, the usual number, and CLSI's H20 for comparing methods."""

FEWEST_FOR_ERYTHROBLASTS = 10
"""With fewer leukocytes, nucleated red cells per 100 leukocytes cannot be told: none per one leukocyte may be 384 per 100."""

_ERYTHROBLAST = "erythroblast"
_PLATELET = "platelet"
_COUNTED_IN_FIELDS = (CellStatus.ACCEPTED, CellStatus.REVIEW)


@dataclass(frozen=True)
class _Corrected:
    percent: float
    interval: Interval


def make_differential(
    cells: Iterable[FieldCell],
    confusion: Confusion | None,
    leukocytes_per_liter: float | None,
    ranges: ReferenceRanges | None,
    classes: Sequence[str] = CELL_CLASSES,
    stand_for: Mapping[str, float] | None = None,
) -> Differential:
    """The differential of a smear.

    Args:
        cells: Of its usable fields, with any status. Only those that the detector found as leukocytes are used.
        confusion: From the classifier's card; None where the card has none.
        leukocytes_per_liter: From a counter or a chamber, nucleated red cells included; None where unknown.
        ranges: Reference ranges for this patient; None for no flags.
        classes: Of the classifier; those of the confusion are used if there is one.
        stand_for: By class, how many cells one whole cell stands for, because the border cuts others; None for one.
    """
    found = [cell for cell in cells if cell.box.kind == CellKind.LEUKOCYTE]
    labels = confusion.labels if confusion else tuple(classes)
    members = [name for name in LEUKOCYTE_CLASSES if name in labels]
    statuses = Counter(cell.status for cell in found)
    named = Counter(cell.box.label for cell in found if cell.status == CellStatus.ACCEPTED)
    counts = [named[name] for name in members]
    leukocytes, erythroblasts = sum(counts), named[_ERYTHROBLAST]
    per_100, without = None, None
    if leukocytes >= FEWEST_FOR_ERYTHROBLASTS and _ERYTHROBLAST in labels:
        ratio = ratio_interval(erythroblasts, leukocytes)
        per_100 = (100 * erythroblasts / leukocytes, _scale(ratio, 100))
        if leukocytes_per_liter is not None:
            without = leukocytes_per_liter / (1 + per_100[0] / 100)
    corrected: dict[str, _Corrected] = {}
    why_not, shift = "the card of the classifier does not say how often it is wrong", ""
    if confusion is not None:
        looked_at = [cell for cell in found if cell.status in _COUNTED_IN_FIELDS]
        review = sum(cell.status == CellStatus.REVIEW and not _is_other_reason(cell) for cell in looked_at)
        why_not = shift = find_shift(review, len(looked_at), confusion)
        if not shift:
            predicted = Counter(cell.box.label for cell in looked_at)
            counted = np.array([predicted[name] for name in confusion.labels], np.int64)
            corrected, why_not = _correct(counted, confusion, members, stand_for or {})
    per_liter = without if _ERYTHROBLAST in labels else leukocytes_per_liter
    shares = _make_shares(dict(zip(members, counts, strict=True)), statuses[CellStatus.REVIEW], corrected)
    return Differential(
        shares=tuple(_judge(_add_per_liter(share, per_liter), ranges, bool(shift)) for share in shares),
        leukocytes=leukocytes,
        apart={status: count for status, count in sorted(statuses.items()) if status != CellStatus.ACCEPTED},
        erythroblasts=erythroblasts,
        erythroblasts_per_100=per_100,
        leukocytes_per_liter=leukocytes_per_liter,
        corrected_leukocytes_per_liter=without,
        neutrophil_lymphocyte_ratio=_compare(named["neutrophil"], named["lymphocyte"]),
        progress=tuple((goal, max(0, goal - leukocytes)) for goal in GOALS),
        why_not_corrected=why_not,
        shift=shift,
    )


def count_kinds(fields: Iterable[FieldResult], factors: Mapping[CellKind, float]) -> tuple[KindCount, ...]:
    """How many cells of each kind the usable fields hold; empty where no field is usable.

    An accepted cell counts under the kind of its class: a leukocyte that was classified as a platelet is a platelet,
    and a nucleated red cell counts under no kind. Cells for review count too. Cells that are set apart do not.

    Args:
        fields: Of one smear.
        factors: By kind, the site's own factor: cells per microlitre of blood for one cell per field.
    """
    usable = [field for field in fields if field.usable]
    if not usable:
        return ()
    each = [Counter(_kind_of(cell) for cell in field.cells if cell.status in _COUNTED_IN_FIELDS) for field in usable]
    found = []
    for kind in DETECTED_KINDS:
        counts = [counter[kind] for counter in each]
        mean, interval = sum(counts) / len(counts), mean_interval(counts)
        factor, estimate = factors.get(kind), ""
        if factor is not None:
            low, high = interval.low * factor, interval.high * factor
            estimate = (
                f"about {mean * factor:,.0f} ({low:,.0f} to {high:,.0f}) per microlitre by the site's factor {factor:g}"
            )
        found.append(KindCount(kind, sum(counts), (mean, interval), estimate))
    return tuple(found)


def _kind_of(cell: FieldCell) -> str:
    if cell.status == CellStatus.ACCEPTED and cell.box.label == _PLATELET:
        return _PLATELET
    if cell.status == CellStatus.ACCEPTED and cell.box.label == _ERYTHROBLAST:
        return _ERYTHROBLAST
    return cell.box.kind


def _is_other_reason(cell: FieldCell) -> bool:
    """Whether a cell is for review for what the detector says of it, not because its probability is low."""
    return cell.box.label == _PLATELET or cell.reason == LOOKS_BURST


def _make_shares(counts: Mapping[str, int], review: int, corrected: Mapping[str, _Corrected]) -> list[Share]:
    total = sum(counts.values())
    together = simultaneous_intervals(list(counts.values()))
    shares = []
    for (label, count), simultaneous in zip(counts.items(), together, strict=True):
        better = corrected.get(label)
        all_cells = total + review
        shares.append(
            Share(
                label=label,
                count=count,
                percent=100 * count / total if total else 0.0,
                interval=_scale(wilson_interval(count, total), 100),
                simultaneous=_scale(simultaneous, 100),
                corrected=better.percent if better else None,
                corrected_interval=better.interval if better else None,
                if_unsure=(100 * count / all_cells, 100 * (count + review) / all_cells) if total else (0.0, 100.0),
            )
        )
    return shares


def _correct(
    predicted: NDArray[np.int64], confusion: Confusion, members: Sequence[str], stand_for: Mapping[str, float]
) -> tuple[dict[str, _Corrected], str]:
    """Corrected shares by class; or none, and why."""
    if not any(predicted[confusion.labels.index(name)] for name in members):
        return {}, "no leukocyte was counted"
    if obstacle := find_obstacle(confusion):
        return {}, obstacle
    corrected = correct_shares(predicted[None], confusion, members, stand_for)
    told = f"with the confusion of {confusion.counts.sum()} validation cells, cells for review included"
    if any(number > 1 for number in stand_for.values()):
        told += ", corrected for large cells that the border cuts"
    methods = (f"score interval {told}", f"Clopper-Pearson {told}")
    return {
        label: _Corrected(
            100 * float(corrected.shares[0, place]),
            Interval(
                100 * float(corrected.low[0, place]),
                100 * float(corrected.high[0, place]),
                methods[bool(corrected.exact[0, place])],
            ),
        )
        for place, label in enumerate(members)
    }, ""


def _add_per_liter(share: Share, leukocytes: float | None) -> Share:
    if leukocytes is None:
        return share
    method = f"{share.interval.method} of the share; the leukocyte count is taken as exact"
    ends = Interval(share.interval.low * leukocytes / 100, share.interval.high * leukocytes / 100, method)
    return replace(share, per_liter=(share.percent * leukocytes / 100, ends))


def _judge(share: Share, ranges: ReferenceRanges | None, shifted: bool) -> Share:
    """Sets the flag, if the whole interval and the whole corrected interval lie outside the range on the same side.

    Cells per litre are used where known: a share can be high only because another one is low. With a distribution shift
    no flag is set.
    """
    if ranges is None:
        return share
    source = f"{ranges.name}; {ranges.source}"
    if share.per_liter is not None and share.label in ranges.per_liter:
        reference = Reference(*ranges.per_liter[share.label], True, source)
        scale = share.per_liter[1].high / share.interval.high  # the upper end is never 0
        judged = [(share.per_liter[1].low, share.per_liter[1].high)]
    elif share.label in ranges.percent:
        reference, scale = Reference(*ranges.percent[share.label], False, source), 1.0
        judged = [(share.interval.low, share.interval.high)]
    else:
        return share
    if share.corrected_interval is not None:
        judged.append((share.corrected_interval.low * scale, share.corrected_interval.high * scale))
    below, above = (all(end < reference.low for _, end in judged), all(end > reference.high for end, _ in judged))
    flag = "" if shifted else "low" if below else "high" if above else ""
    return replace(share, flag=flag, reference=reference)


def _compare(neutrophils: int, lymphocytes: int) -> tuple[float, Interval] | None:
    if not lymphocytes:
        return None
    return neutrophils / lymphocytes, ratio_interval(neutrophils, lymphocytes)


def _scale(interval: Interval, factor: float) -> Interval:
    return Interval(interval.low * factor, interval.high * factor, interval.method)
