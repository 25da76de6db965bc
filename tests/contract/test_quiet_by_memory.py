"""V8 through the real service: which card stays away, for whom, how long, and what is always shown."""

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from cds_service.errors import StoreError
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from cds_service.settings.service import Settings
from cds_service.web.memory import QUIETING
from cds_service.web.store import Store
from tests.golden.charts import UNHURRIED
from tests.support.charts import (
    AS_OF,
    ago,
    antibody,
    condition,
    enzyme,
    imnm_chart,
    observation,
    patient,
    prescription,
)
from tests.support.ehr_simulator import BASE, EhrSimulator, status
from tests.support.feedback import SYSTEM, epic, overridden
from tests.support.service import ACCEPTED, SERVICE, call_body, prefetch_of, running

LONG_AGO = timedelta(days=90)
MOMENT = timedelta(seconds=1)
GOOD = ("cds-not-applicable", "recipient-disagrees-evidence", "action-completed")


@dataclass(frozen=True)
class Opened:
    """What came of one opened chart."""

    cards: list[dict]
    audit: dict

    @property
    def card(self) -> str:
        (card,) = self.cards
        return card["uuid"]

    @property
    def is_quiet(self) -> bool:
        assert (self.audit["reason"] == "overridden before") == (self.audit.get("memory") == "overridden")
        assert self.audit["cards"] == len(self.cards) == (self.audit.get("memory") != "overridden")
        return not self.cards


class Clinic:
    """A service with a store; each call may come at another time, to another process."""

    def __init__(self, path):
        self.path = path

    @asynccontextmanager
    async def service(self, chart=(), at: datetime = AS_OF, bend=None, limits=UNHURRIED, **client):
        ehr = EhrSimulator(list(chart))
        if bend:
            ehr.bend(*bend)
        given = {"name": "hospital", "fhir_base": BASE, "accept_unknown_status": True} | ACCEPTED | client
        settings = Settings(client=(Client(**given),), card_secret="of all these workers", store=self.path)
        async with running(ehr, settings, limits, lambda: at) as service:
            yield service

    async def open(self, chart, user="Practitioner/1", instance="call 1", **service) -> Opened:
        patient_id = next(r["id"] for r in chart if r["resourceType"] == "Patient")
        async with self.service(chart, **service) as running_service:
            return await open_in(running_service, user, instance, patient_id)

    async def tell(self, item, at: datetime = AS_OF):
        async with self.service(at=at) as running_service:
            await tell_in(running_service, item)


async def open_in(service, user="Practitioner/1", instance="call 2", patient_id="p1") -> Opened:
    context = {"userId": user, "patientId": patient_id}
    response = await service.hook(call_body(context=context, hookInstance=instance))
    assert response.status_code == 200, response.text
    return Opened(response.json()["cards"], service.audits()[-1])


async def tell_in(service, item):
    response = await service.http.post(f"{SERVICE}/feedback", json={"feedback": [item]})
    assert response.status_code == 200, response.text


@pytest.fixture
def clinic(tmp_path):
    return Clinic(tmp_path / "feedback.sqlite")


def but(chart, *more, without=()):
    return [r for r in chart if r["id"] not in without] + list(more)


def stamp(moment: datetime) -> str:
    return moment.isoformat()


# High band, CK within twice its limit: it speaks, and the disease does not press
CALM = but(imnm_chart(), enzyme("2157-6", "ck", 380, 20), without=("ck",))
IMPROVING = but(CALM, enzyme("2157-6", "ck", 480, 20), without=("ck",))
SERONEGATIVE = but(CALM, without=("srp",))
NO_ANA = but(CALM, observation("5048-4", "lost", 9), without=("ana",))
UNTREATED = but(CALM, without=("m1",))  # the band is high whatever the treatment was
OLD_ANA = observation("5048-4", "ana", 2000, valueString="1:640")
ATORVASTATIN, SIMVASTATIN = (
    prescription(
        "statin",
        medicationCodeableConcept={
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code}]
        },
    )
    for code in ("83367", "36567")
)
PRESSING = {
    "relapse": but(CALM, enzyme("2157-6", "now", 3800, 1)),
    "rising": but(CALM, enzyme("2157-6", "now", 700, 1)),
    "active": but(CALM, enzyme("2157-6", "ck", 1300, 20), without=("ck",)),
}


async def overrides(clinic, chart, code="cds-not-applicable", **item) -> Opened:
    """Open a chart and override its card."""
    first = await clinic.open(chart)
    await clinic.tell(overridden(code, card=first.card, outcomeTimestamp=stamp(AS_OF), **item))
    return first


class TestACardThatWasOverridden:
    @pytest.mark.parametrize("code", GOOD)
    async def test_stays_away_for_the_same_user_in_the_next_call(self, clinic, code):
        await overrides(clinic, CALM, code)
        again = await clinic.open(CALM, instance="call 2")
        assert again.is_quiet
        assert (again.audit["outcome"], again.audit["band"]) == ("scored", "high")

    async def test_comes_to_another_user(self, clinic):
        await overrides(clinic, CALM)
        for user in ("Practitioner/2", "PractitionerRole/1", "Practitioner/11"):
            assert not (await clinic.open(CALM, user)).is_quiet

    async def test_comes_for_another_patient_with_the_same_record(self, clinic):
        await overrides(clinic, CALM)
        other = [r | ({"id": "p2"} if r["resourceType"] == "Patient" else {}) for r in CALM]
        other = [r | ({"subject": {"reference": "Patient/p2"}} if "subject" in r else {}) for r in other]
        assert not (await clinic.open(other)).is_quiet

    async def test_comes_to_the_same_user_of_another_client(self, clinic):
        await overrides(clinic, CALM)
        assert not (await clinic.open(CALM, name="another hospital")).is_quiet

    async def test_comes_for_the_patient_with_the_same_id_at_another_server_of_the_client(self, clinic):
        bases = (BASE, "https://other.example/fhir")
        prefetch = prefetch_of(CALM)
        async with clinic.service(CALM, fhir_base=bases) as service:
            first = await open_in(service)
            given = overridden("cds-not-applicable", card=first.card, outcomeTimestamp=stamp(AS_OF))
            await tell_in(service, given)
            assert (await open_in(service)).is_quiet
            other = await service.hook(call_body(fhirServer=bases[1], prefetch=prefetch))
        assert other.json()["cards"]
        assert service.audits()[-1]["memory"] == "none"

    async def test_stays_away_after_it_was_reported_twice(self, clinic):
        first = await overrides(clinic, CALM)
        await clinic.tell(overridden("cds-not-applicable", card=first.card, outcomeTimestamp=stamp(AS_OF)))
        assert (await clinic.open(CALM)).is_quiet

    async def test_stays_away_where_one_of_several_reasons_is_such_a_one(self, clinic):
        first = await clinic.open(CALM)
        reasons = [{"reason": {"system": SYSTEM, "code": code}} for code in ("patient-refuses", GOOD[0])]
        await clinic.tell(overridden(card=first.card, overrideReason=reasons))
        assert (await clinic.open(CALM)).is_quiet

    async def test_would_also_stay_away_of_a_silent_client_and_its_audit_says_so(self, clinic):
        await overrides(clinic, CALM)
        silent = await clinic.open(CALM, mode="silent")
        assert (silent.cards, silent.audit["cards"]) == ([], 0)
        assert silent.audit["memory"] == "overridden"

    async def test_changes_nothing_for_a_client_that_is_off(self, clinic):
        await overrides(clinic, CALM)
        assert (await clinic.open(CALM, mode="off")).audit["outcome"] == "off"


class TestOtherFeedback:
    @pytest.mark.parametrize(
        "reason",
        [
            {"reason": {"system": SYSTEM, "code": "patient-refuses"}},
            {"reason": {"system": SYSTEM, "code": "other"}},
            {"reason": {"system": "http://terminology.example/reasons", "code": GOOD[0]}},
            {"reason": {"code": GOOD[0]}},
            {"userComment": "does not apply"},
            ...,
        ],
    )
    async def test_without_one_of_our_three_reasons_leaves_the_card(self, clinic, reason):
        first = await clinic.open(CALM)
        item = overridden(card=first.card, overrideReason=reason)
        await clinic.tell(item)
        again = await clinic.open(CALM)
        assert (again.is_quiet, again.audit["memory"]) == (False, "none")

    async def test_of_epic_with_a_category_of_its_own_leaves_the_card(self, clinic):
        await clinic.tell(epic(card=(await clinic.open(CALM)).card))
        assert not (await clinic.open(CALM)).is_quiet

    async def test_that_it_was_accepted_leaves_the_card(self, clinic):
        first = await clinic.open(CALM)
        await clinic.tell(overridden(card=first.card, outcome="accepted"))
        assert not (await clinic.open(CALM)).is_quiet

    async def test_on_one_of_its_suggestions_leaves_the_card(self, clinic):
        first = await clinic.open(CALM)
        for suggestion in first.cards[0]["suggestions"]:
            await clinic.tell(overridden(card=suggestion["uuid"]))
        assert not (await clinic.open(CALM)).is_quiet


CHANGES = {  # each of one part of what makes two cards the same, but the band, which follows the predictors
    "the band and a predictor": (
        CALM,
        but(CALM, observation("5048-4", "ana", 380, valueString="1:40"), without=("ana",)),
    ),
    "a predictor in the same band": (CALM, UNTREATED),
    "how old a predictor is": (CALM, but(CALM, OLD_ANA, without=("ana",))),
    "follow-up": (
        CALM,
        but(
            CALM,
            {
                "resourceType": "Encounter",
                "id": "e1",
                "status": "finished",
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
                "subject": {"reference": "Patient/p1"},
                "period": {"start": ago(5), "end": ago(5)},
            },
        ),
    ),
    "the phase": (but(IMPROVING, without=("m1",)), UNTREATED),
    "a statin": (SERONEGATIVE, but(SERONEGATIVE, ATORVASTATIN)),
    "which statin it is": (but(SERONEGATIVE, ATORVASTATIN), but(SERONEGATIVE, SIMVASTATIN)),
    "a doubt": (NO_ANA, but(NO_ANA, observation("5048-4", "lost too", 9))),
    "the antibody": (CALM, but(CALM, antibody("negative"), without=("srp",))),
}


class TestWhatChanged:
    @pytest.mark.parametrize("what", CHANGES)
    async def test_brings_the_card_back(self, clinic, what):
        before, after = CHANGES[what]
        await overrides(clinic, before)
        assert (await clinic.open(before)).is_quiet
        assert not (await clinic.open(after)).is_quiet

    async def test_only_in_a_value_does_not(self, clinic):
        """A hazard that is accepted: docs/safety/hazards.md."""
        await overrides(clinic, CALM)
        other = but(CALM, enzyme("2157-6", "ck", 390, 2), without=("ck",))
        assert (await clinic.open(other)).is_quiet


class TestAlwaysShown:
    @pytest.mark.parametrize("phase", PRESSING)
    async def test_is_the_card_of_a_disease_that_presses(self, clinic, phase):
        first = await overrides(clinic, PRESSING[phase])
        again = await clinic.open(PRESSING[phase])
        assert again.card == first.card
        assert "memory" not in again.audit

    async def test_is_a_card_while_something_cannot_be_read(self, clinic):
        bend = (status(503), "Appointment")
        first = await clinic.open(CALM, bend=bend)
        await clinic.tell(overridden(card=first.card))
        again = await clinic.open(CALM, bend=bend)
        assert again.card == first.card
        assert "appointments" in again.audit["failed"]

    async def test_is_the_first_card_of_a_whole_record_after_one_that_could_not_be_read(self, clinic):
        first = await clinic.open(CALM, bend=(status(503), "Appointment"))
        await clinic.tell(overridden(card=first.card))
        assert not (await clinic.open(CALM)).is_quiet

    @pytest.mark.parametrize(
        ("chart", "bend"),
        [
            ([patient()], (status(503), "Condition")),
            ([patient(), condition(modifierExtension=[{"url": "https://ehr.example/x"}])], None),
        ],
        ids=["a failure", "a doubt"],
    )
    async def test_is_that_it_could_not_be_assessed(self, clinic, chart, bend):
        how = {"when_eligibility_unknown": "card", "bend": bend}
        first = await clinic.open(chart, **how)
        assert first.audit["outcome"] == "eligibility-unknown"
        await clinic.tell(overridden(card=first.card))
        assert not (await clinic.open(chart, **how)).is_quiet


class TestTime:
    @pytest.mark.parametrize(
        ("received", "said", "quiet"),
        [
            (timedelta(0), timedelta(0), True),
            (LONG_AGO, LONG_AGO, True),
            (LONG_AGO + MOMENT, LONG_AGO + MOMENT, False),
            (timedelta(0), LONG_AGO + MOMENT, False),  # an old report, sent today
            (LONG_AGO, timedelta(days=-4000), True),  # from the future: it counts as received
            (LONG_AGO + MOMENT, timedelta(days=-4000), False),
            (timedelta(days=-1), timedelta(0), False),  # by a clock of ours that was put back
        ],
    )
    async def test_of_memory_is_90_days_from_the_older_of_what_was_said_and_its_receipt(
        self, clinic, received, said, quiet
    ):
        item = overridden(card=(await clinic.open(CALM)).card, outcomeTimestamp=stamp(AS_OF - said))
        await clinic.tell(item, at=AS_OF - received)
        assert (await clinic.open(CALM)).is_quiet == quiet

    @pytest.mark.parametrize(
        ("said", "reasons"),
        [
            (LONG_AGO + MOMENT, (GOOD[0],) * 3),
            (LONG_AGO + MOMENT, GOOD),  # another item each time, with a receipt of its own
            (timedelta(days=-4000), (GOOD[0],) * 3),  # its own time says nothing, its first receipt all
        ],
        ids=["the same", "in other words", "from the future"],
    )
    async def test_is_not_made_longer_by_sending_again(self, clinic, said, reasons):
        card, at = (await clinic.open(CALM)).card, stamp(AS_OF - said)
        for days, reason in zip((91, 50, 0), reasons, strict=True):
            item = overridden(reason, card=card, outcomeTimestamp=at)
            await clinic.tell(item, at=AS_OF - timedelta(days=days))
        assert not (await clinic.open(CALM)).is_quiet


class TestAStore:
    async def test_that_two_workers_share_is_one_memory(self, clinic):
        async with clinic.service(CALM) as one, clinic.service(CALM) as other:
            first = await open_in(one)
            assert not (await open_in(other)).is_quiet
            await tell_in(other, overridden(card=first.card))
            assert (await open_in(one)).is_quiet
            assert (await open_in(other)).is_quiet

    @pytest.mark.parametrize("error", [StoreError("the store could not be asked"), RuntimeError("zq-words")])
    async def test_that_fails_means_that_the_card_is_shown(self, clinic, monkeypatch, error):
        def broken(*_):
            raise error

        await overrides(clinic, CALM)
        monkeypatch.setattr(Store, "overridden", broken)
        again = await clinic.open(CALM)
        assert (len(again.cards), again.audit["memory"]) == (1, "unread")

    async def test_that_was_destroyed_means_that_the_card_is_shown(self, clinic):
        await overrides(clinic, CALM)
        async with clinic.service(CALM) as service:
            for file in clinic.path.parent.iterdir():
                file.write_bytes(b"zq-no database at all" * 1000)
            again = await open_in(service)
        assert (len(again.cards), again.audit["memory"]) == (1, "unread")

    async def test_that_is_slow_is_not_waited_for(self, clinic, monkeypatch):
        await overrides(clinic, CALM)
        monkeypatch.setattr(Store, "overridden", lambda *_: time.sleep(0.6))
        async with clinic.service(CALM, limits=Limits()) as service:
            begun = time.monotonic()
            again = await open_in(service)
            spent = time.monotonic() - begun
        assert (len(again.cards), again.audit["memory"]) == (1, "unread")
        assert spent < 0.5

    async def test_is_not_asked_where_there_is_no_card(self, clinic):
        async with clinic.service([patient()]) as service:
            assert "memory" not in (await open_in(service)).audit

    async def test_is_not_needed(self):
        async with running(EhrSimulator(CALM)) as service:
            opened = await open_in(service)
        assert "memory" not in opened.audit
        assert len(opened.cards) == 1


def test_the_three_reasons_are_offered_by_our_card():
    assert {(SYSTEM, code) for code in GOOD} == QUIETING
