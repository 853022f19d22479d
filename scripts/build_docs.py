"""Builds README.md, CONTRIBUTING.md, CHANGELOG.md and docs/ as HTML pages: `make docs`, or `python scripts/build_docs.py build/docs`.

`docs/ladder.md` is left out: `leukolens ladder table --pages build/docs` writes it with charts.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

from markdown import markdown

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
LADDER = DOCS / "ladder.md"

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; font-size: .9em }}
td, th {{ border: 1px solid #ccc; padding: .2em .5em; text-align: left; vertical-align: top }}
pre {{ background: #f5f5f5; padding: .8em; overflow-x: auto }}
blockquote {{ border-left: 4px solid #b00; margin: 1em 0; padding: .1em 1em; background: #fff4f4 }}
img {{ max-width: 100% }}
</style></head>
<body><nav><a href="{home}">LeukoLens</a></nav>
{body}
</body></html>
"""


def list_pages() -> Iterator[Path]:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        yield ROOT / name
    yield from (path for path in sorted(DOCS.rglob("*.md")) if path != LADDER)


def place(path: Path) -> Path | None:
    """Where a file of the repository lies among the built pages, relative to them; None if it is not part of them."""
    if path == ROOT / "README.md":
        return Path("index.html")
    inside = path.relative_to(DOCS) if path.is_relative_to(DOCS) else path.relative_to(ROOT)
    if path.suffix == ".md":
        return inside.with_suffix(".html")
    return inside if path.is_relative_to(DOCS) and path.is_file() else None


def build_page(page: Path, out: Path) -> Path:
    """Renders one page, and copies the files of docs/ that it links to."""
    text = page.read_text(encoding="utf-8")
    here = place(page)
    assert here is not None

    def lead(match: re.Match[str]) -> str:
        attribute, target = match.groups()
        if "://" in target or target.startswith("#"):
            return match[0]
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve()
        there = place(file) if file.is_relative_to(ROOT) else None
        if there is None:
            return ""
        if file.suffix != ".md":
            (out / there).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, out / there)
        address = os.path.relpath(there, here.parent).replace(os.sep, "/")
        return f'{attribute}="{address}{"#" + anchor if anchor else ""}"'

    body = re.sub(r'(href|src)="([^"]*)"', lead, markdown(text, extensions=["tables", "fenced_code", "toc"]))
    title = next((line[2:] for line in text.splitlines() if line.startswith("# ")), "LeukoLens")
    home = os.path.relpath("index.html", here.parent).replace(os.sep, "/")
    target = out / here
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(PAGE.format(title=escape(title), home=home, body=body), encoding="utf-8")
    return target


def main() -> None:
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "build/docs")
    pages = [build_page(page, out) for page in list_pages()]
    print(f"{len(pages)} pages: {out / 'index.html'}")


if __name__ == "__main__":
    main()
