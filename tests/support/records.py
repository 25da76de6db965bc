"""A Hypothesis strategy of small patient records that lie at the boundaries of the clinical rules."""

import json
from copy import deepcopy
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from . import record_care as care
from . import record_courses as courses
from . import record_doubts as doubts
from . import record_history as history
from . import record_labs as labs
from . import record_other_labs as other_labs
from . import record_phases as phases
from .record_draw import AS_OF, BASE, LOINC, Chart

HEALTH = list(HealthCheck)  # records are large for Hypothesis; how long they take is known
ZONES = (*("UTC",) * 5, "America/New_York", "Asia/Shanghai")
URN = "urn:uuid:5f1c8f0e-0000-4000-8000-000000000001"


@dataclass(frozen=True)
class Record:
    """A Bundle, the moment it is looked at, and the client's settings."""

    bundle: dict
    as_of: str
    time_zone: str = "UTC"
    accept_unknown_status: bool = False
    any_encounter_counts: bool = True
    also_known_as: tuple = ()
    site_map: tuple = ()
    failed: tuple = ()
    not_offered: tuple = ()

    def text(self) -> str:
        """The Bundle as JSON text."""
        return json.dumps(self.bundle, indent=1, ensure_ascii=False)


KEYS = (
    "enzymes",
    "ana",
    "cardiacTests",
    "antibodies",
    "medicationRequests",
    "bloodCount",
    "lungFunction",
    "encounters",
    "appointments",
    "orders",
    "procedures",
    "reports",
)
MEDICATIONS = (
    "medicationRequests",
    "medicationStatements",
    "medicationDispenses",
    "medicationAdministrations",
)
SITE_MAP = (
    ("http://local.example", "REFR", "refractory"),
    ("http://local.example", "PLEX", "plasma-exchange"),
    ("http://local.example", "WEAK", "severe-weakness"),
    ("http://local.example", "BIOP", "necrotizing-biopsy"),
)


def drawn(first: int, count: int) -> list[Record]:
    """So many records, the same ones for the same seed."""
    found: list[Record] = []

    @seed(first)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=HEALTH,
    )
    @given(records())
    def collect(record: Record) -> None:
        found.append(record)

    collect()
    return found


@st.composite
def records(draw) -> Record:
    """One patient: mostly eligible, with enough on record to be scored; sometimes with nothing amiss."""
    chart = Chart(draw, draw(st.sampled_from(AS_OF)))
    chart.patient_reference = history.identity(chart)
    site_map = SITE_MAP if chart.rarely(6) else ()
    failed = tuple(
        chart.pick(*KEYS) for _ in chart.how_many(*(0,) * 9, 1, 0, 0)
    )  # drawn first: seldom so at the end
    missing = not_offered(chart)
    if chart.rarely(8):
        care.quiet(chart)
    else:
        eventful(chart, site_mapped if site_map else None)
    return Record(
        bundle=bundle_of(chart),
        as_of=chart.as_of_text,
        time_zone=chart.pick(*ZONES),
        accept_unknown_status=chart.rarely(4),
        any_encounter_counts=not chart.rarely(4),
        also_known_as=("http://fhir.internal",) if chart.rarely(3) else (),
        site_map=site_map,
        failed=failed,
        not_offered=missing,
    )


def eventful(chart: Chart, site_codes) -> None:
    """A history, the care of it, and what went wrong in writing it down."""
    eligible(chart)
    predictors(chart)
    surroundings(chart)
    if site_codes:
        site_codes(chart)
    if chart.rarely(2):
        phases.phase(chart)
    for _ in chart.how_many(0, 1, 2, 1):
        care.care(chart)
    for _ in chart.how_many(0, 1, 2, 1, 0):
        spoil(chart)
    for _ in chart.how_many(0, 1, 2, 3, 1, 0):
        doubts.doubtful(chart)
    if chart.rarely(4):
        doubts.activity_in_doubt(chart)


def not_offered(chart: Chart) -> tuple:
    """Sources that the server does not have: mostly none, sometimes one, sometimes all medicines."""
    if not chart.rarely(15):
        return ()
    return MEDICATIONS if chart.rarely(5) else (chart.pick(*KEYS),)


def eligible(chart: Chart) -> None:
    """A core code; or a broad code, an antibody and a high CK; or something short of it."""
    scenario = chart.pick(*("core",) * 7, "broad", "drawn", "broad", "core")
    if scenario == "core":
        history.condition(chart, "core", plain=True)
    elif scenario == "broad":
        history.condition(
            chart, "broad", "broad", "broad-antibody", "broad-hmgcr", plain=chart.pick(True, True, False)
        )
        (courses.serology if chart.rarely(3) else labs.antibody)(chart)
        if chart.rarely(2):
            courses.ck_at(chart, 400, 1000, 5000)
        else:
            labs.ck(chart, chart.edge(400, 30), 1001, 1000, 999, 5000, 5000)
    else:
        history.condition(chart, *history.OTHER_CONDITIONS)
    for _ in chart.how_many(0, 1, 2, 0):
        history.condition(chart, *history.OTHER_CONDITIONS)
    for _ in chart.how_many(0, 1, 2, 1):
        labs.antibody(chart)


def predictors(chart: Chart) -> None:
    """Enzymes, ANA, cardiac tests and medicines."""
    for _ in chart.how_many(1, 2, 0, 3, 1):
        labs.enzyme_pair(chart)
    if chart.rarely(5):
        labs.direct_ratio(chart)
    for _ in chart.how_many(1, 2, 0, 3, 1):
        labs.ck(chart, chart.edge(1, 30, 59, 60, 90, 120, 180, 300, 365, 600))
    for _ in chart.how_many(1, 2, 0, 1):
        labs.ana(chart)
    for _ in chart.how_many(1, 0, 2, 1):
        other_labs.cardiac_test(chart)
    for _ in chart.how_many(0, 1, 2, 3, 0):
        history.regimen(chart)
    for _ in chart.how_many(1, 0, 2, 1):
        courses.course(chart)
    if chart.rarely(3):
        courses.all_known(chart)


def surroundings(chart: Chart) -> None:
    """Visits, plans, orders, procedures, reports and what is shown beside the score."""
    for _ in chart.how_many(0, 1, 2, 1):
        history.encounter(chart)
    if chart.rarely(4):
        history.appointment(chart)
    for _ in chart.how_many(0, 1, 2, 0):
        history.order(chart)
    for _ in chart.how_many(0, 1, 2, 0):
        history.procedure(chart)
    if chart.rarely(4):
        history.diagnostic_report(chart)
    for _ in chart.how_many(0, 1, 2, 0):
        other_labs.blood_count(chart)


def site_mapped(chart: Chart) -> None:
    """Resources with the site's own codes."""
    code = chart.pick("REFR", "PLEX", "WEAK", "BIOP", "BIOP")
    concept = {"coding": [{"system": "http://local.example", "code": code}]}
    time = chart.edge(30, 100, 400)
    if code == "BIOP":
        biopsy(chart, concept, time)
    elif code == "PLEX":
        courses.given(chart, "methotrexate", 200, None)
        time = chart.when(200 - chart.pick(90, 89, 91), ("instant", "day"))
        period = {"start": time, "end": chart.when(20)}
        performed = chart.pick({"performedDateTime": time}, {"performedPeriod": period})
        chart.add("Procedure", status="completed", code=concept, **performed)
    elif chart.rarely(2):
        chart.add("Condition", code=concept, onsetDateTime=time)
    else:
        chart.add("Observation", status="final", code=concept, effectiveDateTime=time, valueString="yes")


def biopsy(chart: Chart, concept: dict, time: str) -> None:
    """E2b: both antibodies negative, a broad code, a high CK, and a biopsy or none that could be read."""
    if not chart.rarely(4):
        phases.without(chart, "anti-srp", "anti-hmgcr")
        for role in ("anti-srp", "anti-hmgcr"):
            labs.observation(chart, role, chart.when(300, ("day",)), valueString="Negative")
        history.condition(chart, "broad", plain=True)
        courses.ck_at(chart, chart.pick(300, 700), 5000, 1001)
    kind = chart.pick("Procedure", "Observation", "DiagnosticReport", "Condition", "none", "none")
    held = {
        "Procedure": {"status": "completed", "performedDateTime": time},
        "Observation": {"status": "final", "effectiveDateTime": time, "valueString": "necrotizing"},
        "DiagnosticReport": {"status": "final", "effectiveDateTime": time},
        "Condition": {},
    }
    if kind != "none":
        chart.add(kind, code=concept, **held[kind])


def spoil(chart: Chart) -> None:
    """One thing that a careless reader would overlook."""
    resource = chart.pick(*range(len(chart.resources)))
    resource = chart.resources[resource]
    how = chart.pick(
        "status",
        "patient",
        "extension",
        "version",
        "copy",
        "twin",
        "future",
        "absent",
        "code",
        "focus",
        "none",
    )
    if how == "status":
        resource["status"] = chart.pick(
            "entered-in-error", "preliminary", "cancelled", "unknown", "registered"
        )
    elif how == "patient" and "subject" in resource:
        resource["subject"] = chart.pick(
            {"reference": "Patient/p2"},
            {"reference": "http://other.example/fhir/Patient/p1"},
            {"identifier": {"value": "1"}},
        )
    elif how == "extension":
        spot = chart.pick("top", "inside", "rules")
        spoil_extension(resource, spot)
    elif how in ("version", "copy", "twin"):
        spoil_copy(chart, resource, how)
    elif how == "future":
        spoil_time(chart, resource)
    elif how == "absent" and resource["resourceType"] == "Observation":
        for name in [name for name in resource if name.startswith("value")]:
            del resource[name]
        resource["dataAbsentReason"] = {"coding": [{"code": "error"}]}
    elif how == "code" and "code" in resource and resource["resourceType"] != "Medication":
        other = {"system": LOINC, "code": chart.pick("1742-6", "2157-6", "99999-9")}
        resource["code"] = {"coding": [*resource["code"].get("coding", []), other]}
    elif how == "focus" and resource["resourceType"] == "Observation":
        resource["focus"] = [{"reference": "Device/1"}]
    elif how == "none" and "subject" in resource:
        del resource["subject"]


def spoil_extension(resource: dict, spot: str) -> None:
    unknown = [{"url": "http://local.example/unknown", "valueBoolean": True}]
    if resource["resourceType"] == "Medication":
        return
    if spot == "rules":
        resource["implicitRules"] = "http://local.example/rules"
    elif spot == "inside" and resource.get("dosageInstruction"):
        resource["dosageInstruction"][0]["modifierExtension"] = unknown
    else:
        resource["modifierExtension"] = unknown


def spoil_copy(chart: Chart, resource: dict, how: str) -> None:
    """An identical copy, a twin under another id, or an older version of the same id."""
    copy = deepcopy(resource)
    if how == "version":
        older = chart.pick(
            ({"versionId": "2"}, {"versionId": "10"}),
            ({"lastUpdated": "2025-01-01T00:00:00Z"}, {"lastUpdated": "2025-01-01T08:00:00+09:00"}),
            ({"versionId": "3", "lastUpdated": "2025-01-02T00:00:00Z"}, {"versionId": "4"}),
        )
        resource["meta"], copy["meta"] = older
        spoil_time(chart, copy) if chart.rarely(2) else copy.update(status="entered-in-error")
    if how == "twin":
        copy["id"] = f"{resource['id']}-twin"
    chart.resources.insert(chart.pick(0, len(chart.resources)), copy)


def spoil_time(chart: Chart, resource: dict) -> None:
    """Within the day after `as_of`, or later."""
    for name in ("effectiveDateTime", "onsetDateTime", "authoredOn", "performedDateTime", "whenHandedOver"):
        if name in resource:
            resource[name] = chart.edge(-1, -1.00002, -0.5, shapes=("instant", "day", "offset"))
            if chart.rarely(6):
                del resource[name]
            return


def bundle_of(chart: Chart) -> dict:
    """A collection Bundle; the Patient's fullUrl is absolute, a urn, or not there."""
    person = history.patient(chart)
    url = {BASE: f"{BASE}/Patient/p1"}.get(BASE)
    if chart.patient_reference.startswith("urn"):
        url = URN
    elif not chart.patient_reference.startswith("http") and chart.rarely(3):
        url = ""
    entries: list[dict] = [{"fullUrl": url, "resource": person} if url else {"resource": person}]
    for resource in chart.resources:
        entries.append({"resource": resource})
    if chart.rarely(3):
        entries.reverse()
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}
