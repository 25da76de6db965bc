"""How a clinic's `policy.toml` (schema 2) is read, and how one that cannot be used is refused."""

from datetime import timedelta
from functools import cache

import pytest

from models.artefact import ModelError, Policy
from models.inputs import FOLLOW_UP_PARTS
from models.policy import load_policy
from models.registry import default_folder

PATH = default_folder() / "policy.toml"


@cache
def policy() -> Policy:
    return load_policy(PATH)


def every(item):
    return {column: interval.days for column, interval in policy().items[item].every.items()}


def test_the_items_and_their_parts_are_those_that_the_mapping_knows():
    items = {name: tuple(part.part for part in item.parts) for name, item in policy().items.items()}
    assert items == dict(FOLLOW_UP_PARTS)
    assert list(items) == list(FOLLOW_UP_PARTS)


@pytest.mark.parametrize(
    ("item", "low", "intermediate", "high", "active", "relapse"),
    [
        ("visit", 180, 90, 42, 28, 14),
        ("ck-ast-alt", 90, 56, 28, 14, 14),
        ("troponin-ecg", 365, 180, 180, 180, 90),
        ("echo", None, None, 180, 365, 365),
        ("lung-function", 365, 365, 180, 180, 180),
    ],
)
def test_the_follow_up_table_is_that_of_the_rules(item, low, intermediate, high, active, relapse):
    table = {"low": low, "intermediate": intermediate, "high": high, "active": active, "relapse": relapse}
    assert every(item) == {column: days for column, days in table.items() if days}
    assert not policy().items[item].once


@pytest.mark.parametrize("item", ["chest-ct", "antibodies"])
def test_what_is_done_once_has_no_interval(item):
    assert policy().items[item].once
    assert every(item) == {}


def test_lung_function_has_its_own_intervals_beside_lung_disease():
    with_ild = policy().items["lung-function"].with_ild
    assert [days.days for days in (with_ild.first, with_ild.within, with_ild.then)] == [120, 365, 180]
    assert [name for name, item in policy().items.items() if item.with_ild] == ["lung-function"]


def test_each_part_is_one_code_of_a_vocabulary_with_a_category():
    ordered = {part: (order.code.code, order.category.code) for part, order in policy().orders.items()}
    assert ordered == {
        "visit": ("306290009", "3457005"),
        "ck": ("2157-6", "108252007"),
        "ast": ("1920-8", "108252007"),
        "alt": ("1742-6", "108252007"),
        "ana": ("5048-4", "108252007"),
        "troponin-i": ("89579-7", "108252007"),
        "ecg": ("29303009", "103693007"),
        "echo": ("40701008", "363679005"),
        "lung-function": ("19868-9", "103693007"),
        "chest-ct": ("16335031000119103", "363679005"),
        "anti-srp": ("33921-8", "108252007"),
        "anti-hmgcr": ("93493-5", "108252007"),
    }
    systems = {(o.code.vocabulary, o.code.system) for o in policy().orders.values()}
    assert systems == {("LOINC", "http://loinc.org"), ("SNOMED CT", "http://snomed.info/sct")}


def test_the_other_numbers_are_those_of_the_rules():
    found = policy()
    assert (found.known_at_least, found.low_below, found.high_from) == (2, 0.20, 0.45)
    assert (found.due_within, found.order_within, found.visit_within) == (
        timedelta(days=14),
        timedelta(days=7),
        timedelta(days=28),
    )
    assert (found.suggestions_at_most, found.quiet_low, found.remembered) == (4, True, timedelta(days=90))
    assert (found.disease.code, found.specialty.code, found.service_type.code) == (
        "715863001",
        "394810000",
        "182",
    )
    assert list(found.tests) == ["high_drr", "high_ana", "cardiac_involvement", "treatment_refractory"]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('schema = "imnm-cds-policy/2"', 'schema = "imnm-cds-policy/1"', "'imnm-cds-policy/1' is not"),
        ("low_below = {", "# {", "'low_below' is missing; add it there"),
        (
            "low_below = {",
            "lower_below = {",
            "bands.lower_below is not known; there may be low_below, high_from",
        ),
        ("due_within", "due_whitin", "advice.due_whitin is not known; there may be due_within, "),
        ("[bands]", "[bans]", "bans is not known; there may be schema, score, bands, "),
        (
            "reasons =",
            "reason =",
            "next_best_test.high_drr.reason is not known; there may be name, parts, reasons",
        ),
        (".with_ild]", ".with_idl]", "follow_up.lung-function.with_idl is not known"),
        ('"ecg"]', '"ecg"]\nevry = 1', "follow_up.troponin-ecg.evry is not known"),
        ("value = 2, unit", "valeu = 2, value = 2, unit", "score.known_at_least.valeu is not known"),
        ("value = 2, unit", "value = 0, unit", "score.known_at_least must be 1 to 4; correct it there"),
        ("value = 2, unit", "value = 5, unit", "score.known_at_least must be 1 to 4; correct it there"),
        ("value = 0.45", "value = 0.15", "must rise between 0 and 1; correct it there"),
        ("value = 0.45", 'value = "0.45"', "bands.high_from needs a probability"),
        ('value = 14, unit = "d"', 'value = 14, unit = "h"', "advice.due_within needs the unit d"),
        ("value = 14,", "value = 99999999999,", "correct it there"),
        ("value = 14,", "value = 14.5,", "advice.due_within needs a whole number"),
        ("value = 14,", "value = -14,", "advice.due_within needs a whole number"),
        ("value = 14,", "value = 3654,", "advice.due_within must be 0 to 3653 days"),
        ("high = { value = 42", "high = { value = 0", "follow_up.visit.every.high must be 1 to 3653 days"),
        ("first = { value = 120", "first = { value = 0", "with_ild.first must be 1 to 3653 days"),
        ("then = { value = 180", "then = { value = 0", "with_ild.then must be 1 to 3653 days"),
        (
            "high = { value = 42",
            "# {",
            "follow_up.visit.every must not end from low to intermediate to high",
        ),
        (
            "relapse = { value = 14",
            "# {",
            "follow_up.visit.every must not end from low to active to relapse",
        ),
        ('mark = "assumed", source = "S5"', 'mark = "guessed", source = "S5"', "score.known_at_least needs"),
        (
            'source = "S5"',
            'source = ""',
            "score.known_at_least.source must be a text",
        ),
        ('source = "S5"', "source = 5", "score.known_at_least.source must be a text"),
        ('source = "S5"', 'source = " "', "score.known_at_least.source must be a text"),
        (', source = "S5"', "", "score.known_at_least needs the unit {predictors}, a mark and a source"),
        ("quiet_low = true", 'quiet_low = "yes"', "advice.quiet_low must be true or false"),
        ('parts = ["ana"]', 'parts = ["anna"]', "'anna' is missing"),
        ('parts = ["ana"]', "parts = []", "next_best_test.high_ana.parts must be a list of texts"),
        ('parts = ["ana"]', 'parts = "ana"', "next_best_test.high_ana.parts must be a list of texts"),
        (
            '["not assessed"',
            '[1, "not assessed"',
            "each of next_best_test.cardiac_involvement.reasons must be a text",
        ),
        ('name = "ANA titre"', 'name = " "', "next_best_test.high_ana.name must be a text"),
        ('code = "2157-6"', "code = 2157", "orders.ck.code must be a text"),
        ('"http://loinc.org"', '""', "vocabularies.LOINC must be a text"),
        (
            '[follow_up.chest-ct]\nparts = ["chest-ct"]\nonce = true',
            "",
            "follow_up must have a row for chest-ct; correct it there",
        ),
        (
            'parts = ["echo"]',
            'parts = ["ecg"]',
            "follow_up.echo must have the parts of a known item (echo)",
        ),
        (
            "[follow_up.visit]",
            '[follow_up.vist]\nparts = ["visit"]\n[follow_up.visit]',
            "follow_up.vist must have the parts of a known item (none)",
        ),
        (
            "high = { value = 42",
            "hihg = { value = 42",
            "follow_up.visit may have intervals for low, intermediate, high, active, relapse only",
        ),
        ("once = true", "once = false", "follow_up.chest-ct needs intervals, or once = true"),
        ("once = true", 'once = "no"', "follow_up.chest-ct.once must be true or false"),
        ("once = true", "", "follow_up.chest-ct needs intervals, or once = true"),
        (
            'parts = ["visit"]',
            'parts = ["visit"]\nonce = true',
            "follow_up.visit needs intervals, or once = true",
        ),
        (
            "first = { value = 120",
            "frist = { value = 120",
            "with_ild.frist is not known; there may be first, within",
        ),
        ("first = { value = 120", "# {", "'first' is missing"),
        ('within = { value = 365, unit = "d"', 'within = { value = 1, unit = "a"', "with_ild.within needs"),
        ("ana = { category", "anna = { category", "orders must have one code for each of visit, ck, "),
        ('ecg = { category = "diagnostic"', 'ecg = { category = "other"', "'other' is missing"),
        ("[bands]", "[bands", "correct it there"),
        ('[vocabularies]\n"LOINC" = "http://loinc.org"', "[vocabularies]", "'LOINC' is missing"),
        ("= { value = 2, unit", "= 2 #", "score.known_at_least must be a table"),
        ("[orders]", "[orders]\nfev1 = 1", "orders.fev1 must be a table"),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused_in_one_sentence(tmp_path, before, after, message):
    text = PATH.read_text(encoding="utf-8")
    assert before in text
    path = tmp_path / "policy.toml"
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(ModelError) as refused:
        load_policy(path)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_policy_that_is_nested_too_deeply_is_named(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(f"a = {'[' * 2000}{']' * 2000}")
    with pytest.raises(ModelError, match=r"policy\.toml: .*recursion.*; correct it there"):
        load_policy(path)


def test_a_policy_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"policy\.toml cannot be read \(No such file"):
        load_policy(tmp_path / "policy.toml")
