"""The phrases of the specification tables: "ast 174 @-10d; alt 100 @-10d" → FHIR resources.

`tests/spec/rules/0-how-to-read.md` describes them. Times are counted back from `AS_OF`, and `{a,b}` anywhere makes one
case of each alternative.
"""

import itertools
import json
import re
import shlex
from dataclasses import dataclass, field
from typing import Any

from tests.spec.resources import Options, resource_of
from tests.spec.shorthand import spelled_out
from tests.spec.words import AS_OF, SYSTEMS, TABLES, every_code, every_word, when

__all__ = ["AS_OF", "TABLES", "Record", "alternatives", "read"]

_OPTION = re.compile(r"^[a-z][a-z_-]*=")
_ALTERNATIVES = re.compile(r'\{(?!\s*"[^"]*"\s*:)((?:[^{}"]|"[^"{}]*")*)\}')  # not the braces of JSON
_CHOICE = re.compile(r'(?:[^,"]|"[^"]*")+|(?<![^,])(?=,)|(?<=,)$')  # a comma in quotes separates nothing
_EVERY, _EVERY_WORD = "every ", "every word "
_PHRASE = re.compile(r'(?:[^;"]|"[^"]*")+')  # a semicolon in quotes ends nothing


@dataclass
class Record:
    """One case: the resources of one patient, and how they reach us."""

    resources: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    not_offered: list[str] = field(default_factory=list)
    site_map: list[tuple[str, str, str]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    base: str = ""  # the client's FHIR base
    full_urls: dict[int, str] = field(default_factory=dict)  # place in `resources` → fullUrl in the Bundle
    time_zero: str = ""  # of the model, which then has landmarks: "onset+180"


def alternatives(row: str) -> list[str]:
    """`a {b,c} d` → ["a b d", "a c d"]; `{every ck}` → each code of the role; `{{titer}}` → "{titer}".

    `{every word core}` → each of its words.
    """
    parts = _ALTERNATIVES.split(row)
    choices = [
        [p] if i % 2 == 0 else [c for choice in _CHOICE.findall(p) for c in _each(choice.strip())]
        for i, p in enumerate(parts)
    ]
    return ["".join(choice) for choice in itertools.product(*choices)]


def _each(choice: str) -> tuple[str, ...]:
    if choice.startswith(_EVERY_WORD):
        return every_word(choice.removeprefix(_EVERY_WORD))
    return every_code(choice.removeprefix(_EVERY)) if choice.startswith(_EVERY) else (choice,)


def read(text: str) -> Record:
    """One case of a table's `record` cell → the resources of one patient (a woman born in 1970 unless it says else)."""
    record = Record()
    patient = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1970-01-01"}
    record.resources.append(patient)
    for number, phrase in enumerate(filter(None, (p.strip() for p in _PHRASE.findall(spelled_out(text))))):
        is_json = phrase.startswith("json ")
        if not is_json and re.search(r'\{[^{}"]*,', phrase):
            raise ValueError(f"alternatives cannot hold braces: {phrase}")
        words = ["json", phrase[5:]] if is_json else shlex.split(phrase)
        _phrase(record, words, f"r{number}")
    return record


def _phrase(record: Record, words: list[str], number: str) -> None:
    kind, rest = words[0], words[1:]
    options = Options(w.split("=", 1) for w in rest if _OPTION.match(w))
    plain = [w for w in rest if not _OPTION.match(w)]
    match kind:
        case "patient":
            _patient(record, options)
        case "no-patient":
            record.resources[0] = {"resourceType": "Basic", "id": "p1"}
        case "failed":
            record.failed.update(dict.fromkeys(plain, "timed out"))
        case "not-offered":
            record.not_offered += plain
        case "site":
            record.site_map.append((SYSTEMS["local"], plain[0], " ".join(plain[1:])))
        case "setting":
            record.settings |= {name.replace("-", "_"): _setting(options[name]) for name in options}
        case "time-zero":
            record.time_zero = plain[0]
        case "json":
            record.resources.append(json.loads(plain[0]))
        case _:
            if "url" in options:
                record.full_urls[len(record.resources)] = options["url"]
            record.resources.append(resource_of(kind, plain, options, number))
    if options.unread:
        raise ValueError(f"{kind}: nobody reads {', '.join(sorted(options.unread))}")


def _setting(value: str) -> Any:
    return json.loads(value) if value in {"true", "false"} or value.startswith("{") else value


def _patient(record: Record, options: Options) -> None:
    """Names and times of the one Patient; `url=` is its fullUrl, from which the base follows as in `explain FILE`."""
    patient = record.resources[0]
    for option, element in (("sex", "gender"), ("born", "birthDate"), ("died", "deceasedDateTime")):
        if option not in options:
            continue
        patient.pop(element, None)
        if options[option] == "yes":
            patient["deceasedBoolean"] = True
        elif options[option] != "none":
            written = when(options[option]) or ""
            patient[element] = written[:10] if option == "born" else written
    if "url" in options:
        record.full_urls[0] = url = options["url"]
        record.base = url.removesuffix("/Patient/p1") if url.endswith("/Patient/p1") else ""
    if "base" in options:
        record.base = options["base"]
