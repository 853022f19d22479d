#!/bin/sh
# The resolution of an ImageJ TIFF in micrometres is off by a factor of a million.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 tifffile==2026.3.3
"$folder/venv/bin/python" - <<'PYTHON'
import io
from importlib.metadata import version

import numpy as np
import tifffile

file = io.BytesIO()
# 10 pixels a micrometre, as ImageJ saves it after "Set Scale": the unit stands in its own metadata, not in the TIFF tag.
tifffile.imwrite(file, np.zeros((64, 64), np.uint8), imagej=True, resolution=(10, 10), metadata={"unit": "um"})
file.seek(0)
with tifffile.TiffFile(file) as read:
    unit, across = read.imagej_metadata["unit"], read.pages[0].get_resolution("micrometer")[0]
print(f"tifffile {version('tifffile')}: 10 pixels a {unit}; get_resolution('micrometer') gives {across:.6f}")
assert unit == "um" and abs(across - 1e-5) < 1e-9
PYTHON
