"""Datasets of one's own: finds out in which label format one is, and reads it."""

from pathlib import Path

from leukolens.core.errors import DataError
from leukolens.core.files import show_name
from leukolens.datasets.formats.class_folders import read_class_folders
from leukolens.datasets.formats.coco import read_coco
from leukolens.datasets.formats.npz import read_npz
from leukolens.datasets.formats.reading import Reading, explain_records
from leukolens.datasets.formats.table import read_tables
from leukolens.datasets.formats.voc import read_voc
from leukolens.datasets.formats.yolo import read_yolo
from leukolens.datasets.tree import Tree, open_tree

FORMATS = (
    "class folders (neutrophil/, eosinophil/, ...; numbers with classes.txt), a CSV with the columns image and label, "
    "COCO, Pascal VOC, YOLO with data.yaml or classes.txt, or a MedMNIST .npz"
)


def read_own(root: Path, pictures: Path | None = None) -> Reading:
    """Reads a dataset of one's own in whatever label format it is.

    Args:
        root: A folder, a zip, a CSV file beside its images, or a MedMNIST file.
        pictures: A folder for images that cannot be pointed at, as those of MedMNIST. Without it these are refused.

    Raises:
        DataError: it cannot be read, or it is in none of the formats.
    """
    if root.suffix.lower() == ".npz":
        if pictures is None:
            raise DataError(
                f"{show_name(str(root))}: its images cannot be pointed at. Add it: leukolens data add NAME PATH"
            )
        return read_npz(root, pictures)
    if root.is_file() and root.suffix.lower() in (".csv", ".tsv"):
        tree = open_tree(root.parent)
        others = {path for path in tree.with_suffixes((".csv", ".tsv")) if str(path) != root.name}
        reading = read_tables(
            Tree(tree.root, {path: tree.files[path] for path in tree.files.keys() - others}, tree.refused)
        )
        if reading is None:
            raise DataError(
                f"{show_name(str(root))} is neither a manifest nor a table with the columns image and label."
            )
        return reading
    tree = open_tree(root)
    reading = read_coco(tree) or read_yolo(tree) or read_voc(tree)
    if reading is not None:
        return reading
    manifest = read_class_folders(root)
    reading = None if manifest.records else read_tables(tree)
    if reading is not None:
        return reading
    if not manifest.records:
        reasons = "; ".join(f"{show_name(refusal.image)}: {refusal.why}" for refusal in manifest.refused[:3])
        raise DataError(
            f"No image of {show_name(str(root))} has a label that is understood. Expected {FORMATS}. {reasons}"
        )
    return Reading(manifest, "class folders", explain_records(manifest.records))
