"""The other resources of the specification tables, and what every resource may carry."""

from typing import Any

from tests.spec.medications import MEDICATIONS, medication
from tests.spec.observations import observation
from tests.spec.words import SYSTEMS, codings, is_in, period, when

CERTAINTY = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"


class Options(dict[str, str]):
    """The `name=value` words of a phrase; remembers which were read, so that a misspelt one is an error."""

    def __init__(self, pairs: Any) -> None:
        super().__init__(pairs)
        self.unread = set(self)

    def __contains__(self, name: object) -> bool:
        self.unread.discard(str(name))
        return super().__contains__(name)

    def __getitem__(self, name: str) -> str:
        self.unread.discard(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As in a dict."""
        self.unread.discard(name)
        return super().get(name, default)


def resource_of(kind: str, plain: list[str], options: Options, number: str) -> dict[str, Any]:
    """One phrase → one resource; `number` is its id unless the phrase gives one."""
    times = [when(w[1:]) for w in plain if w.startswith("@")]
    words = [w for w in plain if not w.startswith("@")]
    elsewhere = "period" in options or "instant" in options
    time = times[0] if times else None if elsewhere else when("-30d")
    if kind == "imnm":
        time = times[0] if times else when("-1000d")
    resource = {"id": number, "subject": {"reference": "Patient/p1"}} | _made(kind, words, time, options)
    _everywhere(resource, options)
    return resource


def _made(kind: str, words: list[str], time: str | None, options: Options) -> dict[str, Any]:
    if kind in MEDICATIONS:
        return medication(kind, words, time, options)
    match kind:
        case "imnm":
            return _condition("core", time, options)
        case "condition":
            return _condition(words[0], time, options)
        case "medication":
            return {"resourceType": "Medication", "code": {"coding": codings("medications", words[0])}}
        case "encounter":
            return _encounter(words, time, options)
        case "appointment":
            return _appointment(words, time, options)
        case "order":
            return _order(words, time, options)
        case "procedure":
            return _procedure(words, time, options)
        case "report":
            return _report(words, time, options)
    return observation(kind, words, time, options)


def _everywhere(resource: dict[str, Any], options: Options) -> None:
    """Options that any resource takes: id, subject, status, versions, extensions we do not understand, display text.

    `odd=status+issued`: elements in which a number stands that does not belong there.
    """
    if resource["resourceType"] in {"Appointment", "Medication"}:
        del resource["subject"]
    if "id" in options:
        resource["id"] = options["id"]
    if "subject" in options:
        resource["subject"] = _reference(options["subject"])
        if options["subject"] == "none":
            del resource["subject"]
    if "status" in options:
        resource["status"] = options["status"]
        if options["status"] == "none":
            del resource["status"]
    if "modifier" in options:
        resource["modifierExtension"] = [{"url": options["modifier"], "valueBoolean": True}]
    if "rules" in options:
        resource["implicitRules"] = options["rules"]
    if "rules-inside" in options:
        resource["contained"] = [
            {"resourceType": "Specimen", "id": "s", "implicitRules": options["rules-inside"]}
        ]
    if "updated" in options:
        resource["meta"] = {"lastUpdated": when(options["updated"])}
    if "version" in options:
        resource.setdefault("meta", {})["versionId"] = options["version"]
    code = resource.get("code") or resource.get("medicationCodeableConcept") or {}
    if "display" in options:
        code["text"] = options["display"]
        code["coding"] = [c | {"display": options["display"]} for c in code["coding"]]
    if "coded-in" in options:
        code["coding"] = [c | {"system": options["coded-in"]} for c in code["coding"]]
    resource |= dict.fromkeys(options["odd"].split("+"), 5) if "odd" in options else {}


def _reference(subject: str) -> dict[str, Any]:
    kind, _, value = subject.partition(":")
    return {"identifier": {"value": value}} if kind == "identifier" else {"reference": subject}


def _condition(what: str, time: str | None, options: Options) -> dict[str, Any]:
    """`clinical=`, `verification=` (none: not given, `a+b`: two codings), `certainty=`, `recorded=`, `abatement=`."""
    resource: dict[str, Any] = {
        "resourceType": "Condition",
        "code": {"coding": codings("conditions", what)},
    }
    for status, name, usual in (
        ("clinical", "condition-clinical", "active"),
        ("verification", "condition-ver-status", "confirmed"),
    ):
        code = options.get(status, usual)
        if code != "none":
            resource[f"{status}Status"] = {"coding": [_status(name, part) for part in code.split("+")]}
    if "certainty" in options:
        said = [{"system": SYSTEMS["kbv"], "code": letter} for letter in options["certainty"]]
        extensions = [{"extension": [{"url": CERTAINTY, "valueCoding": coding}]} for coding in said]
        pairs = zip(resource["code"]["coding"], extensions, strict=True)
        resource["code"] = {"coding": [coding | extension for coding, extension in pairs]}
    if "period" in options:
        resource["onsetPeriod"] = period(options["period"])
    if time:
        resource["onsetDateTime"] = time
    for option, element in (("recorded", "recordedDate"), ("abatement", "abatementDateTime")):
        if option in options:
            resource[element] = when(options[option])
    return resource


def _status(name: str, word: str) -> dict[str, str]:
    """A code of a status, in another system where one is named: `snomed:55561003`."""
    system, colon, code = word.rpartition(":")
    own = f"http://terminology.hl7.org/CodeSystem/{name}"
    return {"system": SYSTEMS[system] if colon else own, "code": code}


def _procedure(words: list[str], time: str | None, options: Options) -> dict[str, Any]:
    code = {"coding": [c for w in words for c in codings("procedures", w)]}
    resource = {"resourceType": "Procedure", "status": "completed", "code": code}
    resource |= {"performedDateTime": time} if time else {}
    return resource | ({"performedPeriod": period(options["period"])} if "period" in options else {})


def _encounter(words: list[str], time: str | None, options: Options) -> dict[str, Any]:
    """`encounter AMB visit @-30d`: class (`none`: not given), then service type (a visit word, a code, or nothing)."""
    resource: dict[str, Any] = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": options.get("class-in", SYSTEMS["act"]), "code": words[0]},
        "period": {"start": when(options.get("from", "none")) or time, "end": time},
    }
    if options.get("end") == "none" or time is None:
        del resource["period"]["end"]
    if not resource["period"].get("start"):
        del resource["period"]
    if words[0] == "none":
        del resource["class"]
    for word in words[1:]:
        other = {"system": options["service-in"]} if "service-in" in options else {}
        resource["serviceType"] = {"coding": [c | other for c in _visit_codings(word)]}
    if "type" in options:
        resource["type"] = [{"coding": _visit_codings(options["type"])}]
    if "specialty" in options:
        role = {"resourceType": "PractitionerRole", "id": "role"}
        resource["contained"] = [role | {"specialty": [{"coding": _visit_codings(options["specialty"])}]}]
        resource["participant"] = [{"individual": {"reference": "#role"}}]
    return resource


def _visit_codings(word: str) -> list[dict[str, str]]:
    return codings("visits" if word == "visit" else "specialties", word)


def _appointment(words: list[str], time: str | None, options: Options) -> dict[str, Any]:
    """`appointment visit @+20d`: the specialty; `service=`, `type=`, `created=`, `who=`."""
    resource: dict[str, Any] = {
        "resourceType": "Appointment",
        "status": "booked",
        "start": time,
        "participant": [{"actor": {"reference": options.get("who", "Patient/p1")}, "status": "accepted"}],
    }
    for word in words:
        resource["specialty"] = [{"coding": _visit_codings(word)}]
    if "service" in options:
        resource["serviceType"] = [{"coding": _visit_codings(options["service"])}]
    if "type" in options:
        resource["appointmentType"] = {"coding": _visit_codings(options["type"])}
    if "created" in options:
        resource["created"] = when(options["created"])
    return resource


def _order(words: list[str], time: str | None, options: Options) -> dict[str, Any]:
    """`order ck`; `intent=`, `stop=yes` (doNotPerform), `for=` (occurrence)."""
    tables = [(w, "observations" if ":" in w or is_in("observations", w) else "procedures") for w in words]
    resource: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": options.get("intent", "order"),
        "code": {"coding": [c for word, table in tables for c in codings(table, word)]},
    }
    resource |= {"authoredOn": time} if time else {}
    if "for" in options:
        resource["occurrenceDateTime"] = when(options["for"])
    return resource | ({"doNotPerform": True} if options.get("stop") == "yes" else {})


def _report(words: list[str], time: str | None, options: Options) -> dict[str, Any]:
    """`report echo`, or `report results=a1+b1`: a report of any kind that lists results."""
    tables = [(w, "observations" if ":" in w or is_in("observations", w) else "procedures") for w in words]
    code = {"coding": [c for word, table in tables for c in codings(table, word)], "text": "report"}
    resource: dict[str, Any] = {"resourceType": "DiagnosticReport", "status": "final", "code": code}
    resource |= {"effectiveDateTime": time} if time else {}
    if "period" in options:
        resource["effectivePeriod"] = period(options["period"])
    if "issued" in options:
        resource["issued"] = when(options["issued"])
    if "results" in options:
        resource["result"] = [{"reference": f"Observation/{r}"} for r in options["results"].split("+")]
    return resource
