import os
import time
from pathlib import Path

import pytest

from leukolens.training import cache
from leukolens.training.cache import keep_path, trim_cache

HOURS = 3600.0


def keep(path: Path, hours_ago: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 100)
    place = path.parent if path.parent.name == "drawn" else path
    os.utime(place, (time.time() - hours_ago * HOURS,) * 2)
    return path


def test_what_was_used_longest_ago_goes_until_the_rest_is_within_the_limit(tmp_path: Path) -> None:
    oldest, older, recent = (keep(tmp_path / f"{hours}.npy", hours) for hours in (9, 5, 0.1))
    drawn = keep(tmp_path / "drawn" / "one.png", 7)
    trim_cache(tmp_path, 250)
    assert not oldest.exists() and not drawn.parent.exists()
    assert older.exists() and recent.exists()


def test_what_is_in_use_stays_beyond_the_limit(tmp_path: Path) -> None:
    old, recent = keep(tmp_path / "old.npy", 2), keep(tmp_path / ".unfinished-a.npy", 0.1)
    trim_cache(tmp_path, 0)
    assert recent.exists() and not old.exists()


def test_a_cache_within_its_limit_is_left_alone(tmp_path: Path) -> None:
    kept = [keep(tmp_path / f"{hours}.npy", hours) for hours in (99, 98)]
    trim_cache(tmp_path, 200)
    assert all(path.exists() for path in kept)


def test_looking_for_what_is_kept_counts_as_use_and_only_what_is_missing_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEUKOLENS_HOME", str(tmp_path))
    monkeypatch.setattr(cache, "CACHE_LIMIT_BYTES", 150)
    used, unused = (keep(tmp_path / "cache" / name, 9) for name in ("used.npy", "unused.npy"))
    assert keep_path("used.npy") == used
    assert unused.exists()
    assert not keep_path("new.npy").exists()
    assert used.exists() and not unused.exists()


def test_nothing_is_made_before_there_is_something_to_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEUKOLENS_HOME", str(tmp_path / "new"))
    keep_path("first.npy")
    assert not (tmp_path / "new").exists()
