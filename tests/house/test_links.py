"""Every relative link of a document leads to a tracked file or folder."""

import re
from pathlib import Path

LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
NAMED = re.compile(r"`((?:src|recipes|tests|docs|scripts|bench)/[A-Za-z0-9_./@-]+)`")


def test_relative_links_resolve(root: Path, tracked: list[Path]) -> None:
    there = {*tracked, *(folder for path in tracked for folder in path.parents)}
    missing = []
    for page in (path for path in tracked if path.suffix == ".md"):
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            if "://" not in target and (page.parent / target).resolve() not in there:
                missing.append(f"{page.relative_to(root)}: {target}")
    assert missing == []


def test_paths_that_documents_name_exist(root: Path, tracked: list[Path]) -> None:
    there = {*tracked, *(folder for path in tracked for folder in path.parents)}
    missing = []
    for page in (path for path in tracked if path.suffix == ".md" and path.name != "CHANGELOG.md"):
        for name in NAMED.findall(page.read_text(encoding="utf-8")):
            if (root / name).resolve() not in there:
                missing.append(f"{page.relative_to(root)}: {name}")
    assert missing == []


def test_the_table_of_changes_names_ten_places_that_exist(root: Path) -> None:
    """A newcomer looks ten changes up in `docs/architecture.md`; two of them are packages that have no code yet."""
    text = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("## Where do I change what")[2].partition("## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| to ")]
    assert len(rows) == 10
    for row in rows:
        assert NAMED.search(row) or re.search(r"a new package `(serve|adapt)`", row), row
