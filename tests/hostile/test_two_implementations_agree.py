"""The product and a second reading of the same rules, written by someone else, say the same of every record."""

from dataclasses import replace

import pytest

from tests.support.records import Record, drawn
from tests.support.two_readings import compare, differences, product_answer

RECORDS = 250  # per seed; eight seeds make 2,000


def with_entries(record: Record, entries: list) -> Record:
    return replace(record, bundle={**record.bundle, "entry": entries})


def fewest_entries(record: Record, disagree) -> Record:
    """The record without the resources that the disagreement does not need."""
    entries = list(record.bundle["entry"])
    for entry in list(entries):
        fewer = [one for one in entries if one is not entry]
        is_patient = entry["resource"]["resourceType"] == "Patient"
        if not is_patient and disagree(with_entries(record, fewer)):
            entries = fewer
    return with_entries(record, entries)


def in_words(record: Record, disagree) -> str:
    small = fewest_entries(record, disagree)
    lines = [f"{where}: {one!r}, but {other!r}" for where, one, other in disagree(small)]
    return "\n".join([*lines, f"{replace(small, bundle={})}", small.text()])


def in_another_order(record: Record) -> list:
    """Where the product's answer changes with the order of the entries."""
    turned = with_entries(record, record.bundle["entry"][::-1])
    return differences(product_answer(record), product_answer(turned))


@pytest.mark.parametrize("seed", range(1, 9))
def test_two_readings_of_the_rules_say_the_same_of_every_record(seed):
    for record in drawn(seed, RECORDS):
        assert not compare(record), in_words(record, compare)


def test_the_order_of_the_entries_changes_nothing():
    for record in drawn(9, RECORDS):
        assert not in_another_order(record), in_words(record, in_another_order)
