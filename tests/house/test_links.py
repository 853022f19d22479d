"""Every relative link of a document leads to a tracked file or folder."""

import re
from pathlib import Path

LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def test_relative_links_resolve(root: Path, tracked: list[Path]) -> None:
    there = {*tracked, *(folder for path in tracked for folder in path.parents)}
    missing = []
    for page in (path for path in tracked if path.suffix == ".md"):
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            if "://" not in target and (page.parent / target).resolve() not in there:
                missing.append(f"{page.relative_to(root)}: {target}")
    assert missing == []
