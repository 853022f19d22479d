#!/bin/sh
# Grey stored as 'white is zero' is turned round for 8 bits and left as a negative for 16 bits.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pillow==13.0.0 tifffile==2026.3.3
"$folder/venv/bin/python" - <<'PYTHON'
import io
from importlib.metadata import version

import numpy as np
import tifffile
from PIL import Image

stored = (np.mgrid[0:64, 0:96][1] * 600).astype(np.uint16)


def read_back(values):
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric="miniswhite")
    file.seek(0)
    return np.asarray(Image.open(file))


small, wide = read_back((stored >> 8).astype(np.uint8)), read_back(stored)
turned, as_stored = bool((small == 255 - (stored >> 8)).all()), bool((wide == stored).all())
print(f"Pillow {version('pillow')}, PhotometricInterpretation 0 (white is zero):")
print(f"  8 bits: turned round so that white is 255: {turned}")
print(f"  16 bits: values as stored, so that the picture is a negative: {as_stored}")
assert turned and as_stored
PYTHON
