"""The identity of a card: which of its bits stay the same, as long as what does."""

import json
from random import Random
from uuid import UUID

import pytest

from cds_service.cards.assessment import EligibilityUnknown, assess
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.identity import (
    CALL_BITS,
    CHECK_BITS,
    SAID_BITS,
    USER_BITS,
    card_of_user,
    issuer_of,
    state_of,
    uuid_of,
)
from cds_service.commands.explain import caller_for, from_bytes
from cds_service.demo.patients import chart
from cds_service.settings.client import Client
from fhir_mapping.checks import judge
from fhir_mapping.evidence import Barring
from fhir_mapping.record import Doubt
from models.inputs import State, Statin
from tests.golden.charts import AS_OF
from tests.spec import language, run
from tests.support.changes import replace

ASSESSED = from_bytes(
    json.dumps(chart("high-overdue")).encode(),
    caller_for(Client(name="test", accept_unknown_status=True)),
    AS_OF,
)
FOR = CardSettings(user="Practitioner/1")
FINDINGS, ADVICE = ASSESSED.findings, ASSESSED.advice


def parts(assessment=ASSESSED, settings=FOR):
    """What is said, who reads it, the call: the three parts of the UUID, as numbers."""
    bits = f"{UUID(uuid_of(state_of(assessment, settings), settings)).int:0128b}"
    said, user, call, check = bits[:48], bits[52:64] + bits[66:80], bits[80:104], bits[104:]
    assert [*map(len, (said, user, call, check))] == [SAID_BITS, USER_BITS, CALL_BITS, CHECK_BITS]
    return said, user, call


def test_it_is_a_uuid_of_version_8():
    uuid = UUID(uuid_of(state_of(ASSESSED, FOR), FOR))
    assert (uuid.version, uuid.variant) == (8, "specified in RFC 4122")


@pytest.mark.parametrize("number", range(64))
def test_its_version_and_variant_are_never_touched_by_a_digest(number):
    settings = replace(FOR, user=f"Practitioner/{number}", instance=f"call {number}")
    uuid = UUID(uuid_of(["state", number], settings))
    assert (uuid.version, uuid.variant) == (8, "specified in RFC 4122")


def test_another_call_changes_the_last_part_alone():
    one, other = parts(), parts(settings=replace(FOR, instance="another"))
    assert (one[:2], one[2] != other[2]) == (other[:2], True)


def test_another_user_changes_the_part_of_the_user_alone():
    one, other = parts(), parts(settings=replace(FOR, user="Practitioner/2"))
    assert (one[0], one[2]) == (other[0], other[2])
    assert one[1] != other[1]


def test_two_cards_of_one_user_do_not_show_that_they_are():
    other = replace(ASSESSED, findings=replace(FINDINGS, patient_id="another"))
    assert parts()[1] != parts(other)[1]


def test_the_card_of_a_user_is_all_but_the_call():
    uuid = uuid_of(state_of(ASSESSED, FOR), FOR)
    again = replace(FOR, instance="another")
    assert card_of_user(uuid) == card_of_user(uuid_of(state_of(ASSESSED, again), again))
    assert card_of_user(uuid) == uuid[:24]
    assert 4 * len(card_of_user(uuid).replace("-", "")) == SAID_BITS + USER_BITS + 4 + 2


def feature(**changes):
    first, *_ = FINDINGS.features
    return {"findings": replace(FINDINGS, features={**FINDINGS.features, first: changes["to"]})}


CHANGED = {
    "the patient": {"findings": replace(FINDINGS, patient_id="another")},
    "the band": {"advice": replace(ADVICE, band="uncertain")},
    "the phase": {"findings": replace(FINDINGS, activity=replace(FINDINGS.activity, phase="unknown"))},
    "a predictor": feature(
        to=replace(FINDINGS.features["cardiac_involvement"], state=State.INDETERMINATE, reason="x")
    ),
    "whether it is stale": feature(
        to=replace(
            FINDINGS.features["cardiac_involvement"],
            stale=not FINDINGS.features["cardiac_involvement"].stale,
        )
    ),
    "a follow-up state": {
        "advice": replace(
            ADVICE, follow_up=(replace(ADVICE.follow_up[0], state="planned"), *ADVICE.follow_up[1:])
        )
    },
    "a statin": {
        "advice": replace(
            ADVICE,
            follow_up=(
                replace(ADVICE.follow_up[0], statin=Statin("warn", ("simvastatin",))),
                *ADVICE.follow_up[1:],
            ),
        )
    },
    "a doubt": {
        "findings": replace(
            FINDINGS,
            doubts=(
                *FINDINGS.doubts,
                Barring(Doubt("Observation/x", "ana", "no unit", AS_OF), ("high_ana",)),
            ),
        )
    },
    "what was not read": {"findings": replace(FINDINGS, failed={"appointments": "timed out"})},
}


@pytest.mark.parametrize("what", CHANGED)
def test_what_is_said_is_another_card_if_it_is_other_in(what):
    changed = replace(ASSESSED, **CHANGED[what])
    assert parts()[0] != parts(changed)[0]
    assert parts()[1] != parts(changed)[1]


@pytest.mark.parametrize("name", ["secret", "client", "server", "service"])
def test_what_is_said_is_another_card_of_another(name):
    other = replace(FOR, **{name: b"another" if name == "secret" else "another"})
    assert parts()[0] != parts(settings=other)[0]


def test_an_eligibility_that_is_not_known_is_another_card_than_any_band():
    unknown = replace(ASSESSED, outcome=EligibilityUnknown({}), advice=None)
    assert parts()[0] != parts(unknown)[0]


POSSIBLE = "condition uncoded display=IMNM @-400d; ck 900 @-20d"
ON_STATIN = f"{POSSIBLE}; request atorvastatin from=-300d"
UNTESTED = "imnm; predictors 1000; not-offered antibodies"
BECAME_OTHER = {
    "a statin has become one to warn of": (ON_STATIN, f"{ON_STATIN}; anti-hmgcr positive @-5d"),
    "a statin was begun": (f"{POSSIBLE}; anti-hmgcr positive", f"{ON_STATIN}; anti-hmgcr positive"),
    "a second statin was begun": (ON_STATIN, f"{ON_STATIN}; statement simvastatin from=-30d"),
    "a statin is now coded": (
        f'{POSSIBLE}; anti-hmgcr positive; request uncoded display="atorvastatin" from=-300d',
        f"{POSSIBLE}; anti-hmgcr positive; request atorvastatin from=-300d",
    ),
    "the antibody": (POSSIBLE, f"{POSSIBLE}; anti-srp positive"),
    "which antibody": (f"{POSSIBLE}; anti-srp positive", f"{POSSIBLE}; anti-hmgcr positive"),
    "what speaks for it": (
        "condition broad; anti-srp positive; ck 900 @-20d",
        "anti-srp positive; ck 1100 @-400d; ck 900 @-20d",
    ),
    "what speaks against it": (POSSIBLE, f"{POSSIBLE}; anti-srp negative"),
    "that it is named, not coded": (POSSIBLE, f"condition broad; anti-srp positive; {POSSIBLE}"),
    "why the model is not for this patient": (
        "patient born=2010-01; imnm; ck 100 @-5d",
        "patient born=none; imnm; ck 100 @-5d",
    ),
    "a statin whose antibody is now positive": (
        f"{UNTESTED}; statement atorvastatin from=-30d",
        f"{UNTESTED}; statement atorvastatin from=-30d; anti-hmgcr positive",
    ),
}


def of_row(row):
    return assess(judge(run.gathered_from(language.read(row)), language.AS_OF), run.packaged_model())


@pytest.mark.parametrize("what", BECAME_OTHER)
def test_a_chart_that_says_something_else_has_another_card(what):
    before, after = (parts(of_row(row))[0] for row in BECAME_OTHER[what])
    assert before != after


@pytest.mark.parametrize("row", [POSSIBLE, ON_STATIN, f"{ON_STATIN}; anti-hmgcr positive"])
def test_a_later_ck_that_changes_no_phase_leaves_a_possible_patient_the_same_card(row):
    assert parts(of_row(row))[0] == parts(of_row(f"{row}; ck 920 @-1d"))[0]


class TestTheCheck:
    CLIENTS = tuple(replace(FOR, client=name) for name in ("a", "b", "c"))

    @pytest.mark.parametrize("each", CLIENTS, ids=lambda each: each.client)
    def test_names_the_client_whose_card_it_is(self, each):
        for number in range(100):
            uuid = uuid_of([number], replace(each, instance=str(number), user=f"Practitioner/{number}"))
            assert issuer_of(uuid, self.CLIENTS) == each.client
            assert issuer_of(uuid, [other for other in self.CLIENTS if other != each]) == ""
            assert issuer_of(uuid, [replace(each, secret=b"another")]) == ""

    def test_covers_every_bit(self):
        number = UUID(uuid_of(["state"], self.CLIENTS[0])).int
        changed = [str(UUID(int=number ^ 1 << bit)) for bit in range(128)]
        assert [issuer_of(uuid, self.CLIENTS) for uuid in changed] == [""] * 128

    def test_lets_none_of_many_invented_uuids_pass(self):
        random = Random(12)
        invented = (
            str(UUID(int=random.getrandbits(122) & ~(15 << 76) & ~(3 << 62) | 8 << 76 | 2 << 62))
            for _ in range(3150)
        )
        assert [uuid for uuid in invented if issuer_of(uuid, self.CLIENTS)] == []
