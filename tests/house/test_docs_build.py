"""`make docs` builds pages whose links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

WRITTEN_BY_LADDER_TABLE = "ladder.html"


def test_built_pages_link_to_built_pages(root: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, root / "scripts" / "build_docs.py", tmp_path], check=True, capture_output=True)
    pages = list(tmp_path.rglob("*.html"))
    assert {"index.html", "architecture.html", "glossary.html", "results.html"} <= {page.name for page in pages}
    missing = []
    for page in pages:
        for target in re.findall(r'(?:href|src)="([^"#]+)[^"]*"', page.read_text(encoding="utf-8")):
            found = "://" in target or (page.parent / target).is_file()
            if not found and Path(target).name != WRITTEN_BY_LADDER_TABLE:
                missing.append(f"{page.name}: {target}")
    assert missing == []
    assert "<table>" in (tmp_path / "results.html").read_text(encoding="utf-8")
