#!/bin/sh
# COCO's average precision looks at 100 boxes a picture: a dense field of blood, found without one error, scores .66.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pycocotools==2.0.11
"$folder/venv/bin/python" - <<'PYTHON'
import contextlib
import io
from importlib.metadata import version

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

# One field of 150 red cells in rows, each 30 x 30 pixels; every one is found exactly.
boxes = [[48.0 * (i % 15), 48.0 * (i // 15), 30.0, 30.0] for i in range(150)]
truth = {
    "images": [{"id": 1, "width": 720, "height": 480}],
    "categories": [{"id": 1, "name": "red_cell"}],
    "annotations": [
        {"id": i + 1, "image_id": 1, "category_id": 1, "bbox": box, "area": 900.0, "iscrowd": 0}
        for i, box in enumerate(boxes)
    ],
}


def evaluate(limits):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        found = coco.loadRes(
            [{"image_id": 1, "category_id": 1, "bbox": box, "score": 0.99 - 0.001 * i} for i, box in enumerate(boxes)]
        )
        judge = COCOeval(coco, found, "bbox")
        if limits:
            judge.params.maxDets = limits
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge.stats[0]


usual, raised = evaluate(None), evaluate([1, 10, 1000])
print(f"pycocotools {version('pycocotools')}: 150 of 150 cells found exactly, average precision {usual:.3f}")
print(f"with params.maxDets = [1, 10, 1000] the first line of the summary is {raised:.3f}")
assert abs(usual - 0.663) < 0.001 and raised == -1
PYTHON
