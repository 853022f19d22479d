#!/bin/sh
# An OME-TIFF pyramid of a scanner has no pixel size in two readers of slides, and only one level in one of them.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 tifffile==2026.3.3 imagecodecs openslide-python==1.4.7 openslide-bin==4.0.1.2 tiffslide==3.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import openslide
import tifffile
import tiffslide

path = Path(tempfile.mkdtemp()) / "slide.ome.tif"
picture = np.clip(np.random.default_rng(0).normal(210, 20, (1024, 1536, 3)), 0, 255).astype(np.uint8)
options = {"tile": (256, 256), "photometric": "rgb", "compression": "jpeg"}
size = {"axes": "YXS"} | {f"PhysicalSize{axis}": 0.1 for axis in "XY"} | {f"PhysicalSize{axis}Unit": "µm" for axis in "XY"}
with tifffile.TiffWriter(path, bigtiff=True, ome=True) as writer:
    writer.write(picture, subifds=1, metadata=size, **options)
    writer.write(picture[::2, ::2], subfiletype=1, **options)
with tifffile.TiffFile(path) as file:
    assert 'PhysicalSizeX="0.1"' in file.ome_metadata and len(file.series[0].levels) == 2
one, two = openslide.OpenSlide(str(path)), tiffslide.TiffSlide(path)
sizes = one.properties.get("openslide.mpp-x"), two.properties.get("tiffslide.mpp-x")
print("An OME-TIFF of two levels, 0.1 um a pixel:")
print(f"  OpenSlide {openslide.__library_version__}: {one.level_count} level, micrometres a pixel {sizes[0]}")
print(f"  tiffslide {version('tiffslide')}: {two.level_count} levels, micrometres a pixel {sizes[1]}")
assert (one.level_count, two.level_count) == (1, 2) and sizes == (None, None)
PYTHON
