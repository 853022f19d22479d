import threading
from pathlib import Path

import pytest

from leukolens.core import unfinished
from leukolens.core.files import write_text


def test_no_file_is_begun_once_the_program_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "_may_begin", threading.Lock())
    begun = tmp_path / "begun"
    with unfinished.note_unfinished(begun):
        begun.write_text("half")
        unfinished.remove_unfinished()
    other = threading.Thread(target=write_text, args=(tmp_path / "late.txt", "late"), daemon=True)
    other.start()
    other.join(0.3)
    assert other.is_alive() and list(tmp_path.iterdir()) == []
    unfinished._may_begin.release()
    other.join(5)
    assert [path.name for path in tmp_path.iterdir()] == ["late.txt"]
