"""V6 and V8: a chart stays silent only where the rules allow it, and where they allow it there is no card."""

from contextlib import closing
from functools import cache

import pytest

from cds_service.cards.assessment import Assessment
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.why import speaks
from tests.support.alert_load import BANDS, PHASES, band_of, table
from tests.support.imnm_charts import imnm_charts
from tests.support.overridden import forgotten, remembering
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
