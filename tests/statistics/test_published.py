"""Numbers that others have printed agree with ours at the printed precision."""

from dataclasses import replace

import pytest

from tests.statistics.published.__main__ import Compared, compare, main, summary
from tests.statistics.published.printed import DEFAULT, read_published

PUBLISHED = read_published()
COMPARED = compare(PUBLISHED)


@pytest.mark.parametrize("source", sorted(PUBLISHED.cited))
def test_every_number_of_a_source_agrees_or_has_a_reason(source):
    assert [str(c) for c in COMPARED if c.number.source == source and c.outside] == []


def test_at_least_300_different_numbers_agree():
    agreeing = {replace(c.number.row, value=0.0, tolerance=None) for c in COMPARED if c.agrees}
    assert len(agreeing) >= 300


def test_every_number_names_its_source_and_where_it_stands():
    assert {number.source for number in PUBLISHED.numbers} == set(PUBLISHED.cited)
    assert all(number.where for number in PUBLISHED.numbers)


def test_a_number_one_unit_away_is_outside_and_one_half_a_unit_away_is_not():
    number = next(n for n in PUBLISHED.numbers if n.text == "0.34184")
    assert Compared(number, 0.341845).agrees
    assert Compared(number, 0.341851).outside
    assert Compared(replace(number, otherwise="a reason"), 0.34184).outside


def test_data_that_may_not_be_given_on_are_counted_as_not_checked(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    assert "not checked: sex2: " in said
    assert said.splitlines()[-1] == summary(PUBLISHED, COMPARED)
    assert {n.row.dataset for n in PUBLISHED.numbers} - PUBLISHED.datasets.keys() == PUBLISHED.absent.keys()


def test_data_of_a_named_folder_are_checked(tmp_path):
    (tmp_path / "sex2.csv").write_text("case,age,oc,vic,vicl,vis,dia\n1,0,0,1,0,0,0\n0,1,1,0,0,1,1\n")
    assert "sex2" in read_published(tmp_path).datasets


def test_every_file_of_data_is_in_the_table_of_licences():
    table = (DEFAULT / "README.md").read_text(encoding="utf-8")
    assert all(f"`data/{file.name}`" in table for file in (DEFAULT / "data").iterdir())
