"""The HTML page of one run: curves, confusion, each class, errors; photographs stay where the run was made."""

from leukolens.ladder.records import RunRecord
from leukolens.ladder.rungs import Rung
from leukolens.ladder.wording import format_interval
from leukolens.reporting.charts import draw_curves, draw_matrix
from leukolens.reporting.page import Section, render_page

_CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


def render_run(record: RunRecord, rung: Rung) -> str:
    """The page as HTML."""
    sections = [_summarise(record, rung), _draw(record), _tabulate_classes(record), *_list_errors(record)]
    return render_page(f"{record.rung}, {record.variant}", rung.text, sections, dated=False)


def _summarise(record: RunRecord, rung: Rung) -> Section:
    test, facts = record.metrics.test, record.facts
    return Section(
        "Summary",
        (rung.idea, rung.note),
        f"THIS SPLIT LEAKS: {test.why_leaky}." if test.leaky else "",
        (
            (f"{test.accuracy:.4f}", f"test accuracy, {format_interval(test.accuracy_ci)}"),
            (f"{test.balanced_accuracy:.4f}", "balanced accuracy"),
            (str(test.n), "test images"),
        ),
        ("what", "value"),
        (
            ("data", facts.data),
            ("split", facts.split),
            ("seed", str(facts.seed)),
            ("weights began as", facts.weights_origin),
            ("device", facts.device),
            ("training seconds", f"{facts.training_seconds:.0f}"),
            ("commit", facts.commit),
        ),
    )


def _draw(record: RunRecord) -> Section:
    series = {name.replace("_", " "): [float(row[name]) for row in record.history] for name in _CURVES}
    charts = [draw_curves(series, "Accuracy and loss over the epochs", "epoch", "accuracy, loss")]
    labels, counts = record.metrics.test.confusion.labels, record.metrics.test.confusion.counts
    charts += [
        draw_matrix(labels, counts, "Confusion: images", percent=False),
        draw_matrix(labels, counts, "Confusion: percent of each true class", percent=True),
    ]
    return Section("Learning curves and confusion", charts=tuple(charts))


def _tabulate_classes(record: RunRecord) -> Section:
    rows = tuple(
        (name.replace("_", " "), f"{row.precision:.4f}", f"{row.recall:.4f}", f"{row.f1:.4f}", str(row.support))
        for name, row in record.metrics.test.per_class.items()
    )
    return Section("Class by class", header=("class", "precision", "recall", "F1", "images"), rows=rows)


def _list_errors(record: RunRecord) -> list[Section]:
    return [
        Section(
            "Errors with the highest probability",
            ("Photographs of the errors are in the report in the run folder, on the machine that trained it.",),
            header=("image", "group", "ground truth", "predicted", "probability", "measured in the image"),
            rows=tuple(tuple(row.values()) for row in record.errors),
        ),
        Section(
            "Measured faults of the images",
            ("A fault that is as common beside right predictions as beside errors is no reason for the errors.",),
            header=("fault", "beside errors", "beside right predictions", "verdict"),
            rows=tuple(tuple(row.values()) for row in record.faults),
        ),
    ]
