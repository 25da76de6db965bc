"""The phrases of the specification tables: "ast 174 @-10d; alt 100 @-10d" → FHIR resources.

Times are counted back from `AS_OF` (`@-10d`, `@-10d12h`, `@+3d`) or written as in FHIR (`@2025-03`, `@none`).
`{a,b}` anywhere makes one case of each alternative. Everything else stands in docs/clinical-specification.md.
"""

import csv
import itertools
import json
import re
import shlex
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
TABLES = Path(__file__).parents[2] / "fhir_mapping" / "tables"
SYSTEMS = {
    "snomed": "http://snomed.info/sct",
    "icd10cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd10": "http://hl7.org/fhir/sid/icd-10",
    "icd11": "http://id.who.int/icd/release/11/mms",
    "orpha": "http://www.orpha.net",
    "mondo": "http://purl.obolibrary.org/obo/mondo.owl",
    "hpo": "http://purl.obolibrary.org/obo/hp.owl",
    "loinc": "http://loinc.org",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "atc": "http://www.whocc.no/atc",
    "servicetype": "http://terminology.hl7.org/CodeSystem/service-type",
    "act": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "interp": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
    "status": "http://terminology.hl7.org/CodeSystem/medicationrequest-status-reason",
    "local": "urn:local",
}
UCUM = "http://unitsofmeasure.org"
UNITS = {
    **dict.fromkeys(("ast", "alt", "ck", "ldh", "hbdh"), "U/L"),
    **dict.fromkeys(("troponin-i", "troponin-t", "nt-probnp"), "ng/L"),
    **dict.fromkeys(("lymphocytes", "neutrophils"), "10*9/L"),
    "lvef": "%",
    "fvc": "L",
    "dlco": "mL/min/mm[Hg]",
}
ANSWERS = {"positive": ("10828004", "Positive"), "negative": ("260385009", "Negative")}
MEDICATIONS = {
    "request": "MedicationRequest",
    "statement": "MedicationStatement",
    "dispense": "MedicationDispense",
    "administration": "MedicationAdministration",
}


@dataclass
class Record:
    """One case: the resources of one patient, and how they reach us."""

    resources: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    not_offered: list[str] = field(default_factory=list)
    site_map: list[tuple[str, str, str]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)


@cache
def first_code(table: str, word: str) -> dict[str, str]:
    """The first code of a table whose role has this word (the tables are read as they stand on disk)."""
    with (TABLES / f"{table}.csv").open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            if row["role"] == word or word in row["role"].split():
                return {"system": row["system"], "code": row["code"].replace("*", "")}
    raise KeyError(f"no code for {word!r} in {table}.csv")


def coding(table: str, word: str) -> dict[str, str]:
    """`snomed:123` or a role word of the table."""
    prefix, colon, code = word.partition(":")
    if colon and prefix in SYSTEMS:
        return {"system": SYSTEMS[prefix], "code": code}
    return first_code(table, word)


def when(text: str) -> str | None:
    """`-10d`, `-10d12h`, `+3d` or a FHIR date → the written date; `none` → None."""
    if text == "none":
        return None
    counted = re.fullmatch(r"([+-])(\d+)d(?:(\d+)h)?(?:(\d+)m)?", text)
    if not counted:
        return text
    sign, days, hours, minutes = counted.groups()
    back = timedelta(days=int(days), hours=int(hours or 0), minutes=int(minutes or 0))
    moment = AS_OF - back if sign == "-" else AS_OF + back
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def alternatives(row: str) -> list[str]:
    """`a {b,c} d` → ["a b d", "a c d"]."""
    parts = re.split(r"\{([^{}\"]*)\}", row)
    choices = [[p] if i % 2 == 0 else [c.strip() for c in p.split(",")] for i, p in enumerate(parts)]
    return ["".join(choice) for choice in itertools.product(*choices)]


def read(text: str) -> Record:
    """One case of a table's `record` cell → the resources of one patient (a woman born in 1970 unless it says else)."""
    record = Record()
    patient = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1970-01-01"}
    record.resources.append(patient)
    for number, phrase in enumerate(filter(None, (p.strip() for p in re.split(r";(?![^{]*\}\})", text)))):
        words = shlex.split(phrase) if not phrase.startswith("json ") else ["json", phrase[5:]]
        _phrase(record, words, f"r{number}")
    return record


def _phrase(record: Record, words: list[str], number: str) -> None:
    kind, rest = words[0], words[1:]
    options = dict(w.split("=", 1) for w in rest if re.match(r"^[a-z-]+=", w))
    plain = [w for w in rest if not re.match(r"^[a-z-]+=", w)]
    match kind:
        case "patient":
            _patient(record.resources[0], options)
        case "failed":
            record.failed.update(dict.fromkeys(plain, "timed out"))
        case "not-offered":
            record.not_offered += plain
        case "site":
            record.site_map.append((SYSTEMS["local"], plain[0], " ".join(plain[1:])))
        case "setting":
            record.settings.update({k: json.loads(v) for k, v in options.items()})
        case "json":
            record.resources.append(json.loads(plain[0]))
        case _:
            resource = _resource(kind, plain, options, number)
            _everywhere(resource, options)
            record.resources.append(resource)


def _patient(patient: dict[str, Any], options: dict[str, str]) -> None:
    names = {"born": "birthDate", "sex": "gender", "died": "deceasedDateTime"}
    for option, value in options.items():
        written = when(value) if option in {"born", "died"} else value
        patient[names[option]] = written
        if written is None:
            del patient[names[option]]
        elif option == "born":
            patient["birthDate"] = written[:10]
    if options.get("died") == "yes":
        del patient["deceasedDateTime"]
        patient["deceasedBoolean"] = True


def _everywhere(resource: dict[str, Any], options: dict[str, str]) -> None:
    """Options that any resource takes: id, subject, status, versions, extensions we do not understand."""
    if "id" in options:
        resource["id"] = options["id"]
    if "subject" in options:
        resource["subject"] = {"reference": options["subject"]}
        if options["subject"] == "none":
            del resource["subject"]
    if "status" in options and resource["resourceType"] != "Condition":
        resource["status"] = options["status"]
        if options["status"] == "none":
            del resource["status"]
    if "modifier" in options:
        resource["modifierExtension"] = [{"url": options["modifier"], "valueBoolean": True}]
    if "rules" in options:
        resource["implicitRules"] = options["rules"]
    if "updated" in options:
        resource["meta"] = {"lastUpdated": when(options["updated"])}
    if "version" in options:
        resource.setdefault("meta", {})["versionId"] = options["version"]


def _resource(kind: str, plain: list[str], options: dict[str, str], number: str) -> dict[str, Any]:
    times = [when(w[1:]) for w in plain if w.startswith("@")]
    words = [w for w in plain if not w.startswith("@")]
    time = times[0] if times else when("-30d")
    base = {"id": number, "subject": {"reference": "Patient/p1"}}
    match kind:
        case "imnm":
            return base | _condition("core", time if times else when("-1000d"), options)
        case "condition":
            return base | _condition(words[0], time, options)
        case "request" | "statement" | "dispense" | "administration":
            return base | _medication(kind, words, time, options)
        case "encounter":
            return base | _encounter(words, time, options)
        case "appointment":
            return _appointment(words, time, options) | {"id": number}
        case "order":
            return base | _order(words, time, options)
        case "procedure":
            code = {"coding": [coding("procedures", w) for w in words]}
            performed = {"performedDateTime": time} if time else {}
            return base | {"resourceType": "Procedure", "status": "completed", "code": code} | performed
        case "report":
            return base | _report(words, time, options)
    return base | _observation(kind, words, time, options)


def _condition(what: str, time: str | None, options: dict[str, str]) -> dict[str, Any]:
    clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    verification = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    codes = what.split("+")
    resource: dict[str, Any] = {
        "resourceType": "Condition",
        "code": {"coding": [coding("conditions", c) for c in codes]},
        "clinicalStatus": {"coding": [{"system": clinical, "code": options.get("clinical", "active")}]},
        "verificationStatus": {
            "coding": [{"system": verification, "code": options.get("verification", "confirmed")}]
        },
    }
    for status in ("clinical", "verification"):
        if options.get(status) == "none":
            del resource[f"{status}Status"]
    if time:
        resource["onsetDateTime"] = time
    if "recorded" in options:
        resource["recordedDate"] = when(options["recorded"])
    if "abatement" in options:
        resource["abatementDateTime"] = when(options["abatement"])
    return resource


def _observation(kind: str, words: list[str], time: str | None, options: dict[str, str]) -> dict[str, Any]:
    codes = [coding("observations", c) for c in kind.split("+")]
    if "code" in options:
        codes = [coding("observations", c) for c in options["code"].split("+")]
    resource: dict[str, Any] = {"resourceType": "Observation", "status": "final", "code": {"coding": codes}}
    if time:
        resource["effectiveDateTime"] = time
    if "issued" in options:
        resource["issued"] = when(options["issued"])
    if words:
        resource |= _value(words, options, UNITS.get(kind.split("+")[0], ""))
    if "limit" in options or "low" in options:
        resource["referenceRange"] = [_range(options, UNITS.get(kind, ""))]
    if "interp" in options:
        code = {"system": SYSTEMS["interp"], "code": options["interp"]}
        resource["interpretation"] = [{"coding": [code]}]
    if "specimen" in options:
        resource["specimen"] = {"reference": f"Specimen/{options['specimen']}"}
    if "focus" in options:
        resource["focus"] = [{"reference": options["focus"]}]
    if "members" in options:
        resource["hasMember"] = [{"reference": f"Observation/{m}"} for m in options["members"].split("+")]
    if "component" in options:
        resource["component"] = [_component(c) for c in options["component"].split("+")]
    return resource


def _component(text: str) -> dict[str, Any]:
    """`homogeneous:1/320` → a component whose code is named and whose value is text."""
    name, _, value = text.partition(":")
    return {"code": {"text": name}, "valueString": value.replace("/", ":")}


def _value(words: list[str], options: dict[str, str], unit: str) -> dict[str, Any]:
    """A number (with comparator), `positive`/`negative`, `1/320` as Ratio, `int 320`, `absent`, or quoted text."""
    word = words[0]
    if word in ANSWERS:
        code, display = ANSWERS[word]
        concept = {"coding": [{"system": SYSTEMS["snomed"], "code": code}], "text": display}
        return {"valueCodeableConcept": concept}
    if word == "absent":
        return {"dataAbsentReason": {"coding": [{"code": "unknown"}]}}
    if word == "int":
        return {"valueInteger": int(words[1])}
    if word == "answer":
        prefix, _, code = words[1].partition(":")
        return {"valueCodeableConcept": {"coding": [{"system": SYSTEMS[prefix], "code": code}]}}
    if word == "concept":
        return {"valueCodeableConcept": {"text": words[1]}}
    if ratio := re.fullmatch(r"([<>]=?)?(\d+)/([<>]=?)?(\d+)", word):
        top, first, bottom, second = ratio.groups()
        return {"valueRatio": {"numerator": _quantity(top, first), "denominator": _quantity(bottom, second)}}
    if number := re.fullmatch(r"([<>]=?)?(-?[\d.]+(?:e\d+)?)", word):
        quantity = _quantity(*number.groups())
        return {"valueQuantity": quantity | _unit(options, unit)}
    return {"valueString": word}


def _quantity(comparator: str | None, value: str) -> dict[str, Any]:
    number: Any = json.loads(value)
    return {"value": number} | ({"comparator": comparator} if comparator else {})


def _unit(options: dict[str, str], unit: str) -> dict[str, str]:
    code = options.get("unit", unit)
    parts = {"unit": options.get("text", code), "system": options.get("system", UCUM), "code": code}
    if code in {"", "none"}:
        del parts["code"], parts["system"]
    if not parts["unit"] or parts["unit"] == "none":
        del parts["unit"]
    return parts


def _range(options: dict[str, str], unit: str) -> dict[str, Any]:
    unit = options.get("range-unit", options.get("unit", unit))
    coded = {"unit": unit, "system": UCUM, "code": unit} if unit and unit != "none" else {}
    bounds = {"high": "limit", "low": "low"}
    return {side: {"value": json.loads(options[o])} | coded for side, o in bounds.items() if o in options}


def _medication(kind: str, words: list[str], time: str | None, options: dict[str, str]) -> dict[str, Any]:
    """`request prednisone from=-400d to=-10d dose=20 status=active`; `to` left out: open."""
    resource: dict[str, Any] = {
        "resourceType": MEDICATIONS[kind],
        "status": "active" if kind in {"request", "statement"} else "completed",
        "medicationCodeableConcept": {"coding": [coding("medications", words[0])]},
    }
    start, end = when(options.get("from", "none")), when(options.get("to", "none"))
    period = {k: v for k, v in (("start", start), ("end", end)) if v}
    dosage = _dosage(options, period if kind == "request" else {})
    if kind == "request":
        resource |= {"intent": options.get("intent", "order"), "dosageInstruction": [dosage]}
        resource |= {"authoredOn": when(options["authored"])} if "authored" in options else {}
        if "authored" not in options and not period and time:
            resource["authoredOn"] = time
        supply = {"expectedSupplyDuration": {"value": int(options["supply"]), "unit": "d", "code": "d"}}
        repeats = {"numberOfRepeatsAllowed": int(options["repeats"])}
        request = (supply if "supply" in options else {}) | (repeats if "repeats" in options else {})
        valid = {"start": options.get("valid-from"), "end": options.get("valid-to")}
        validity = {k: when(v) for k, v in valid.items() if v}
        request |= {"validityPeriod": validity} if validity else {}
        resource |= {"dispenseRequest": request} if request else {}
        if options.get("stop") == "yes":
            resource["doNotPerform"] = True
    elif kind == "dispense":
        resource["whenHandedOver"] = time
        resource |= {"dosageInstruction": [dosage]} if dosage else {}
        if "days" in options:
            resource["daysSupply"] = {"value": int(options["days"]), "unit": "d", "code": "d"}
    else:
        resource |= {"effectivePeriod": period} if period else {"effectiveDateTime": time}
        if dosage:
            resource["dosage"] = [dosage] if kind == "statement" else dosage
    if "reason" in options:
        reason = {"coding": [coding("qualifiers", options["reason"])]}
        resource["statusReason"] = reason if kind == "request" else [reason]
        if kind == "dispense":
            del resource["statusReason"]
    return resource


def _dosage(options: dict[str, str], period: dict[str, str]) -> dict[str, Any]:
    dosage: dict[str, Any] = {}
    if "dose" in options:
        dose = {"value": json.loads(options["dose"]), "unit": "mg", "system": UCUM, "code": "mg"}
        dosage["doseAndRate"] = [{"doseQuantity": dose}]
        dosage["timing"] = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}
    if period:
        dosage.setdefault("timing", {}).setdefault("repeat", {})["boundsPeriod"] = period
    if "route" in options:
        dosage["route"] = {"coding": [coding("qualifiers", options["route"])]}
    if "needed" in options:
        dosage["asNeededBoolean"] = True
    return dosage


def _encounter(words: list[str], time: str | None, options: dict[str, str]) -> dict[str, Any]:
    """`encounter AMB visit @-30d`: class, then service type (a visit word, a code, or nothing)."""
    resource: dict[str, Any] = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": SYSTEMS["act"], "code": words[0]},
        "period": {"start": when(options.get("from", "none")) or time, "end": time},
    }
    if options.get("end") == "none" or time is None:
        del resource["period"]["end"]
    if not resource["period"].get("start"):
        del resource["period"]
    for word in words[1:]:
        table = "visits" if word == "visit" else "specialties"
        resource["serviceType"] = {"coding": [coding(table, word)]}
    if "type" in options:
        resource["type"] = [{"coding": [coding("specialties", options["type"])]}]
    return resource


def _appointment(words: list[str], time: str | None, options: dict[str, str]) -> dict[str, Any]:
    who = options.get("who", "Patient/p1")
    resource: dict[str, Any] = {
        "resourceType": "Appointment",
        "status": "booked",
        "start": time,
        "participant": [{"actor": {"reference": who}, "status": "accepted"}],
    }
    for word in words:
        table = "visits" if word == "visit" else "specialties"
        resource["specialty"] = [{"coding": [coding(table, word)]}]
    if "created" in options:
        resource["created"] = when(options["created"])
    return resource


def _order(words: list[str], time: str | None, options: dict[str, str]) -> dict[str, Any]:
    codes = [
        coding("observations" if ":" in w or _is_observation(w) else "procedures", w)
        for w in words
    ]
    resource: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": options.get("intent", "order"),
        "code": {"coding": codes},
        "authoredOn": time,
    }
    if options.get("stop") == "yes":
        resource["doNotPerform"] = True
    return resource


def _is_observation(word: str) -> bool:
    try:
        first_code("observations", word)
    except KeyError:
        return False
    return True


def _report(words: list[str], time: str | None, options: dict[str, str]) -> dict[str, Any]:
    table = "observations" if _is_observation(words[0]) or ":" in words[0] else "procedures"
    resource: dict[str, Any] = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"coding": [coding(table, w) for w in words]},
    }
    if time:
        resource["effectiveDateTime"] = time
    if "results" in options:
        resource["result"] = [{"reference": f"Observation/{r}"} for r in options["results"].split("+")]
    return resource
