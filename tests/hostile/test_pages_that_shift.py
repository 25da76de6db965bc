"""F9: a list that changes its order between two pages shows one resource twice and another never. It is not whole."""

import json
import random

import pytest

from tests.support import ehr_simulator as sim
from tests.support.charts import CORE, SNOMED, condition, patient
from tests.support.ehr_simulator import EhrSimulator
from tests.support.service import call_body, prefetch_of, running

OTHERS = [condition((SNOMED, "44054006"), f"c{number}") for number in range(2, 8)]


def shifting(seed: int, *, counted: bool) -> EhrSimulator:
    """A server whose order of Conditions may be another for each page; `counted`: it says how many there are."""
    order = random.Random(seed)
    conditions = [condition(CORE, "c1"), *OTHERS]
    order.shuffle(conditions)
    ehr = EhrSimulator([patient(), *conditions], page_size=3)

    def shift(request, answered):
        for pages in ehr._pages.values():
            if order.random() < 0.5:
                order.shuffle(pages)
        content = json.loads(answered.content)
        if not counted:
            del content["total"]
        return sim.answer(content)

    return ehr.bend(shift, "Condition")


@pytest.mark.parametrize("counted", [True, False])
async def test_never_makes_the_disease_disappear_in_silence(counted):
    told = set()
    for seed in range(64):
        ehr = shifting(seed, counted=counted)
        async with running(ehr) as service:
            answered = await service.hook(call_body())
            (audit,) = service.audits()
        assert answered.status_code == 412 or answered.json()["cards"], seed
        assert bool(audit["failed"]) or audit["eligibility"] == "definite", seed
        told.add((answered.status_code, bool(audit["failed"])))
    assert told == {(412, True), (200, True), (200, False)}, "lost, found all the same, and whole"


async def test_says_so_of_a_prefetch_too():
    given = prefetch_of([patient(), *OTHERS], ("patient", "conditions", "antibodies"))
    given["conditions"]["entry"][1] = given["conditions"]["entry"][0]
    async with running(EhrSimulator().bend(sim.refuse_connection)) as service:
        answered = await service.hook(call_body(prefetch=given))
    assert answered.status_code == 412
