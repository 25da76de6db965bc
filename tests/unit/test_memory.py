"""V8: whom the store is asked for, and what the audit says of it."""

import json

import pytest

from cds_service.cards.card_settings import CardSettings
from cds_service.commands.explain import caller_for, from_bytes
from cds_service.demo.patients import chart
from cds_service.settings.client import Client
from cds_service.web.memory import recall, recalled
from tests.golden.charts import AS_OF
from tests.support.changes import replace

ASSESSED = from_bytes(
    json.dumps(chart("high-overdue")).encode(),
    caller_for(Client(name="test", accept_unknown_status=True)),
    AS_OF,
)
CALM = replace(
    ASSESSED,
    findings=replace(ASSESSED.findings, activity=replace(ASSESSED.findings.activity, phase="improving")),
)
FOR = CardSettings(user="Practitioner/1")


class Full:
    """A store in which every card was overridden."""

    async def aside(self, work, deadline):
        return work()

    def overridden(self, *asked):
        return True


async def test_a_user_who_is_known_is_remembered():
    assert await recall(CALM, FOR, Full(), 1) == "overridden"


async def test_a_user_who_is_not_known_has_no_memory():
    assert await recall(CALM, replace(FOR, user=""), Full(), 1) == "not asked"


async def test_a_card_that_names_a_failure_has_no_memory():
    failed = replace(CALM, findings=replace(CALM.findings, failed={"appointments": "timed out"}))
    assert await recall(failed, FOR, Full(), 1) == "not asked"


async def test_without_a_store_there_is_no_memory():
    assert await recall(CALM, FOR, None, 1) == "not asked"


@pytest.mark.parametrize("phase", ["relapse", "rising", "active"])
async def test_where_the_disease_presses_nothing_is_asked(phase):
    findings = replace(CALM.findings, activity=replace(CALM.findings.activity, phase=phase))
    assert await recall(replace(CALM, findings=findings), FOR, Full(), 1) == "not asked"


@pytest.mark.parametrize("state", ["possible", "excluded"])
async def test_it_presses_of_established_patients_alone(state):
    of = replace(CALM.findings.eligibility, state=state)
    findings = replace(
        CALM.findings, eligibility=of, activity=replace(CALM.findings.activity, phase="active")
    )
    assert await recall(replace(CALM, findings=findings), FOR, Full(), 1) == "overridden"


@pytest.mark.parametrize("phase", ["improving", "controlled", "unknown"])
async def test_in_the_other_phases_it_is(phase):
    findings = replace(CALM.findings, activity=replace(CALM.findings.activity, phase=phase))
    assert await recall(replace(CALM, findings=findings), FOR, Full(), 1) == "overridden"


@pytest.mark.parametrize(
    ("memory", "said"),
    [
        ("not asked", {}),
        ("none", {"memory": "none"}),
        ("unread", {"memory": "unread"}),
        ("overridden", {"memory": "overridden", "reason": "overridden before"}),
    ],
)
def test_the_audit_says_what_the_store_knew(memory, said):
    assert recalled(memory) == said
