"""LeukoLens reads photographs of stained blood: it finds cells, classifies leukocytes and says how sure it is.

Research use, not a medical device. ::

    import leukolens as ll

    predictions = ll.classify("cells/")       # arrays: label, proba, status, xyxy
    smear = ll.count("smear-12/")             # a differential with intervals

Nothing else is imported until a name is used, so this import takes milliseconds. Type checkers and editors read
`__init__.pyi`, which lists the same names.
"""

from importlib import import_module

_MODULES = {
    "leukolens.core.detections": ("Detections",),
    "leukolens.core.errors": (
        "BundleError",
        "DataError",
        "InputRefused",
        "LeukolensError",
        "NothingRead",
        "TrainingError",
        "UsageError",
    ),
    "leukolens.core.predictions": ("Predictions",),
    "leukolens.core.results": ("Box", "CellStatus", "Detection", "Prediction", "Refusal"),
    "leukolens.core.tasks": ("Task",),
    "leukolens.core.taxonomy": ("CELL_CLASSES", "CellKind"),
    "leukolens.datasets.manifest": ("Manifest",),
    "leukolens.datasets.registry": ("add_dataset", "open_dataset"),
    "leukolens.datasets.splits": ("Split", "make_split"),
    "leukolens.exploration.explore": ("Exploration", "explore"),
    "leukolens.inference.bundles": ("Bundle", "list_bundles", "load_bundle"),
    "leukolens.inference.classify": ("classify",),
    "leukolens.inference.models": ("ClassifierModel", "DetectorModel", "load"),
    "leukolens.smear.cells": ("SmearCells",),
    "leukolens.smear.count": ("count",),
    "leukolens.smear.ranges": ("read_ranges",),
    "leukolens.smear.results": ("SmearResult",),
    "leukolens.training.run": ("evaluate", "export", "load_recipe", "train"),
}
"""Public names by the module that defines them."""

_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [*sorted(_MODULE_OF), "__version__"]


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("importlib.metadata").version("leukolens")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'leukolens' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
