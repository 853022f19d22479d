#!/bin/sh
# An Observation that breaks the standard's value sets and invariants passes the models of fhir.resources.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check fhir.resources==8.3.0
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from fhir.resources.observation import Observation

code = {"coding": [{"system": "http://loinc.org", "code": "770-8"}]}
value = {"value": 55.0, "unit": "%"}
cases = {
    "a status outside the required value set": {"status": "nonsense"},
    "a value and a reason why there is none (obs-6)": {"valueQuantity": value, "dataAbsentReason": {"text": "unknown"}},
    "a value beside a component of the same code (obs-7)": {
        "valueQuantity": value,
        "component": [{"code": code, "valueQuantity": {"value": 12.0}}],
    },
    "a reference range without low, high or text (obs-3)": {"valueQuantity": value, "referenceRange": [{}]},
}
print(f"fhir.resources {version('fhir.resources')} takes an Observation with:")
for name, fields in cases.items():
    Observation.model_validate({"resourceType": "Observation", "status": "final", "code": code} | fields)
    print(f"  {name}")
PYTHON
