"""The cases from the field, as `python -m tests.cases` runs them; and that it sees a difference where there is one."""

import pytest

from tests.cases import clinical, ehr
from tests.cases.case import FOLDER, Case, unmet

ANSWER = {
    "band": "low",
    "cards": [{"summary": "a low risk"}],
    "follow_up": [{"item": "visit", "state": "ok"}, {"item": "echo", "state": "never"}],
    "doubts": [{"resource": "Observation/o1", "bars": ["phase"]}],
}


@pytest.mark.parametrize(
    ("place", "wanted", "is_met"),
    [
        ("band", "low", True),
        ("band", "high", False),
        ("band", {"not": "high"}, True),
        ("band", {"not": "low"}, False),
        ("risk", {"not": "low"}, False),
        ("risk.2y", 0.5, False),
        ("cards.length", 1, True),
        ("cards.length", {"min": 2}, False),
        ("cards.0.summary", {"contains": "low"}, True),
        ("cards.1.summary", {"contains": "low"}, False),
        ("follow_up.echo.state", {"in": ["never", "overdue"]}, True),
        ("follow_up.visit.state", {"in": ["never", "overdue"]}, False),
        ("follow_up.statin.state", "warn", False),
        ("doubts.Observation/o1.bars", {"contains": "phase"}, True),
        ("doubts.Observation/o1.bars", {"contains": "silence"}, False),
    ],
)
def test_an_expectation_is_met_or_named(place, wanted, is_met):
    assert [place in said for said in unmet(ANSWER, {place: wanted})] == ([] if is_met else [True])


def test_a_clinical_case_of_which_nothing_is_expected_fails():
    (first, *_) = clinical.cases(FOLDER)
    assert clinical.problems(Case(first.folder, first.name, {})) == ["expected.toml has no row for it"]


async def test_an_answer_of_the_service_that_is_another_fails():
    (first, *_) = ehr.cases(FOLDER)
    wrong = {
        "status": 400,
        "empty": True,
        "cards_min": 2,
        "summary_starts": "Relapse",
        "summary_contains": "zq",
    }
    assert len(await ehr.problems(Case(first.folder, first.name, wrong))) == len(wrong)


@pytest.mark.parametrize("case", ehr.cases(FOLDER), ids=str)
async def test_the_service_answers_as_the_case_says(case):
    assert case.left or await ehr.problems(case) == []


@pytest.mark.parametrize("case", clinical.cases(FOLDER), ids=str)
def test_explain_says_what_the_rules_say_of_the_case(case):
    assert case.left or clinical.problems(case) == []
