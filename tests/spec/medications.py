"""Medication resources of the specification tables."""

import json
from typing import Any

from tests.spec.words import UCUM, coding, codings, when
from tests.spec.words import period as stretch

MEDICATIONS = {
    "request": "MedicationRequest",
    "statement": "MedicationStatement",
    "dispense": "MedicationDispense",
    "administration": "MedicationAdministration",
}


def medication(kind: str, words: list[str], time: str | None, options: dict[str, str]) -> dict[str, Any]:
    """`request prednisone from=-400d to=-10d dose=20 status=active`; `to` left out: open."""
    resource: dict[str, Any] = {
        "resourceType": MEDICATIONS[kind],
        "status": "active" if kind in {"request", "statement"} else "completed",
    }
    resource |= _what(words, options)
    start, end = when(options.get("from", "none")), when(options.get("to", "none"))
    period = {side: time for side, time in (("start", start), ("end", end)) if time}
    dosages = _dosages(options, period if kind == "request" else {})
    if kind == "request":
        resource |= _request(options, dosages, time if not period else None)
    elif kind == "dispense":
        resource[options.get("prepared", "whenHandedOver")] = time
        resource |= {"dosageInstruction": dosages} if dosages != [{}] else {}
        resource |= {"daysSupply": _time(options, "days")} if "days" in options else {}
    else:
        resource |= {"effectivePeriod": period} if period else {"effectiveDateTime": time} if time else {}
        if dosages != [{}]:
            resource["dosage"] = dosages if kind == "statement" else dosages[0]
    if "reason" in options:
        other = {"system": options["reason-in"]} if "reason-in" in options else {}
        reason = {"coding": [coding("qualifiers", options["reason"]) | other]}
        resource["statusReason"] = reason if kind == "request" else [reason]
    return resource


def _what(words: list[str], options: dict[str, str]) -> dict[str, Any]:
    """The medicine itself, `by=contained`, or `by=m1 called=…`: a Medication elsewhere, and what it is called here."""
    if "by" in options and options["by"] != "contained":
        called = {"display": options["called"]} if "called" in options else {}
        return {"medicationReference": {"reference": f"Medication/{options['by']}"} | called}
    code = {"coding": codings("medications", words[0])}
    if "by" in options:
        contained = {"resourceType": "Medication", "id": "m", "code": code}
        return {"contained": [contained], "medicationReference": {"reference": "#m"}}
    return {"medicationCodeableConcept": code}


def _request(options: dict[str, str], dosages: list[dict[str, Any]], time: str | None) -> dict[str, Any]:
    resource: dict[str, Any] = {"dosageInstruction": dosages}
    if (intent := options.get("intent", "order")) != "none":
        resource["intent"] = intent
    if authored := when(options["authored"]) if "authored" in options else time:
        resource["authoredOn"] = authored
    supply = {"expectedSupplyDuration": _time(options, "supply")} if "supply" in options else {}
    repeats = {"numberOfRepeatsAllowed": int(options["repeats"])} if "repeats" in options else {}
    valid = {"start": options.get("valid-from"), "end": options.get("valid-to")}
    validity = {side: when(time) for side, time in valid.items() if time}
    request = supply | repeats | ({"validityPeriod": validity} if validity else {})
    resource |= {"dispenseRequest": request} if request else {}
    return resource | ({"doNotPerform": True} if options.get("stop") == "yes" else {})


def _time(options: dict[str, str], option: str) -> dict[str, Any]:
    """`supply=4 supply-unit=wk`, `days=28`; `supply-text=weeks` for a written unit."""
    return {"value": json.loads(options[option])} | _unit(options, option, "d")


def _unit(options: dict[str, str], option: str, unit: str) -> dict[str, str]:
    if f"{option}-text" in options:
        return {"unit": options[f"{option}-text"]}
    code = options.get(f"{option}-unit", unit)
    return {"unit": code, "system": UCUM, "code": code}


def _dosages(options: dict[str, str], period: dict[str, str]) -> list[dict[str, Any]]:
    """`dose=20 times=2 every=1 every-unit=d route=… needed=yes`, or several in `dosage="20 to -300d / 10 from -300d"`.

    `tablets=2` tells the dose once more, and then again.

    `within=-300d..-10d`: its period, of any resource; `from=` and `to=` of a request give it too.
    """
    if "dosage" in options:
        return [_instruction(words.split()) for words in options["dosage"].split("/")]
    dosage: dict[str, Any] = {}
    if "dose" in options:
        dose = {"value": json.loads(options["dose"])} | _unit(options, "dose", "mg")
        dosage = _dose(
            dose, options.get("times", "1"), options.get("every", "1"), options.get("every-unit", "d")
        )
    if "tablets" in options:  # the same dose once more, as Epic tells it
        told = {"value": json.loads(options["tablets"]), "unit": "tablet", "system": UCUM, "code": "{tbl}"}
        dosage.setdefault("doseAndRate", []).insert(1, {"doseQuantity": told})
        dosage["doseAndRate"] += dosage["doseAndRate"][:1]
    if "dose-range" in options:
        low, high = (json.loads(side) for side in options["dose-range"].split("-"))
        bounds = {"low": {"value": low} | _unit({}, "", "mg"), "high": {"value": high} | _unit({}, "", "mg")}
        dosage = _dose({}, "1", "1", "d") | {"doseAndRate": [{"doseRange": bounds}]}
    if period := period or stretch(options.get("within", "")):
        dosage.setdefault("timing", {}).setdefault("repeat", {})["boundsPeriod"] = period
    if "route" in options:
        dosage["route"] = {"coding": [coding("qualifiers", options["route"])]}
    if "needed" in options:
        dosage["asNeededBoolean"] = True
    if "dose-words" in options:
        dosage["text"] = options["dose-words"]
    return [dosage]


def _dose(dose: dict[str, Any], times: str, every: str, unit: str) -> dict[str, Any]:
    """Frequency and period are left out with `times=none`, `every=none`."""
    repeat: dict[str, Any] = {}
    repeat |= {"frequency": int(times)} if times != "none" else {}
    repeat |= {"period": json.loads(every), "periodUnit": unit} if every != "none" else {}
    return {"doseAndRate": [{"doseQuantity": dose}]} | ({"timing": {"repeat": repeat}} if repeat else {})


def _instruction(words: list[str]) -> dict[str, Any]:
    """One of several: mg once a day, then `from`, `to`, `times`, each with its word."""
    more = dict(zip(words[1::2], words[2::2], strict=True))
    dose = {"value": json.loads(words[0]), "unit": "mg", "system": UCUM, "code": "mg"}
    dosage = _dose(dose, more.get("times", "1"), "1", "d")
    sides = {"start": when(more.get("from", "none")), "end": when(more.get("to", "none"))}
    if bounds := {side: time for side, time in sides.items() if time}:
        dosage["timing"]["repeat"]["boundsPeriod"] = bounds
    return dosage
