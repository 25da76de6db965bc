"""Observations of the specification tables: values, reference ranges, components."""

import json
import re
from typing import Any

from tests.spec.words import SYSTEMS, UCUM, coding, codings, period, when

UNITS = {
    **dict.fromkeys(("ast", "alt", "ck", "ldh", "hbdh"), "U/L"),
    **dict.fromkeys(("troponin-i", "troponin-t", "nt-probnp"), "ng/L"),
    **dict.fromkeys(("lymphocytes", "neutrophils"), "10*9/L"),
    "lvef": "%",
    "fvc": "L",
    "dlco": "mL/min/mm[Hg]",
}
ANSWERS = {"positive": ("10828004", "Positive"), "negative": ("260385009", "Negative")}


def observation(kind: str, words: list[str], time: str | None, options: dict[str, str]) -> dict[str, Any]:
    """`ast 174 @-10d unit=U/L limit=40 specimen=s1 …` → an Observation."""
    unit = UNITS.get(kind.split("+", maxsplit=1)[0], "")
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": codings("observations", options.get("code", kind))},
    }
    resource |= {"effectiveDateTime": time} if time else {}
    if "period" in options:
        resource["effectivePeriod"] = period(options["period"])
    for option, element in (("instant", "effectiveInstant"), ("issued", "issued")):
        if option in options:
            resource[element] = when(options[option])
    if words:
        resource |= _value(words, options, unit)
    if ranges := _ranges(options, unit):
        resource["referenceRange"] = ranges
    if "interp" in options:
        resource["interpretation"] = _interpretation(options["interp"], options)
    if "specimen" in options:
        resource["specimen"] = {"reference": f"Specimen/{options['specimen']}"}
    if "focus" in options:
        resource["focus"] = [{"reference": options["focus"]}]
    if "members" in options:
        resource["hasMember"] = [{"reference": f"Observation/{m}"} for m in options["members"].split("+")]
    if "component" in options:
        resource["component"] = [_component(c, options) for c in options["component"].split("+")]
    if "note" in options:
        resource["note"] = [{"text": options["note"]}]
    if "modifier-inside" in options:
        extension = {"url": options["modifier-inside"], "valueBoolean": True}
        resource.setdefault("component", []).append({"code": {"text": "x"}, "modifierExtension": [extension]})
    return resource


def _interpretation(code: str, options: dict[str, str]) -> list[dict[str, Any]]:
    """`POS`, `POS+N`, or a word in quotes that is no code."""
    if code.isupper():
        system = options.get("interp-system", SYSTEMS["interp"])
        return [{"coding": [{"system": system, "code": part}]} for part in code.split("+")]
    return [{"text": code}]


def _component(text: str, options: dict[str, str]) -> dict[str, Any]:
    """`homogeneous:1/320`, `loinc:55171-3 = 1:320` or `index = int 3`: a code (named or coded), and its value."""
    name, _, value = text.partition("=" if "=" in text else ":")
    prefix = name.strip().partition(":")[0]
    code = {"coding": [coding("observations", name.strip())]} if prefix in SYSTEMS else {"text": name.strip()}
    component: dict[str, Any] = {"code": code} | _said(value.strip(), options)
    if "component-interp" in options:
        component["interpretation"] = _interpretation(options["component-interp"], options)
    return component


def _said(value: str, options: dict[str, str]) -> dict[str, Any]:
    """The value of a component: `absent masked`, `int 3`, `quantity 2.8`, else a text."""
    kind, _, rest = value.partition(" ")
    match kind:
        case "absent":
            return {"dataAbsentReason": _absence(rest, options)}
        case "int":
            return {"valueInteger": int(rest)}
        case "quantity":
            return {"valueQuantity": _quantity(None, rest)}
        case _:
            return {"valueString": value.replace("/", ":")}


def _value(words: list[str], options: dict[str, str], unit: str) -> dict[str, Any]:
    """A number (with comparator), `positive`, `1/320` as Ratio, `int 320`, `range 30-35`, `absent`, or quoted text."""
    word, *more = words
    if len(more) > (word in {"absent", "int", "range", "answer", "concept", "text"}):
        raise ValueError(f"nobody reads {more}: put words that belong together in quotes")
    if word in ANSWERS:
        code, display = ANSWERS[word]
        text = options.get("concept-text", display)
        concept = {"coding": [{"system": SYSTEMS["snomed"], "code": code}], "text": text}
        return {"valueCodeableConcept": concept}
    match word:
        case "absent":
            return {"dataAbsentReason": _absence(more[0] if more else "unknown", options)}
        case "int":
            return {"valueInteger": int(more[0])}
        case "range":
            ends = zip(("low", "high"), more[0].split("-"), strict=True)
            ends_with_unit = {
                end: _quantity(None, value) | _unit(options, unit) for end, value in ends if value
            }
            return {"valueRange": ends_with_unit}
        case "answer":
            prefix, _, code = more[0].partition(":")
            system = options.get("answer-system", SYSTEMS[prefix])
            return {"valueCodeableConcept": {"coding": [{"system": system, "code": code}]}}
        case "concept":
            return {"valueCodeableConcept": {"text": more[0]}}
        case "text":
            return {"valueString": more[0].replace("\\n", "\n")}
    if ratio := re.fullmatch(r"([<>]=?)?(\d+)/([<>]=?)?(\d+)", word):
        top, first, bottom, second = ratio.groups()
        return {"valueRatio": {"numerator": _quantity(top, first), "denominator": _quantity(bottom, second)}}
    if number := re.fullmatch(r"([<>]=?)?(-?[\d.]+(?:e\d+)?)", word):
        return {"valueQuantity": _quantity(*number.groups()) | _unit(options, unit)}
    return {"valueString": word}


def _absence(reason: str, options: dict[str, str]) -> dict[str, Any]:
    """`masked+local:9`: codes, of data-absent-reason unless another system is named; `text masked`; `none`."""
    if reason.startswith("text "):
        return {"text": reason.removeprefix("text ")}
    codes = [code.rpartition(":") for code in reason.split("+") if code != "none"]
    own = options.get("absent-system", SYSTEMS["absent"])
    return {"coding": [{"system": SYSTEMS.get(prefix, own), "code": code} for prefix, _, code in codes]}


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


def _ranges(options: dict[str, str], unit: str) -> list[dict[str, Any]]:
    """`limit=60 low=10`, or `limits="60 for male, 35 for female aged 18-64, text 0-40"`."""
    unit = options.get("range-unit", options.get("unit", unit))
    ranges = [
        _limits(words.split(), unit, options) for words in options.get("limits", "").split(",") if words
    ]
    sides = {side: options[o] for side, o in (("high", "limit"), ("low", "low")) if o in options}
    bounds = {side: {"value": json.loads(value)} | _coded(unit) for side, value in sides.items()}
    return ([bounds] if bounds else []) + ranges


def _coded(unit: str) -> dict[str, str]:
    return {"unit": unit, "system": UCUM, "code": unit} if unit and unit != "none" else {}


def _limits(words: list[str], unit: str, options: dict[str, str]) -> dict[str, Any]:
    """One of `limits`: an upper limit or a range, then `for SEX`, `for-text WORD`, `aged 18-64`, `type KIND`, `typed-as WORD`
    (a local code that is called so), `in UNIT`, `titled WORD`.

    Or `text WORDS`.
    """
    if words[0] == "text":
        return {"text": " ".join(words[1:])}
    more = dict(zip(words[1::2], words[2::2], strict=True))
    ends = words[0].split("-") if words[0][0] != "-" else [words[0]]
    coded = _coded(more.pop("in", unit))
    found: dict[str, Any] = {
        side: {"value": json.loads(end)} | coded
        for side, end in zip(("high", "low"), ends[::-1], strict=False)
        if end
    }
    if title := more.pop("titled", ""):
        found["text"] = title
    if sex := more.pop("for", ""):
        known = coding("qualifiers", sex if ":" in sex else f"gender:{sex}")
        found["appliesTo"] = [{"coding": [known | _other_system(options, "sex-system")]}]
    if group := more.pop("for-text", ""):
        found["appliesTo"] = [{"text": group}]
    if called := more.pop("typed-as", ""):
        found["type"] = {"coding": [{"system": SYSTEMS["local"], "code": "7", "display": called}]}
    if ages := more.pop("aged", ""):
        sides = zip(("low", "high"), ages.split("-"), strict=True)
        found["age"] = {s: {"value": int(age), "system": UCUM, "code": "a"} for s, age in sides if age}
    if kind := more.pop("type", ""):
        system = SYSTEMS["range"]
        found["type"] = {"coding": [{"system": system, "code": kind} | _other_system(options, "type-system")]}
    if more:
        raise ValueError(f"limits: nobody reads {more}")
    return found


def _other_system(options: dict[str, str], option: str) -> dict[str, str]:
    return {"system": options[option]} if option in options else {}
