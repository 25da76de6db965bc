"""The gate: where nobody at the hospital accepted a model that is no local fit, nothing of a card tells its risk."""

import itertools
import json
import re
from dataclasses import replace

import pytest

from cds_service.cards.assessment import Assessment
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.render import render
from cds_service.cards.why import why
from cds_service.demo.run import demo_settings
from cds_service.security.clients import callers
from cds_service.settings.client import Client
from cds_service.settings.service import Settings
from models.risk import Scored
from tests.contract.test_cards import assessment, cards_of
from tests.contract.test_modes import resources
from tests.golden.charts import NAMES
from tests.support.card_words import flaws
from tests.support.ehr_simulator import BASE, EhrSimulator
from tests.support.service import ACCEPTED, TABLES, call_body, running, settings

ACCEPTING, NOT = CardSettings(), CardSettings(accepted=False)
CHART = "high-overdue"
SCORED = [name for name in NAMES if isinstance(assessment(name).outcome, Scored)]
SHOWN = [name for name in SCORED if assessment(name).findings.phase != "relapse"]
SENTENCE = "The risk is not shown: the model is reconstructed and nobody at this hospital has accepted it."
NO_RISK = re.compile(r"ejection fraction [\d.]+ %|(FVC|Ejection fraction) fell [^\n]*")
TELLS = re.compile(
    r"\d %|low,|low recurrence|intermediate|high recurrence|high,|plausible|depending on", re.IGNORECASE
)


def without_uuids(card: dict) -> dict:
    return json.loads(re.sub(r'"uuid": "[^"]+"', '"uuid": ""', json.dumps(card)))


def scores(found: Assessment) -> list[Assessment]:
    """The same findings and follow-up under every other score: what a card without risk must not tell apart."""
    outcome, advice = found.outcome, found.advice
    assert isinstance(outcome, Scored)
    assert advice
    bands = ("low", "intermediate", "high", "uncertain")
    return [
        replace(
            found,
            outcome=replace(
                outcome, risk={year: replace(e, estimate=risk) for year, e in outcome.risk.items()}
            ),
            advice=replace(
                advice, band=band, ends=("low", "high") if band == "uncertain" else None, indicator=i, quiet=q
            ),
        )
        for band, risk, i, q in itertools.product(bands, (0.1, 0.9), ("info", "warning"), (True, False))
    ]


class TestACardOfAModelThatNobodyAccepted:
    def test_is_tried_on_samples_of_every_kind(self):
        assert len(SCORED) >= 8
        assert {"low", "intermediate", "high"} <= {assessment(name).advice.band for name in SCORED}

    @pytest.mark.parametrize("name", SCORED)
    def test_has_no_band_no_percentage_and_no_range(self, name):
        (card,) = render(assessment(name), NOT)
        for text in (card["summary"], card["detail"]):
            assert not TELLS.search(NO_RISK.sub("", text)), text
        assert not list(flaws(card, assessment(name).findings.phase))

    @pytest.mark.parametrize("name", SHOWN)
    def test_says_so_in_plain_words_where_the_estimate_would_stand(self, name):
        (card,) = render(assessment(name), NOT)
        assert card["detail"].count(SENTENCE) == 1
        assert card["detail"].endswith(f"*{assessment(name).model.limits}*")

    @pytest.mark.parametrize("name", [name for name in SCORED if cards_of(name)])
    def test_carries_everything_else(self, name):
        (whole,), (card,) = render(assessment(name), ACCEPTING), render(assessment(name), NOT)
        kept = [
            part for part in whole["detail"].split("\n\n") if not re.match("Recurrence from|After impr", part)
        ]
        assert [part for part in card["detail"].split("\n\n") if part != SENTENCE] == kept
        changed = {"detail", "summary", "indicator", "uuid"}
        plain = [{k: v for k, v in without_uuids(each).items() if k not in changed} for each in (whole, card)]
        assert plain[0] == plain[1]

    @pytest.mark.parametrize("name", SCORED)
    def test_is_the_same_whatever_the_score_so_neither_colour_nor_silence_nor_identity_tells_it(self, name):
        told = {json.dumps(render(each, NOT)) for each in scores(assessment(name))}
        assert len(told) == 1
        assert told != {"[]"}

    def test_is_not_an_empty_list_where_only_the_score_made_the_chart_quiet(self):
        assert cards_of("low-quiet") == []
        assert why(assessment("low-quiet"), NOT) == "risk not shown"
        assert SENTENCE in cards_of("low-quiet", accepted=False)[0]["detail"]

    def test_names_what_is_to_be_done_in_its_summary(self):
        (card,) = cards_of("high-overdue", accepted=False)
        said = "IMNM: recurrence risk not shown, its model is not accepted at this hospital; 4 follow-ups overdue"
        assert card["summary"] == said

    def test_warns_of_a_statin_and_leaves_the_risk_out_of_that_line_too(self):
        (card,) = cards_of("statin-active", accepted=False)
        assert card["summary"].endswith(" in anti-HMGCR myopathy; recurrence risk not shown")
        assert card["indicator"] == "warning"

    def test_that_was_dismissed_does_not_take_the_one_with_the_risk_away(self):
        hidden, shown = cards_of("high-overdue", accepted=False), cards_of("high-overdue")
        assert hidden[0]["uuid"] != shown[0]["uuid"]

    @pytest.mark.parametrize("name", [name for name in NAMES if name not in SHOWN])
    def test_without_a_score_is_the_usual_one(self, name):
        assert [c["detail"] for c in cards_of(name, accepted=False)] == [c["detail"] for c in cards_of(name)]


class TestWhoNeedsNoAcceptance:
    def test_is_a_model_fitted_to_local_patients(self):
        found = assessment("high-overdue")
        local = replace(found, model=replace(found.model, evidence="local-fit"))
        assert "57 %" in render(local, NOT)[0]["summary"]

    def test_is_no_model_of_invented_patients(self):
        found = assessment("high-overdue")
        (card,) = render(replace(found, model=replace(found.model, evidence="synthetic")), NOT)
        assert "made from invented patients and nobody at this hospital has accepted it" in card["detail"]
        assert "57 %" not in card["summary"] + card["detail"]

    def test_is_no_client_for_its_name(self):
        block = Client(name="demonstration", fhir_base=BASE)
        assert block.accepted_by is None
        assert not callers([block], TABLES, b"")[BASE].cards.accepted

    def test_is_the_demonstration_which_accepts_in_code_for_every_client_it_makes(self, tmp_path):
        made = demo_settings(BASE, tmp_path / "store", ("http://127.0.0.1:1/fhir",))
        cards = {client.name: client for client in made.client}
        assert cards["demonstration"].accepted_by
        assert cards["loopback-1"].accepted_by


async def answered(configured: Settings | None = None, **client: object) -> tuple[dict, dict, str]:
    """Card and audit event of one chart at a running service, and all that it wrote."""
    async with running(EhrSimulator(resources(CHART)), configured or settings(**client)) as service:
        response = await service.hook(call_body(CHART))
        (audit,) = service.audits()
    (card,) = response.json()["cards"]
    return card, audit, "".join(service.lines)


class TestAtTheService:
    async def test_a_block_without_acceptance_gets_the_card_without_the_risk_and_the_audit_says_no(self):
        card, audit, _ = await answered(Settings(client=(Client(name="hospital", fhir_base=BASE),)))
        assert SENTENCE in card["detail"]
        assert not TELLS.search(NO_RISK.sub("", card["summary"] + card["detail"]))
        assert audit["accepted"] == "no"
        assert "accepted_on" not in audit
        assert audit["outcome"] == "scored"  # a trial still tells what would have been said

    async def test_a_block_with_acceptance_gets_the_risk_and_the_audit_says_when_and_not_who(self):
        card, audit, lines = await answered(accepted_by="Prof. Ada Example, rheumatology")
        assert re.search(r"\d+ % in 2 years", card["summary"])
        assert (audit["accepted"], audit["accepted_on"]) == ("yes", "2024-01-01")
        assert "Ada" not in lines

    async def test_an_override_of_the_card_without_the_risk_is_remembered_as_that_card(self, tmp_path):
        """V8 asks for the identity of the card that was shown."""
        given = {"name": "hospital", "fhir_base": BASE}
        for accepted, cards in (({}, [1, 0]), (ACCEPTED, [1])):
            configured = Settings(
                client=(Client(**given, **accepted),),
                card_secret="one secret of two",
                store=tmp_path / "store",
            )
            async with running(EhrSimulator(resources(CHART)), configured) as service:
                for count in cards:
                    answer = (await service.hook(call_body(CHART))).json()["cards"]
                    assert len(answer) == count
                    if answer:
                        await service.http.post(
                            "/cds-services/imnm-recurrence/feedback",
                            json={"feedback": [dismissed(answer[0])]},
                        )


def dismissed(card: dict) -> dict:
    reason = {k: card["overrideReasons"][0][k] for k in ("system", "code")}
    at = "2026-03-01T10:00:00Z"
    return {
        "card": card["uuid"],
        "outcome": "overridden",
        "outcomeTimestamp": at,
        "overrideReason": {"reason": reason},
    }
