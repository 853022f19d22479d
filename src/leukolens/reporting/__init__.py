"""Floor 1: one look for every report: one-file HTML and small SVG charts. Takes numbers, computes none."""
