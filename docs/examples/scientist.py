"""Boxes and probabilities as arrays, a table and a picture, from drawn blood: runs anywhere, without a download."""

import numpy as np
from matplotlib import pyplot

import leukolens as ll
from leukolens.datasets.synthetic import draw_cell, draw_field

rng = np.random.default_rng(0)

classifier = ll.load("pbc")
crops = [draw_cell(label, rng) for label in classifier.classes]  # (224, 224, 3) uint8 RGB, one cell each
proba = classifier.predict_proba(crops)  # (8, 8) float64, rows sum to 1
for label, row in zip(classifier.classes, proba, strict=True):
    print(f"{label} -> {classifier.classes[row.argmax()]} ({row.max():.2f})")
table = classifier.predict(crops).to_pandas()  # label, probability, status, reason, p_<class>
print(table[["label", "probability", "status"]])

field = draw_field(rng, leukocytes=["neutrophil", "lymphocyte"]).image  # (480, 640, 3) uint8 RGB
cells = ll.load("cells").detect(field)
leukocytes = cells[cells.kind == "leukocyte"]
print(cells, leukocytes.xyxy.round(), leukocytes.score.round(2), sep="\n")  # (n, 4) and (n,) float64
cells.plot(field)
pyplot.savefig("cells.png")
