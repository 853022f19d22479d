"""What git tracks: no photographs, nothing large, hardly any generated page."""

from pathlib import Path

PHOTOGRAPHS = (".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")


def test_no_photographs_and_nothing_large_is_tracked(tracked: list[Path]) -> None:
    assert [path.name for path in tracked if path.suffix.lower() in PHOTOGRAPHS] == []
    assert [path.name for path in tracked if path.stat().st_size > 15 << 20] == []


def test_pages_are_built_and_not_tracked(root: Path, tracked: list[Path]) -> None:
    pages = [str(path.relative_to(root)) for path in tracked if path.suffix == ".html"]
    assert len(pages) <= 5
    assert [name for name in pages if name.startswith("docs/")] == []
