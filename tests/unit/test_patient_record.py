"""The record: what is looked up in it, and what is asked of it once."""

from fhir_mapping.patient_record import asked_once
from fhir_mapping.record import Doubt
from tests.support.changes import replace
from tests.support.facts import AS_OF, record, result

CKS = [result("ck", 900, 9), result("ck", 400, 3)]


def doubt(name, role):
    return Doubt(f"Observation/{name}", role, "no unit", AS_OF)


def test_results_are_found_by_their_analyte_in_their_order():
    found = record(CKS[0], result("ast", 50, 5), CKS[1])
    assert found.of("ck") == tuple(CKS)
    assert [one.analyte for one in found.of("ast")] == ["ast"]
    assert found.of("alt") == ()


def test_doubts_of_several_roles_stay_in_their_order():
    doubts = (doubt("a", "ck"), doubt("b", "ana"), doubt("c", "lvef"), doubt("d", "ck"))
    found = record(doubts=doubts)
    assert found.doubts_in("lvef", "ck", "ck", "ast") == (doubts[0], doubts[2], doubts[3])
    assert found.doubts_in("ast") == ()


def test_a_question_is_answered_once_and_anew_of_another_record():
    asked = []

    @asked_once
    def how_many(of):
        """Count its results."""
        asked.append(of)
        return len(of.results)

    first = record(*CKS)
    second = replace(first, results=())
    assert [how_many(first), how_many(first), how_many(second), how_many(first)] == [2, 2, 0, 2]
    assert asked == [first, second]
    assert (how_many.__name__, how_many.__doc__) == ("how_many", "Count its results.")


def test_what_was_asked_of_a_record_makes_it_no_other():
    first, second = record(*CKS), record(*CKS)
    first.of("ck")
    assert first == second
