#!/bin/sh
# The size of a turned picture, before it is decoded, is that of the turned picture in a TIFF and that of the file in other formats.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
from importlib.metadata import version

from PIL import Image

seen = {}
for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned by a quarter
    file = io.BytesIO()
    Image.new("RGB", (100, 40)).save(file, kind, exif=exif)
    with Image.open(file) as picture:
        seen[kind] = picture.size
print(f"Pillow {version('pillow')}: size of a 100 x 40 picture with orientation 6, before decoding: {seen}")
assert seen == {"JPEG": (100, 40), "PNG": (100, 40), "WEBP": (100, 40), "TIFF": (40, 100)}
PYTHON
