#!/bin/sh
# Macro accuracy counts a class that the data lacks as 0 once one image is predicted as it; scikit-learn's balanced accuracy leaves it out.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scikit-learn==1.9.1 torchmetrics==1.9.0 torch==2.13.0
"$folder/venv/bin/python" - <<'PYTHON'
import warnings
from importlib.metadata import version

import torch
from sklearn.metrics import balanced_accuracy_score
from torchmetrics.classification import MulticlassAccuracy

warnings.simplefilter("ignore")
# A site with neutrophils and lymphocytes and no basophil; the model knows all three. One neutrophil is called a basophil.
truth = torch.tensor([0] * 10 + [1] * 10)
predicted = truth.clone()
macro = MulticlassAccuracy(3, average="macro")
clean = float(macro(predicted, truth))
predicted[0] = 2
one_error = float(macro(predicted, truth))
balanced = balanced_accuracy_score(truth, predicted)
print(f"torchmetrics {version('torchmetrics')}: no error {clean:.3f}; one error of twenty {one_error:.3f}")
print(f"scikit-learn {version('scikit-learn')}: balanced accuracy with one error {balanced:.3f}")
assert abs(clean - 1) < 1e-6 and abs(one_error - 0.6333) < 1e-3 and abs(balanced - 0.95) < 1e-9
PYTHON
