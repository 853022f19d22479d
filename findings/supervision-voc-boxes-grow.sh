#!/bin/sh
# A Pascal VOC box, as annotation tools of today write it, grows by one pixel on two sides when it is read.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 supervision==0.31.2
"$folder/venv/bin/python" - <<'PYTHON'
import json
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import supervision as sv
from PIL import Image

folder = Path(tempfile.mkdtemp())
for name in ("images", "voc"):
    (folder / name).mkdir()
Image.fromarray(np.full((100, 120, 3), 200, np.uint8)).save(folder / "images" / "field.png")
# A leukocyte that covers columns 10 to 49 and rows 20 to 59: 40 x 40 pixels, corners counted from 0.
(folder / "voc" / "field.xml").write_text(
    "<annotation><filename>field.png</filename><size><width>120</width><height>100</height><depth>3</depth></size>"
    "<object><name>WBC</name><bndbox><xmin>10</xmin><ymin>20</ymin><xmax>50</xmax><ymax>60</ymax></bndbox></object>"
    "</annotation>"
)
data = sv.DetectionDataset.from_pascal_voc(str(folder / "images"), str(folder / "voc"))
(box,) = next(iter(data.annotations.values())).xyxy.tolist()
data.as_coco(annotations_path=str(folder / "coco.json"))
(written,) = json.loads((folder / "coco.json").read_text())["annotations"]
print(f"supervision {version('supervision')}: VOC 10, 20, 50, 60 is read as {box} and written to COCO as {written['bbox']}")
assert box == [9.0, 19.0, 50.0, 60.0] and written["bbox"] == [9.0, 19.0, 41.0, 41.0]
PYTHON
