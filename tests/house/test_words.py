"""Words that the glossary replaces do not come back."""

import re
from pathlib import Path

import pytest

REPLACED = ("finder", "finders", "namer", "namers", "is_detector", "standard box", "CellCall")
"""Old words without a second meaning; `docs/glossary.md` says what stands instead."""


@pytest.mark.parametrize("word", REPLACED)
def test_a_replaced_word_is_gone(word: str, root: Path, tracked: list[Path]) -> None:
    pattern = re.compile(rf"\b{re.escape(word)}\b" if word != "is_detector" else "is_detector", re.IGNORECASE)
    places = []
    for path in tracked:
        name = path.relative_to(root).as_posix()
        if not re.fullmatch(r"(src/.*\.pyi?|(docs/.*|[A-Z]+)\.md|recipes/.*\.toml|(bench|scripts)/.*\.py)", name):
            continue
        if name == "docs/glossary.md":
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        places += [f"{name}:{number}" for number, line in enumerate(lines, 1) if pattern.search(line)]
    assert places == []
