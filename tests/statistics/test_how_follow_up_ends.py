"""How follow-up ended, by every combination of what is said of it, the day of its end and the day of death."""

import pytest

from cds_service.commands.cohort import load_cohort
from fhir_mapping.record import MappingSettings
from models.training.cohort.cohort import FlowStep
from models.training.errors import TrainingError
from tests.spec.run import packaged_tables
from tests.statistics.bad_cohorts import TIME_ZERO, dated, renamed, text, with_columns

END, BEFORE, AFTER = "2021-05-01", "2021-04-30", "2021-05-02"
CENSORED, RECURRENCE, DEATH = 0, 1, 2

# what the columns say | the day of death | what is read, or the sentence that refuses the row
TABLE = [
    ({"status": "0"}, "", CENSORED),
    ({"status": "0"}, END, DEATH),
    ({"status": "0"}, AFTER, CENSORED),  # lost from sight before: whether it came back by then nobody knows
    ({"status": "0"}, BEFORE, "column end_date: follow-up after death_date"),
    ({"status": "1"}, "", RECURRENCE),
    ({"status": "1"}, END, RECURRENCE),
    ({"status": "1"}, AFTER, RECURRENCE),
    ({"status": "1"}, BEFORE, "column end_date: a recurrence after death_date"),
    ({"status": "2"}, "", DEATH),
    ({"status": "2"}, END, DEATH),
    ({"status": "2"}, AFTER, "column end_date: status says death, and death_date is another day"),
    ({"status": "2"}, BEFORE, "column end_date: a death after death_date"),
    ({"status": ""}, "", "column status: empty: how follow-up ended must be known"),
    ({"status": ""}, END, "column status: empty: how follow-up ended must be known"),
    ({"event": "no"}, "", CENSORED),
    ({"event": "no"}, END, DEATH),
    ({"event": "no"}, AFTER, CENSORED),
    ({"event": "no"}, BEFORE, "column end_date: follow-up after death_date"),
    ({"event": "yes"}, "", RECURRENCE),
    ({"event": "yes"}, END, RECURRENCE),
    ({"event": "yes"}, AFTER, RECURRENCE),
    ({"event": "yes"}, BEFORE, "column end_date: a recurrence after death_date"),
    ({"event": ""}, END, "column event: empty: how follow-up ended must be known"),
    ({"event": "no", "status": "0"}, END, DEATH),
    ({"event": "no", "status": "2"}, END, DEATH),
    ({"event": "no", "status": ""}, END, DEATH),
    ({"event": "", "status": "0"}, END, DEATH),
    ({"event": "yes", "status": "1"}, END, RECURRENCE),
    ({"event": "yes", "status": "0"}, END, "column event: status says otherwise"),
    ({"event": "yes", "status": "2"}, END, "column event: status says otherwise"),
    ({"event": "no", "status": "1"}, END, "column event: status says otherwise"),
]


def read(rows, tmp_path):
    return load_cohort(text(rows)(tmp_path), time_zero=TIME_ZERO, mapping=MappingSettings(packaged_tables()))


def patients(said, death):
    """Good rows of which the first has this end."""
    rows = dated(end_date=lambda n: END, death_date=lambda n: death if n == 0 else "")
    for name in {"status", "event"} - said.keys():
        for row in rows:
            row.pop(name, None)
    for name, word in said.items():
        for n, row in enumerate(rows):
            row[name] = word if n == 0 else "0"
    return rows


@pytest.mark.parametrize(("said", "death", "expected"), TABLE)
def test_how_follow_up_ends_is_read_or_refused(said, death, expected, tmp_path):
    rows = patients(said, death)
    if isinstance(expected, str):
        with pytest.raises(TrainingError, match=expected):
            read(rows, tmp_path)
        return
    assert read(rows, tmp_path).status.tolist() == [expected] + [CENSORED] * 59


def test_the_table_has_every_combination_of_one_column_with_the_day_of_death():
    told = {(tuple(said.items()), death) for said, death, _ in TABLE}
    for said in ({"status": "0"}, {"status": "1"}, {"status": "2"}, {"event": "no"}, {"event": "yes"}):
        assert {(tuple(said.items()), death) for death in ("", BEFORE, END, AFTER)} <= told


def test_deaths_that_the_date_alone_tells_are_told_in_the_flow(tmp_path):
    rows = dated(end_date=lambda n: END, death_date=lambda n: END if n < 10 else "", status=lambda n: "0")
    cohort = read(rows, tmp_path)
    assert (cohort.status == DEATH).sum() == 10
    step = FlowStep("of these 10 died at the end of follow-up by the date of death alone", 60)
    assert step in cohort.flow
    assert step not in read(dated(end_date=lambda n: END), tmp_path).flow


@pytest.mark.parametrize(
    "rows",
    [
        with_columns(death_date=lambda n: END),
        with_columns(death_date=lambda n: END, time_zero=lambda n: "2020-01-01"),
        with_columns(death_date=lambda n: END, end_date=lambda n: END),
        [row | {"time_days": "100", "death_date": END} for row in renamed(time_years="")],
    ],
)
def test_a_date_of_death_beside_a_time_is_refused_as_nothing_says_on_which_day_follow_up_ended(
    rows, tmp_path
):
    with pytest.raises(TrainingError, match="the column death_date needs time_zero and end_date beside it"):
        read(rows, tmp_path)
