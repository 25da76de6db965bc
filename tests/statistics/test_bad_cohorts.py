"""Every cohort that cannot be used ends in one clear sentence, which says where and holds nobody's name."""

import random

import pytest

from cds_service.commands.cohort import load_cohort
from fhir_mapping.cohort.tabulate import Landmark
from fhir_mapping.record import MappingSettings
from models.training.errors import TrainingError
from tests.spec.run import packaged_tables
from tests.statistics.bad_cohorts import (
    ALL,
    FIT,
    LANDMARK,
    READ,
    SECRET,
    TIME_ZERO,
    UNTIL,
    Bad,
    as_csv,
    good_rows,
)


def load(bad: Bad, folder):
    path = bad.write(folder)
    asked = (
        ({"landmark": Landmark(*LANDMARK), "until": UNTIL} if bad.is_folder else {"time_zero": TIME_ZERO})
        | {"mapping": MappingSettings(packaged_tables())}
        | dict(bad.options)
    )
    return load_cohort(path, **asked)


@pytest.mark.parametrize("bad", READ, ids=lambda bad: bad.name)
def test_a_bad_cohort_is_refused_in_one_sentence(bad, tmp_path):
    with pytest.raises(TrainingError, match=bad.says) as refused:
        load(bad, tmp_path)
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert len(sentence) < 300
    assert SECRET not in sentence
    assert str(tmp_path) not in sentence


@pytest.mark.parametrize("bad", FIT, ids=lambda bad: bad.name)
def test_what_only_a_fit_can_see_is_read(bad, tmp_path):
    assert len(load(bad, tmp_path))


def test_there_are_enough_kinds_and_none_twice():
    names = [bad.name for bad in ALL]
    assert len(names) == len(set(names)) >= 40


@pytest.mark.parametrize("seed", range(8))
def test_bytes_changed_at_random_give_a_cohort_or_one_sentence(seed, tmp_path):
    chance = random.Random(seed)
    data = bytearray(as_csv(good_rows()).encode())
    for _ in range(chance.randint(1, 40)):
        place = chance.randrange(len(data))
        data[place : place + chance.randint(0, 3)] = chance.choice(
            (b"", b'"', b",", b"\n", b"\r", b"\0", b"\xff", b"-", b"e", b"9", b"inf", b";", "é".encode())
        )
    (tmp_path / "cohort.csv").write_bytes(data)
    assert "\n" not in complaint(tmp_path / "cohort.csv")


def complaint(path):
    """What is said of a file; empty where it is a cohort."""
    try:
        assert len(load_cohort(path, time_zero=TIME_ZERO))
    except TrainingError as error:
        return str(error)
    return ""
