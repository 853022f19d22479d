import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from leukolens.cli.count import command
from leukolens.cli.main import main
from leukolens.core.files import read_rows
from leukolens.core.results import Advice
from leukolens.smear import count as counting
from leukolens.smear.ranges import list_tables


@pytest.fixture
def asked() -> dict[str, Any]:
    """What the command handed to the counting."""
    return {}


@pytest.fixture
def fields(fake_smear: Any, tmp_path: Path) -> Any:
    names = [str(tmp_path / "fields" / f"f{number}.png") for number in range(2)]
    smear = fake_smear.make_smear(2, 160, names=names)
    for name, pixels in smear.pictures.items():
        Path(name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(name)
    return smear


@pytest.fixture
def run(
    fields: Any, asked: dict[str, Any], toy_detector: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., Result]]:
    def count_field(name: str, decoded: Any, *models: Any) -> Any:
        asked.setdefault("fields", []).append(name)
        return next(field for field in fields.result.fields if field.name == name)

    def count(paths: Any, **known: Any) -> Any:
        asked.update(known)
        return real_count(paths, **known)

    real_count = counting.count
    monkeypatch.setattr(counting, "count_field", count_field)
    monkeypatch.setattr(counting, "count", count)

    def invoke(*words: object) -> Result:
        given = [*map(str, words), "--out", str(tmp_path / "out"), "--detector", str(toy_detector)]
        return CliRunner().invoke(command, given)

    yield invoke


def test_a_folder_of_fields_becomes_a_folder_of_files(
    run: Any, fields: Any, asked: dict[str, Any], tmp_path: Path
) -> None:
    done = run(tmp_path / "fields", "--smear", "S 7", "--wbc-per-liter", "7200/uL", "--platelet-factor", 15000)
    assert done.exit_code == 0, done.output
    assert "on 2 of 2 fields" in done.stderr and "report.html" in done.stderr and not done.stdout
    assert asked["name"] == "S 7" and asked["leukocytes_per_liter"] == 7.2e9
    assert asked["factors"] == {"platelet": 15000} and asked["classifier"] is None
    assert asked["fields"] == [field.name for field in fields.result.fields]
    assert "classified by pbc" in done.stderr
    assert "S 7" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert {path.name for path in (tmp_path / "out" / "overlay").iterdir()} == {"f0.png", "f1.png"}
    assert json.loads((tmp_path / "out" / "fhir.json").read_text())["resourceType"] == "DiagnosticReport"


def test_a_smear_without_a_name_is_called_as_its_folder(run: Any, asked: dict[str, Any], tmp_path: Path) -> None:
    assert run(tmp_path / "fields").exit_code == 0
    assert asked["name"] == "out" and asked["ranges"] is None


def test_refused_inputs_are_listed_and_exit_with_1(run: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    done = run(tmp_path / "fields", tmp_path / "notes.txt", f"@{tmp_path / 'list'}")
    assert done.exit_code != 0 and "cannot be read" in str(done.exception)
    done = run(tmp_path / "fields", tmp_path / "notes.txt")
    assert done.exit_code == 1 and "notes.txt" in done.stderr
    assert read_rows(tmp_path / "out" / "refused.csv")[0]["image"].endswith("notes.txt")


def test_nothing_that_can_be_read_exits_with_3_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    for given, told in (("notes.txt", "notes.txt is not an image"), ("empty", "No images were found")):
        monkeypatch.setattr("sys.argv", ["leukolens", "count", str(tmp_path / given), "--out", str(tmp_path / "out")])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 3 and told in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_fields_that_are_all_left_out_exit_with_3_and_a_report(run: Any, fields: Any, tmp_path: Path) -> None:
    stop = Advice("not blood", "photograph a stained smear", stops=True)
    left_out = tuple(dataclasses.replace(field, advice=(stop,)) for field in fields.result.fields)
    object.__setattr__(fields, "result", dataclasses.replace(fields.result, fields=left_out))
    done = run(tmp_path / "fields")
    assert done.exit_code == 3 and "on 0 of 2 fields" in done.stderr
    assert "No field could be" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_what_was_odd_about_a_field_is_told(run: Any, fields: Any, tmp_path: Path) -> None:
    odd = tuple(dataclasses.replace(field, warnings=("odd <pixel size>",)) for field in fields.result.fields)
    object.__setattr__(fields, "result", dataclasses.replace(fields.result, fields=odd))
    done = run(tmp_path / "fields")
    assert done.exit_code == 0 and done.stderr.count("warning: odd <pixel size> (fields: 2)") == 1
    assert {row["warnings"] for row in read_rows(tmp_path / "out" / "fields.csv")} == {"odd <pixel size>"}
    assert "odd &lt;pixel size&gt;" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_field_left_out_is_named_and_exits_with_1(run: Any, fields: Any, tmp_path: Path) -> None:
    stopping = Advice("not blood", "photograph a stained smear", stops=True)
    first, second = fields.result.fields
    left_out = dataclasses.replace(second, advice=(stopping,))
    object.__setattr__(fields, "result", dataclasses.replace(fields.result, fields=(first, left_out)))
    done = run(tmp_path / "fields")
    assert done.exit_code == 1 and "not counted:" in done.stderr and "photograph a stained smear" in done.stderr


def test_nothing_is_overwritten_unasked(run: Any, tmp_path: Path, asked: dict[str, Any]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    done = run(tmp_path / "fields")
    assert "--force" in str(done.exception) and not asked
    assert run(tmp_path / "fields", "--force").exit_code == 0
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "words",
    [
        ("--pixel-size-um", "0"),
        ("--pixel-size-um", "nan"),
        ("--wbc-per-liter", "inf"),
        ("--wbc-per-liter", "7.2"),
        ("--wbc-per-liter", "7200"),
        ("--age", "40"),
        ("--ranges", "united-kingdom"),
        ("--sex", "other"),
    ],
)
def test_words_that_cannot_be_meant_do_nothing(run: Any, tmp_path: Path, words: tuple[str, str], asked: Any) -> None:
    assert run(tmp_path / "fields", *words).exit_code == 2
    assert not asked and not (tmp_path / "out").exists()


def test_ranges_are_chosen_by_age_and_sex(run: Any, tmp_path: Path, asked: dict[str, Any]) -> None:
    assert run(tmp_path / "fields", "--ranges", "united-kingdom", "--age", 40, "--sex", "female").exit_code == 0
    assert "neutrophil" in (asked["ranges"].percent | asked["ranges"].per_liter)


def test_help_names_every_table_of_ranges() -> None:
    told = "".join(CliRunner().invoke(command, ["--help"]).output.split())
    assert list_tables() and all(name in told for name in list_tables())


def test_the_program_knows_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["leukolens", "count"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2 and "PATH" in capsys.readouterr().err
