"""What TEST's labels allow: a look by eye at its 71 fields beside the rungs, with and without what the look contradicts.

The fields were named in one look, blind to label and model (`kaggle-test-by-eye.csv`); an earlier look had called
some labels doubtful. A label is contradicted where both looks are against it. The figures without such fields stand
second, after those of all fields, which are what the labels say.
"""

from collections.abc import Mapping, Sequence

from leukolens.datasets.sources.tables import read_table
from leukolens.evaluation.classification.comparison import GroupTally, estimate_runs, leave_out
from leukolens.ladder.figures import tell_accuracy, tell_group_accuracy
from leukolens.ladder.records import RunRecord
from leukolens.reporting.page import Section

_PROTOCOL = "fields"


def compare_with_eye(by_rung: Mapping[str, Sequence[RunRecord]]) -> list[Section]:
    """Two sections: each rung taught by fields beside the eye, and the contradicted fields; none without such runs."""
    runs = {name: [record.tallies for record in records if _is_whole(record)] for name, records in by_rung.items()}
    runs = {name: tallies for name, tallies in runs.items() if tallies}
    if not runs:
        return []
    seen = {row["field"]: row for row in read_table("kaggle-test-by-eye.csv")}
    labelled = sorted(next(iter(runs.values()))[0], key=lambda tally: tally.group)
    by_eye = [GroupTally(t.group, t.label, t.images, t.images * (seen[t.group]["kind"] == t.label)) for t in labelled]
    against = {tally.group for tally in by_eye if not tally.right and seen[tally.group]["first_look"]}
    judges: dict[str, Sequence[Sequence[GroupTally]]] = {"one look by eye": [by_eye], **runs}
    rows = tuple(_compare(name, tallies, against) for name, tallies in judges.items())
    text = (
        "Kaggle's TEST, 71 source fields. One look by eye, no haematologist's, blind to label and model, named the leukocyte of each field once. A label is called "
        f"contradicted where that look and an earlier one are both against it: such fields are listed below, and the last two columns leave those {len(against)} out. "
        "They were chosen by looking, not by a model's errors; the columns before them are what counts."
    )
    header = (
        "named by",
        "per image (95 %)",
        "per source field (95 %)",
        "without the contradicted: per image",
        "per field",
    )
    listed = tuple(
        (t.group, t.label, str(t.images), row["kind"], row["sure"], row["reason"], "yes" if row["first_look"] else "")
        for t in by_eye
        if (row := seen[t.group])["first_look"] or not t.right
    )
    told = ("field", "label", "images", "by eye", "how sure", "why", "doubtful at the first look")
    return [
        Section("What TEST's labels allow", (text,), header=header, rows=rows),
        Section("TEST's fields whose label an eye doubts", header=told, rows=listed),
    ]


def _is_whole(record: RunRecord) -> bool:
    return record.protocol == _PROTOCOL and bool(record.tallies)


def _compare(name: str, runs: Sequence[Sequence[GroupTally]], against: set[str]) -> tuple[str, ...]:
    whole = estimate_runs(runs)
    rest = estimate_runs([leave_out(run, against) for run in runs])
    who = f"{name}, {len(runs)} runs" if len(runs) > 1 else name
    return who, *(cell for found in (whole, rest) for cell in (tell_accuracy(found), tell_group_accuracy(found)))
