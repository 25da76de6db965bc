"""What the audit says of an assessment: one reason for each, and "nothing to say" exactly where there is no card."""

import json
import re
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from cds_service.cards.assessment import Assessment, assess
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.render import render
from cds_service.cards.why import why
from cds_service.commands.chart_file import read_bundle
from cds_service.commands.explain import caller_for
from cds_service.demo.patients import chart
from cds_service.events import Event
from cds_service.fhir.gather import Gathering
from cds_service.web.audit import audited, crash, shown
from fhir_mapping.checks import judge
from fhir_mapping.evidence import Barring
from fhir_mapping.record import Doubt, Gathered, Source
from models.registry import default_folder, load_model
from tests.golden.charts import AS_OF, CLIENT, NAMES
from tests.support.changes import replace

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
MODEL = load_model(default_folder())
EVERY_SETTING = [
    CardSettings(show_possible=possible, quiet_low=quiet)
    for possible in (True, False)
    for quiet in (True, False)
] + [CardSettings(accepted=False)]


@cache
def _mapping():
    return caller_for(CLIENT).mapping


def gathered(name: str, failed: tuple[str, ...] = (), **patient: object) -> Gathered:
    """A sample patient's record; `failed` keys could not be read, `patient` has members of the Patient changed."""
    bundle = json.loads(json.dumps(chart(name)))
    person = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient")
    person.update(patient)
    record = read_bundle(json.dumps(bundle).encode(), _mapping())
    unread = {key: Source("failed", (), "HTTP 503") for key in failed}
    return replace(record, sources={**record.sources, **unread})


def assessed(name: str, failed: tuple[str, ...] = (), days: int = 0, **patient: object) -> Assessment:
    """The assessment of a sample patient, this many days after the day for which the chart was written."""
    return assess(judge(gathered(name, failed, **patient), AS_OF + timedelta(days=days)), MODEL)


def in_band(name: str, band: str) -> Assessment:
    found = assessed(name)
    return replace(found, advice=replace(found.advice, band=band))


def in_phase(phase: str, found: Assessment) -> Assessment:
    """The same in another phase of the disease."""
    now = replace(found.findings.activity, phase=phase)
    return replace(found, findings=replace(found.findings, activity=now))


def in_doubt(found: Assessment) -> Assessment:
    """The same, and something that would matter could not be used."""
    barring = Barring(Doubt("Observation/x", "ck", "no unit", AS_OF), ("silence",))
    return replace(found, findings=replace(found.findings, doubts=(barring,)))


KINDS = [
    ("possible relapse", lambda: assessed("relapse-now")),
    ("CK rising", lambda: assessed("single-high-ck")),
    ("active disease", lambda: assessed("new-untreated")),
    ("active disease", lambda: assessed("too-few")),  # it comes before what is not known
    ("high band", lambda: assessed("high-overdue")),
    ("intermediate band", lambda: in_band("high-overdue", "intermediate")),
    ("uncertain band", lambda: assessed("ana-missing")),
    ("statin", lambda: assessed("statin-active")),
    ("follow-up missing", lambda: assessed("low-quiet", days=60)),
    ("statin", lambda: assessed("statin-active", days=60)),  # it comes before what is missing
    ("follow-up missing", lambda: assessed("low-quiet", ("reports",), days=60)),
    ("record incomplete", lambda: assessed("low-quiet", ("reports",))),
    ("record incomplete", lambda: assessed("high-overdue", ("ana",))),
    ("record incomplete", lambda: in_phase("controlled", assessed("too-few", ("ana",)))),
    ("too little known", lambda: in_phase("controlled", assessed("too-few"))),
    ("CK still raised", lambda: in_phase("improving", assessed("low-quiet"))),
    ("disease not known", lambda: in_phase("unknown", assessed("low-quiet"))),
    ("could not be used", lambda: in_doubt(assessed("low-quiet"))),
    ("IMNM not confirmed", lambda: assessed("possible-imnm")),
    ("not for this patient", lambda: assessed("child")),
    ("eligibility unknown", lambda: assessed("plain", ("conditions",))),
    ("nothing to say", lambda: assessed("low-quiet")),
    ("nothing to say", lambda: assessed("plain")),
    ("nothing to say", lambda: assessed("critical-illness")),
    ("nothing to say", lambda: assessed("high-overdue", deceasedBoolean=True)),
]


@pytest.mark.parametrize(("said", "assessment"), KINDS)
def test_the_reason_is_the_most_pressing_thing_alone(said, assessment):
    assert why(assessment(), CardSettings()) == said


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("possible-imnm", CardSettings(show_possible=False), "nothing to say"),
        ("low-quiet", CardSettings(quiet_low=False), "low band"),
        ("statin-active", CardSettings(quiet_low=False), "statin"),
    ],
)
def test_what_the_client_wants_to_see_decides_whether_there_is_something_to_say(name, settings, said):
    assert why(assessed(name), settings) == said


def test_a_policy_that_never_keeps_quiet_speaks_in_the_low_band():
    found = assessed("low-quiet")
    loud = replace(found, advice=replace(found.advice, quiet=False))
    assert why(loud, CardSettings()) == "low band"


@pytest.mark.parametrize("name", NAMES)
def test_there_is_nothing_to_say_exactly_where_no_card_is_rendered(name):
    """Whatever the client's settings; also with something unread, two months later, and for the dead."""
    variants = [assessed(name, failed) for failed in ((), ("conditions",), ("ana",), ("reports",))]
    variants += [assessed(name, days=60), assessed(name, deceasedDateTime="2026-01-01")]
    for assessment in variants:
        for settings in EVERY_SETTING:
            said = why(assessment, settings)
            assert (said == "nothing to say") == (render(assessment, settings) == []), said


def test_the_event_says_what_was_found_and_what_it_cost():
    record = gathered("high-overdue", ("reports",))
    record = replace(record, sources={**record.sources, "orders": Source("not-offered", (), "not offered")})
    judged = judge(record, AS_OF)
    said = audited(Gathering(record, judged, 7, 9000, 2), assess(judged, MODEL))
    assert said == {
        "outcome": "scored",
        "eligibility": "definite",
        "band": "high",
        "reason": "high band",
        "cards": 0,
        "resources": len(chart("high-overdue")["entry"]),
        "refused": {"entered-in-error": 1},
        "failed": {"reports": "HTTP 503"},
        "not_offered": {"orders": "not offered"},
        "fhir_requests": 7,
        "fhir_bytes": 9000,
        "fhir_warnings": 2,
    }


def test_a_patient_who_is_not_scored_has_no_band():
    record = gathered("plain")
    judged = judge(record, AS_OF)
    assert audited(Gathering(record, judged), assess(judged, MODEL))["band"] == "none"


def test_the_event_names_the_card_that_feedback_will_name():
    (card,) = cards = render(assessed("high-overdue"), CardSettings())
    assert shown(cards) == {"cards": 1, "card": card["uuid"]}
    assert shown([]) == {"cards": 0}


def test_a_crash_is_told_by_kind_and_place_and_never_by_its_message():
    with pytest.raises(ValueError, match="Eve Example") as raised:
        raise ValueError("Eve Example")
    several = ExceptionGroup("several tasks", [raised.value, KeyError("another")])
    said = crash(several)
    assert said["error"] == "ValueError"
    assert said["place"].startswith("test_audit.py:")
    assert "Eve" not in str(said)


def documented(heading: str) -> list[str]:
    """The names in the first column of the table under a heading of `docs/operations.md`."""
    section = re.split(
        r"^#.*\n", OPERATIONS.read_text(encoding="utf-8").partition(f"### {heading}\n")[2], flags=re.MULTILINE
    )[0]
    return re.findall(r"`(.+?)`", " ".join(re.findall(r"^\|([^|]*)\|", section, re.MULTILINE)))


def test_the_operations_page_names_every_event_and_every_field_in_order():
    page = OPERATIONS.read_text(encoding="utf-8")
    assert re.findall(r"^### `(.+)`$", page, re.MULTILINE) == [event.label for event in Event]
    assert {event: documented(f"`{event.label}`") for event in Event} == {e: list(e.fields) for e in Event}


def test_the_operations_page_names_every_why():
    others = {"low band", "overridden before", "risk not shown"}
    assert sorted(documented("Reasons")) == sorted({said for said, _ in KINDS} | others)
