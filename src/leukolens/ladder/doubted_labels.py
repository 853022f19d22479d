"""How the rungs do on TEST without fields whose label was doubted by two looks of a person.

`kaggle-test-by-eye.csv` holds one look at TEST's 71 fields, blind to label and model, and the doubts of an earlier look.
A label is contradicted where both looks are against it. The figures of all fields stand first: they are the result.
"""

from collections.abc import Mapping, Sequence

from leukolens.datasets.sources.tables import read_table
from leukolens.evaluation.classification.comparison import GroupTally, estimate_runs, leave_out
from leukolens.ladder.seeds import ByRung
from leukolens.ladder.wording import format_accuracy, format_group_accuracy
from leukolens.reporting.page import Section

_PROTOCOL = "fields"
_HEADER = (
    "classes by",
    "per image (95 %)",
    "per source field (95 %)",
    "without the contradicted: per image",
    "per field",
)


def compare_with_look(by_rung: ByRung) -> list[Section]:
    """Two sections: each rung of the protocol `fields` beside the look, and the doubted fields; none without runs."""
    runs = {
        name: [record.tallies for record in records if record.protocol == _PROTOCOL and record.tallies]
        for name, records in by_rung.items()
    }
    runs = {name: tallies for name, tallies in runs.items() if tallies}
    if not runs:
        return []
    looked = {row["field"]: row for row in read_table("kaggle-test-by-eye.csv")}
    labelled = sorted(next(iter(runs.values()))[0], key=lambda tally: tally.group)
    by_look = [
        GroupTally(t.group, t.label, t.images, t.images * (looked[t.group]["kind"] == t.label)) for t in labelled
    ]
    against = {tally.group for tally in by_look if not tally.right and looked[tally.group]["first_look"]}
    compared: dict[str, Sequence[Sequence[GroupTally]]] = {"one look by eye": [by_look], **runs}
    text = (
        "Kaggle's TEST has 71 source fields. A person who is no haematologist gave each leukocyte a class in one look, "
        "without its label and without any model's prediction. A label is called contradicted where this look and an "
        "earlier one are both against it. Such fields are listed below; the last two columns leave those "
        f"{len(against)} out. They were chosen by looking, not by a model's errors. The columns before them are the result."
    )
    rows = tuple(_compare(name, tallies, against) for name, tallies in compared.items())
    return [
        Section("What TEST's labels allow", (text,), header=_HEADER, rows=rows),
        _list_doubted(by_look, looked),
    ]


def _compare(name: str, runs: Sequence[Sequence[GroupTally]], against: set[str]) -> tuple[str, ...]:
    whole = estimate_runs(runs)
    rest = estimate_runs([leave_out(run, against) for run in runs])
    who = f"{name}, {len(runs)} runs" if len(runs) > 1 else name
    return who, *(cell for found in (whole, rest) for cell in (format_accuracy(found), format_group_accuracy(found)))


def _list_doubted(by_look: Sequence[GroupTally], looked: Mapping[str, Mapping[str, str]]) -> Section:
    rows = tuple(
        (t.group, t.label, str(t.images), row["kind"], row["sure"], row["reason"], "yes" if row["first_look"] else "")
        for t in by_look
        if (row := looked[t.group])["first_look"] or not t.right
    )
    header = ("field", "label", "images", "by eye", "how sure", "why", "doubted at the first look")
    return Section("Fields of TEST whose label is doubted", header=header, rows=rows)
