"""Every command and option that a message, docstring, comment or document names exists."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from leukolens.cli.main import group

NAMED = re.compile(r"\bleukolens ([a-z][a-z-]*)((?:[ ]+[^\s`|)\";]+)*)")
OPTION = re.compile(r"(?<!\S)'?(--[a-z][a-z0-9-]*)")
PROSE_BEFORE = re.compile(r"(import|from|install|package|--find-links \.|of|and) $|\.\[?$")


def list_texts(path: Path) -> Iterator[str]:
    """String constants (joined over lines) and comments of a module; the whole text of any other file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield text
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def find_faults(text: str) -> list[str]:
    """Commands and options in a text that do not exist."""
    faults = []
    for match in NAMED.finditer(text):
        if PROSE_BEFORE.search(text[max(0, match.start() - 16) : match.start()]):
            continue
        words = [match[1], *match[2].split()]
        command: click.Command | None = group
        path = ["leukolens"]
        with click.Context(group) as context:
            while isinstance(command, click.Group) and words and re.fullmatch(r"[a-z][a-z-]*", words[0].rstrip(".,:")):
                path.append(words.pop(0).rstrip(".,:"))
                command = command.get_command(context, path[-1])
        if command is None:
            faults.append(" ".join(path))
            continue
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        options |= {"--help", "--version"}
        faults += [f"{' '.join(path)} {name}" for name in OPTION.findall(match[2]) if name not in options]
    return faults


def test_documents_and_messages_name_existing_commands(root: Path, tracked: list[Path]) -> None:
    faults = {}
    for path in tracked:
        name = path.relative_to(root).as_posix()
        if re.fullmatch(r"((src|bench|scripts)/.*\.py|.*\.md|recipes/.*\.toml|Makefile)", name):
            found = [fault for text in list_texts(path) for fault in find_faults(text)]
            if found and name != "CHANGELOG.md":
                faults[name] = sorted(set(found))
    assert faults == {}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("see `leukolens data info`", "leukolens data info"),
        ("Run leukolens look first", "leukolens look"),
        ("`leukolens ladder run conv1 --epochs 3`", "leukolens ladder run --epochs"),
        ("`leukolens count FIELDS --out DIR --quick`, then", "leukolens count --quick"),
    ],
)
def test_what_does_not_exist_is_found(text: str, fault: str) -> None:
    assert find_faults(text) == [fault]


@pytest.mark.parametrize(
    "text", ["`leukolens data add pbc ZIP`", "import leukolens as ll", "`leukolens train RECIPE --set a.b=1 --resume`"]
)
def test_what_exists_passes(text: str) -> None:
    assert find_faults(text) == []
