#!/bin/sh
# rgb2hed and hed2rgb are no round trip: colours of a blood smear come back changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scikit-image==0.26.0
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from skimage.color import hed2rgb, rgb2hed

names = ("red cell", "nucleus", "eosinophil granule", "background")
colours = np.array([[[229, 168, 160], [92, 52, 130], [214, 120, 90], [236, 226, 222]]], np.uint8)
back = hed2rgb(rgb2hed(colours)) * 255
print(f"scikit-image {version('scikit-image')}: hed2rgb(rgb2hed(colour)), of 255")
off = np.abs(back - colours).max(axis=2)[0]
for name, before, after, difference in zip(names, colours[0], back[0].round(0), off):
    print(f"  {name}: {before.tolist()} -> {after.astype(int).tolist()}, off by up to {difference:.0f}")
# A colour made of haematoxylin, eosin and DAB alone comes back; any other is cut at 0 stain.
assert off[1] < 0.01 and 42 < off[2] < 45 and 14 < off[0] < 17
PYTHON
