"""Episodes of treatment (T3) and the daily dose of glucocorticoid (T4)."""

from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from fhir_mapping.record import Coding, Dosage, Period
from fhir_mapping.rules.exposures import DailyDoses, episodes, exposures, glucocorticoid_dose, time_treated
from tests.support.facts import AS_OF, ago, course, given, medicine, record, route

DAY = timedelta(days=1)
IV, ORAL = route("parenteral-route"), (Coding("http://snomed.info/sct", "26643006"),)


def bounds(start=None, end=None, **more):
    return Dosage(bounds=Period(ago(start), ago(end)), **more)


def days_ago(*treatments, **options):
    """Start and end of every exposure, in days before AS_OF."""
    found = exposures(record(*treatments, **options))
    return [((AS_OF - e.start) / DAY, (AS_OF - e.end) / DAY) for e in found]


def period(start=None, end=None):
    return Period(ago(start), ago(end))


@pytest.mark.parametrize(
    ("request_", "stretch"),
    [
        ({"dosages": (bounds(90, 30),), "validity": period(80, 20), "authored": ago(70)}, (90, 30)),
        ({"validity": period(80, 20), "authored": ago(70)}, (80, 20)),
        ({"authored": ago(70), "supply_days": Decimal(30)}, (70, 40)),
        ({"authored": ago(70), "supply_days": Decimal(20), "repeats": 2}, (70, 10)),
        ({"authored": ago(70), "supply_days": Decimal(30), "repeats": 2}, (70, 0)),
        ({"authored": ago(70), "supply_days": Decimal("0.5")}, (70, 69.5)),
        ({"authored": ago(70), "supply_days": Decimal("70.5")}, (70, 0)),
        ({"authored": ago(70), "supply_days": Decimal("1E+40")}, (70, 0)),
        ({"authored": ago(70), "supply_days": Decimal(-5)}, (70, 70)),
        ({"authored": ago(0.5)}, (0.5, 0)),
        ({"authored": ago(70), "active": True}, (70, 0)),
        ({"authored": ago(70), "active": True, "validity": period(None, 20)}, (70, 20)),
        ({"authored": ago(70)}, (70, 69)),
        ({"authored": ago(70), "dosages": (bounds(None, 90),)}, (70, 70)),
        ({"dosages": (bounds(90, -30),), "active": True}, (90, 0)),
        ({"dosages": (bounds(90, 60), bounds(60, 30))}, (90, 30)),
        ({"dosages": (bounds(60, 30), bounds(90, 60))}, (90, 30)),
        ({"dosages": (bounds(90, 60), bounds(60)), "active": True}, (90, 0)),
        ({"dosages": (bounds(90, 60), bounds(60))}, (90, 60)),
        ({"dosages": (bounds(90, 60), Dosage())}, (90, 60)),
        ({"authored": ago(-0.5), "active": True}, (0, 0)),
    ],
)
def test_a_request_runs_from_its_start_to_its_end(request_, stretch):
    assert days_ago(medicine("Request", "methotrexate", **request_)) == [stretch]


@pytest.mark.parametrize("start", [None, -1.5])
def test_what_has_no_start_or_lies_in_the_future_is_no_exposure(start):
    assert days_ago(medicine("Request", "methotrexate", authored=ago(start), active=True)) == []


@pytest.mark.parametrize(
    ("treatment", "stretch"),
    [
        (medicine("Statement", "methotrexate", effective=period(90, 30), active=True), (90, 30)),
        (medicine("Statement", "methotrexate", effective=period(90), active=True), (90, 0)),
        (medicine("Statement", "methotrexate", effective=period(90)), (90, 89)),
        (medicine("Administration", "rituximab", effective=period(90, 89)), (90, 89)),
        (medicine("Dispense", "methotrexate", handed_over=ago(90), supply_days=Decimal(30)), (90, 60)),
        (medicine("Dispense", "methotrexate", handed_over=ago(90)), (90, 89)),
        (medicine("Dispense", "methotrexate", handed_over=ago(20), supply_days=Decimal(30)), (20, 0)),
    ],
)
def test_statements_administrations_and_dispenses(treatment, stretch):
    assert days_ago(treatment) == [stretch]


def test_the_end_of_a_period_is_no_start():
    assert days_ago(medicine("Statement", "methotrexate", effective=period(None, 30), active=True)) == []


def found(*treatments):
    """Agent, and start and end in days before AS_OF, of every episode."""
    return [(e.agent, (AS_OF - e.start) / DAY, (AS_OF - e.end) / DAY) for e in episodes(record(*treatments))]


@pytest.mark.parametrize(
    ("ingredient", "gap", "routes", "count"),
    [
        ("methotrexate", 45, (), 1),
        ("methotrexate", 45.1, (), 2),
        ("methotrexate", 120, IV, 1),
        ("methotrexate", 120.1, IV, 2),
        ("methotrexate", 45.1, ORAL, 2),
        ("rituximab", 270, (), 1),
        ("rituximab", 270.1, (), 2),
        ("rituximab", 270, ORAL, 1),
        ("ivig", 120, (), 1),
        ("ivig", 120.1, (), 2),
        ("ivig", 45.1, ORAL, 2),
        ("infliximab", 120, (), 1),
        ("efgartigimod", 120, (), 1),
        ("eculizumab", 120, (), 1),
        ("cyclophosphamide", 45.1, (), 2),
        ("cyclophosphamide", 45.1, IV, 1),
        ("methylprednisolone", 45, IV, 1),
        ("methylprednisolone", 45.1, IV, 2),
    ],
)
def test_a_gap_that_still_belongs_to_one_episode(ingredient, gap, routes, count):
    later = course(ingredient, 100, 50, routes=routes)
    assert len(found(course(ingredient, 300 + gap, 100 + gap, routes=routes), later)) == count


def test_one_route_by_mouth_makes_the_short_gap_hold_for_all():
    by_both = course("methotrexate", 300, 200, routes=ORAL), course("methotrexate", 120, 50, routes=IV)
    assert len(found(*by_both)) == 2


def test_a_long_exposure_bridges_the_short_ones_within_it():
    taken = course("methotrexate", 400, 100), course("methotrexate", 390, 380), course("methotrexate", 90, 50)
    assert found(*taken) == [("methotrexate", 400, 50)]


def test_all_glucocorticoids_are_one_agent_and_others_are_not():
    taken = course("prednisone", 300, 200), course("prednisolone", 190, 100), course("azathioprine", 300, 200)
    assert found(*taken) == [("azathioprine", 300, 200), ("glucocorticoid", 300, 100)]


def test_statins_and_checkpoint_inhibitors_are_no_agents():
    taken = course("statin", 300, 200), course("checkpoint-inhibitor", 300, 200)
    assert found(*taken) == []
    assert len(exposures(record(*taken))) == 2


def test_day_precise_ends_include_their_day():
    (episode,) = episodes(record(course("methotrexate", "2025-01-01", "2025-04-01")))
    assert (episode.duration >= 90 * DAY, episode.last_day.isoformat()) == (True, "2025-04-01")
    (episode,) = episodes(record(course("methotrexate", "2025-01-01", "2025-03-31")))
    assert episode.duration < 90 * DAY


def test_days_are_those_of_the_client():
    at_night = course("methotrexate", "2025-12-31T23:30:00Z", "2026-01-31T23:30:00Z")
    (there,) = exposures(record(at_night, settings={"time_zone": ZoneInfo("Asia/Tokyo")}))
    assert (there.first_day.isoformat(), there.last_day.isoformat()) == ("2026-01-01", "2026-02-01")


@pytest.mark.parametrize(
    ("treatments", "days"),
    [
        ([course("methotrexate", 300, 200), course("azathioprine", 250, 150)], 150),
        ([course("methotrexate", 300, 200), course("azathioprine", 150, 100)], 150),
        ([course("methotrexate", 300, 200), course("methotrexate", 170, 100)], 200),
        ([course("methotrexate", 300, 100), course("azathioprine", 250, 200)], 200),
        ([given("rituximab", 400)], 180),
        ([given("rituximab", 400), given("rituximab", 300)], 280),
        ([given("rituximab", 100)], 100),
        ([course("rituximab", 400, 399)], 1),
        ([], 0),
    ],
)
def test_time_treated_is_the_union_of_episodes_and_of_what_rituximab_covers(treatments, days):
    chart = record(*treatments)
    assert time_treated(chart, episodes(chart)) == days * DAY


def dose(*treatments, day=100):
    chart = record(*treatments)
    on = (AS_OF - day * DAY).date()
    found = glucocorticoid_dose(chart, episodes(chart), on)
    return None if found is None else found.mg


def mg(amount, **more):
    return {
        "dose_mg": Decimal(str(amount)),
        "frequency": Decimal(1),
        "period_days": Decimal(1),
        **{k: Decimal(str(v)) if not isinstance(v, bool) else v for k, v in more.items()},
    }


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        (mg(10), 10),
        (mg(10, frequency=2), 20),
        (mg(30, period_days=2), 15),
        (mg(10, as_needed=True), None),
        ({**mg(10), "dose_mg": None}, None),
        ({**mg(10), "frequency": None}, None),
        ({**mg(10), "period_days": None}, None),
        (mg(10, period_days=0), None),
        (mg(10, frequency=-1), None),
        (mg("1E+99"), None),
    ],
)
def test_the_dose_is_amount_times_frequency_by_period(instruction, expected):
    one = medicine("Request", "prednisone", authored=ago(200), active=True, dosages=(Dosage(**instruction),))
    assert dose(one) == expected


@pytest.mark.parametrize(
    ("ingredient", "expected"),
    [("prednisolone", "10"), ("methylprednisolone", "12.5"), ("dexamethasone", "66.7")],
)
def test_the_dose_is_in_prednisone(ingredient, expected):
    assert dose(course(ingredient, 200, 50, dose_mg=Decimal(10))) == Decimal(expected)


@pytest.mark.parametrize(
    ("day", "expected"), [(201, None), (200, 20), (151, 20), (150, 30), (149, 10), (100, 10), (99, None)]
)
def test_of_several_instructions_each_counts_within_its_own_period(day, expected):
    taper = (bounds(200, 150, **mg(20)), bounds(150, 100, **mg(10)), Dosage(**mg(40)))
    assert dose(medicine("Request", "prednisone", dosages=taper), day=day) == expected


def test_an_instruction_that_is_still_to_come_gives_nothing_today():
    taper = (bounds(200, 10, **mg(20)), bounds(-5, -30, **mg(40)))
    chart = record(medicine("Request", "prednisone", dosages=taper))
    doses = DailyDoses(chart, episodes(chart))
    assert [doses.on((AS_OF - day * DAY).date()) for day in (100, 5, 0)] == [20, 0, 0]


@pytest.mark.parametrize(("day", "expected"), [(200, 5), (50, 5), (49, None)])
def test_a_single_instruction_without_a_period_has_that_of_the_request(day, expected):
    one = medicine("Request", "prednisone", validity=period(200, 50), dosages=(Dosage(**mg(5)),))
    assert dose(one, day=day) == expected


@pytest.mark.parametrize(("day", "expected"), [(171, 5), (170, 5), (141, 5), (140, None)])
def test_the_day_on_which_a_supply_is_used_up_belongs_to_the_next_one(day, expected):
    supplies = [
        medicine(
            "Dispense",
            "prednisone",
            handed_over=ago(start),
            supply_days=Decimal(30),
            dosages=(Dosage(**mg(5)),),
        )
        for start in (200, 170)
    ]
    assert dose(*supplies, day=day) == expected


def test_one_resource_type_is_added_up_and_the_highest_type_counts():
    requests = [course("prednisone", 200, 50, dose_mg=Decimal(m)) for m in (5, 10)]
    statement = medicine("Statement", "prednisone", effective=period(200, 50), dosages=(Dosage(**mg(12)),))
    other = course("methotrexate", 200, 50, dose_mg=Decimal(15))
    assert dose(*requests, statement, other) == 15
    assert dose(requests[0], statement) == 12
    assert dose(other) is None


@pytest.mark.parametrize("written", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_the_ends_of_the_calendar_stop_nothing(written, zone):
    taken = [
        course("methotrexate", written),
        course("prednisone", "0001-01-01T00:00:00Z", written, dose_mg=Decimal(5)),
        given("rituximab", written),
        medicine("Dispense", "azathioprine", handed_over=ago(written), supply_days=Decimal("1E+29")),
    ]
    chart = record(*taken, settings={"time_zone": ZoneInfo(zone)})
    dose_then = glucocorticoid_dose(chart, episodes(chart), ago(9).last.date())
    assert (dose_then is None) == (written < "2")
    assert time_treated(chart, episodes(chart)) == AS_OF - ago("0001-01-01T00:00:00Z").first
