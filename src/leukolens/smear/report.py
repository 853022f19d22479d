"""The report of a smear: one page that a clinician reads in a minute, prints, and searches for what went wrong.

Takes a `SmearRecord`, the models' cards and what `leukolens.smear.pictures` kept of each field; computes no
statistics. Called by `leukolens.smear.files`; how a page looks is `leukolens.reporting`.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct, to_builtins

from leukolens.core.card import Card, ClassifierCard
from leukolens.core.files import show_name
from leukolens.core.intervals import Interval, cells_needed
from leukolens.core.results import CellStatus
from leukolens.core.taxonomy import CellKind
from leukolens.reporting.charts import ShareBar, draw_shares
from leukolens.reporting.page import Section, render_page
from leukolens.smear.pictures import (
    MOST_PLATES,
    FieldView,
    last_part,
    show_apart,
    show_classes,
    show_fields,
)
from leukolens.smear.records import Differential, FieldResult, Share, SmearRecord

_AIMS = (10, 5, 3, 2, 1)
"""Points of a percentage that the report says the way to: the next of them that is not reached."""

_LONGEST_WORDS = 400
_HELD = "\N{NO-BREAK SPACE}"
"""Between the words of a figure, which a table would break apart."""


def render_report(result: SmearRecord, views: Sequence[FieldView], known: Section | None = None) -> str:
    """The report as HTML, whole in one file; `known` is a section on what was known of the smear before."""
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
    ]
    if result.refused:
        rows = tuple((show_name(refusal.image), refusal.why) for refusal in result.refused)
        sections.append(Section("Inputs that could not be read", header=("input", "why"), rows=rows))
    kept = [section for section in sections if section is not None]
    subtitle = (
        f"Differential count of photographed fields; cells found by {result.detector}, named by {result.classifier}"
    )
    return render_page(f"Blood smear {show_name(result.name)}", subtitle, kept)


def _sum_up(result: SmearRecord) -> Section:
    differential = result.differential
    usable = sum(field.usable for field in result.fields)
    unsure, burst = differential.apart.get(CellStatus.REVIEW, 0), differential.apart.get(CellStatus.SMUDGE, 0)
    figures = [
        (str(differential.leukocytes), "leukocytes counted"),
        (f"{usable} of {len(result.fields)}", "fields used"),
        (str(unsure), "unsure, for a person to name"),
        (str(sum(differential.apart.values()) - unsure - burst), "set apart: cut, clumped, repeated or other"),
    ]
    if burst:
        figures.append((str(burst), "smudge cells (burst), set apart"))
    if differential.erythroblasts_per_100 is not None:
        value, interval = differential.erythroblasts_per_100
        figures.append((f"{value:.1f}", f"nucleated red cells per 100 leukocytes, {_span(interval)}"))
    if differential.neutrophil_lymphocyte_ratio is not None:
        value, interval = differential.neutrophil_lymphocyte_ratio
        figures.append((f"{value:.1f}", f"neutrophils to one lymphocyte, {_span(interval)}"))
    if differential.corrected_leukocytes_per_liter is not None:
        value = differential.corrected_leukocytes_per_liter / 1e9
        figures.append((f"{value:.2f}", "leukocytes, 10⁹ per litre, without nucleated red cells"))
    return Section(
        "In short",
        text=(_say_progress(differential), *_say_flags(differential)),
        warning=_warn(result, usable),
        figures=tuple(figures),
    )


def _warn(result: SmearRecord, usable: int) -> str:
    if not result.fields or not usable:
        return "No field could be used: nothing was counted. What to do stands below."
    if not result.differential.leukocytes:
        return "No leukocyte was counted: there is no differential."
    warnings = []
    if result.differential.unlike:
        warnings.append(f"{result.differential.unlike}. Rely on no class before a person has named these cells.")
    goal, missing = result.differential.progress[0] if result.differential.progress else (0, 0)
    if missing:
        counted = result.differential.leukocytes
        warnings.append(f"Only {counted} of the {goal} leukocytes that a count needs at least: read the intervals.")
    if left_out := len(result.fields) - usable:
        fields = "1 field was" if left_out == 1 else f"{left_out} fields were"
        warnings.append(f"{fields} left out of the count. Why, and what to do, stands below.")
    return " ".join(warnings)


def _say_progress(differential: Differential) -> str:
    goals = [f"{missing} more for {goal}" if missing else f"{goal} reached" for goal, missing in differential.progress]
    words = f"Against the usual goals: {', '.join(goals)}." if goals else ""
    if not differential.leukocytes:
        return words
    widest = max(differential.shares, key=lambda share: share.interval.high - share.interval.low)
    half = (widest.interval.high - widest.interval.low) / 2
    aim = next((points for points in _AIMS if points < half), None)
    if aim is None:
        return words
    more = cells_needed(widest.percent / 100, differential.leukocytes, aim / 100)
    return f"{words} The least certain share is {_word(widest.label)}, known to ±{half:.1f} points: count {more} more for ±{aim} points."


def _say_flags(differential: Differential) -> Iterator[str]:
    if differential.unlike:
        yield "Nothing is called high or low: the cells are unlike those that the classifier was judged on."
        return
    if not any(share.reference for share in differential.shares):
        yield "No reference range was asked for, so that nothing is called high or low."
        return
    flagged = [share for share in differential.shares if share.flag]
    for share in flagged:
        volume = f", {_per_liter(share)} x 10⁹ per litre" if share.per_liter else ""
        found = f"{share.percent:.1f} % ({_span(share.interval)}){volume}"
        yield f"{_word(share.label).capitalize()} {share.flag.upper()}: {found}. Reference: {_range_of(share)}."
    if not flagged:
        yield "No interval lies wholly outside its reference range. That does not say that the smear is normal."


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
    names = ("as counted", "after known errors")
    corrected = any(bar.second for bar in bars)
    text = ["Percent of the leukocytes counted. Lines are 95 % intervals: the truth may lie anywhere on them."]
    if corrected:
        text.append(
            "The lower bar counts unsure cells too, by their likeliest class, and allows for the errors that the classifier made on other cells, in its own laboratory, and for large cells being cut by a field's border more often than small ones, unless the photographs were aimed at cells. Where the two bars differ much, trust neither before a person has looked."
        )
    else:
        why = differential.why_not_corrected or "its errors on other cells are not known"
        text.append(f"Not corrected for the classifier's errors: {why}. The intervals leave them out.")
    chart = draw_shares(bars, "Differential", names)
    return Section("Differential", text=tuple(text), charts=(chart,))


def _corrected(share: Share) -> tuple[float, float, float] | None:
    if share.corrected is None or share.corrected_interval is None:
        return None
    return share.corrected, share.corrected_interval.low, share.corrected_interval.high


def _tabulate_differential(differential: Differential) -> Section | None:
    if not differential.leukocytes:
        return None
    columns = {
        "class": [_word(share.label) for share in differential.shares],
        "cells": [str(share.count) for share in differential.shares],
        "%": [f"{share.percent:.1f}" for share in differential.shares],
        "95 % interval": [_span(share.interval) for share in differential.shares],
        "all classes at once": [_span(share.simultaneous) for share in differential.shares],
        "after known errors": [
            "" if share.corrected is None else f"{share.corrected:.1f}" for share in differential.shares
        ],
        "its interval": [
            _span(share.corrected_interval) if share.corrected_interval else "" for share in differential.shares
        ],
        "if all unsure were one class": [_span(Interval(*share.if_unsure, "")) for share in differential.shares],
        "10⁹ per litre": [_per_liter(share) for share in differential.shares],
        "flag": [share.flag.upper() for share in differential.shares],
        # The range alone; its source, the same in every row, stands above the table.
        "reference": [_range_of(share) for share in differential.shares],
    }
    kept = {name: values for name, values in columns.items() if any(values)}
    methods = {share.interval.method for share in differential.shares}
    methods |= {share.simultaneous.method for share in differential.shares}
    methods |= {share.corrected_interval.method for share in differential.shares if share.corrected_interval}
    sources = sorted({share.reference.source for share in differential.shares if share.reference})
    text = [f"Intervals: {'; '.join(sorted(methods))}.", *(f"Reference: {source}." for source in sources)]
    return Section(
        "The differential in numbers",
        text=tuple(text),
        header=tuple(kept),
        rows=tuple(zip(*kept.values(), strict=True)),
    )


def _range_of(share: Share) -> str:
    """The range without its source, in the short spelling that a narrow column needs."""
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
    # What cost a field its count comes first.
    found = sorted(fields_of.items(), key=lambda item: (not item[0][2], -len(item[1])))
    rows = tuple(
        (fault, action, "not counted" if stops else "counted", _list_numbers(numbers))
        for (fault, action, stops), numbers in found
    )
    header = ("what was seen", "what to do", "these fields were", "fields")
    return Section("Quality of the pictures", header=header, rows=rows)


def _list_numbers(numbers: Sequence[int], most: int = 12) -> str:
    shown = ", ".join(map(str, numbers[:most]))
    return shown if len(numbers) <= most else f"{shown} and {len(numbers) - most} more"


def _count_kinds(result: SmearRecord) -> Section | None:
    if not result.kinds:
        return None
    rows = []
    for kind in result.kinds:
        mean, interval = kind.per_field
        rows.append(
            (
                f"{_word(kind.kind)}s",
                str(kind.count),
                f"{mean:.1f}",
                _span(interval),
                kind.estimate or "no factor given",
            )
        )
    header = ("found", "in all fields", "a field", "95 % interval", "by the site's factor")
    text = ("On the fields used. Unsure leukocytes are among them, nucleated red cells and cells set apart are not.",)
    return Section("Cells found in each field", text, header=header, rows=tuple(rows))


def _tabulate_fields(result: SmearRecord) -> Section | None:
    if not result.fields:
        return None
    rows = tuple(_field_row(number, field) for number, field in enumerate(result.fields, start=1))
    links = tuple(f"#field-{number}" if number <= MOST_PLATES else "" for number in range(1, len(rows) + 1))
    header = ("field", "picture", "leukocytes", "unsure", "set apart", "red cells", "platelets", "µm a pixel", "used")
    return Section("Field by field", header=header, rows=rows, links=links)


def _field_row(number: int, field: FieldResult) -> tuple[str, ...]:
    leukocytes = [cell.status for cell in field.cells if cell.box.kind == CellKind.LEUKOCYTE]
    accepted, unsure = leukocytes.count(CellStatus.ACCEPTED), leukocytes.count(CellStatus.REVIEW)
    others = [
        sum(cell.box.kind == kind and cell.status == CellStatus.ACCEPTED for cell in field.cells)
        for kind in ("red_cell", "platelet")
    ]
    counts = (accepted, unsure, len(leukocytes) - accepted - unsure, *others)
    scale = f"{field.pixel_size_um:.3f} ({field.scale_origin})" if field.pixel_size_um else "unknown"
    return f"field {number}", last_part(field.name), *map(str, counts), scale, "yes" if field.usable else "no"


def _describe_models(cards: Sequence[Card]) -> Section | None:
    if not cards:
        return None
    rows = (
        ("what it does", *("names cells" if isinstance(card, ClassifierCard) else "finds cells" for card in cards)),
        ("built as", *(_clip(card.architecture) for card in cards)),
        (
            "saw in training",
            *(_tell_facts(card.training, ("data", "images", "sites", "split")) for card in cards),
        ),
        ("judged on validation", *(_tell_facts(card.validation) for card in cards)),
        ("started from", *(_clip(card.weights_origin) for card in cards)),
        ("may be used", *(_clip(card.licence) for card in cards)),
    )
    text = "Validation is of a laboratory that the model was trained on. In another one, with another stain or camera, a model is wrong more often, and sure of it."
    return Section("The models", (text,), header=("", *(show_name(card.name) for card in cards)), rows=rows)


def _tell_facts(record: Struct | None, names: Sequence[str] = ()) -> str:
    """Numbers and words of a card's record, all or the named ones; tables such as the confusion are left out."""
    facts: dict[str, object] = {} if record is None else to_builtins(record)
    parts = []
    for name in names or facts:
        value = facts.get(name)
        if isinstance(value, dict) and value and all(isinstance(item, int | float) for item in value.values()):
            parts.append(f"{_word(name)} " + ", ".join(f"{_word(key)} {_figure(item)}" for key, item in value.items()))
        elif isinstance(value, str | int | float) and value != "":
            parts.append(f"{_word(name)} {_figure(value)}")
    return _clip("; ".join(parts) or "not said")


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _clip(words: str) -> str:
    return words if len(words) <= _LONGEST_WORDS else words[:_LONGEST_WORDS] + "..."


def _word(name: str) -> str:
    return name.replace("_", " ")


def _span(interval: Interval) -> str:
    return f"{interval.low:.1f} to {interval.high:.1f}".replace(" ", _HELD)
