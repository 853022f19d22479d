"""Detection in a photograph: the view inside padding and an eyepiece's disc is found first, then the detector runs on it.

This module has the only calls of `quality.padding.find_content`, `quality.eyepiece.find_view` and `Detector.find_cells`, so nobody can leave the first
out.
"""

from dataclasses import dataclass, replace

import numpy as np

from leukolens.core.detections import Detections
from leukolens.core.pixels import Pixels
from leukolens.core.results import Box
from leukolens.inference.detector import Detector
from leukolens.inference.scale import contradict_pixel_size
from leukolens.quality.eyepiece import Window, find_view
from leukolens.quality.padding import find_content


@dataclass(frozen=True)
class DetectedView:
    """The cells that the detector found in the view of a photograph.

    Attributes:
        view: Left, top, right and bottom of the view in pixels of the photograph, the last two exclusive. It is the
            whole photograph where neither padding nor an eyepiece's disc shows.
        in_view: The detections in pixels of the view, and its scale.
        contradiction: Why the given pixel size cannot be right, in words; empty where it can, or where none was given.
        inside_padding: What lies inside flat padding or a frame, in pixels of the photograph; None where there is none.
    """

    view: Window
    in_view: Detections
    contradiction: str = ""
    inside_padding: Window | None = None

    @property
    def height_px(self) -> int:
        """Of the view."""
        return self.view[3] - self.view[1]

    @property
    def width_px(self) -> int:
        """Of the view."""
        return self.view[2] - self.view[0]

    @property
    def detected(self) -> Detections:
        """The detections in pixels of the photograph, and its scale."""
        return replace(self.in_view, xyxy=self.in_view.xyxy + np.tile(self.view[:2], 2))

    def place(self, box: Box) -> Box:
        """A box in pixels of the view as a box in pixels of the photograph."""
        return box.shift(self.view[0], self.view[1])

    def cut(self, photograph: Pixels) -> Pixels:
        """The view's pixels `(h, w, 3)` uint8 RGB; they share the photograph's memory."""
        left, top, right, bottom = self.view
        return photograph[top:bottom, left:right]


def detect_cells(
    photograph: Pixels, detector: Detector, pixel_size_um: float | None = None, least_score: float | None = None
) -> DetectedView:
    """The cells of a photograph, and where its view lies.

    Args:
        photograph: `(h, w, 3)` uint8 RGB.
        detector: An opened detector.
        pixel_size_um: Micrometres per pixel; None to measure the scale on the red cells.
        least_score: Report detections down to this score, 0..1; None for the thresholds of the detector's card.

    Raises:
        InputRefused: the photograph is not such an array.
        UsageError: the pixel size is out of range.
        BundleError: the model gives numbers that are not finite.
    """
    whole = (0, 0, photograph.shape[1], photograph.shape[0])
    content = find_content(photograph) or whole
    inside = photograph[content[1] : content[3], content[0] : content[2]]
    left, top, right, bottom = _shift(disc, content) if (disc := find_view(inside)) else content
    seen = photograph[top:bottom, left:right]
    detected = detector.find_cells(seen, pixel_size_um, least_score)
    contradiction = "" if pixel_size_um is None else _contradict(seen, detector, pixel_size_um, detected)
    padded = content if content != whole else None
    return DetectedView((left, top, right, bottom), detected, contradiction, padded)


def _shift(window: Window, outer: Window) -> Window:
    """A window of an outer window as a window of the photograph."""
    left, top, right, bottom = window
    return left + outer[0], top + outer[1], right + outer[0], bottom + outer[1]


def _contradict(seen: Pixels, detector: Detector, pixel_size_um: float, detected: Detections) -> str:
    """Why the red cells contradict a given pixel size; empty where they do not.

    A detector that is given a wrong scale may take pieces of cells for red cells of the right size, so the red cells are
    measured without the given size too.
    """
    sizes = filter(None, (detected.red_cell_px, detector.guess_red_cell(seen)))
    if not any(contradict_pixel_size(pixel_size_um, size) for size in sizes):
        return ""
    own = detector.find_cells(seen).red_cell_px
    return contradict_pixel_size(pixel_size_um, own) if own else ""
