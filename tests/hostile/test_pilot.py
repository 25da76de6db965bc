"""A pilot: live for those who take part in it, silent for all others, and only where the caller is proved."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError
from rich.console import Console

from cds_service.commands.usage_report import show_report
from cds_service.settings.client import Client
from cds_service.settings.service import Settings
from tests.contract.test_modes import resources
from tests.support.ehr_simulator import BASE, EhrSimulator, status
from tests.support.service import ACCEPTED, Running, call_body, running

INSIDE, OUTSIDE = "Practitioner/anna", "Practitioner/otto"
PILOT = {"mode": "pilot", "pilot_users": ["Practitioner/anna", "PractitionerRole/team"]}
PROVED = {
    "auth": "jwt",
    "issuer": "https://ehr.example",
    "jwks_file": Path("keys.json"),
}  # what a block needs to be one of a proved client
CHART = "high-overdue"


def configured() -> Settings:
    """A pilot without the token that it needs: these tests are about what comes after that is checked."""
    open_client = Client(name="hospital", fhir_base=BASE, **ACCEPTED)
    users = frozenset(PILOT["pilot_users"])
    pilot = open_client.model_copy(update={"mode": "pilot", "pilot_users": users})
    return Settings(client=(open_client,)).model_copy(update={"client": (pilot,)})


async def opened(user: str, fault=None, chart: str = CHART) -> tuple[int, dict, dict, Running]:
    ehr = EhrSimulator(resources(chart))
    if fault:
        ehr.bend(fault, "Condition")
    async with running(ehr, configured()) as service:
        response = await service.hook(call_body(chart, context={"userId": user, "patientId": chart}))
        (audit,) = service.audits()
    return response.status_code, response.json(), audit, service


class TestOfAPilot:
    @pytest.mark.parametrize("user", PILOT["pilot_users"])
    async def test_those_who_take_part_see_the_card(self, user):
        code, answer, audit, _ = await opened(user)
        assert (code, len(answer["cards"])) == (200, 1)
        assert (audit["mode"], audit["shown"], audit["cards"]) == ("pilot", "yes", 1)

    @pytest.mark.parametrize(
        "user",
        [OUTSIDE, "Practitioner/ann", "Practitioner/anna2", "PractitionerRole/anna"],
    )
    async def test_all_others_see_nothing_and_the_audit_says_what_would_have_been_shown(self, user):
        code, answer, audit, _ = await opened(user)
        assert (code, answer) == (200, {"cards": []})
        assert (audit["mode"], audit["shown"], audit["cards"]) == ("pilot", "no", 1)

    async def test_only_those_who_take_part_get_the_error_of_a_record_that_could_not_be_read(self):
        seen, unseen = [await opened(user, status(503), "plain") for user in (INSIDE, OUTSIDE)]
        assert seen[0] == 412
        assert (unseen[0], unseen[1]) == (200, {"cards": []})
        assert unseen[2]["outcome"] == "eligibility-unknown"

    async def test_the_report_counts_the_two_apart_and_a_card_that_nobody_saw_as_not_shown(self, tmp_path):
        events = tmp_path / "events.jsonl"
        for number in range(20):
            *_, service = await opened(INSIDE if number < 5 else OUTSIDE)
            with events.open("a") as file:
                file.writelines(line + "\n" for line in service.lines)
        said = Console(width=100, record=True, force_terminal=False)
        show_report(said, configured(), [events])
        words = [" ".join(line.split()) for line in said.export_text().splitlines()]
        assert "hospital, pilot, its users: 5 charts opened, 5 looked at" in words
        assert "cards shown 5 too few" in words
        assert "hospital, pilot, all others: 15 charts opened, 15 looked at" in words
        assert "cards would have been shown 15 too few" in words


class TestTheConfigurationOfAPilot:
    @pytest.mark.parametrize(
        ("client", "said"),
        [
            (PILOT, 'client a: mode = "pilot" needs auth = "jwt"'),
            (PILOT | {"auth": "none"}, 'client a: mode = "pilot" needs auth = "jwt"'),
            (PROVED | {"mode": "pilot"}, 'mode = "pilot" needs pilot_users'),
            ({"pilot_users": ["anna"]}, 'must be a user like "Practitioner/123"'),
            ({"pilot_users": ["Patient/1"]}, 'must be a user like "Practitioner/123"'),
            ({"pilot_users": ["https://ehr.example/Practitioner/1"]}, "must be a user like"),
            ({"pilot_users": ["Practitioner/1\n"]}, "must be a user like"),
        ],
    )
    def test_that_could_be_anybody_s_or_nobody_s_is_refused(self, client, said):
        with pytest.raises(ValidationError, match=said):
            Client(name="a", **client)

    def test_that_names_its_users_and_wants_a_token_is_taken(self):
        assert Client(name="a", **PROVED, **PILOT).shows_cards_to(INSIDE)

    def test_may_stay_in_the_block_while_the_client_is_silent_or_live(self):
        users = PILOT["pilot_users"]
        assert not Client(name="a", mode="silent", pilot_users=users).shows_cards_to(INSIDE)
        assert Client(name="a", mode="live", pilot_users=users).shows_cards_to(OUTSIDE)


def today() -> str:
    return datetime.now(UTC).date().isoformat()


class TestTheAcceptance:
    @pytest.mark.parametrize(
        ("client", "said"),
        [
            ({"accepted_by": "Dr. A"}, "client a: accepted_by and accepted_on: give both, or neither"),
            ({"accepted_on": "2026-01-01"}, "client a: accepted_by and accepted_on: give both, or neither"),
            ({"accepted_by": "Dr. A", "accepted_on": "9999-01-01"}, "must not be a day in the future"),
            ({"accepted_by": "Dr. A\nB", "accepted_on": "2026-01-01"}, "must be words on one line"),
            ({"accepted_by": "  ", "accepted_on": "2026-01-01"}, "must be words on one line"),
            ({"accepted_by": "x" * 121, "accepted_on": "2026-01-01"}, "at most 120 characters"),
            ({"accepted_by": "Dr. A", "accepted_on": "yesterday"}, "must be a day like 2026-03-01"),
            ({"accepted_by": "Dr. A", "accepted_on": 20260101}, "must be a day like 2026-03-01"),
            ({"accepted_by": "Dr. A", "accepted_on": datetime(2026, 1, 1, tzinfo=UTC)}, "must be a day like"),
        ],
    )
    def test_that_is_half_given_or_has_not_happened_is_refused(self, client, said):
        with pytest.raises(ValidationError, match=said):
            Client(name="a", **client)

    @pytest.mark.parametrize("day", ["2024-02-29", today()])
    def test_of_today_and_before_is_taken(self, day):
        assert Client(name="a", accepted_by="Dr. A", accepted_on=day).accepted_on.isoformat() == day

    def test_is_of_the_day_at_the_hospital(self):
        """Where the day begins 14 hours before UTC, that day has come."""
        east = datetime.now(UTC).astimezone(ZoneInfo("Pacific/Kiritimati")).date()
        assert Client(name="a", time_zone="Pacific/Kiritimati", accepted_by="Dr. A", accepted_on=east)
