import importlib.util
import json
from dataclasses import replace
from typing import Any

import pytest

from leukolens.smear.differential import make_differential
from leukolens.smear.fhir import describe_smear
from leukolens.smear.ranges import ReferenceRanges
from leukolens.smear.records import SmearRecord

NOW = "2026-01-02T03:04:05+00:00"


@pytest.fixture(scope="module")
def result(fake_smear: Any) -> SmearRecord:
    made: SmearRecord = fake_smear.make_smear(4, 160).result
    return made


def observations(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = [item for item in report["contained"] if item["resourceType"] == "Observation"]
    return {item["code"].get("coding", [{"code": item["code"]["text"]}])[0]["code"]: item for item in found}


@pytest.mark.skipif(importlib.util.find_spec("fhir") is None, reason="fhir.resources is not installed (extra fhir)")
@pytest.mark.parametrize("case", ["whole", "bare", "hostile"])
def test_the_report_is_valid_fhir(result: SmearRecord, case: str) -> None:
    from fhir.resources.R4B.diagnosticreport import DiagnosticReport

    if case == "bare":
        result = replace(result, fields=(), differential=make_differential([], None, None, None))
    if case == "hostile":
        result = replace(result, name="\udcff\n", classifier="<script>\x00")
    report = describe_smear(result, NOW)
    text = json.dumps(report, allow_nan=False)
    assert DiagnosticReport.model_validate_json(text).status == "preliminary"


def test_shares_stand_under_codes_without_a_method_with_their_intervals(result: SmearRecord) -> None:
    found = observations(describe_smear(result, NOW))
    neutrophil = result.differential.shares[0]
    observation = found["26511-6"]
    assert observation["valueQuantity"]["value"] == pytest.approx(neutrophil.percent, abs=1e-4)
    spans = [part["valueRange"] for part in observation["component"] if "valueRange" in part]
    assert spans[0]["low"]["value"] == pytest.approx(neutrophil.interval.low, abs=1e-4)
    assert spans[0]["high"]["value"] == pytest.approx(neutrophil.interval.high, abs=1e-4)
    displays = [item["code"].get("text", "") for item in found.values()]
    assert not [text for text in displays if "Automated" in text or "Manual" in text]
    assert found["26499-4"]["valueQuantity"]["unit"] == "10*9/L"
    assert found["26464-8"]["valueQuantity"]["value"] == 7
    assert found["19048-8"]["valueQuantity"]["code"] == "/100{WBCs}"


def test_every_reference_leads_to_what_is_contained(result: SmearRecord) -> None:
    report = describe_smear(result, NOW)
    inside = {f"#{item['id']}" for item in report["contained"]}
    assert len(inside) == len(report["contained"])
    assert {item["reference"] for item in report["result"]} | {"#device", "#specimen"} == inside
    assert "LeukoLens" in json.dumps(report["contained"][0]) and "subject" not in report
    assert "not a medical device" in report["conclusion"] and report["status"] == "preliminary"


@pytest.mark.parametrize(
    ("percent", "volume", "code"),
    [({"neutrophil": (0.0, 1.0)}, {}, "26511-6"), ({}, {"neutrophil": (0.0, 1e8)}, "26499-4")],
)
def test_a_flag_stands_at_the_figure_that_was_judged(
    result: SmearRecord, percent: dict[str, Any], volume: dict[str, Any], code: str
) -> None:
    cells = [cell for field in result.fields for cell in field.cells if cell.box.label == "neutrophil"]
    cells = [replace(cell, status="accepted") for cell in cells] * 20
    ranges = ReferenceRanges("nobody", "nowhere", percent, volume)
    found = observations(describe_smear(replace(result, differential=make_differential(cells, None, 7e9, ranges)), NOW))
    assert [name for name, item in found.items() if "interpretation" in item] == [code]
    assert (
        found[code]["interpretation"][0]["coding"][0]["code"] == "H"
        and "nowhere" in found[code]["referenceRange"][0]["text"]
    )


def test_what_was_not_counted_has_no_value(result: SmearRecord) -> None:
    found = observations(describe_smear(replace(result, differential=make_differential([], None, None, None)), NOW))
    assert "valueQuantity" not in found["26511-6"] and found["26511-6"]["dataAbsentReason"]


def test_what_is_not_zero_is_not_written_as_zero(result: SmearRecord) -> None:
    few = replace(result.differential, corrected_leukocytes_per_liter=7200.0, leukocytes_per_liter=1e8)
    found = observations(describe_smear(replace(result, differential=few), NOW))
    assert found["12227-5"]["valueQuantity"]["value"] == pytest.approx(7.2e-6)
    assert found["26464-8"]["valueQuantity"]["value"] == 0.1
