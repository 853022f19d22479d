"""The report of a smear as one HTML page, to read, to print, and to check the count by.

Takes a `SmearRecord` and what `leukolens.smear.pictures` kept of each field. It computes no statistics.
`leukolens.reporting` decides how a page looks.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct, to_builtins

from leukolens.core.card import Card, ClassifierCard
from leukolens.core.files import show_name
from leukolens.core.intervals import Interval, cells_needed
from leukolens.core.results import CellStatus
from leukolens.core.taxonomy import CellKind
from leukolens.inference.status import LOOKS_BURST
from leukolens.reporting.charts import ShareBar, draw_shares
from leukolens.reporting.page import Section, render_page
from leukolens.smear.differential import FEWEST_FOR_ERYTHROBLASTS
from leukolens.smear.pictures import (
    FieldView,
    last_part,
    link_field,
    show_apart,
    show_classes,
    show_fields,
)
from leukolens.smear.records import Differential, FieldResult, Share, SmearRecord

_AIMS = (10, 5, 3, 2, 1)
"""Half widths of an interval, in percent. The report says how many cells are missing for the next smaller one."""

FILES = {
    "differential.csv": "the shares of the classes with their intervals",
    "differential.json": "the same, with the other counts",
    "cells.csv": "every cell: place, kind, class, probability, status and reason",
    "fields.csv": "every field: scale, counts, advice and warnings",
    "refused.csv": "inputs that could not be read",
    "fhir.json": "a FHIR R4 DiagnosticReport",
}
"""The tables of a count, and what is in each."""

_LONGEST_WORDS = 400
_HELD = "\N{NO-BREAK SPACE}"
"""Keeps a number and its words on one line of a table."""


def render_report(
    result: SmearRecord, views: Sequence[FieldView], known: Section | None = None, beside: bool = False
) -> str:
    """The report as HTML, complete in one file.

    Args:
        result: The smear.
        views: What is shown of each of its fields.
        known: A section on what was known of the smear before it was counted; None for none.
        beside: Whether the files of the count lie beside the page, which then links them.
    """
    sections = [
        _sum_up(result),
        known,
        _draw_differential(result.differential),
        _tabulate_differential(result.differential),
        _advise(result),
        _count_kinds(result),
        *show_classes(result, views),
        show_apart(views),
        _tabulate_fields(result),
        show_fields(views),
        _describe_models(result.cards),
        _link_files() if beside else None,
    ]
    if result.refused:
        rows = tuple((show_name(refusal.image), refusal.why) for refusal in result.refused)
        sections.append(Section("Inputs that could not be read", header=("input", "why"), rows=rows))
    kept = [section for section in sections if section is not None]
    subtitle = (
        f"Differential count of photographed fields. Detector: {result.detector}. Classifier: {result.classifier}."
    )
    return render_page(f"Blood smear {show_name(result.name)}", subtitle, kept)


def _link_files() -> Section:
    """The tables beside the page."""
    header = ("file", "what is in it")
    return Section("The files of this count", header=header, rows=tuple(FILES.items()), links=tuple(FILES))


def _sum_up(result: SmearRecord) -> Section:
    differential = result.differential
    usable = sum(field.usable for field in result.fields)
    review = differential.apart.get(CellStatus.REVIEW, 0)
    apart = sum(differential.apart.values()) - review
    smudge = sum(
        LOOKS_BURST in cell.reason and cell.status == CellStatus.REVIEW
        for field in result.fields
        if field.usable
        for cell in field.cells
    )
    figures = [
        (str(differential.leukocytes), "leukocytes counted"),
        (f"{usable} of {len(result.fields)}", "fields counted"),
        (str(review), "leukocytes for review: a person must look at them"),
        (str(apart), "leukocytes set apart: cut by the border, clumped or repeated"),
    ]
    if smudge:
        figures.append((str(smudge), "of those for review: perhaps smudge cells"))
    if differential.erythroblasts_per_100 is not None:
        value, interval = differential.erythroblasts_per_100
        figures.append((f"{value:.1f}", f"nucleated red cells per 100 leukocytes (95 % interval {_span(interval)})"))
    elif "erythroblast" in result.classes:
        words = (
            f"nucleated red cells per 100 leukocytes: at least {FEWEST_FOR_ERYTHROBLASTS} leukocytes are needed to tell"
        )
        figures.append(("unknown", words))
    if differential.neutrophil_lymphocyte_ratio is not None:
        value, interval = differential.neutrophil_lymphocyte_ratio
        figures.append((f"{value:.1f}", f"neutrophils per lymphocyte (95 % interval {_span(interval)})"))
    if differential.corrected_leukocytes_per_liter is not None:
        value = differential.corrected_leukocytes_per_liter / 1e9
        figures.append((f"{value:.2f}", "leukocytes, 10⁹ per litre, without nucleated red cells"))
    return Section(
        "Summary",
        text=(_say_progress(differential), *_say_flags(differential)),
        warning=_warn(result, usable),
        figures=tuple(figures),
    )


def _warn(result: SmearRecord, usable: int) -> str:
    if not result.fields or not usable:
        return "No field could be counted. The reasons are below, with what to do."
    if not result.differential.leukocytes:
        return "No leukocyte was counted, so there is no differential."
    warnings = []
    if result.differential.shift:
        warnings.append(f"{result.differential.shift}. Do not rely on any class before a person has checked the cells.")
    goal, missing = result.differential.progress[0] if result.differential.progress else (0, 0)
    if missing:
        counted = _number(result.differential.leukocytes, "leukocyte was", "leukocytes were")
        warnings.append(f"Only {counted} counted. A differential needs at least {goal}: the intervals are wide.")
    if left_out := len(result.fields) - usable:
        fields = _number(left_out, "field was", "fields were")
        warnings.append(f"{fields} not counted. The reasons are below, with what to do.")
    return " ".join(warnings)


def _number(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _say_progress(differential: Differential) -> str:
    goals = [
        f"{goal} cells ({f'{missing} more needed' if missing else 'reached'})"
        for goal, missing in differential.progress
    ]
    words = f"Usual goals: {', '.join(goals)}." if goals else ""
    if not differential.leukocytes:
        return words
    widest = max(differential.shares, key=lambda share: share.interval.high - share.interval.low)
    half = (widest.interval.high - widest.interval.low) / 2
    aim = next((points for points in _AIMS if points < half), None)
    if aim is None:
        return words
    more = cells_needed(widest.percent / 100, differential.leukocytes, aim / 100)
    least = f"The least certain share is that of {_plural(widest.label)}: its interval is about ±{half:.1f} points."
    return f"{words} {least} Count {more} more leukocytes to reach ±{aim} points."


def _say_flags(differential: Differential) -> Iterator[str]:
    if differential.shift:
        yield "No share is marked high or low, because the classes are not reliable on this smear."
        return
    if not any(share.reference for share in differential.shares):
        yield "No reference ranges were given, so no share is marked high or low."
        return
    flagged = [share for share in differential.shares if share.flag]
    for share in flagged:
        volume = f", {_per_liter(share)} x 10⁹ per litre" if share.per_liter else ""
        found = f"{share.percent:.1f} % ({_span(share.interval)}){volume}"
        yield f"{_word(share.label).capitalize()} {share.flag.upper()}: {found}. Reference: {_range_of(share)}."
    if not flagged:
        yield "No interval lies completely outside its reference range. This does not mean that the smear is normal."


def _draw_differential(differential: Differential) -> Section | None:
    if not differential.leukocytes:
        return None
    bars = [
        ShareBar(
            _word(share.label),
            (share.percent, share.interval.low, share.interval.high),
            _corrected(share),
            share.flag,
        )
        for share in differential.shares
    ]
    names = ("as counted", "corrected")
    corrected = any(bar.second for bar in bars)
    text = [
        "Each bar is a share of the leukocytes counted. The black line is its 95 % interval. "
        "If every cell was classified correctly, the true share lies on this line in about 95 of 100 smears."
    ]
    if corrected:
        text += [
            "The lower, orange bar is the corrected share. It also counts the cells for review, under their most "
            "probable class. It is corrected for the errors that the classifier made on validation cells.",
            "The border of a field cuts large cells more often than small ones. The corrected share allows for this too, "
            "except where the photographs seem to be centred on leukocytes.",
            "If the two bars of a class differ much, do not use either of them before a person has checked the cells.",
        ]
    else:
        why = differential.why_not_corrected or "they are not known"
        text.append(f"The shares and intervals are not corrected for the classifier's errors: {why}.")
    chart = draw_shares(bars, "Differential", names)
    return Section("Differential", text=tuple(text), charts=(chart,))


def _corrected(share: Share) -> tuple[float, float, float] | None:
    if share.corrected is None or share.corrected_interval is None:
        return None
    return share.corrected, share.corrected_interval.low, share.corrected_interval.high


def _tabulate_differential(differential: Differential) -> Section | None:
    if not differential.leukocytes:
        return None
    review = bool(differential.apart.get(CellStatus.REVIEW))
    columns = {
        "class": [_word(share.label) for share in differential.shares],
        "cells": [str(share.count) for share in differential.shares],
        "share, %": [f"{share.percent:.1f}" for share in differential.shares],
        "95 % interval": [_span(share.interval) for share in differential.shares],
        "95 % interval of all classes together": [_span(share.simultaneous) for share in differential.shares],
        "corrected share, %": [
            "" if share.corrected is None else f"{share.corrected:.1f}" for share in differential.shares
        ],
        "its 95 % interval": [
            _span(share.corrected_interval) if share.corrected_interval else "" for share in differential.shares
        ],
        "share with cells for review, %": [
            _span(Interval(*share.if_unsure, "")) if review else "" for share in differential.shares
        ],
        "10⁹ per litre": [_per_liter(share) for share in differential.shares],
        "flag": [share.flag.upper() for share in differential.shares],
        # The range alone: its source is the same in every row and stands above the table.
        "reference range": [_range_of(share) for share in differential.shares],
    }
    kept = {name: values for name, values in columns.items() if any(values)}
    sources = sorted({share.reference.source for share in differential.shares if share.reference})
    text = [
        f"Method of the 95 % interval: {_list_methods(share.interval for share in differential.shares)}.",
        f"Method for all classes together: {_list_methods(share.simultaneous for share in differential.shares)}.",
    ]
    if corrected := [share.corrected_interval for share in differential.shares if share.corrected_interval]:
        text.append(f"Method for the corrected share: {_list_methods(corrected)}.")
    if review:
        text.append(
            "Share with cells for review: the lowest share if none of them is of the class, the highest if all of them are."
        )
    text += [f"Reference ranges: {source}." for source in sources]
    return Section(
        "The differential in numbers",
        text=tuple(text),
        header=tuple(kept),
        rows=tuple(zip(*kept.values(), strict=True)),
    )


def _list_methods(intervals: Iterable[Interval]) -> str:
    return "; or ".join(sorted({interval.method for interval in intervals}))


def _range_of(share: Share) -> str:
    """The range without its source, spelled short for a narrow column."""
    words = share.reference.words if share.reference else ""
    return words.replace(" x 10^9 per litre", " x 10⁹/L").replace(" ", _HELD)


def _per_liter(share: Share) -> str:
    if share.per_liter is None:
        return ""
    value, interval = share.per_liter
    return f"{value / 1e9:.2f} ({interval.low / 1e9:.2f} to {interval.high / 1e9:.2f})".replace(" ", _HELD)


def _advise(result: SmearRecord) -> Section | None:
    fields_of: dict[tuple[str, str, bool], list[int]] = {}
    for number, field in enumerate(result.fields, start=1):
        for advice in field.advice:
            fields_of.setdefault((advice.fault, advice.action, advice.stops), []).append(number)
        for warning in field.warnings:
            fields_of.setdefault((warning, "", False), []).append(number)
    if not fields_of:
        return None
    # What kept a field from being counted comes first.
    found = sorted(fields_of.items(), key=lambda item: (not item[0][2], -len(item[1])))
    rows = tuple(
        (fault, action, "not counted" if stops else "counted", _list_numbers(numbers))
        for (fault, action, stops), numbers in found
    )
    header = ("problem", "what to do", "these fields were", "fields")
    return Section("Quality of the photographs", header=header, rows=rows)


def _list_numbers(numbers: Sequence[int], most: int = 12) -> str:
    shown = ", ".join(map(str, numbers[:most]))
    return shown if len(numbers) <= most else f"{shown} and {len(numbers) - most} more"


def _count_kinds(result: SmearRecord) -> Section | None:
    if not result.kinds:
        return None
    header: tuple[str, ...] = ("kind", "cells in all fields", "cells per field", "95 % interval of the mean")
    rows: tuple[tuple[str, ...], ...] = tuple(
        (_plural(kind.kind), str(kind.count), f"{kind.per_field[0]:.1f}", _span(kind.per_field[1]))
        for kind in result.kinds
    )
    if any(kind.estimate for kind in result.kinds):
        header += ("cells per microlitre",)
        estimates = (kind.estimate or "unknown: no factor given" for kind in result.kinds)
        rows = tuple((*row, estimate) for row, estimate in zip(rows, estimates, strict=True))
    text = (
        "Only fields that were counted. Leukocytes for review are included. "
        "Nucleated red cells and cells set apart are not.",
    )
    return Section("Cells per field", text, header=header, rows=rows)


def _tabulate_fields(result: SmearRecord) -> Section | None:
    if not result.fields:
        return None
    rows = tuple(_field_row(number, field) for number, field in enumerate(result.fields, start=1))
    links = tuple(link_field(number) for number in range(1, len(rows) + 1))
    header = (
        *("field", "file", "leukocytes", "for review", "set apart", "red cells", "platelets"),
        *("µm per pixel (measured on)", "counted"),
    )
    return Section("The fields", header=header, rows=rows, links=links)


def _field_row(number: int, field: FieldResult) -> tuple[str, ...]:
    leukocytes = [cell.status for cell in field.cells if cell.box.kind == CellKind.LEUKOCYTE]
    accepted, review = leukocytes.count(CellStatus.ACCEPTED), leukocytes.count(CellStatus.REVIEW)
    others = [
        sum(cell.box.kind == kind and cell.status == CellStatus.ACCEPTED for cell in field.cells)
        for kind in (CellKind.RED_CELL, CellKind.PLATELET)
    ]
    counts = (accepted, review, len(leukocytes) - accepted - review, *others)
    scale = f"{field.pixel_size_um:.3f} ({field.scale_origin})" if field.pixel_size_um else "unknown"
    return f"field {number}", last_part(field.name), *map(str, counts), scale, "yes" if field.usable else "no"


def _describe_models(cards: Sequence[Card]) -> Section | None:
    if not cards:
        return None
    rows = (
        ("task", *("classifies leukocytes" if isinstance(card, ClassifierCard) else "finds cells" for card in cards)),
        ("architecture", *(_clip(card.architecture) for card in cards)),
        ("trained on", *(_tell_facts(card.training, ("data", "images", "sites", "split")) for card in cards)),
        ("measured on validation cells", *(_tell_facts(card.validation) for card in cards)),
        ("started from the weights of", *(_clip(card.weights_origin) for card in cards)),
        ("licence", *(_clip(card.licence) for card in cards)),
    )
    text = (
        "The validation cells come from the sites that the model was trained on. With the stain or the camera of "
        "another site, a model is wrong more often. Its probabilities can be high even then.",
    )
    return Section("The models", text, header=("", *(show_name(card.name) for card in cards)), rows=rows)


def _tell_facts(record: Struct | None, names: Sequence[str] = ()) -> str:
    """Numbers and texts of a card's record, all or the named ones. Tables such as the confusion are left out."""
    facts: dict[str, object] = {} if record is None else to_builtins(record)
    parts = []
    for name in names or facts:
        value = facts.get(name)
        if isinstance(value, dict) and value and all(isinstance(item, int | float) for item in value.values()):
            parts.append(f"{_word(name)} " + ", ".join(f"{_word(key)} {_figure(item)}" for key, item in value.items()))
        elif isinstance(value, str | int | float) and value != "":
            parts.append(f"{_word(name)} {_figure(value)}")
    return _clip("; ".join(parts) or "not stated")


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _clip(words: str) -> str:
    return words if len(words) <= _LONGEST_WORDS else words[:_LONGEST_WORDS] + "..."


def _plural(label: str) -> str:
    return f"{_word(label)}s"


def _word(name: str) -> str:
    return name.replace("_", " ")


def _span(interval: Interval) -> str:
    return f"{interval.low:.1f} to {interval.high:.1f}".replace(" ", _HELD)
