"""V6 and V8: a chart stays silent only where the rules allow it, and where they allow it there is no card."""

from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from functools import cache
from random import Random

import pytest

from cds_service.cards.assessment import Assessment
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.why import speaks, why
from tests.support.alert_load import BANDS, PHASES, band_of, table
from tests.support.imnm_charts import assessed, imnm_charts
from tests.support.overridden import forgotten, remembering
from tests.support.record_doubts import EVERYWHERE
from tests.support.records import Record
from tests.support.silence import wrongs

CHARTS = 250  # per seed; twenty seeds make 5,000
FIRST, OTHERS = 1, range(2, 21)
FOR = CardSettings()

seeds = pytest.mark.parametrize(
    "seed", [FIRST, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in OTHERS)]
)


@cache
def drawn(seed: int) -> list[tuple[Record, Assessment]]:
    return list(imnm_charts(seed, CHARTS))


@seeds
def test_a_chart_is_silent_exactly_where_the_rules_allow_it_and_no_memory_silences_what_has_changed(
    seed, tmp_path
):
    for record, assessment in drawn(seed):
        assert not list(wrongs(record, assessment)), (list(wrongs(record, assessment)), record.text())
    every = [assessment for _, assessment in drawn(seed) if speaks(assessment, FOR)]
    with closing(remembering(every, tmp_path)) as store:
        assert not list(forgotten(every, store))


def test_charts_of_every_phase_and_band_are_drawn_and_many_of_them_are_silent():
    every = [assessment for _, assessment in drawn(FIRST)]
    print("\n".join(table(every)))
    assert {assessment.findings.phase for assessment in every} == set(PHASES)
    assert {band_of(assessment) for assessment in every} == set(BANDS)
    silent = sum(not speaks(assessment, FOR) for assessment in every)
    assert silent >= CHARTS // 10


def test_a_silent_chart_of_which_one_thing_can_no_longer_be_read_speaks_where_the_rules_want_it():
    """Of the charts as they are drawn hardly one has a doubt and nothing else that bars silence."""
    random, by_doubt_alone = Random(FIRST), 0
    for record in [record for record, assessment in drawn(FIRST) if not speaks(assessment, FOR)]:
        for _ in range(5):
            spoiled = replace(record, bundle=deepcopy(record.bundle))
            resources = [entry["resource"] for entry in spoiled.bundle["entry"]]
            judged = [
                one for one in resources if one["resourceType"] not in ("Patient", "Appointment", "Encounter")
            ]
            random.choice(EVERYWHERE)(random.choice(judged))
            found = assessed(spoiled)
            if found.advice is not None and found.findings.eligibility.is_established:
                assert not list(wrongs(spoiled, found)), (list(wrongs(spoiled, found)), spoiled.text())
                by_doubt_alone += why(found, FOR) == "could not be used"
    assert by_doubt_alone >= CHARTS // 10
