"""The card format: no generated chart makes a card longer, cut, or in words that no ward uses."""

import json
from collections.abc import Iterator
from functools import cache
from statistics import median

import pytest

from cds_service.cards.card_settings import CardSettings
from cds_service.cards.render import render
from cds_service.commands.explain import caller_for, from_bytes
from cds_service.demo.patients import chart, samples
from cds_service.settings.client import Client
from tests.golden.charts import AS_OF
from tests.support.card_words import LONGEST, MEDIAN, SUMMARY, flaws, words_in
from tests.support.imnm_charts import imnm_charts

FEW, MANY = 150, 1000
SEED = 2
FOR = CardSettings()
NAMES = [sample.name for sample in samples().patients]


@cache
def sample(name: str):
    caller = caller_for(Client(name="sample", accept_unknown_status=True))
    return from_bytes(json.dumps(chart(name)).encode(), caller, AS_OF)


def bad_cards(count: int) -> Iterator[str]:
    """The cards of generated charts that break the format, with what is wrong."""
    for record, assessment in imnm_charts(SEED, count):
        for card in render(assessment, FOR):
            if found := list(flaws(card, assessment.findings.phase)):
                yield "\n".join([*found, card["summary"], card["detail"], record.text()])


@pytest.mark.parametrize("name", NAMES)
def test_a_card_of_a_sample_patient_is_short_and_in_the_words_of_a_ward(name):
    assessment = sample(name)
    for card in render(assessment, FOR):
        assert not list(flaws(card, assessment.findings.phase)), card["detail"]


def test_half_of_the_sample_patients_have_a_card_of_at_most_130_words():
    lengths = {name: words_in(card["detail"]) for name in NAMES for card in render(sample(name), FOR)}
    print(f"{lengths}: median {median(lengths.values())}, longest {max(lengths.values())}")
    assert median(lengths.values()) <= MEDIAN


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.thorough)])
def test_a_card_of_a_generated_chart_is_short_and_in_the_words_of_a_ward(count):
    bad = next(bad_cards(count), "")
    assert not bad, bad


def test_words_are_counted_as_the_card_format_counts_them():
    detail = "**To do**\n\n- CK, AST: 45 days > due\n\n| a | b |\n| --- | --- |\n| anti-SRP | 2026-03-01 |"
    assert words_in(detail) == len(
        ["To", "do", "CK,", "AST:", "45", "days", "due", "a", "b", "antiSRP", "20260301"]
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"summary": "x" * (SUMMARY + 1)},
        {"summary": "a summary that is cut…"},
        {"detail": "word " * (LONGEST + 1)},
        {"detail": "Recurrence from today within 2 years: 57 %"},
        {"detail": "CK 375 U/L (2 × ULN), lowest 115; lowest 120"},
        {"detail": "Active disease: CK 375 U/L. CK 375 U/L on 2026-03-01"},
        {"detail": "troponin I (89579-7)"},
        {"detail": "a stale ratio"},
        {"detail": "to_do.head"},
        {"detail": "CK {value}"},
    ],
)
def test_what_the_format_forbids_is_seen(changed):
    good = {
        "summary": "Possible IMNM relapse",
        "detail": "CK 375 U/L (2 × ULN); ejection fraction 60 %, 2026-01",
    }
    assert not list(flaws(good, "relapse"))
    assert list(flaws(good | changed, "relapse"))
