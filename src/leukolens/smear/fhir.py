"""A smear's counts as a FHIR R4 DiagnosticReport: one JSON object that contains everything it refers to.

It is built from plain dictionaries, so that the light install can write it. The tests check it against the models of
`fhir.resources`. LeukoLens knows neither patient nor order: whoever files the report must add them.

Codes. LOINC separates "Automated count" (an analyser on a tube of blood), "Manual count" (by eye) and counts without a
stated method. LeukoLens reads a smear, as the eye does, but counts by machine, so that neither method applies. All
codes here are those without a method, from the panel 69738-3 (differential, method unspecified), and
`Observation.method` describes the method in words. For example, 770-8 (neutrophils, automated) and 58410-2 (automated
blood count) are not used: they would present the counts of a smear as those of an analyser.

Intervals. The Observation of R4 has no element for a confidence interval. `referenceRange` describes healthy people, so
it cannot hold one, and receivers drop extensions that they do not know. The interval is therefore a component with a
`valueRange` and a name in words. The corrected share is a component too.
"""

from html import escape
from importlib.metadata import version
from typing import Any

from leukolens.core.intervals import Interval
from leukolens.reporting.page import CAUTION
from leukolens.smear.records import Differential, Share, SmearRecord

Resource = dict[str, Any]

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"

_PANEL = ("69738-3", "Differential panel, method unspecified - Blood")
_PERCENT = {
    "neutrophil": ("26511-6", "Neutrophils/100 leukocytes in Blood"),
    "eosinophil": ("26450-7", "Eosinophils/100 leukocytes in Blood"),
    "basophil": ("30180-4", "Basophils/100 leukocytes in Blood"),
    "lymphocyte": ("26478-8", "Lymphocytes/100 leukocytes in Blood"),
    "monocyte": ("26485-3", "Monocytes/100 leukocytes in Blood"),
    "immature_granulocyte": ("38518-7", "Immature granulocytes/100 leukocytes in Blood"),
}
_PER_VOLUME = {
    "neutrophil": ("26499-4", "Neutrophils [#/volume] in Blood"),
    "eosinophil": ("26449-9", "Eosinophils [#/volume] in Blood"),
    "basophil": ("26444-0", "Basophils [#/volume] in Blood"),
    "lymphocyte": ("26474-7", "Lymphocytes [#/volume] in Blood"),
    "monocyte": ("26484-6", "Monocytes [#/volume] in Blood"),
    "immature_granulocyte": ("51584-1", "Immature granulocytes [#/volume] in Blood"),
}
_LEUKOCYTES = ("26464-8", "Leukocytes [#/volume] in Blood")
_CORRECTED_LEUKOCYTES = ("12227-5", "Leukocytes [#/volume] corrected for nucleated erythrocytes in Blood")
_ERYTHROBLASTS = ("19048-8", "Nucleated erythrocytes/100 leukocytes [Ratio] in Blood")

_METHOD = "Image analysis of photographed fields of a stained smear by LeukoLens"
_FLAGS = {"high": ("H", "High"), "low": ("L", "Low")}
_PER_100 = ("per 100 leukocytes", "/100{WBCs}")
_GIGA_PER_LITER = ("10*9/L", "10*9/L")


def describe_smear(result: SmearRecord, issued: str) -> Resource:
    """The DiagnosticReport of a smear; it contains its observations, device and specimen.

    Args:
        result: The smear.
        issued: Time of the report, ISO 8601 with time zone.
    """
    observations = _describe_differential(result.differential)
    for number, observation in enumerate(observations):
        observation["id"] = f"observation-{number + 1}"
    conclusion = _conclude(result)
    return {
        "resourceType": "DiagnosticReport",
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(_plain(result.name))}</p><p>{escape(conclusion)}</p></div>',
        },
        "contained": [_describe_device(result), _describe_specimen(result.name), *observations],
        "status": "preliminary",
        "category": [{"coding": [{"system": f"{_TERMINOLOGY}/v2-0074", "code": "HM", "display": "Hematology"}]}],
        "code": _code(_PANEL),
        "issued": issued,
        "specimen": [{"reference": "#specimen"}],
        "result": [{"reference": f"#{observation['id']}"} for observation in observations],
        "conclusion": conclusion,
    }


def _describe_differential(differential: Differential) -> list[Resource]:
    observations = [_describe_share(share, differential.leukocytes) for share in differential.shares]
    observations += [
        _describe_volume(share, share.per_liter) for share in differential.shares if share.per_liter is not None
    ]
    if differential.leukocytes_per_liter is not None:
        given = _observe(_LEUKOCYTES, differential.leukocytes_per_liter / 1e9, _GIGA_PER_LITER)
        given["method"] = {"text": "Entered by the user of LeukoLens, not measured on the smear"}
        observations.append(given)
    if differential.corrected_leukocytes_per_liter is not None:
        corrected = differential.corrected_leukocytes_per_liter / 1e9
        observations.append(_observe(_CORRECTED_LEUKOCYTES, corrected, _GIGA_PER_LITER))
    if differential.erythroblasts_per_100 is not None:
        value, interval = differential.erythroblasts_per_100
        erythroblasts = _observe(_ERYTHROBLASTS, value, _PER_100)
        count = _count("Nucleated red cells counted", differential.erythroblasts)
        erythroblasts["component"] = [count, _interval("95 % interval", interval, _PER_100)]
        observations.append(erythroblasts)
    if differential.neutrophil_lymphocyte_ratio is not None:
        value, interval = differential.neutrophil_lymphocyte_ratio
        ratio = _observe("Neutrophil to lymphocyte ratio", value, ("", "1"))
        ratio["component"] = [_interval("95 % interval", interval, ("", "1"))]
        observations.append(ratio)
    return observations


def _describe_share(share: Share, leukocytes: int) -> Resource:
    observation = _observe(_PERCENT[share.label], share.percent if leukocytes else None, ("%", "%"))
    observation["component"] = [_count("Cells counted", share.count), _count("Leukocytes counted", leukocytes)]
    if leukocytes:
        observation["component"] += [
            _interval("95 % interval", share.interval, ("%", "%")),
            _interval("95 % interval", share.simultaneous, ("%", "%")),
        ]
    if share.corrected is not None:
        value = _quantity(share.corrected, ("%", "%"))
        name = "Corrected for the known errors of the classifier"
        observation["component"].append({"code": {"text": name}, "valueQuantity": value})
    if share.corrected_interval is not None:
        name = "95 % interval, corrected for the known errors of the classifier"
        observation["component"].append(_interval(name, share.corrected_interval, ("%", "%")))
    if not _is_judged_by_volume(share):
        _judge(observation, share)
    return observation


def _is_judged_by_volume(share: Share) -> bool:
    """Whether the flag and reference range of a share are for its cells per litre."""
    return share.reference is not None and share.reference.per_liter


def _judge(observation: Resource, share: Share) -> None:
    if share.flag:
        code, display = _FLAGS[share.flag]
        system = f"{_TERMINOLOGY}/v3-ObservationInterpretation"
        words = f"{display}: the whole 95 % interval lies outside the reference range"
        coding = {"system": system, "code": code, "display": display}
        observation["interpretation"] = [{"coding": [coding], "text": words}]
    if share.reference:
        observation["referenceRange"] = [{"text": _plain(str(share.reference))}]


def _describe_volume(share: Share, per_liter: tuple[float, Interval]) -> Resource:
    value, interval = per_liter
    observation = _observe(_PER_VOLUME[share.label], value / 1e9, _GIGA_PER_LITER)
    scaled = Interval(interval.low / 1e9, interval.high / 1e9, interval.method)
    observation["component"] = [_interval("95 % interval", scaled, _GIGA_PER_LITER)]
    if _is_judged_by_volume(share):
        _judge(observation, share)
    return observation


def _observe(code: tuple[str, str] | str, value: float | None, unit: tuple[str, str]) -> Resource:
    """An Observation. Without a value it states that no leukocyte was counted."""
    observation: Resource = {
        "resourceType": "Observation",
        "status": "preliminary",
        "category": [{"coding": [{"system": f"{_TERMINOLOGY}/observation-category", "code": "laboratory"}]}],
        "code": {"text": code} if isinstance(code, str) else _code(code),
        "method": {"text": _METHOD},
        "specimen": {"reference": "#specimen"},
        "device": {"reference": "#device"},
    }
    if value is None:
        coding = {"system": f"{_TERMINOLOGY}/data-absent-reason", "code": "not-performed", "display": "Not Performed"}
        observation["dataAbsentReason"] = {"coding": [coding], "text": "No leukocyte was counted"}
    else:
        observation["valueQuantity"] = _quantity(value, unit)
    return observation


def _code(code: tuple[str, str]) -> Resource:
    return {"coding": [{"system": LOINC, "code": code[0], "display": code[1]}], "text": code[1]}


def _quantity(value: float, unit: tuple[str, str]) -> Resource:
    rounded = round(value, 4) or float(f"{value:.4g}")  # what is not zero must not be written as zero
    quantity = {"value": rounded, "unit": unit[0], "system": UCUM, "code": unit[1]}
    return {key: item for key, item in quantity.items() if item != ""}


def _count(name: str, count: int) -> Resource:
    return {"code": {"text": name}, "valueInteger": count}


def _interval(name: str, interval: Interval, unit: tuple[str, str]) -> Resource:
    span = {"low": _quantity(interval.low, unit), "high": _quantity(interval.high, unit)}
    return {"code": {"text": f"{name} ({interval.method})"}, "valueRange": span}


def _describe_device(result: SmearRecord) -> Resource:
    models = f"Detector: {_plain(result.detector)}. Classifier: {_plain(result.classifier)}."
    return {
        "resourceType": "Device",
        "id": "device",
        "deviceName": [{"name": "LeukoLens", "type": "user-friendly-name"}],
        "version": [{"value": version("leukolens")}],
        "note": [{"text": f"{models} {CAUTION}"}],
    }


def _describe_specimen(name: str) -> Resource:
    identifier = [{"value": _plain(name)}]
    return {"resourceType": "Specimen", "id": "specimen", "identifier": identifier, "type": {"text": "Blood smear"}}


def _conclude(result: SmearRecord) -> str:
    differential, usable = result.differential, sum(field.usable for field in result.fields)
    apart = sum(differential.apart.values())
    flags = [f"{share.label.replace('_', ' ')} {share.flag}" for share in differential.shares if share.flag]
    return (
        f"{differential.leukocytes} leukocytes counted on {usable} of {len(result.fields)} photographed fields. "
        f"{apart} leukocytes found but not counted. "
        + (f"Do not rely on any class: {differential.shift}. " if differential.shift else "")
        + (f"Whole 95 % interval outside the reference range: {', '.join(flags)}. " if flags else "")
        + f"Preliminary: made by a program, not confirmed by a person. {CAUTION}"
    )


def _plain(text: str) -> str:
    """Text that JSON and XHTML accept: no control characters, no surrogates; never empty."""
    kept = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return kept or "unnamed"
