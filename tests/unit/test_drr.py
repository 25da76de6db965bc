"""High De Ritis ratio: pairs (D1), reported ratios (D2), activity (D3), choice (D4), decision (D5, D6), notes (D7)."""

import gc
import random
from datetime import timedelta, timezone
from decimal import Decimal

import pytest
from msgspec.structs import replace

from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Doubt, ReferenceLimits
from fhir_mapping.rules.predictors.drr import high_drr
from fhir_mapping.rules.predictors.pairs import pair_up
from tests.support.facts import ago, diagnosis, record, result

REPORT = {"reports": frozenset({"DiagnosticReport/r"})}
S1, S2 = {"specimen": "Specimen/1"}, {"specimen": "Specimen/2"}


def ast(value, days, comparator="", name=None, **more):
    name = name or f"ast-{days}"
    return result("ast", value, days, comparator, resource=f"Observation/{name}", **more)


def alt(value, days, comparator="", name=None, **more):
    name = name or f"alt-{days}"
    return result("alt", value, days, comparator, resource=f"Observation/{name}", **more)


def doubt(role, days, reason="no subject"):
    return Doubt(f"Observation/doubt-{role}-{days}", role, reason, ago(days).last)


def ratio(value, days, comparator="", **more):
    return result("ast-alt-ratio", value, days, comparator, **more)


def inverse(value, days, comparator="", **more):
    return result("alt-ast-ratio", value, days, comparator, **more)


def ck(value, days, comparator="", **more):
    return result("ck", value, days, comparator, **more)


def seen(*facts, **options):
    """State, rule and reason in one line; `stale` where it is."""
    feature = high_drr(record(*facts, **options))
    return " ".join(
        filter(None, (feature.state, feature.rule, feature.reason, "stale" if feature.stale else ""))
    )


def pairs(*facts):
    return {f"{p.ast.id} {p.alt.id}" for p in pair_up(record(*facts))}


# D1: which AST belongs to which ALT


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        # nearest in time, at most 24 h, partial dates as their last instant
        ([ast(90, 10), alt(50, 9)], {"ast-10 alt-9"}),
        ([ast(90, 10), alt(50, 8.999)], set()),
        (
            [ast(90, "2026-02-01"), alt(50, "2026-02-01T00:30:00Z")],
            {"ast-2026-02-01 alt-2026-02-01T00:30:00Z"},
        ),
        ([ast(90, "2026-02"), alt(50, "2026-02")], set()),
        ([ast(90, 10), alt(50, 10.4, name="far"), alt(50, 9.9, name="near")], {"ast-10 near"}),
        # the closest first, even if another AST stands before it
        ([ast(90, 10, name="a"), ast(90, 9.5, name="b"), alt(50, 9.4)], {"b alt-9.4"}),
        # equally close: the lower AST id, then the lower ALT id
        ([ast(90, 10, name="b"), ast(90, 10, name="a"), alt(50, 10)], {"a alt-10"}),
        ([ast(90, 10), alt(50, 10, name="d"), alt(50, 10, name="c")], {"ast-10 c"}),
        ([ast(90, 10), alt(50, 10.5, name="c"), alt(50, 9.5, name="d")], {"ast-10 c"}),
        # same specimen before anything, however far apart
        ([ast(90, 10, **S1), alt(50, 10, name="near"), alt(50, 40, name="same", **S1)], {"ast-10 same"}),
        # same report up to 7 days, but not across specimens
        ([ast(90, 10, **REPORT), alt(50, 3, **REPORT)], {"ast-10 alt-3"}),
        ([ast(90, 10, **REPORT), alt(50, 2.999, **REPORT)], set()),
        ([ast(90, "2026-02", **REPORT), alt(50, "2026-02", **REPORT)], {"ast-2026-02 alt-2026-02"}),
        ([ast(90, 10, **REPORT, **S1), alt(50, 8, **REPORT, **S2)], set()),
        ([ast(90, 10, **REPORT, **S1), alt(50, 8, **REPORT)], {"ast-10 alt-8"}),
        (
            [ast(90, 10, **REPORT), alt(50, 10, name="near"), alt(50, 9, name="same", **REPORT)],
            {"ast-10 same"},
        ),
        # different specimens only by time
        ([ast(90, 10, **S1), alt(50, 9, **S2)], {"ast-10 alt-9"}),
        # nobody twice
        ([ast(90, 10, name="a"), ast(90, 9, name="b"), alt(50, 9.5)], {"a alt-9.5"}),
        (
            [ast(90, 10, name="a"), ast(90, 9.6, name="b"), alt(50, 9.7, name="c"), alt(50, 10.3, name="d")],
            {"a d", "b c"},
        ),
    ],
)
def test_each_result_joins_the_one_that_belongs_to_it(facts, expected):
    assert pairs(*facts) == expected


def test_results_without_an_id_are_told_apart():
    facts = [ast(90, 10, name=""), alt(50, 10, name=""), ast(90, 20, name=""), alt(40, 20, name="")]
    assert len(pair_up(record(*facts))) == 2


def test_pairs_do_not_depend_on_the_order_of_the_record():
    facts = [ast(90 + n, 10 + n / 7, name=f"a{n}") for n in range(12)]
    facts += [alt(50 + n, 10 + n / 5, name=f"b{n}") for n in range(12)]
    expected = pairs(*facts)
    for seed in range(5):
        shuffled = random.Random(seed).sample(facts, len(facts))
        whole = record(*facts)
        mixed = PatientRecord(whole.as_of, whole.mapping, whole.patient, tuple(shuffled))
        assert {f"{p.ast.id} {p.alt.id}" for p in pair_up(mixed)} == expected


def test_the_greedy_pairs_are_those_of_the_slow_definition():
    chance = random.Random(3)
    for _ in range(40):
        asts = [ast(90, chance.randrange(40) / 4, name=f"a{n}") for n in range(chance.randrange(8))]
        alts = [alt(50, chance.randrange(40) / 4, name=f"b{n}") for n in range(chance.randrange(8))]
        near = sorted(
            (abs(a.when.last - b.when.last), a.id, b.id)
            for a in asts
            for b in alts
            if abs(a.when.last - b.when.last) <= timedelta(days=1)
        )
        used, expected = set(), set()
        for _gap, a, b in near:
            if not used & {a, b}:
                used |= {a, b}
                expected.add(f"{a} {b}")
        assert pairs(*asts, *alts) == expected


def test_thousands_of_results_at_one_time_are_paired_quickly():
    facts = [ast(90 + n, 10, name=f"a{n:05}") for n in range(3000)]
    facts += [alt(50 + n, 10, name=f"b{n:05}") for n in range(3000)]
    assert len(pair_up(record(*facts))) == 3000


def test_pairs_hold_no_memory_that_only_the_collector_finds():
    facts = [ast(90 + n, 10 + n / 7, name=f"a{n}") for n in range(12)]
    chart = record(*facts, *[alt(50 + n, 10 + n / 5, name=f"b{n}") for n in range(12)])
    gc.collect()
    gc.disable()
    try:
        assert pair_up(chart)
        assert gc.collect() == 0
    finally:
        gc.enable()


# D5, D6: what the chosen pair says


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([ast(173, 10), alt(100, 10)], "absent D5"),
        ([ast("173.0001", 10), alt(100, 10)], "present D5"),
        ([ast(7000, 10, ">"), alt(1000, 10)], "present D6"),
        ([ast(173, 10, ">"), alt(100, 10)], "present D6"),
        ([ast(173, 10, ">="), alt(100, 10)], "indeterminate D6 the comparator leaves the ratio open"),
        ([ast(100, 10, ">"), alt(100, 10)], "indeterminate D6 the comparator leaves the ratio open"),
        ([ast(100, 10), alt(100, 10, ">")], "absent D6"),
        ([ast(180, 10), alt(100, 10, "<")], "present D6"),
        ([ast(173, 10), alt(100, 10, "<=")], "indeterminate D6 the comparator leaves the ratio open"),
        ([ast(173, 10), alt(100, 10, ">=")], "absent D6"),
        ([ast(9000, 10, ">"), alt(50, 10, ">")], "indeterminate D6 the comparator leaves the ratio open"),
        ([ast(300, 10, ">"), alt(50, 10, "<=")], "present D6"),
        ([ast(30, 10, "<"), alt(60, 10, ">=")], "absent D6"),
    ],
)
def test_the_ratio_decides_and_a_bound_only_if_it_can(facts, expected):
    assert seen(*facts) == expected


def test_the_value_is_the_quotient_and_the_evidence_names_both_enzymes_and_the_ck():
    feature = high_drr(record(ast(200, 10), alt(300, 9.5), ck(900, 8)))
    assert feature.value == Decimal("0.6666666666666666666666666667")
    assert (feature.unit, feature.date) == ("1", "2026-02-19")
    assert [(e.role, e.resource, e.value) for e in feature.evidence] == [
        ("ast", "Observation/ast-10", 200),
        ("alt", "Observation/alt-9.5", 300),
        ("ck", "Observation/ck-8", 900),
    ]


def test_an_open_ratio_has_no_value():
    feature = high_drr(record(ast(100, 10, ">"), alt(100, 10)))
    assert (feature.value, feature.unit) == (None, "")


# D1: an ALT below 5 refuses the pair


@pytest.mark.parametrize(
    ("value", "comparator", "expected"),
    [
        (5, "", "present D5"),
        ("4.9", "", "missing D5 ALT < 5 U/L"),
        (5, "<", "missing D5 ALT < 5 U/L"),
        (5, "<=", "present D6"),
        (6, "<", "present D6"),
        (3, ">", "indeterminate D6 the comparator leaves the ratio open"),
    ],
)
def test_an_alt_below_5_refuses_the_pair(value, comparator, expected):
    assert seen(ast(90, 10), alt(value, 10, comparator)) == expected


# D3: active disease


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([ast(40, 10), alt(20, 10)], "indeterminate D5 no pair from active disease"),
        ([ast(41, 10), alt(20, 10)], "present D5"),
        ([ast(40, 10), alt(41, 10)], "absent D5"),
        ([ast(60, 10, high=70), alt(20, 10)], "indeterminate D5 no pair from active disease"),
        ([ast(30, 10, ">"), alt(20, 10)], "indeterminate D5 no pair from active disease"),
        ([ast(60, 10, high=None), alt(20, 10)], "indeterminate D5 no pair from active disease"),
        # the CK nearest in time, within 7 days, within its limit
        ([ast(90, 10), alt(50, 10), ck(200, 10)], "indeterminate D5 no pair from active disease"),
        ([ast(90, 10), alt(50, 10), ck(201, 10)], "present D5"),
        ([ast(90, 10), alt(50, 10), ck(200, 3)], "indeterminate D5 no pair from active disease"),
        ([ast(90, 10), alt(50, 10), ck(200, 17)], "indeterminate D5 no pair from active disease"),
        ([ast(90, 10), alt(50, 10), ck(200, 2.999)], "present D5"),
        ([ast(90, 10), alt(50, 10), ck(100, 11), ck(900, 10.5)], "present D5"),
        (
            [ast(90, 10), alt(50, 10), ck(900, 11), ck(100, 10.5)],
            "indeterminate D5 no pair from active disease",
        ),
        # of two equally near the higher
        ([ast(90, 10), alt(50, 10), ck(100, 11), ck(900, 9)], "present D5"),
        ([ast(90, 10), alt(50, 10), ck(900, 11), ck(100, 9)], "present D5"),
        (
            [
                ast(90, 10),
                alt(50, 10),
                ck(900, 11, resource="Observation/x"),
                ck(100, 11, resource="Observation/a"),
            ],
            "present D5",
        ),
        (
            [
                ast(90, 10),
                alt(50, 10),
                ck(900, 11, resource="Observation/a"),
                ck(100, 11, resource="Observation/x"),
            ],
            "present D5",
        ),
        # a comparator must prove it
        ([ast(90, 10), alt(50, 10), ck(300, 10, "<")], "present D5"),
        ([ast(90, 10), alt(50, 10), ck(200, 10, "<")], "indeterminate D5 no pair from active disease"),
        ([ast(90, 10), alt(50, 10), ck(100, 10, ">")], "present D5"),
    ],
)
def test_only_active_disease_gives_a_ratio(facts, expected):
    assert seen(*facts) == expected


# D4: which pair


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([ast(90, 365), alt(50, 365)], "present D5"),
        ([ast(90, 365.1), alt(50, 365.1)], "present D5 stale"),
        ([ast(90, 1826), alt(50, 1826)], "present D5 stale"),
        ([ast(90, 1826.1), alt(50, 1826.1)], "missing D5 no pair within 5 years"),
        # the latest active one, not the latest
        ([ast(90, 30), alt(50, 30), ast(30, 10), alt(30, 10)], "present D5"),
        ([ast(90, 30), alt(50, 30), ast(90, 10), alt(80, 10)], "absent D5"),
        # the same day: the same specimen first, then the later, then the higher
        ([ast(90, 10.2, **S1), alt(50, 10.2, **S1), ast(90, 10.1), alt(80, 10.1)], "present D5"),
        ([ast(90, 10.2), alt(50, 10.2), ast(90, 10.1), alt(80, 10.1)], "absent D5"),
        (
            [
                ast(90, 10, **S1, name="a"),
                alt(80, 10, **S1, name="b"),
                ast(90, 10, **S2, name="c"),
                alt(50, 10, **S2, name="d"),
            ],
            "present D5",
        ),
    ],
)
def test_the_latest_active_pair_of_5_years_counts(facts, expected):
    assert seen(*facts) == expected


def test_of_equal_ratios_at_one_time_the_lower_id_is_shown():
    facts = [
        ast(90, 10, **S2, name="a2"),
        alt(50, 10, **S2, name="b2"),
        ast(90, 10, **S1, name="a1"),
        alt(50, 10, **S1, name="b1"),
    ]
    assert high_drr(record(*facts)).evidence[0].resource == "Observation/a1"


def test_the_day_is_that_of_the_clients_time_zone():
    evening = [ast(90, "2026-02-10T23:30:00Z", **S1), alt(50, "2026-02-10T23:30:00Z", **S1)]
    morning = [ast(90, "2026-02-11T05:00:00Z"), alt(80, "2026-02-11T05:00:00Z")]
    assert seen(*evening, *morning) == "absent D5"
    ahead = {"time_zone": timezone(timedelta(hours=8))}
    assert seen(*evening, *morning, settings=ahead) == "present D5"


# D5: why missing


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([], "no AST"),
        ([alt(50, 10)], "no AST"),
        ([ast(50, 10)], "no ALT"),
        ([ast(50, 10), alt(50, 20)], "not the same day"),
        ([ast(50, 10), alt(3, 10), alt(50, 20)], "ALT < 5 U/L"),
        ([ast(50, 2000), alt(50, 2000), ast(50, 10), alt(3, 10)], "no pair within 5 years"),
        ([ratio(2, 2000)], "no AST"),
        ([ratio(2, 2000), ast(50, 10), alt(50, 20)], "not the same day"),
    ],
)
def test_the_first_reason_that_holds_is_given(facts, expected):
    assert seen(*facts) == f"missing D5 {expected}"


@pytest.mark.parametrize(
    ("role", "reason", "days", "expected"),
    [
        ("ast", "no unit", 10, "indeterminate D5 unit"),
        ("alt", "unknown unit", 10, "indeterminate D5 unit"),
        ("drr", "implausible", 10, "indeterminate D5 a newer result could not be read"),
        ("ast", "no subject", 1826, "indeterminate D5 a newer result could not be read"),
        ("ast", "no subject", 1827, "missing D5 no AST"),
        ("ck", "no unit", 10, "missing D5 no AST"),
    ],
)
def test_no_pair_beside_a_doubt_in_its_enzymes_of_5_years_is_not_missing(role, reason, days, expected):
    assert seen(doubts=(doubt(role, days, reason),)) == expected


def test_a_unit_is_named_before_any_other_doubt():
    both = (doubt("ast", 3, "no subject"), doubt("alt", 900, "no unit"))
    assert seen(doubts=both) == "indeterminate D5 unit"


@pytest.mark.parametrize(
    ("facts", "days", "expected"),
    [
        ([ast(90, 10), alt(80, 10)], 9, "indeterminate D5 a newer result could not be read"),
        ([ast(90, 10), alt(80, 10)], 10, "absent D5"),
        ([ast(90, 10), alt(80, 9.5)], 9.8, "absent D5"),  # the pair's time is the later of the two
        ([ast(90, 10), alt(50, 10)], 9, "present D5"),
        ([ratio(2, 10)], 9, "indeterminate D2 activity unknown"),
        ([ast(30, 10), alt(20, 10)], 9, "indeterminate D5 a newer result could not be read"),
        ([ast(30, 10), alt(20, 10)], 10, "indeterminate D5 no pair from active disease"),
        (
            [ast(90, 99), alt(80, 99), ast(30, 10), alt(20, 10)],
            50,
            "indeterminate D5 a newer result could not be read",
        ),
    ],
)
def test_a_doubt_later_than_the_chosen_pair_bars_absent(facts, days, expected):
    feature = high_drr(record(*facts, doubts=(doubt("alt", days),)))
    assert " ".join(filter(None, (feature.state, feature.rule, feature.reason))) == expected
    assert bool(feature.barred_by) == ("could not be read" in expected)


def test_a_doubt_beside_a_high_ratio_is_noted():
    (note,) = high_drr(record(ast(90, 10), alt(50, 10), doubts=(doubt("alt", 9),))).notes
    assert note.text == "Observation/doubt-alt-9 could not be used (no subject)"


def test_a_query_that_is_not_offered_is_named_only_where_nothing_was_found():
    gone = {"not_offered": frozenset({"enzymes"})}
    assert seen(**gone) == "missing D5 not offered by the server"
    assert seen(ast(50, 10), **gone) == "missing D5 no ALT"


# D2: ratios that the laboratory reports


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        # alone: active if an enzyme beside it is raised
        ([ratio(2, 10, **S1), ast(90, 30, **S1)], "present D2"),
        ([ratio(2, 10, **REPORT), alt(90, 3, **REPORT)], "present D2"),
        ([ratio(2, 10), ast(90, 9)], "present D2"),
        ([ratio(2, 10), ast(90, 8.999)], "indeterminate D2 activity unknown"),
        ([ratio(2, 10), ast(40, 10)], "indeterminate D5 no pair from active disease"),
        ([ratio(2, 10), ast(90, 10), ck(100, 10)], "indeterminate D5 no pair from active disease"),
        ([ratio("1.73", 10), ast(90, 10)], "absent D2"),
        ([ratio("1.74", 10), ast(90, 10)], "present D2"),
        ([ratio(2, 10, ">"), ast(90, 10)], "present D2"),
        ([ratio(1, 10, ">"), ast(90, 10)], "indeterminate D2 the comparator leaves the ratio open"),
        # the inverse
        ([inverse("0.5", 10), ast(90, 10)], "present D2"),
        ([inverse("0.6", 10), ast(90, 10)], "absent D2"),
        ([inverse("0.5", 10, "<"), ast(90, 10)], "present D2"),
        ([inverse("0.5", 10, ">"), ast(90, 10)], "indeterminate D2 the comparator leaves the ratio open"),
        ([ratio(0, 10), ast(90, 10)], "missing D5 no ALT"),
        # with neither enzyme: only if there is no active pair
        ([ratio(2, 10)], "indeterminate D2 activity unknown"),
        ([ratio(2, 10), ck(9000, 10)], "indeterminate D2 activity unknown"),
        ([ratio(2, 10), ast(90, 300), alt(80, 300)], "absent D5"),
        ([ratio(2, 10), ast(30, 300), alt(20, 300)], "indeterminate D2 activity unknown"),
        # beside a computed pair the computed one counts, even if it is inactive
        ([ratio(2, 10), ast(90, 10), alt(80, 10)], "absent D5"),
        ([ratio(2, 9), ast(90, 10), alt(80, 10)], "absent D5"),
        ([ratio(2, 40, **S1), ast(90, 10, **S1), alt(80, 10, **S1)], "absent D5"),
        ([ratio(2, 10), ast(30, 10), alt(30, 10)], "indeterminate D5 no pair from active disease"),
        ([ratio(2, 39.5), ast(90, 10, **S1), alt(80, 39, **S1)], "absent D5"),
        ([ratio(2, 14, **REPORT), ast(90, 10, **REPORT), alt(80, 10, **REPORT)], "absent D5"),
        ([ratio(2, 3, **REPORT, **S2), ast(90, 9, **REPORT, **S1), alt(80, 9, **REPORT, **S1)], "absent D5"),
        # a pair refused for its ALT refuses the ratio beside it
        ([ratio(2, 10), ast(90, 10), alt(4, 10)], "missing D5 ALT < 5 U/L"),
        # it ranks as one specimen
        ([ratio(2, 10.3), ast(90, 10.3), ast(90, 8.5), alt(80, 8.5)], "absent D5"),
    ],
)
def test_a_reported_ratio_stands_in_for_a_missing_pair(facts, expected):
    assert seen(*facts) == expected


def test_a_report_joins_no_ratio_to_enzymes_of_another_specimen():
    enzymes = [ast(90, 9, **REPORT, **S1), alt(80, 9, **REPORT, **S1)]
    shown = high_drr(record(ratio(2, 3, **REPORT, **S2), *enzymes))
    assert [e.role for e in shown.evidence] == ["ast", "alt"]
    assert shown.notes == ()
    assert [n.rule for n in high_drr(record(ratio(2, 3, **REPORT), *enzymes)).notes] == ["D2"]


def test_an_inverse_ratio_is_turned_over():
    feature = high_drr(record(inverse("0.4", 10), ast(90, 10)))
    assert feature.value == Decimal("2.5")
    assert [e.role for e in feature.evidence] == ["alt-ast-ratio", "ast"]


@pytest.mark.parametrize(
    ("value", "comparator", "noted"),
    [("1.98", "", False), ("1.99", "", True), ("1.62", "", False), ("1.61", "", True), (9, ">", False)],
)
def test_a_reported_ratio_that_differs_by_more_than_10_per_cent_is_noted(value, comparator, noted):
    feature = high_drr(record(ratio(value, 10, comparator), ast(90, 10), alt(50, 10)))
    assert [note.rule for note in feature.notes] == ["D2"] * noted


# D7: notes


@pytest.mark.parametrize(
    ("facts", "noted"),
    [
        ([ast(90, 40), alt(80, 40)], ["unstable"]),
        ([ast(90, 40.1), alt(80, 40.1)], []),
        ([ast(90, 40), alt(45, 40)], []),
        ([ast(39, 40), alt(39, 40)], []),
    ],
)
def test_what_makes_the_ratio_doubtful_is_noted(facts, noted):
    feature = high_drr(record(ast(90, 10), alt(50, 10), *facts))
    assert [note.text.split()[0].rstrip(":") for note in feature.notes] == noted
    assert {note.rule for note in feature.notes} <= {"D7"}


# D8: not from muscle

LIVER, INFARCTION = diagnosis("liver-disease", 900), diagnosis("myocardial-infarction", 17)


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ([LIVER], "liver disease"),
        ([diagnosis("alcohol-disorder", None, clinical="resolved")], "alcohol disorder"),
        ([diagnosis("haemolysis", 10)], "haemolytic anaemia"),
        ([diagnosis("haemolysis", 9)], ""),
        ([diagnosis("liver-disease", 900, confirmed=False)], ""),
        ([diagnosis("liver-disease", 900, abatement=ago(10))], "liver disease"),
        ([diagnosis("liver-disease", 900, abatement=ago(11))], ""),
        # a CK above 5 × ULN nearest to the pair says muscle
        ([LIVER, ck(1000, 10)], "liver disease"),
        ([LIVER, ck(1001, 10)], ""),
        ([LIVER, ck(1001, 17.1)], "liver disease"),
        ([LIVER, ck(999, 10, ">")], "liver disease"),
        # from 14 days before to 7 days after, whatever the CK
        ([INFARCTION], "myocardial infarction"),
        ([diagnosis("myocardial-infarction", 24)], "myocardial infarction"),
        ([diagnosis("myocardial-infarction", 25)], ""),
        ([diagnosis("myocardial-infarction", 3), ck(9000, 10)], "myocardial infarction"),
        ([diagnosis("rhabdomyolysis", 2)], ""),
        ([diagnosis("rhabdomyolysis", None)], ""),
        ([diagnosis("rhabdomyolysis", 10, confirmed=False)], ""),
        (
            [diagnosis("rhabdomyolysis", 10), LIVER, diagnosis("liver-disease", 800)],
            "liver disease, rhabdomyolysis",
        ),
    ],
)
@pytest.mark.parametrize("high", [50, 80])
def test_enzymes_that_may_not_come_from_muscle_decide_nothing(facts, named, high):
    feature = high_drr(record(ast(90, 10), alt(high, 10), *facts))
    if not named:
        assert feature.rule == "D5"
        return
    assert (feature.state, feature.rule, feature.value) == ("indeterminate", "D8", None)
    assert feature.reason == f"AST and ALT may not come from muscle: {named}"
    conditions = [e.role for e in feature.evidence if e.resource.startswith("Condition/")]
    assert ", ".join(dict.fromkeys(conditions)) == named


def test_a_default_limit_is_named_in_the_evidence():
    ours = ReferenceLimits(high=Decimal(40), default=True)
    evidence = high_drr(record(replace(ast(90, 10), limits=ours), alt(50, 10))).evidence
    assert [(e.role, e.value, e.unit, e.original) for e in evidence if e.role != "alt"] == [
        ("ast", 90, "U/L", "90 U/L"),
        ("ast-limit", 40, "U/L", "default limit"),
    ]
