"""Writes an image with examples of synthetic cells: `python -m leukolens.datasets.synthetic OUT.png [--seed N]`."""

from argparse import ArgumentParser
from pathlib import Path

from PIL import Image

from leukolens.core.files import write_atomically
from leukolens.datasets.synthetic.sheet import draw_sheet

if __name__ == "__main__":
    parser = ArgumentParser(
        prog="python -m leukolens.datasets.synthetic", description="Draws a sheet of synthetic cells."
    )
    parser.add_argument("out", type=Path, help="the PNG to write")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives another sheet")
    words = parser.parse_args()
    with write_atomically(words.out) as temporary:
        Image.fromarray(draw_sheet(words.seed)).save(temporary, format="PNG")
