"""What the demonstration EHR can be searched by: FHIR R4 search parameters, each with the elements that it reads.

Only parameters of FHIR R4, with its names. Anything else is refused, as HAPI does, so that a mistake in a query shows.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Any, Literal

Resource = Mapping[str, Any]
Test = Callable[[Resource], bool]

_PREFIXED = re.compile(
    r"(eq|ge|gt|le|lt)?(\d{4}(?:-\d{2}){0,2}|\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:\d{2}))"
)
_DATE_PARTS = 3


class SearchError(ValueError):
    """The search cannot be done; the message says why, for the OperationOutcome."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter: its kind, and the elements of the resource that it reads."""

    kind: Literal["token", "reference", "date"]
    elements: tuple[str, ...]


def _token(*elements: str) -> Parameter:
    return Parameter("token", elements)


def _reference(*elements: str) -> Parameter:
    return Parameter("reference", elements)


def _date(*elements: str) -> Parameter:
    return Parameter("date", elements)


_SUBJECT = {"patient": _reference("subject"), "subject": _reference("subject")}
_CODE = {"code": _token("code")}
_STATUS = {"status": _token("status")}
_CATEGORY = {"category": _token("category")}
_MEDICINE = _SUBJECT | _STATUS | {"code": _token("medicationCodeableConcept")}
_EFFECTIVE = _date("effectiveDateTime", "effectivePeriod")

PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "Patient": {"identifier": _token("identifier"), "birthdate": _date("birthDate")},
    "Condition": _SUBJECT
    | _CODE
    | _CATEGORY
    | {"clinical-status": _token("clinicalStatus"), "verification-status": _token("verificationStatus")}
    | {"onset-date": _date("onsetDateTime"), "recorded-date": _date("recordedDate")},
    "Observation": _SUBJECT | _CODE | _CATEGORY | _STATUS | {"date": _EFFECTIVE},
    "DiagnosticReport": _SUBJECT | _CODE | _CATEGORY | _STATUS | {"date": _EFFECTIVE},
    "Procedure": _SUBJECT | _CODE | _STATUS | {"date": _date("performedDateTime")},
    "MedicationRequest": _MEDICINE | {"intent": _token("intent"), "authoredon": _date("authoredOn")},
    "MedicationStatement": _MEDICINE | {"effective": _EFFECTIVE},
    "MedicationDispense": _MEDICINE | {"whenhandedover": _date("whenHandedOver")},
    "MedicationAdministration": _MEDICINE | {"effective-time": _EFFECTIVE},
    "Medication": _CODE,
    "Encounter": _SUBJECT
    | _STATUS
    | {"class": _token("class"), "type": _token("type"), "date": _date("period")},
    "Appointment": _STATUS
    | {"patient": _reference("participant"), "actor": _reference("participant"), "date": _date("start")}
    | {"service-type": _token("serviceType"), "specialty": _token("specialty")}
    | {"appointment-type": _token("appointmentType")},
    "ServiceRequest": _SUBJECT
    | _CODE
    | _STATUS
    | {"intent": _token("intent"), "authored": _date("authoredOn")},
    "Specimen": _SUBJECT | {"type": _token("type")},
    "AllergyIntolerance": _CODE | {"patient": _reference("patient")},
    "Immunization": _STATUS | {"patient": _reference("patient"), "date": _date("occurrenceDateTime")},
}


def select(
    resources: Iterable[Resource], resource_type: str, asked: Iterable[tuple[str, str]]
) -> list[Resource]:
    """The resources of one type that fulfil every search parameter, in the order of the input. Raises SearchError."""
    tests = [_test(resource_type, name, value) for name, value in asked]
    return [resource for resource in resources if all(test(resource) for test in tests)]


def _test(resource_type: str, name: str, value: str) -> Test:
    """One search parameter as a test; commas in `value` separate alternatives."""
    known = PARAMETERS[resource_type]
    if name not in {"_id", *known}:
        names = ", ".join(sorted({"_id", "_count", *known}))
        raise SearchError(f"unknown search parameter for {resource_type}; known are: {names}")
    alternatives = [re.sub(r"\\(.)", r"\1", each) for each in re.split(r"(?<!\\),", value)]
    if not all(alternatives):
        raise SearchError("a search parameter without a value would find every patient's data")
    if name == "_id":
        return lambda resource: resource["id"] in alternatives
    make = {"token": _token_test, "reference": _reference_test, "date": _date_test}[known[name].kind]
    return make(known[name].elements, alternatives)


def _values(resource: Resource, elements: tuple[str, ...]) -> list[Any]:
    return [resource[element] for element in elements if element in resource]


def _token_test(elements: tuple[str, ...], alternatives: list[str]) -> Test:
    """`code`, `system|code`, `|code` or `system|`, against any kind of coded element."""
    wanted = set(alternatives)

    def test(resource: Resource) -> bool:
        tokens = _tokens(_values(resource, elements))
        return any(wanted & {code, f"{system}|{code}", f"{system}|"} for system, code in tokens)

    return test


def _tokens(element: Any) -> Iterator[tuple[str, str]]:
    """(system, code) of a code, an Identifier, a Coding, a CodeableConcept or a list of them."""
    if isinstance(element, str):
        yield "", element
    elif isinstance(element, list):
        for each in element:
            yield from _tokens(each)
    elif "coding" in element:
        yield from _tokens(element["coding"])
    else:
        yield element.get("system", ""), element.get("code", element.get("value", ""))


def _reference_test(elements: tuple[str, ...], alternatives: list[str]) -> Test:
    """`id`, `Patient/id` or an absolute address that ends so; every reference of the samples is relative."""
    wanted = {"/".join(["Patient", *each.split("/")][-2:]) for each in alternatives}

    def test(resource: Resource) -> bool:
        for element in _values(resource, elements):
            # of an Appointment those of all actors
            actors = [each["actor"] for each in element] if isinstance(element, list) else [element]
            if any(actor["reference"] in wanted for actor in actors if "reference" in actor):
                return True
        return False

    return test


def _date_test(elements: tuple[str, ...], alternatives: list[str]) -> Test:
    asked = [_asked(value) for value in alternatives]

    def test(resource: Resource) -> bool:
        spans = [_span(element) for element in _values(resource, elements)]
        return any(_within(span, *each) for span in spans for each in asked)

    return test


def _asked(value: str) -> tuple[str, datetime, datetime]:
    """The prefix of a date, and the first and last instant of the date."""
    prefixed = _PREFIXED.fullmatch(value)
    try:
        if prefixed:
            return prefixed[1] or "eq", *_span(prefixed[2])
    except ValueError:
        pass
    raise SearchError(
        "a date is written like 2026-03-01 or 2026-03-01T08:00:00Z, after eq, ge, gt, le, lt or nothing"
    )


def _within(span: tuple[datetime, datetime], prefix: str, first: datetime, last: datetime) -> bool:
    begin, end = span
    return {
        "eq": first <= begin and end <= last,
        "ge": end >= first,
        "gt": end > last,
        "le": begin <= last,
        "lt": begin < first,
    }[prefix]


def _span(element: str | Mapping[str, str]) -> tuple[datetime, datetime]:
    """First and last instant of a date as precisely as it is written, or of a Period."""
    if not isinstance(element, str):
        begin = _span(element["start"])[0]
        return begin, _span(element["end"])[1] if "end" in element else datetime.max.replace(tzinfo=UTC)
    if "T" in element:
        instant = datetime.fromisoformat(element)
        return instant, instant
    parts = [int(part) for part in element.split("-")]
    begin = datetime(*[*parts, 1, 1][:_DATE_PARTS], tzinfo=UTC)  # type: ignore[misc, arg-type]
    if begin.year == MAXYEAR:  # what is written for "without an end"; nothing comes after it
        return begin, datetime.max.replace(tzinfo=UTC)
    next_day = begin + timedelta(days=1)
    next_month = (begin.replace(day=1) + timedelta(days=31)).replace(day=1)
    next_year = begin.replace(year=begin.year + 1, month=1, day=1)
    after = (next_year, next_month, next_day)[len(parts) - 1]
    return begin, after - timedelta(microseconds=1)
