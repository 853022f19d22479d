"""Writes docs/results.md from the metrics that `leukolens evaluate` left under docs/results/<name>/: `make docs`."""

import json
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"

HEAD = """# Results

Written by `scripts/write_results.py` from `docs/results/*/metrics.json`, which `leukolens evaluate` wrote; nothing here is typed by hand.
Intervals are 95 %; where images share groups (source field, slide) they are drawn over groups. Rows marked **LEAKS** are too good to
be true and stand here for comparison only. Research use, not a medical device.

"""


def interval(values: dict[str, float]) -> str:
    return f"{values['low']:.3f} to {values['high']:.3f}"


def describe(name: str, metrics: dict) -> str:
    found = {label: row for label, row in metrics["per_class"].items() if row["support"]}
    worst = min(found, key=lambda label: found[label]["recall"])
    groups, shared = metrics["groups"], metrics["shared_classes"]
    cells = [
        f"[{name}](results/{name}/metrics.json)" + (" **LEAKS**" if metrics["leaky"] else ""),
        metrics["model"],
        f"{metrics['data']}: {metrics['split']}",
        f"{metrics['n']}" + (f" in {groups['n']} groups" if groups else ""),
        f"{metrics['balanced_accuracy']:.4f} ({interval(metrics['balanced_accuracy_ci'])})",
        f"{worst.replace('_', ' ')} {found[worst]['recall']:.3f}",
        f"{metrics['accuracy']:.4f} ({interval(metrics['accuracy_ci'])})",
        f"{groups['accuracy']:.4f} ({interval(groups['ci'])})" if groups else "",
        f"{shared['balanced_accuracy']:.4f} over {len(shared['classes'])}" if shared else "",
        f"{metrics['ece']:.4f}",
        f"{metrics['coverage']:.1%}, {metrics['accepted_accuracy'] or 0:.2%} right",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    header = "| result | model | data | images | balanced accuracy | worst class | accuracy | per group | only shared classes | ECE | accepted |"
    rows = [
        describe(path.parent.name, json.loads(path.read_text(encoding="utf-8")))
        for path in sorted((DOCS / "results").glob("*/metrics.json"))
    ]
    lines = [header, "|" + "---|" * header.count(" | ") + "---|", *rows]
    notes = DOCS / "results" / "notes.md"
    text = HEAD + "\n".join(lines) + "\n" + ("\n" + notes.read_text(encoding="utf-8") if notes.is_file() else "")
    (DOCS / "results.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
