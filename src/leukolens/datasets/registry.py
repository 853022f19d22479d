"""Adds, opens and lists datasets by name. Their manifests lie in the data folder. Images stay where they are."""

import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path

from leukolens.core.errors import DataError, UsageError
from leukolens.core.files import home_folder, show_name
from leukolens.datasets.duplicates import Report, be_silent
from leukolens.datasets.formats.class_folders import read_class_folders
from leukolens.datasets.formats.reading import Reading, explain_records
from leukolens.datasets.groups import group_by_name
from leukolens.datasets.manifest import Manifest, has_facts, is_manifest, load_manifest, save_manifest
from leukolens.datasets.opening import open_pictures
from leukolens.datasets.sources import SOURCES, interpret_source
from leukolens.datasets.synthetic import write_cells

SYNTHETIC_CELLS = 400
"""How many cells the dataset `synth` has, which always exists."""


def manifest_path(name: str) -> Path:
    """Where the manifest of an added dataset lies.

    Raises:
        UsageError: no dataset can have this name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise UsageError(f"A dataset's name is letters, digits, - and _; received {name!r}.")
    return home_folder() / "datasets" / f"{name}.csv"


def added_names() -> list[str]:
    """Names of the datasets that were added."""
    return sorted(path.stem for path in (home_folder() / "datasets").glob("*.csv") if "." not in path.stem)


def open_dataset(name: str) -> Manifest:
    """A dataset that was added, or `synth`, which is drawn when it is first opened.

    Raises:
        UsageError: no dataset can have this name.
        DataError: there is no such dataset, or its manifest cannot be used.
    """
    path = manifest_path(name)
    if path.is_file():
        return _load(path, name)
    if name == "synth":
        return _draw_synth()
    known = ", ".join([*added_names(), "synth"])
    raise DataError(f"No dataset is called {name!r}. There are: {known}. Add it with `leukolens data add {name} PATH`.")


def add_dataset(
    name: str, path: str | Path, force: bool = False, report: Report = be_silent, group_pattern: str = ""
) -> Manifest:
    """Adds a dataset, so that it can be opened by its name. Each image is opened once.

    No image is copied, but those of a MedMNIST file are written to the data folder.

    Args:
        name: What it will be called. A public dataset (`leukolens data list` names them) is read by its own rules, any
            other in whatever label format it is.
        path: A folder, a zip, a table (.csv) beside its images, a MedMNIST file (.npz), or the manifest (.csv) of a
            dataset that was added before. Leave it where it is.
        force: Replace a dataset of this name.
        report: Called with the number of images opened and of all images.
        group_pattern: As for `group_by_name`, where the names of images give their groups, such as patients. Without it
            each image is a group of its own, unless the dataset says otherwise.

    Returns:
        Its manifest. `refused` lists what could not be used, `doubts` what is used though something about it is unsure.

    Raises:
        UsageError: no dataset can have this name, or one has it already.
        DataError: the path cannot be read, or no image in it can be used.
    """
    place = manifest_path(name)
    if place.is_file() and not force:
        raise UsageError(
            f"A dataset called {name!r} was added already. Choose another name, or replace it with --force (in Python: "
            "force=True)."
        )
    reading = interpret_dataset(name, path, report, group_pattern, home_folder() / "pictures")
    save_manifest(place, reading.manifest, only_new=not force)
    return reading.manifest


def interpret_dataset(
    name: str,
    path: str | Path,
    report: Report = be_silent,
    group_pattern: str = "",
    pictures: Path | None = None,
) -> Reading:
    """Reads a dataset as `add_dataset` does, and says how it was understood. The dataset is not added.

    Args:
        name: As for `add_dataset`.
        path: As for `add_dataset`.
        report: As for `add_dataset`.
        group_pattern: As for `add_dataset`.
        pictures: A folder for the images of a dataset that cannot be pointed at. Without it these are written to a
            temporary place, which is gone at the end.

    Raises:
        UsageError: no dataset can have this name, or the pattern cannot be used.
        DataError: the path cannot be read, or no image in it can be used.
    """
    manifest_path(name)
    if group_pattern and name in SOURCES:
        raise UsageError(f"The groups of the public dataset {name} are known. Leave out the pattern.")
    if name == "synth":
        raise UsageError("synth is the dataset that LeukoLens draws itself. Choose another name.")
    given = Path(path).absolute()
    if pictures is None:
        with tempfile.TemporaryDirectory() as scratch:
            return interpret_dataset(name, given, report, group_pattern, Path(scratch))
    if given.is_file() and given.suffix.lower() == ".csv" and is_manifest(given):
        manifest = _load(given, name)
        reading = Reading(manifest, "a manifest of LeukoLens", explain_records(manifest.records))
    else:
        reading = interpret_source(name, given, pictures)
    if group_pattern:
        reading = replace(reading, manifest=group_by_name(reading.manifest, given, group_pattern))
    reading = replace(reading, manifest=open_pictures(reading.manifest, report))
    if not reading.manifest.records:
        reasons = "; ".join(f"{show_name(refusal.image)}: {refusal.why}" for refusal in reading.manifest.refused[:3])
        raise DataError(f"No image of {show_name(str(given))} can be used. It was read as {reading.layout}. {reasons}")
    return reading


def _load(path: Path, name: str) -> Manifest:
    """A manifest. One from before manifests held what is known of public datasets gets it from the source.

    Raises:
        DataError: it cannot be used, or it is old and holds a public dataset under another name.
    """
    manifest = replace(load_manifest(path), name=name)
    public = {record.source for record in manifest.records} & {key for key, source in SOURCES.items() if source.mark}
    if has_facts(path) or not public:
        return manifest
    if public != {name}:
        raise DataError(
            f"{show_name(str(path))} was written by an older LeukoLens and seems to hold images of {', '.join(sorted(public))}, "
            f"without what keeps copies of a picture together. Add the images again: leukolens data add {name} PATH --force"
        )
    mark = SOURCES[name].mark
    assert mark is not None  # else it were not among the public ones
    return replace(manifest, records=mark(manifest.records))


def _draw_synth() -> Manifest:
    folder = home_folder() / "synth" / f"cells-{SYNTHETIC_CELLS}"
    if not folder.is_dir():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder.parent) as scratch:
                write_cells(Path(scratch) / "cells", SYNTHETIC_CELLS, seed=0)
                os.replace(Path(scratch) / "cells", folder)
        except OSError as error:
            if not folder.is_dir():  # else another process drew the same meanwhile
                raise DataError(f"{show_name(str(folder))} could not be written: {error}") from error
    records = read_class_folders(folder).records
    return Manifest("synth", tuple(replace(record, source="synth") for record in records))
