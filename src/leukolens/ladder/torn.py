"""Test fields of which another photograph turned out to have been learned from, after the runs: what they change.

`torn-fields.csv` beside the runs names them by split; splits made since know these pairs and keep them together.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from leukolens.core.files import read_rows
from leukolens.datasets.sources.blood_images import list_same_fields
from leukolens.datasets.sources.tables import read_table
from leukolens.evaluation.classification.comparison import estimate_runs, leave_out
from leukolens.ladder.figures import tell_accuracy, tell_share
from leukolens.ladder.records import RunRecord
from leukolens.reporting.page import Section


def leave_torn_out(path: Path, by_rung: Mapping[str, Sequence[RunRecord]]) -> Section:
    """Accuracy of each rung and honest protocol with the torn fields and without them; empty where none is torn."""
    torn: dict[str, set[str]] = defaultdict(set)
    for row in read_rows(path) if path.is_file() else ():
        torn[row["split"]].add(row["field"])
    rows = []
    for name, records in by_rung.items():
        for protocol in dict.fromkeys(record.protocol for record in records):
            found = [record for record in records if record.protocol == protocol and record.tallies]
            fields = [torn.get(record.environment["split_hash"], set()) for record in found]
            if not any(fields):
                continue
            whole = estimate_runs([record.tallies for record in found])
            rest = estimate_runs(
                [leave_out(record.tallies, names) for record, names in zip(found, fields, strict=True)]
            )
            rows.append(
                (
                    f"{name}, {protocol}",
                    f"{tell_share(whole.accuracy)}, n {whole.images} of {whole.groups}",
                    f"{tell_accuracy(rest)}, n {rest.images} of {rest.groups}",
                    f"{100 * (rest.accuracy - whole.accuracy):+.1f}",
                )
            )
    text = (
        "After these runs 13 more pairs of photographs turned out to show one place (`kaggle-same-field-pairs.csv`, those without inliers): some test "
        "fields had another photograph of themselves in training. Here the same runs are judged without those fields. Splits made from now on know the pairs."
    )
    tested = {row["field"] for row in read_table("kaggle-test-by-eye.csv")}
    twice = [f"{one} and {other}" for one, other in list_same_fields() if {one, other} <= tested]
    within = f"Of TEST's own {len(tested)} fields some show one place too: {', '.join(twice)}. All intervals here take them for fields of their own, so they are a little narrow."
    header = ("rung, protocol", "per image, all fields", "without the torn fields (95 %)", "points")
    return Section(
        "Without fields that were seen in training after all", (text, within), header=header, rows=tuple(rows)
    )
