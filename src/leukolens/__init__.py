"""LeukoLens reads photographs of stained blood: it names white blood cells and says how sure it is.

Research use, not a medical device. The public face, loaded when first used::

    import leukolens as ll

    predictions = ll.classify(["cell.jpg"])
    smear = ll.count(["field-1.jpg", "field-2.jpg"])
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("leukolens")

_PUBLIC = {
    "classify": "leukolens.inference.classify",
    "count": "leukolens.smear.count",
    "CountSettings": "leukolens.smear.count",
    "SmearResult": "leukolens.smear.results",
    "load_detector": "leukolens.inference.detector",
    "load_bundle": "leukolens.inference.classifier",
    "Bundle": "leukolens.inference.classifier",
    "Detection": "leukolens.core.results",
    "Detections": "leukolens.core.detections",
    "Predictions": "leukolens.core.predictions",
    "Prediction": "leukolens.core.results",
    "Refusal": "leukolens.core.results",
    "CELL_CLASSES": "leukolens.core.taxonomy",
    "LeukolensError": "leukolens.core.errors",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'leukolens' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
