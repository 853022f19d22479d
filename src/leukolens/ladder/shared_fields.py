"""How the honest runs do without test fields of which another photograph was in training.

The pairs became known after the runs. `shared-fields.csv` names the fields by split; splits made since then know the
pairs and keep them together.
"""

from collections import defaultdict
from pathlib import Path

from leukolens.core.files import read_rows
from leukolens.datasets.sources.blood_images import list_same_fields
from leukolens.datasets.sources.tables import read_table
from leukolens.evaluation.classification.comparison import estimate_runs, leave_out
from leukolens.ladder.seeds import ByRung
from leukolens.ladder.wording import format_accuracy, format_share
from leukolens.reporting.page import Section

_HEADER = ("rung, protocol", "per image, all fields", "without the shared fields (95 %)", "points")


def leave_shared_out(path: Path, by_rung: ByRung) -> Section:
    """Accuracy of each rung and honest protocol with and without the shared fields; no rows where none is shared."""
    shared: dict[str, set[str]] = defaultdict(set)
    for row in read_rows(path) if path.is_file() else ():
        shared[row["split"]].add(row["field"])
    rows = []
    for name, records in by_rung.items():
        for protocol in dict.fromkeys(record.protocol for record in records):
            found = [record for record in records if record.protocol == protocol and record.tallies]
            fields = [shared.get(record.facts.split_hash, set()) for record in found]
            if not any(fields):
                continue
            whole = estimate_runs([record.tallies for record in found])
            rest = estimate_runs(
                [leave_out(record.tallies, names) for record, names in zip(found, fields, strict=True)]
            )
            rows.append(
                (
                    f"{name}, {protocol}",
                    f"{format_share(whole.accuracy)}, n {whole.images} of {whole.groups}",
                    f"{format_accuracy(rest)}, n {rest.images} of {rest.groups}",
                    f"{100 * (rest.accuracy - whole.accuracy):+.1f}",
                )
            )
    text = (
        "After these runs, 13 more pairs of photographs turned out to show one place (`kaggle-same-field-pairs.csv`, "
        "the rows whose column `inliers` is empty). So another photograph of some test fields was in training. Here the same runs are "
        "evaluated without those fields. Splits made since then keep the pairs together."
    )
    tested = {row["field"] for row in read_table("kaggle-test-by-eye.csv")}
    twice = [f"{one} and {other}" for one, other in list_same_fields() if {one, other} <= tested]
    within = (
        f"Of TEST's own {len(tested)} fields some show one place too: {', '.join(twice)}. All intervals here count them "
        "as separate fields, so they are a little too narrow."
    )
    return Section("Without test fields that training also showed", (text, within), header=_HEADER, rows=tuple(rows))
