"""HTML pages in one file, and SVG charts. Draws given numbers and computes none."""
