"""Counts the cells on the fields of one smear: `ll.count`.

One field is in memory at a time. Of earlier fields, only the cells and a thumbnail are kept.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from leukolens.core.card import ClassifierCard, DetectorCard
from leukolens.core.errors import InputRefused, NothingRead, UsageError
from leukolens.core.files import show_name
from leukolens.core.results import CellStatus, Refusal
from leukolens.core.taxonomy import DETECTED_KINDS, CellKind
from leukolens.images.decoding import DecodedImage
from leukolens.inference.bundles import Bundle
from leukolens.inference.classifier import Classifier, open_classifier
from leukolens.inference.detector import Detector, open_detector
from leukolens.inference.perception import perceive
from leukolens.inference.scale import check_pixel_size
from leukolens.inference.sources import Source, gather_sources, name_source, read_picture, say_nothing_read
from leukolens.smear.border import weigh_classes
from leukolens.smear.differential import count_kinds, make_differential
from leukolens.smear.files import Progress
from leukolens.smear.leukocyte_count import check_leukocyte_count
from leukolens.smear.overlap import Sight, pair_cells, remember_field
from leukolens.smear.ranges import ReferenceRanges
from leukolens.smear.records import FieldResult
from leukolens.smear.results import SmearResult


def count(
    fields: Source | Iterable[Source],
    *,
    name: str = "smear",
    pixel_size_um: float | None = None,
    leukocytes_per_liter: float | None = None,
    ranges: ReferenceRanges | None = None,
    factors: Mapping[CellKind, float] | None = None,
    classifier: str | Path | Bundle[ClassifierCard] | Classifier | None = None,
    detector: str | Path | Bundle[DetectorCard] | Detector | None = None,
    progress: Progress | None = None,
) -> SmearResult:
    """Finds, classifies and counts the cells of one smear.

    Args:
        fields: The fields of the smear, one or many: paths of image files, folders that hold some (searched down), or
            arrays `(h, w, 3)` uint8 RGB; or one array `(n, h, w, 3)`.
        name: What the smear is called in its files.
        pixel_size_um: Micrometres per pixel, 0.02 to 2; None to measure the scale on the red cells.
        leukocytes_per_liter: From a counter or a chamber, such as 7.2e9; 1e8 to 1e12, None where unknown.
        ranges: Reference ranges for this patient, from `RangeTable.choose`; None for no flags.
        factors: The site's own factors by kind: cells per microlitre of blood for one cell per field.
        classifier: Name, folder, bundle or opened classifier; None for the default one.
        detector: Likewise.
        progress: Called after each field with how many are done and how many there are.

    Returns:
        The smear. Inputs that could not be read are in its `refused`.

    Raises:
        NothingRead: none of the inputs could be read, or there were none. A `UsageError`.
        UsageError: an argument cannot be meant.
        BundleError: a bundle does not hold together.
    """
    _check_known(pixel_size_um, leukocytes_per_liter, factors or {})
    opened_classifier, opened_detector = open_classifier(classifier), open_detector(detector)
    sources, refused = gather_sources(fields)
    counted, unread = _count_fields(sources, opened_detector, opened_classifier, pixel_size_um, progress)
    refused += unread
    if not counted:
        raise NothingRead(say_nothing_read(refused))
    usable = [item for item in counted if item.usable]
    cells = [cell for item in usable for cell in item.cells]
    card = opened_classifier.card
    return SmearResult(
        name=name,
        fields=tuple(counted),
        refused=tuple(refused),
        differential=make_differential(
            cells, card.confusion, leukocytes_per_liter, ranges, card.classes, weigh_classes(usable)
        ),
        kinds=count_kinds(usable, factors or {}),
        classes=card.classes,
        classifier=card.name,
        detector=opened_detector.card.name,
        cards=(card, opened_detector.card),
    )


def _check_known(
    pixel_size_um: float | None, leukocytes_per_liter: float | None, factors: Mapping[CellKind, float]
) -> None:
    """Refuses numbers that cannot be meant."""
    if pixel_size_um is not None:
        check_pixel_size(pixel_size_um)
    if leukocytes_per_liter is not None:
        check_leukocyte_count(leukocytes_per_liter)
    numbers = {f"the factor of {kind}": factor for kind, factor in factors.items()}
    for what, number in numbers.items():
        if not (math.isfinite(number) and number > 0):
            raise UsageError(f"{what} is {number!r}. Expected a finite number above 0.")
    if unknown := sorted(set(factors) - set(DETECTED_KINDS)):
        raise UsageError(
            f"No factor can be given for {', '.join(map(repr, unknown))}. Kinds: {', '.join(DETECTED_KINDS)}."
        )


def _count_fields(
    sources: Sequence[Source],
    detector: Detector,
    classifier: Classifier,
    pixel_size_um: float | None,
    progress: Progress | None,
) -> tuple[list[FieldResult], list[Refusal]]:
    """The cells of every field, and the inputs that could not be read."""
    fields: list[FieldResult] = []
    sights: list[Sight] = []
    refused: list[Refusal] = []
    for number, source in enumerate(sources):
        name = name_source(number, source)
        try:
            decoded = read_picture(source)
        except InputRefused as error:
            refused.append(Refusal(name, str(error)))
        else:
            fields.append(count_field(name, decoded, detector, classifier, pixel_size_um))
            sights.append(remember_field(decoded.pixels, [cell.box for cell in fields[-1].cells]))
        if progress is not None:
            progress(number + 1, len(sources))
    return _set_repeats_apart(fields, sights), refused


def count_field(
    name: str, decoded: DecodedImage, detector: Detector, classifier: Classifier, pixel_size_um: float | None
) -> FieldResult:
    """The cells of one field with their classes and statuses."""
    perception = perceive(decoded.pixels, detector, classifier, pixel_size_um)
    scale = perception.found.in_view
    return FieldResult(
        name=name,
        height_px=decoded.pixels.shape[0],
        width_px=decoded.pixels.shape[1],
        cells=perception.cells,
        red_cell_px=scale.red_cell_px,
        pixel_size_um=scale.pixel_size_um,
        scale_origin=scale.scale_origin,
        advice=perception.advice,
        warnings=(*decoded.warnings, *filter(None, [perception.found.contradiction])),
        view=perception.found.view,
    )


def _set_repeats_apart(fields: Sequence[FieldResult], sights: Sequence[Sight]) -> list[FieldResult]:
    """The same fields; a cell that an earlier usable field shows whole gets the status `repeated` in the later one."""
    done: list[FieldResult] = []
    for number, current in enumerate(fields):
        cells = list(current.cells)
        for earlier, sight in zip(done, sights[:number], strict=True):
            if not (earlier.usable and current.usable):
                continue
            for there, here in pair_cells(sight, sights[number]):
                if earlier.cells[there].status != CellStatus.CUT and cells[here].status not in (
                    CellStatus.CUT,
                    CellStatus.REPEATED,
                ):
                    reason = f"counted in {show_name(Path(earlier.name).name)}, which shows the same place"
                    cells[here] = dataclasses.replace(cells[here], status=CellStatus.REPEATED, reason=reason)
        done.append(dataclasses.replace(current, cells=tuple(cells)))
    return done
