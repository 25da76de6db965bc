"""A lean prefetch: three keys on every chart, the rest with the call's token where it matters, the same card."""

import pytest
from pydantic import ValidationError

from cds_service.demo.run import demo_settings
from cds_service.settings.service import Settings
from cds_service.web.discovery import check_discovery, discovery_file, enabled, read_discovery
from tests.contract.test_modes import configured, resources
from tests.golden.charts import NAMES, UNHURRIED
from tests.support.ehr_simulator import BASE, EhrSimulator, status
from tests.support.service import KEYS, TABLES, authorization, call_body, prefetch_of, running

LEAN = ("patient", "conditions", "antibodies")
TOKEN = "a-token-of-this-call"


async def offered(settings: Settings) -> list[str]:
    async with running(configured=settings) as service:
        (only,) = (await service.http.get("/cds-services")).json()["services"]
    return list(only["prefetch"])


async def opened(name: str, keys: tuple[str, ...]) -> tuple[list, list, dict]:
    """The cards of a chart sent with these keys and a token, what the EHR was then asked, and the audit event."""
    chart = resources(name)
    ehr = EhrSimulator(chart)
    async with running(ehr, configured("live"), UNHURRIED) as service:
        given = {"prefetch": prefetch_of(chart, keys), "fhirAuthorization": authorization(TOKEN)}
        answer = await service.hook(call_body(name, **given))
        (audit,) = service.audits()
    return answer.json()["cards"], ehr.requests, audit


class TestDiscovery:
    async def test_asks_for_three_keys_unless_told_otherwise(self):
        assert await offered(Settings()) == await offered(Settings(prefetch="lean")) == list(LEAN)

    async def test_asks_for_everything_where_that_is_wanted(self):
        assert await offered(Settings(prefetch="full")) == list(KEYS)

    async def test_of_the_demonstration_asks_for_everything(self, tmp_path):
        assert await offered(demo_settings(BASE, tmp_path / "store")) == list(KEYS)

    def test_is_cut_when_it_is_served_and_the_file_stays_whole(self):
        document = read_discovery(discovery_file())
        check_discovery(document, TABLES)
        before = list(document["services"][0]["prefetch"])
        enabled(document, None, "lean")
        assert list(document["services"][0]["prefetch"]) == before == list(KEYS)

    def test_knows_two_ways_and_no_third(self):
        with pytest.raises(ValidationError, match="'lean' or 'full'"):
            Settings(prefetch="some")


class TestACall:
    @pytest.mark.parametrize("name", NAMES)
    async def test_gives_the_same_card_from_a_lean_prefetch_and_a_token_as_from_a_full_one(self, name):
        (lean, _, _), (full, asked, _) = await opened(name, LEAN), await opened(name, KEYS)
        assert lean == full
        assert {request.url.path.split("/")[-2] for request in asked} <= {"Medication"}  # by reference

    async def test_of_a_patient_without_the_disease_asks_the_ehr_for_nothing_more(self):
        cards, asked, audit = await opened("plain", LEAN)
        assert (cards, asked, audit["token"]) == ([], [], "unused")

    async def test_without_access_to_the_rest_is_never_silent_and_names_what_could_not_be_read(self):
        chart = resources("low-quiet")
        ehr = EhrSimulator(chart)
        for kind in {resource["resourceType"] for resource in chart}:
            ehr.bend(status(401), kind)
        async with running(ehr, configured("live"), UNHURRIED) as service:
            answer = await service.hook(call_body("low-quiet", prefetch=prefetch_of(chart, LEAN)))
        (card,) = answer.json()["cards"]
        assert "could not be read" in card["summary"]
        assert "Could not be read:" in card["detail"]
        assert "ANA" in card["detail"]

    async def test_of_a_patient_with_it_reads_the_rest_with_its_token_and_nothing_twice(self):
        cards, asked, audit = await opened("high-overdue", LEAN)
        assert len(cards) == 1
        assert {request.headers["authorization"] for request in asked} == {f"Bearer {TOKEN}"}
        assert not any(
            request.url.path.endswith(("/Condition", "/Patient/high-overdue")) for request in asked
        )
        assert audit["token"] == "used"
