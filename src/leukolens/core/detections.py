"""The cells that a detector finds in one field, as arrays."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leukolens.core.pixels import Pixels
from leukolens.core.results import Box, Detection
from leukolens.core.tables import BOX_COLUMNS, needs_package, pick_rows, save_table
from leukolens.core.taxonomy import DETECTED_KINDS, CellKind

if TYPE_CHECKING:
    import pandas
    import supervision
    from matplotlib.axes import Axes

_COLUMNS = (*BOX_COLUMNS, "kind", "score", "smudge")

_COLOURS = {CellKind.LEUKOCYTE: "#0072b2", CellKind.RED_CELL: "#9a9a9a", CellKind.PLATELET: "#d55e00"}


class DetectionDict(TypedDict):
    """One detection in plain Python types; `box` is x0, y0, x1, y1 in pixels."""

    kind: str
    score: float
    smudge: float
    box: list[float]


class DetectionsDict(TypedDict):
    """`Detections.to_dict()`."""

    red_cell_px: float | None
    pixel_size_um: float | None
    scale_origin: str
    detections: list[DetectionDict]


@dataclass(frozen=True, eq=False)
class Detections:
    """The cells found in one field, the highest score first.

    `len(detections)` counts them, a loop gives each as a `Detection`, and `detections[...]` takes what indexes an array:
    `detections[detections.kind == "leukocyte"]`, `detections[:10]`. One whole number gives one `Detection`.

    Attributes:
        xyxy: `(n, 4)` float64: x0, y0, x1, y1 of each cell in pixels of the field; x1 and y1 are exclusive.
        score: `(n,)` float64, 0..1: how sure the detector is that a cell of this kind is there.
        kind: `(n,)` str: `leukocyte`, `red_cell` or `platelet`.
        smudge: `(n,)` float64, 0..1: how much a leukocyte looks like a smudge cell; 0 where the detector does not tell. Of
            red cells and platelets it says nothing.
        red_cell_px: Diameter of the field's red cells in pixels; None where unknown.
        pixel_size_um: Micrometres per pixel; None where unknown.
        scale_origin: Where the scale comes from: `given`, `red cells` (taken to be 7.5 um wide) or `unknown`.
    """

    xyxy: NDArray[np.float64]
    score: NDArray[np.float64]
    kind: NDArray[np.str_]
    smudge: NDArray[np.float64]
    red_cell_px: float | None = None
    pixel_size_um: float | None = None
    scale_origin: str = "unknown"

    @classmethod
    def from_items(
        cls,
        items: Iterable[Detection],
        red_cell_px: float | None = None,
        pixel_size_um: float | None = None,
        scale_origin: str = "unknown",
    ) -> "Detections":
        """The arrays of single detections."""
        items = list(items)
        return cls(
            np.array([item.box.xyxy for item in items], np.float64).reshape(-1, 4),
            np.array([item.score for item in items], np.float64),
            np.array([item.box.kind for item in items], np.str_),
            np.array([item.smudge for item in items], np.float64),
            red_cell_px,
            pixel_size_um,
            scale_origin,
        )

    def __len__(self) -> int:
        return len(self.score)

    def __iter__(self) -> Iterator[Detection]:
        columns = (self.xyxy.tolist(), self.kind.tolist(), self.score.tolist(), self.smudge.tolist())
        for (x0, y0, x1, y1), kind, score, smudge in zip(*columns, strict=True):
            yield Detection(Box(x0, y0, x1, y1, CellKind(kind)), score, smudge)

    @overload
    def __getitem__(self, index: int) -> Detection: ...

    @overload
    def __getitem__(self, index: slice | ArrayLike) -> "Detections": ...

    def __getitem__(self, index: int | slice | ArrayLike) -> "Detection | Detections":
        if isinstance(index, int | np.integer):
            return next(iter(self[[range(len(self))[index]]]))
        rows = pick_rows(len(self), index)
        return replace(
            self, xyxy=self.xyxy[rows], score=self.score[rows], kind=self.kind[rows], smudge=self.smudge[rows]
        )

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{np.count_nonzero(self.kind == kind)} {kind.replace('_', ' ')}s" for kind in DETECTED_KINDS
        )
        return f"{len(self)} detections: {counts}"

    def to_dict(self) -> DetectionsDict:
        """The same in plain Python types, as `save` writes it to a JSON file."""
        return {
            "red_cell_px": self.red_cell_px,
            "pixel_size_um": self.pixel_size_um,
            "scale_origin": self.scale_origin,
            "detections": [
                {"kind": item.box.kind, "score": item.score, "smudge": item.smudge, "box": item.box.xyxy.tolist()}
                for item in self
            ],
        }

    def to_pandas(self) -> "pandas.DataFrame":
        """One row per cell: x0, y0, x1, y1, kind, score, smudge.

        Raises:
            UsageError: pandas is not installed.
        """
        with needs_package("pandas", "to_pandas()"):
            import pandas
        return pandas.DataFrame(dict(zip(_COLUMNS, self._columns(), strict=True)))

    def to_supervision(self) -> "supervision.Detections":
        """The same for the package `supervision`.

        Its `class_id` is 0 for a leukocyte, 1 for a red cell, 2 for a platelet; `data` holds `class_name` and `smudge`.

        Raises:
            UsageError: supervision is not installed.
        """
        with needs_package("supervision", "to_supervision()"):
            import supervision
        return supervision.Detections(
            xyxy=self.xyxy,
            confidence=self.score,
            class_id=np.array([DETECTED_KINDS.index(CellKind(kind)) for kind in self.kind], np.intp),
            data={"class_name": self.kind, "smudge": self.smudge},
        )

    def save(self, path: str | Path) -> None:
        """Writes a CSV table or, under a name that ends in .json, what `to_dict` gives. Replaces a file of that name.

        Raises:
            UsageError: the name ends in neither .csv nor .json.
            DataError: the file cannot be written.
        """
        rows = zip(*(column.tolist() for column in self._columns()), strict=True)
        save_table(path, _COLUMNS, rows, self.to_dict())

    def plot(self, image: Pixels, ax: "Axes | None" = None) -> "Axes":
        """Draws the field with a box around each cell, coloured by kind.

        Args:
            image: The field, `(h, w, 3)` uint8 RGB.
            ax: Where to draw; a new figure where none is given.

        Returns:
            The axes; `axes.figure.savefig("field.png")` saves them.

        Raises:
            UsageError: matplotlib is not installed.
        """
        with needs_package("matplotlib", "plot()"):
            from matplotlib import pyplot
            from matplotlib.collections import PatchCollection
            from matplotlib.patches import Rectangle
        if ax is None:
            _, ax = pyplot.subplots(layout="constrained")
        ax.imshow(image)
        ax.set_axis_off()
        for kind, colour in _COLOURS.items():
            boxes = self.xyxy[self.kind == kind]
            if len(boxes):
                label = f"{kind.replace('_', ' ')} ({len(boxes)})"
                patches = [Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes]
                ax.add_collection(PatchCollection(patches, facecolor="none", edgecolor=colour, linewidth=1.5))
                ax.plot([], [], "s", markerfacecolor="none", markeredgecolor=colour, label=label)
        if len(self):
            ax.legend(loc="upper right", fontsize="small")
        return ax

    def _columns(self) -> "tuple[NDArray[Any], ...]":
        return *self.xyxy.T, self.kind, self.score, self.smudge
