"""What the class numbers of a dataset mean: `names` in `data.yaml`, or one name per line in `classes.txt`."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.files import show_name
from leukolens.core.taxonomy import match_cell
from leukolens.datasets.formats.boxes import Kind
from leukolens.datasets.tree import Tree

CLASS_LISTS = {"classes.txt", "labels.txt", "obj.names", "classes.names", "predefined_classes.txt"}
_NAMES_KEY = re.compile(r"^names\s*:(.*)$", re.MULTILINE)
_ENTRY = re.compile(r"^\s*(?:-|[\"']?(\d+)[\"']?\s*:)\s+(.+)$")


def read_class_names(tree: Tree) -> dict[str, str]:
    """The name of each class number, `{"0": "WBC"}`. Empty if the dataset has no such file.

    Raises:
        DataError: such a file cannot be read, or two of them differ.
    """
    found: dict[PurePosixPath, dict[str, str]] = {}
    for path in tree.with_suffixes((".txt", ".names", ".yaml", ".yml")):
        try:
            if path.name.lower() in CLASS_LISTS:
                found[path] = _number(tree.read_text(path).splitlines())
            elif path.suffix.lower() in (".yaml", ".yml"):
                found[path] = _parse_yaml_names(tree.read_text(path))
        except InputRefused as error:
            raise DataError(f"{show_name(str(path))} {error}") from error
    found = {path: names for path, names in found.items() if names}
    if len({tuple(sorted(names.items())) for names in found.values()}) > 1:
        told = "; ".join(f"{show_name(str(path))}: {', '.join(names.values())}" for path, names in found.items())
        raise DataError(f"The files with the names of the classes differ. Keep the right one. {told}")
    return next(iter(found.values()), {})


def match_kinds(names: Mapping[str, str]) -> dict[str, Kind]:
    """What each class number means. A number with an unknown name is left out.

    Raises:
        DataError: no name is known.
    """
    kinds = {number: kind for number, name in names.items() if (kind := match_cell(name)) is not None}
    if not kinds:
        raise DataError(f"None of the dataset's classes is a known cell type: {', '.join(names.values())}.")
    return kinds


def _number(lines: list[str]) -> dict[str, str]:
    """One name per line, counted from 0, or with its number before it: `1 lymphocyte`."""
    words = [line.strip() for line in lines if line.strip()]
    numbered = [re.fullmatch(r"(\d+)\s*[\s:,;=.)]\s*(\S.*)", word) for word in words]
    if words and all(numbered):
        return {str(int(found[1])): found[2] for found in numbered if found}
    return {str(number): word for number, word in enumerate(words)}


def _parse_yaml_names(text: str) -> dict[str, str]:
    """`names` of a YOLO file: a list in brackets or of lines, or a mapping of numbers in braces or of lines."""
    key = _NAMES_KEY.search(text)
    if key is None:
        return {}
    opened = re.match(r"\s*([\[{])(.*?)[\]}]", text[key.start(1) :], re.DOTALL)
    if opened:
        pieces = [piece.strip() for piece in opened[2].split(",") if piece.strip()]
        entries = [piece.partition(":")[::2] if opened[1] == "{" else (str(i), piece) for i, piece in enumerate(pieces)]
        return {number.strip(" \"'"): _strip(name) for number, name in entries}
    names: dict[str, str] = {}
    for line in text[key.end() :].splitlines():
        entry = _ENTRY.match(line)
        if entry:
            names[entry[1] or str(len(names))] = _strip(entry[2])
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    return names


def _strip(name: str) -> str:
    """A YAML word without quotes and comment."""
    name = name.strip()
    quoted = re.match(r"([\"'])(.*?)\1", name)
    return quoted[2] if quoted else re.sub(r"\s+#.*", "", name).strip()
