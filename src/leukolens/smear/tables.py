"""The rows of a smear's tables, and the dictionary that differential.json holds.

The columns are a contract with scripts. `leukolens.smear.files` writes them; `SmearResult` gives them to Python.
"""

from collections.abc import Iterable, Iterator
from importlib.metadata import version

from leukolens.core.files import show_name
from leukolens.core.intervals import Interval
from leukolens.core.results import CellStatus
from leukolens.core.taxonomy import CellKind
from leukolens.reporting.page import CAUTION
from leukolens.smear.records import FieldResult, Share, SmearRecord

KIND_CODES = {CellKind.LEUKOCYTE: "wbc", CellKind.RED_CELL: "rbc", CellKind.PLATELET: "platelet"}
"""Names of the kinds in the files."""

APART = tuple(status for status in CellStatus if status not in (CellStatus.ACCEPTED, CellStatus.REJECTED))
"""What a leukocyte of a field can be instead of accepted. Only a whole image can be rejected, never a cell of a
field."""

CELL_COLUMNS = ("field", "x0", "y0", "x1", "y1", "kind", "label", "probability", "status", "reason")
FIELD_COLUMNS = (
    *("field", "status", "width_px", "height_px", "pixel_size_um", "scale_origin", "red_cell_px"),
    *KIND_CODES.values(),
    *(f"wbc_{status}" for status in APART),
    *("advice", "warnings", "overlay"),
)
SHARE_COLUMNS = (
    *("class", "count", "percent", "ci_low", "ci_high", "method"),
    *("simultaneous_low", "simultaneous_high", "simultaneous_method"),
    *("corrected_percent", "corrected_low", "corrected_high", "corrected_method"),
    *("if_unsure_low", "if_unsure_high", "per_liter", "per_liter_low", "per_liter_high", "flag", "reference"),
)

Row = tuple[object, ...]


def list_cells(fields: Iterable[FieldResult]) -> Iterator[Row]:
    """The rows of cells.csv, in the order of `CELL_COLUMNS`."""
    for field in fields:
        for cell in field.cells:
            corners = (round(float(side), 1) for side in cell.box.xyxy)
            kind, probability = KIND_CODES[cell.box.kind], round(float(cell.probability), 6)
            yield (field.name, *corners, kind, cell.box.label, probability, cell.status, cell.reason)


def list_fields(fields: Iterable[FieldResult], overlays: Iterable[str]) -> Iterator[Row]:
    """The rows of fields.csv, in the order of `FIELD_COLUMNS`; `overlays` are the names of the overlay files."""
    return map(_describe_field, fields, overlays)


def list_shares(shares: Iterable[Share]) -> Iterator[Row]:
    """The rows of differential.csv, in the order of `SHARE_COLUMNS`."""
    return map(_describe_share, shares)


def describe_result(result: SmearRecord) -> dict[str, object]:
    """What differential.json holds: plain numbers, texts, lists and dictionaries."""
    differential = result.differential
    rows = list_shares(differential.shares)
    return {
        "smear": show_name(result.name),
        "fields": len(result.fields),
        "fields_used": sum(field.usable for field in result.fields),
        "refused": [{"image": show_name(refusal.image), "why": refusal.why} for refusal in result.refused],
        "leukocytes": differential.leukocytes,
        "apart": {str(status): count for status, count in differential.apart.items()},
        "unlike_validation": differential.shift,
        "differential": [dict(zip(SHARE_COLUMNS, row, strict=True)) for row in rows],
        "erythroblasts": differential.erythroblasts,
        "erythroblasts_per_100": _estimate(differential.erythroblasts_per_100),
        "leukocytes_per_liter": differential.leukocytes_per_liter,
        "corrected_leukocytes_per_liter": differential.corrected_leukocytes_per_liter,
        "neutrophil_lymphocyte_ratio": _estimate(differential.neutrophil_lymphocyte_ratio),
        "progress": [{"goal": goal, "missing": missing} for goal, missing in differential.progress],
        "kinds": [
            {"kind": KIND_CODES[kind.kind], "count": kind.count, "estimate": kind.estimate}
            | {f"per_field_{key}": value for key, value in (_estimate(kind.per_field) or {}).items()}
            for kind in result.kinds
        ],
        "classifier": result.classifier,
        "detector": result.detector,
        "leukolens": version("leukolens"),
        "caution": CAUTION,
    }


def _describe_field(field: FieldResult, overlay: str) -> Row:
    accepted = [cell.box.kind for cell in field.cells if cell.status == CellStatus.ACCEPTED]
    leukocytes = [cell.status for cell in field.cells if cell.box.kind == CellKind.LEUKOCYTE]
    return (
        field.name,
        "counted" if field.usable else "left out",
        field.width_px,
        field.height_px,
        _round(field.pixel_size_um, 5),
        field.scale_origin,
        _round(field.red_cell_px, 2),
        *(accepted.count(kind) for kind in KIND_CODES),
        *(leukocytes.count(status) for status in APART),
        "; ".join(f"{advice.fault}: {advice.action.rstrip('.')}" for advice in field.advice),
        "; ".join(field.warnings),
        overlay,
    )


def _describe_share(share: Share) -> Row:
    per_liter, per_liter_interval = share.per_liter or (None, None)
    return (
        share.label,
        share.count,
        _round(share.percent, 4),
        *_ends(share.interval),
        share.interval.method,
        *_ends(share.simultaneous),
        share.simultaneous.method,
        _round(share.corrected, 4),
        *_ends(share.corrected_interval),
        share.corrected_interval.method if share.corrected_interval else None,
        *(_round(value, 4) for value in share.if_unsure),
        _round(per_liter, 0),
        *_ends(per_liter_interval, 0),
        share.flag,
        str(share.reference or ""),
    )


def _estimate(estimate: tuple[float, Interval] | None) -> dict[str, object] | None:
    if estimate is None:
        return None
    low, high = _ends(estimate[1])
    return {"value": _round(estimate[0], 4), "ci_low": low, "ci_high": high, "method": estimate[1].method}


def _ends(interval: Interval | None, digits: int = 4) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (_round(interval.low, digits), _round(interval.high, digits))


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
