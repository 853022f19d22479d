"""What a finder of cells sees in a photograph, without the black that an eyepiece leaves around it."""

from dataclasses import dataclass, replace

from leukolens.core.detections import Detections
from leukolens.core.pixels import Pixels
from leukolens.core.results import Box
from leukolens.inference.detector import Detector
from leukolens.inference.subject import Subject, find_subject, show_leukocyte
from leukolens.quality.eyepiece import find_view


@dataclass(frozen=True)
class Look:
    """The part of a photograph that was looked at, and what was found there.

    Attributes:
        seen: `(h, w, 3)` uint8 RGB, a view into the photograph.
        left: Where it begins in the photograph, in pixels.
        top: Likewise.
        detected: In pixels of `seen`.
    """

    seen: Pixels
    left: int
    top: int
    detected: Detections

    def find_subject(self, platelets: bool) -> Subject:
        """The cell that the photograph is about, which may be a platelet or not, in pixels of the photograph."""
        height, width = self.seen.shape[:2]
        subject = find_subject(self.detected, height, width, platelets)
        return replace(subject, box=subject.box and self.place(subject.box))

    def show(self, leukocyte: Box) -> Subject:
        """A leukocyte that is known to be there, in pixels of the photograph, as the subject."""
        return show_leukocyte(leukocyte, self.detected.pixel_size_um)

    def place(self, box: Box) -> Box:
        """A box of `seen` in pixels of the photograph."""
        return replace(box, x0=box.x0 + self.left, x1=box.x1 + self.left, y0=box.y0 + self.top, y1=box.y1 + self.top)


def look_at(picture: Pixels, finder: Detector, pixel_size_um: float | None = None) -> Look:
    """Finds the cells of a photograph `(h, w, 3)` uint8 RGB; its scale, where not given, by its red cells."""
    view = find_view(picture)
    left, top, right, bottom = view or (0, 0, picture.shape[1], picture.shape[0])
    seen = picture[top:bottom, left:right]
    return Look(seen, left, top, finder.find_cells(seen, pixel_size_um))
