#!/bin/sh
# An uncompressed planar 16-bit RGB TIFF is read as stripes, without an error or a warning.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pillow==13.0.0 tifffile==2026.3.3
"$folder/venv/bin/python" - <<'PYTHON'
import io
import warnings
from importlib.metadata import version

import numpy as np
import tifffile
from PIL import Image

warnings.simplefilter("error")
down, across = np.mgrid[0:96, 0:128]
picture = np.stack([across * 500, down * 600, (across + down) * 250], -1).astype(np.uint16)


def read_back(planes, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, planes, photometric="rgb", **options)
    file.seek(0)
    read = np.asarray(Image.open(file))
    return int(np.abs(read.astype(int) - (picture >> 8)).max())


planes = picture.transpose(2, 0, 1)
cases = {
    "16 bits, interleaved": read_back(picture),
    "16 bits, planar, compressed": read_back(planes, planarconfig="separate", compression="zlib"),
    "8 bits, planar, uncompressed": read_back((planes >> 8).astype(np.uint8), planarconfig="separate"),
    "16 bits, planar, uncompressed": read_back(planes, planarconfig="separate"),
}
print(f"Pillow {version('pillow')}: largest difference from the picture's high bytes, of 255")
for name, difference in cases.items():
    print(f"  {name}: {difference}")
assert list(cases.values())[:3] == [0, 0, 0] and cases["16 bits, planar, uncompressed"] > 200
PYTHON
