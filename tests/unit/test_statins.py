"""The statin row of the follow-up table (V): what warns, what is not known, and where it does not stand."""

import pytest
from msgspec.structs import replace

from fhir_mapping.record import Doubt, Value
from fhir_mapping.rules.follow_up import follow_up
from tests.support.facts import AS_OF, course, given, medicine, record, result


def antibody(analyte, text="Positive"):
    return replace(result(analyte, None, 100, high=None), value=Value(text=text))


SRP, HMGCR = antibody("anti-srp"), antibody("anti-hmgcr")
NO_SRP, NO_HMGCR = antibody("anti-srp", "Negative"), antibody("anti-hmgcr", "Negative")


def facts(*things, **options):
    return follow_up(record(*things, **options))


@pytest.mark.parametrize(
    ("statin", "antibodies", "row"),
    [
        (course("statin", 90), [HMGCR], ("statin", False)),
        (course("statin", 90), [SRP, HMGCR], ("statin", False)),
        (course("statin", 90), [SRP], None),
        (course("statin", 90), [], ("statin", True)),
        (course("statin", 90), [NO_SRP], ("statin", True)),
        (course("statin", 90), [NO_HMGCR], None),
        (course("statin", 90, 10), [HMGCR], None),
        (medicine("Statement", "statin", active=True), [HMGCR], ("statin", False)),
        (medicine("Dispense", "statin", active=True), [HMGCR], None),
        (given("statin", 9, active=True), [HMGCR], None),
        (course("methotrexate", 90), [HMGCR], None),
    ],
)
def test_an_active_statin_in_anti_hmgcr_disease_or_where_it_was_never_tested(statin, antibodies, row):
    found = facts(statin, *antibodies).statin
    assert (found and (found.names[0], found.never_answered)) == row
    assert found is None or (found.state, found.evidence) == ("warn", (statin.resource,))


def stated(*things):
    found = facts(*things).statin
    return found and (found.state, found.names, found.since, found.never_answered)


def statin_doubt(name="atorvastatin", listed=True):
    return Doubt("MedicationStatement/x", name, "named, not coded", AS_OF, by="word", listed=listed)


@pytest.mark.parametrize(
    ("doubt", "more", "row"),
    [
        (statin_doubt(), [HMGCR], ("unknown", ("atorvastatin",), "", False)),
        (statin_doubt(), [], ("unknown", ("atorvastatin",), "", True)),
        (statin_doubt(), [SRP], None),
        (statin_doubt(), [NO_HMGCR], None),
        (statin_doubt(listed=False), [HMGCR], None),
        (statin_doubt("azathioprine"), [HMGCR], None),
        (statin_doubt(), [HMGCR, course("simvastatin", 90)], ("warn", ("simvastatin",), "2025-12-01", False)),
    ],
)
def test_a_statin_that_could_not_be_used_is_unknown_unless_one_was_read(doubt, more, row):
    found = follow_up(record(*more, doubts=(doubt,))).statin
    assert (found and (found.state, found.names, found.since, found.never_answered)) == row


def test_of_several_statins_all_are_named_with_the_start_of_the_first():
    assert stated(HMGCR, course("simvastatin", 90), course("atorvastatin", 30)) == (
        "warn",
        ("atorvastatin", "simvastatin"),
        "2026-01-30",
        False,
    )


def test_an_active_statin_without_a_date_is_warned_of_all_the_same():
    assert stated(HMGCR, medicine("Statement", "atorvastatin", active=True)) == (
        "warn",
        ("atorvastatin",),
        "",
        False,
    )
