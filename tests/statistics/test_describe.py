"""`describe`: every number by hand or by another formula, missing values counted, small cells named."""

import io
import json
from dataclasses import replace
from math import comb, sqrt

import numpy as np
import pytest
from scipy.stats import chi2, fisher_exact, kruskal, mannwhitneyu, poisson
from scipy.stats import chi2_contingency as pearson

from cds_service.commands.describe import show
from cds_service.terminal import open_console
from models.training.cohort.cohort import Cohort
from models.training.cohort.describe import FEWEST_IN_A_CELL, quartiles, table_one
from models.training.plain_json import as_json
from models.training.report.describe_text import tables
from models.training.statistics import comparing
from models.training.statistics.limits import poisson_limits
from tests.statistics.trained import DEATHS, DEMO, GAPS, TIME_ZERO, cohort, command, made

THIRDS = ("anti-SRP", "anti-HMGCR", "seronegative")


def with_subtypes(found: Cohort, counts: tuple[int, ...]) -> Cohort:
    """The first patients anti-SRP, the next anti-HMGCR, then seronegative; the rest not known."""
    names = [name for name, count in zip(THIRDS, counts, strict=True) for _ in range(count)]
    return replace(found, subtype=tuple(names + [""] * (len(found) - len(names))))


def contrast(found, by):
    return next(one for one in found.contrasts if one.by == by)


def row(found, name, by="recurrence"):
    return next(one for one in contrast(found, by).rows if one.name == name)


# What is not real says so


def test_synthetic_patients_are_called_so_in_every_table_on_the_terminal_and_in_json(tmp_path):
    code = "id,time_years,status,cardiac,ana_high,refractory,drr_high,synthetic\n"
    (tmp_path / "made.csv").write_text(
        code + "".join(f"SYN-{n},{n + 1},{n % 2},0,1,0,1,x\n" for n in range(8))
    )
    asked = ("describe", str(tmp_path / "made.csv"), "--time-zero", TIME_ZERO)
    found = json.loads(command(*asked, "--json").out)
    assert found["synthetic"] is True
    shown = command(*asked, "--out", str(tmp_path / "tables")).out
    assert "made.csv, synthetic patients, followed from" in shown
    written = list((tmp_path / "tables").glob("*.csv"))
    assert written
    assert all(path.read_text(encoding="utf-8-sig").startswith("Synthetic patients,") for path in written)


def test_real_patients_are_not_called_synthetic():
    found = table_one(made())
    assert not found.synthetic
    assert [table.columns[0] for table in tables(found)] == ["", ""]


# Counts, quartiles, missing values


def test_a_predictor_is_counted_in_every_group_and_missing_values_are_no_part_of_a_share():
    found = cohort(GAPS)
    one, values = row(table_one(found), "cardiac_involvement"), found.predictors["cardiac_involvement"]
    for cell, members in zip(one.groups, (found.event, ~found.event), strict=True):
        known = values[members & ~np.isnan(values)]
        assert (cell.known, cell.missing) == (len(known), members.sum() - len(known))
        assert cell.counts == ((known == 0).sum(), (known == 1).sum())
        assert cell.shares[1] == pytest.approx(known.mean())
    assert one.all.missing == np.isnan(values).sum() > 0


def test_quartiles_are_those_of_type_seven():
    found = quartiles(np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]))  # R: quantile(c(1,2,4,8,16,32))
    assert (found.lower, found.median, found.upper) == (2.5, 6.0, 14.0)


def test_nobody_has_no_quartiles():
    assert quartiles(np.array([])).median is None


def test_a_candidate_of_zeros_and_ones_is_a_yes_or_no_and_any_other_a_number():
    found = replace(
        made(), candidates={"statin": np.tile([0.0, 1.0, np.nan, 1.0], 50), "age": np.linspace(20, 80, 200)}
    )
    described = table_one(found)
    assert (row(described, "statin").kind, row(described, "age").kind) == ("yes or no", "number")
    assert row(described, "statin").all.counts == (50, 100)


# Follow-up


def test_rates_are_recurrences_over_person_years_with_exact_limits():
    found = cohort(DEATHS)
    all_of_them = table_one(found).all.follow_up
    years = found.time.sum()
    assert (all_of_them.recurrences, all_of_them.deaths) == (99, 8)
    assert all_of_them.rate == pytest.approx(100 * 99 / years)
    assert poisson.sf(98, all_of_them.low * years / 100) == pytest.approx(0.025)
    assert poisson.cdf(99, all_of_them.high * years / 100) == pytest.approx(0.025)


def test_the_limits_of_no_recurrence_begin_at_zero():
    assert poisson_limits(0) == (0.0, pytest.approx(-np.log(0.025)))


def test_follow_up_is_the_reverse_kaplan_meier_median():
    found = replace(
        made(5), time=np.array([1.0, 2.0, 3.0, 4.0, 5.0]), status=np.array([1, 0, 1, 0, 0], dtype=np.int64)
    )
    # Censored at 2 (of 4), 4 (of 2), 5: 1, 3/4, 3/8, 0
    years = table_one(found).all.follow_up.years
    assert (years.lower, years.median, years.upper) == (2.0, 4.0, 5.0)


def test_follow_up_that_is_not_reached_is_none():
    recurred = contrast(table_one(cohort()), "recurrence").groups[0]
    assert recurred.label == "recurrence"
    assert recurred.follow_up.years.median is None


# Tests


def test_two_groups_of_numbers_are_compared_by_wilcoxon_and_more_by_kruskal_wallis():
    chance = np.random.default_rng(1)
    a, b, c = (chance.normal(size=60) + shift for shift in (0, 0.3, 0.6))
    two, three = comparing.compare_numbers([a, b]), comparing.compare_numbers([a, b, c])
    assert (two.name, two.p) == ("Wilcoxon rank sum", mannwhitneyu(a, b, method="asymptotic").pvalue)
    assert (three.name, three.p) == ("Kruskal-Wallis", kruskal(a, b, c).pvalue)


def test_wilcoxon_is_exact_in_small_groups_without_ties():
    # R: wilcox.test(c(1.1, 2.2, 3.3), c(4.4, 5.5, 6.6, 7.7))$p.value
    found = comparing.compare_numbers([np.array([1.1, 2.2, 3.3]), np.array([4.4, 5.5, 6.6, 7.7])])
    assert found.p == pytest.approx(2 / comb(7, 3))


def test_counts_are_compared_by_chi_square_without_correction():
    found = comparing.compare_counts(np.array([[30, 20], [10, 25]]))
    expected = np.outer([50, 35], [40, 45]) / 85
    statistic = ((np.array([[30, 20], [10, 25]]) - expected) ** 2 / expected).sum()
    assert found.name == "chi-square"
    assert found.p == pytest.approx(chi2.sf(statistic, 1))


@pytest.mark.parametrize("table", [[[8, 2], [1, 5]], [[3, 40], [0, 7]], [[1, 12], [5, 6]]])
def test_below_an_expected_count_of_five_fishers_exact_test_is_done(table):
    found = comparing.compare_counts(np.array(table))
    assert found.name == "Fisher's exact"
    assert found.p == pytest.approx(fisher_exact(table).pvalue)


def test_fishers_exact_test_of_three_groups_is_the_sum_over_all_tables_no_more_likely():
    table = np.array([[3, 1, 0], [2, 4, 5]])  # three groups, two levels
    columns = table.sum(axis=0)
    likely = {
        (a, b, c): comb(columns[0], a) * comb(columns[1], b) * comb(columns[2], c)
        for a in range(5)
        for b in range(6)
        for c in range(6)
        if a + b + c == 4 and a <= columns[0] and b <= columns[1] and c <= columns[2]
    }
    expected = sum(v for v in likely.values() if v <= likely[(3, 1, 0)]) / sum(likely.values())
    assert comparing.compare_counts(table).p == pytest.approx(expected)


def test_the_expected_count_decides_between_the_tests():
    exactly_five = np.array([[5, 5], [15, 15]])
    assert pearson(exactly_five).expected_freq.min() == comparing.SMALLEST_EXPECTED
    assert comparing.compare_counts(exactly_five).name == "chi-square"
    assert comparing.compare_counts(np.array([[4, 5], [15, 15]])).name == "Fisher's exact"


def test_a_large_table_with_a_rare_level_is_quick():
    found = comparing.compare_counts(np.array([[3, 1, 0], [9990, 9000, 12]]))
    assert 0 < found.p <= 1


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        ([np.array([1.0, 2.0])], "there is one group only"),
        ([np.array([1.0, 2.0]), np.array([])], "no known value in a group"),
        ([np.ones(3), np.ones(4)], "all values are the same"),
    ],
)
def test_what_cannot_be_tested_says_why(groups, reason):
    assert comparing.compare_numbers(groups).reason == reason


def test_counts_of_one_level_are_not_tested():
    assert comparing.compare_counts(np.array([[0, 0], [5, 7]])).reason == "all values are the same"


def test_p_values_are_adjusted_by_holm():
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.5), "holm")
    assert comparing.holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx((0.04, 0.09, 0.09, 0.5))


def test_the_family_of_the_adjustment_is_one_table():
    found = contrast(table_one(cohort(GAPS)), "recurrence")
    raw = [one.test.p for one in found.rows]
    assert [one.p_adjusted for one in found.rows] == pytest.approx(list(comparing.holm(raw)))
    assert found.tests == len(raw)


def test_a_sparse_table_that_no_exact_test_is_made_for_is_not_tested():
    assert "no exact test" in comparing.compare_counts(np.eye(3, dtype=np.int64)).reason


# Standardised differences


def test_the_difference_of_shares_is_over_the_root_of_the_mean_variance():
    found = comparing.difference_of_counts(np.array([60, 40]), np.array([80, 20]))
    assert found == pytest.approx(0.2 / sqrt((0.24 + 0.16) / 2))


def test_the_difference_of_numbers_is_over_the_root_of_the_mean_variance():
    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])
    assert comparing.difference_of_numbers(a, b) == pytest.approx(-2 / sqrt((1 + 4) / 2))


def test_the_distance_of_categories_does_not_depend_on_the_level_left_out():
    a, b = np.array([10, 20, 30]), np.array([25, 20, 15])
    turned = comparing.difference_of_counts(a[::-1], b[::-1])
    assert comparing.difference_of_counts(a, b) == pytest.approx(turned)


def test_the_distance_of_categories_with_an_empty_level_is_that_of_the_others():
    three = comparing.difference_of_counts(np.array([10, 0, 30]), np.array([25, 0, 15]))
    two = comparing.difference_of_counts(np.array([10, 30]), np.array([25, 15]))
    assert three == pytest.approx(abs(two))


@pytest.mark.parametrize(
    ("a", "b", "value"), [([5, 0], [0, 5], None), ([5, 0], [9, 0], 0.0), ([0, 0], [3, 4], None)]
)
def test_a_difference_without_variance_is_none_unless_there_is_none(a, b, value):
    assert comparing.difference_of_counts(np.array(a), np.array(b)) == value


def test_one_person_has_no_standardised_difference():
    assert comparing.difference_of_numbers(np.array([1.0]), np.array([2.0, 3.0])) is None


def test_categories_that_leave_no_common_variance_have_no_distance():
    a, b = np.array([5, 0, 0]), np.array([0, 5, 9])
    assert comparing.difference_of_counts(a, np.array([0, 5, 0])) is None
    assert comparing.difference_of_counts(a, b) is None
    assert comparing.difference_of_counts(a, 2 * a) == 0


def test_of_three_groups_the_largest_pairwise_difference_is_shown():
    found = row(table_one(with_subtypes(made(), (80, 60, 50))), "high_ana", "subtype")
    assert len(found.differences) == 3
    assert found.largest == max(abs(one.value) for one in found.differences)


# Groups


def test_without_subtypes_there_is_no_table_by_subtype():
    assert [one.by for one in table_one(cohort()).contrasts] == ["recurrence"]


def test_who_has_no_known_subtype_is_in_no_group_and_counted():
    found = contrast(table_one(with_subtypes(made(), (100, 50, 30))), "subtype")
    assert [group.n for group in found.groups] == [100, 50, 30]
    assert found.left_out == 20


def test_one_subtype_alone_is_described_and_not_compared():
    found = contrast(table_one(with_subtypes(made(), (200, 0, 0))), "subtype")
    assert [group.label for group in found.groups] == ["anti-SRP"]
    assert {one.test.reason for one in found.rows} == {"there is one group only"}
    assert found.tests == 0


def test_the_subtype_is_itself_compared_by_recurrence():
    found = row(table_one(with_subtypes(made(), (100, 50, 30))), "subtype")
    assert found.levels == THIRDS
    assert sum(found.all.counts) + found.all.missing == 200


def test_a_cohort_in_which_all_recurred_is_described():
    everybody = replace(made(), status=np.ones(200, dtype=np.int64))
    assert [group.label for group in contrast(table_one(everybody), "recurrence").groups] == ["recurrence"]


def test_cells_below_five_are_named_not_suppressed():
    found = with_subtypes(made(high_ana=np.r_[np.ones(4), np.zeros(196)]), (100, 60, 40))
    described = table_one(found)
    named = {(c.group, c.column, c.level): c.count for c in described.small_cells if c.by == "subtype"}
    assert named[("anti-SRP", "High ANA titre", "present")] == 4 < FEWEST_IN_A_CELL
    assert row(described, "high_ana", "subtype").groups[0].counts[1] == 4
    assert "High ANA titre present, anti-SRP: 4" in tables(described)[1].note


# Texts


def test_every_table_has_as_many_cells_in_each_row_as_heads():
    for table in tables(table_one(with_subtypes(cohort(GAPS), (90, 60, 40)))):
        assert {len(line) for line in table.rows} == {len(table.columns)}


def test_the_notes_name_tests_adjustment_and_what_was_left_out():
    note = tables(table_one(with_subtypes(cohort(GAPS), (90, 60, 40))))[1].note
    for part in ("c chi-square", "k Kruskal-Wallis", "Holm", "10 patients without a known antibody subtype"):
        assert part in note


def test_what_was_not_tested_is_told():
    note = tables(table_one(made(high_ana=np.zeros(200))))[1].note
    assert "High ANA titre: not tested, all values are the same." in note


def test_a_number_is_written_short_and_nothing_as_a_dash():
    found = replace(
        made(), candidates={"small": np.tile([0.00123, 0.5], 100), "unknown": np.full(200, np.nan)}
    )
    lines = {line[0]: line[1] for line in tables(table_one(found))[1].rows}
    assert lines["small"] == "0.25 (0.001, 0.50)"
    assert lines["unknown"] == "–"


# The command


def test_the_flow_says_who_was_taken_out(tmp_path):
    path = tmp_path / "cohort.csv"
    rows = [f"{n},{n % 5},{int(n % 5 == 3)},0,1,0,{n % 2}" for n in range(25)]
    path.write_text("\n".join(["id,time_years,status,cardiac,ana_high,refractory,drr_high", *rows]))
    ended = command("describe", path, "--time-zero", TIME_ZERO)
    assert "20 followed beyond time zero, 5 taken out: censored at time zero" in ended.out


def test_the_command_prints_tables_of_at_most_80_columns():
    ended = command("describe", GAPS, "--time-zero", TIME_ZERO, "--candidates", "drr")
    assert ended.status == 0
    assert max(map(len, ended.out.splitlines())) <= 80
    for text in ("Recurrences", "De Ritis", "missing", "person-years", "< 0.001 c"):
        assert text in ended.out


def test_three_subtypes_fit_into_80_columns_without_losing_a_letter():
    found = replace(
        with_subtypes(cohort(GAPS), (90, 60, 40)),
        candidates={"creatine_kinase": np.geomspace(100, 20_000, 200)},
        raw={"ana_titre": np.r_[np.full(90, 1280.0), np.full(110, 80.0)]},
    )
    out = io.StringIO()
    show(open_console(out), table_one(found))
    assert max(map(len, out.getvalue().splitlines())) <= 80
    assert "…" not in out.getvalue()
    heads = out.getvalue()
    for text in ("Holm", "Seronegative", "involvement", "refractory", "anti-HMGCR", "< 0.001"):
        assert text in heads


def test_the_command_prints_every_number_as_json():
    ended = command("describe", DEMO, "--time-zero", TIME_ZERO, "--json")
    document = json.loads(ended.out)
    assert document.pop("schema") == "imnm-cds-table-one/1"
    assert document == as_json(table_one(cohort()))


def test_the_command_refuses_a_cohort_without_time_zero_in_one_sentence():
    ended = command("describe", DEMO)
    assert (ended.status, ended.out) == (2, "")
    assert len(ended.error.splitlines()) == 1


def test_a_column_of_many_groups_is_counted_and_not_tested_by_looking_through_every_table():
    centres = tuple(f"centre {n % 40}" for n in range(200))
    found = table_one(replace(cohort(), groups={"centre": centres}))
    row = next(row for row in found.contrasts[-1].rows if row.name == "centre")
    assert row.test.reason == "expected counts below 5, and too many groups for an exact test"
    assert sum(row.all.counts) == 200


def test_free_text_is_no_column_of_the_table():
    remarks = tuple(f"remark {n}" for n in range(200))
    found = table_one(replace(cohort(), groups={"centre": remarks}))
    assert "centre" not in {row.name for row in found.contrasts[-1].rows}
