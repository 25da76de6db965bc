"""The relapse label of R3 where the specification table cannot look: every change, every moment, days of a zone."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from fhir_mapping.cohort.relapse import relapses, treatment_changes
from tests.spec.language import AS_OF, read
from tests.spec.run import gathered_from
from tests.support.facts import ago, course, given, medicine, record

IMPROVED = "imnm; ck 5000 @-990d; ck 200 @-900d"


def changes(*facts, **options):
    return [(change.agent, change.when) for change in treatment_changes(record(*facts, **options))]


def at(days):
    return ago(days).first


def label(text):
    found = relapses(gathered_from(read(text)), AS_OF)
    days = [(AS_OF - change.when).days for change in found.relapses]
    return days, [(AS_OF - moment).days for moment in found.biochemical]


def test_every_agent_begun_and_every_raise_is_a_change_in_order_of_time():
    assert changes(
        course("azathioprine", 100),
        course("prednisone", 400, 200, dose_mg=Decimal(20)),
        course("prednisone", 199, 150, dose_mg=Decimal(40)),
        course("prednisone", 149, 90, dose_mg=Decimal(30)),
        given("rituximab", 120),
    ) == [
        ("glucocorticoid", at(400)),
        ("glucocorticoid", at(199)),
        ("rituximab", at(120)),
        ("azathioprine", at(100)),
    ]


def test_a_change_names_the_resources_that_say_so():
    (change,) = treatment_changes(record(course("prednisone", 100, 50, dose_mg=Decimal(40))))
    assert change.resources == ("MedicationRequest/prednisone-100",)
    (begun,) = treatment_changes(record(course("azathioprine", 100)))
    assert begun.resources == ("MedicationRequest/azathioprine-100",)


def test_doses_of_one_day_add_up_before_they_are_compared():
    together = (
        course("prednisone", 100, 10, dose_mg=Decimal(15)),
        course("prednisolone", 60, 10, dose_mg=Decimal(10)),
    )
    assert changes(*together) == [("glucocorticoid", at(60))]


@pytest.mark.parametrize(
    ("agent", "before", "after"),
    [
        ("methylprednisolone", [8], [40, 8]),  # 20 mg of prednisone, of which 16.66… and 3.33…
        ("methylprednisolone", [16], [16, 16, 16]),
        ("prednisone", [80], [120]),  # from 26.66… mg to 40
        ("prednisone", [40], [60]),
    ],
)
def test_thirds_of_a_dose_are_no_reason_why_a_raise_is_none(agent, before, after):
    def every_third_day(since, until, doses):
        named = ((f"MedicationRequest/{since}-{number}", Decimal(mg)) for number, mg in enumerate(doses))
        third = {"period_days": Decimal(3)}
        return [course(agent, since, until, resource=name, dose_mg=mg, **third) for name, mg in named]

    taken = (*every_third_day(100, 60, before), *every_third_day(59, 10, after))
    assert at(59) in [when for _, when in changes(*taken)]


def test_an_agent_renewed_within_its_gap_is_no_change():
    first = medicine(
        "Administration", "rituximab", effective=given("rituximab", 400).effective, resource="M/1"
    )
    assert changes(first, given("rituximab", 140)) == [("rituximab", at(400))]
    assert changes(first, given("rituximab", 100)) == [("rituximab", at(400)), ("rituximab", at(100))]


@pytest.mark.parametrize(("zone", "found"), [("UTC", 1), ("Asia/Shanghai", 2)])
def test_a_dose_is_that_of_a_day_in_the_clients_zone(zone, found):
    """02:00 and 20:30 UTC are one day in UTC; in Shanghai they are 10:00 of one and 04:30 of the next."""
    first = course("prednisone", "2026-01-10T02:00:00Z", "2026-01-10T20:00:00Z", dose_mg=Decimal(20))
    second = course("prednisone", "2026-01-10T20:30:00Z", "2026-01-20T00:00:00Z", dose_mg=Decimal(40))
    counted = changes(first, second, settings={"time_zone": ZoneInfo(zone)})
    assert len(counted) == found


def test_without_an_improvement_nothing_is_a_relapse():
    found = relapses(gathered_from(read("imnm; ck 5000 @-990d; request azathioprine from=-100d")), AS_OF)
    assert (found.improved, found.relapses, found.biochemical) == (None, (), ())


def test_each_relapse_is_found_and_a_rise_that_was_treated_is_not_biochemical():
    first = "ck 600 @-640d; ck 600 @-620d; request azathioprine from=-610d; ck 180 @-500d"
    second = "ck 600 @-140d; ck 600 @-120d; request methotrexate from=-110d"
    assert label(f"{IMPROVED}; {first}; {second}") == ([610, 110], [])


def test_a_rise_alone_beside_a_relapse_is_biochemical():
    alone = "ck 600 @-640d; ck 600 @-620d; ck 180 @-500d"
    treated = "ck 600 @-140d; ck 600 @-120d; request methotrexate from=-110d"
    assert label(f"{IMPROVED}; {alone}; {treated}") == ([110], [620])


@pytest.mark.parametrize("recorded", [112, 110, 100])
def test_a_relapse_that_is_coded_soon_after_the_change_counts_whatever_ck_says_then(recorded):
    rise = "request prednisone from=-140d dose=40; ck 600 @-130d; ck 600 @-110d"
    assert label(f"{IMPROVED}; {rise}") == ([], [110])
    coded = f"condition core @-1000d recorded=-{recorded}d clinical=relapse"
    assert label(f"{IMPROVED}; {rise}; {coded}")[0] == [140]


def test_several_changes_for_one_relapse_are_all_told_the_first_counts():
    rise = (
        "ck 600 @-140d; ck 600 @-120d; request methotrexate from=-115d; request prednisone from=-110d dose=40"
    )
    assert label(f"{IMPROVED}; {rise}") == ([115, 110], [])


def test_what_comes_after_the_moment_is_not_looked_at():
    text = f"{IMPROVED}; ck 600 @-140d; ck 600 @-120d; request methotrexate from=-110d"
    then = at(115)
    assert relapses(gathered_from(read(text)), then).relapses == ()
    assert len(relapses(gathered_from(read(text)), then).biochemical) == 1
