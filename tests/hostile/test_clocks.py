"""F4: whatever a clock or a date says, nothing crashes, an age is right to the day, and no silence comes of it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from fhir_mapping.checks import judge
from fhir_mapping.record import Entry, Gathered, MappingSettings, Source
from tests.support.charts import AS_OF, enzyme, imnm_chart, patient, prescription
from tests.support.ehr_simulator import EhrSimulator
from tests.support.feedback import CARD, accepted
from tests.support.nightly import count
from tests.support.service import SERVICE, TABLES, call_body, running, settings

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
]


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def stands(text):
    return pytest.param(at(text), id=text)


class TestTheClockOfThisMachine:
    """A clock that stands at 1970 would put every diagnosis into the future: an empty list for every patient."""

    @pytest.mark.parametrize(
        "now",
        [
            stands("0001-01-01T00:00:00"),
            stands("1970-01-01T00:00:00"),
            stands("2000-02-29T12:00:00"),
            stands("2019-12-31T23:59:59.999999"),
            stands("2126-01-01T00:00:00"),
            stands("9999-12-31T23:59:59.999999"),
        ],
    )
    @pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati"])
    async def test_that_cannot_be_right_is_503_and_never_an_empty_list(self, now, zone, tmp_path):
        clock = [AS_OF]
        configured = settings(time_zone=zone).model_copy(update={"store": tmp_path / "store.sqlite"})
        items = {"feedback": [accepted(card=CARD)]}
        async with running(EhrSimulator(imnm_chart()), configured, now=lambda: clock[0]) as service:
            assert (await service.http.post(f"{SERVICE}/feedback", json=items)).json() == {"stored": 1}
            clock[0] = now
            call = await service.hook(call_body())
            feedback = await service.http.post(f"{SERVICE}/feedback", json=items)
            clock[0] = AS_OF
            again = await service.hook(call_body())
            kept = await service.http.post(f"{SERVICE}/feedback", json=items)
            refused = service.audits()[0]
        for answer in (call, feedback):
            assert answer.status_code == 503
            assert answer.json()["issue"][0]["diagnostics"] == "the clock of this service is wrong"
        assert refused["outcome"] == "wrong clock"
        assert len(again.json()["cards"]) == 1
        assert kept.json() == {"stored": 0}, "nothing was forgotten meanwhile"

    @pytest.mark.parametrize(
        "now",
        [
            stands("2026-03-29T00:59:59.999999"),
            stands("2026-03-29T01:00:00"),
            stands("2028-02-29T23:59:59"),
            stands("2038-01-19T03:14:08"),
            stands("2100-02-28T23:59:59"),
            stands("2125-12-31T23:59:59.999999"),
        ],
    )
    @pytest.mark.parametrize("zone", ZONES)
    async def test_that_may_be_right_is_believed(self, now, zone):
        async with running(EhrSimulator(imnm_chart()), settings(time_zone=zone), now=lambda: now) as service:
            answer = await service.hook(call_body())
        assert (answer.status_code, len(answer.json()["cards"])) == (200, 1)

    @pytest.mark.parametrize("hours", [-24, -1, 1, 23])
    async def test_that_is_a_little_wrong_changes_no_band(self, hours):
        """Results of the same morning are there although our clock is late."""
        chart = [*imnm_chart(), enzyme("2157-6", "now", 4100, 0)]
        bands = set()
        for now in (AS_OF, AS_OF + timedelta(hours=hours)):
            async with running(EhrSimulator(chart), now=lambda now=now: now) as service:
                await service.hook(call_body())
                (audit,) = service.audits()
            bands.add((audit["outcome"], audit["band"]))
        assert len(bands) == 1


ODD_DATES = [
    "2016-12-31T23:59:60Z",
    "2026-02-20T24:00:00Z",
    "2026-02-29",
    "2024-02-29",
    "0001-01-01",
    "0001-01-01T00:00:00+14:00",
    "0000-01-01",
    "-0044-03-15",
    "9999-12-31",
    "9999-12-31T23:59:59.999999-12:00",
    "10000-01-01",
    "12026-02-20",
    "2026-03-29T02:30:00",
    "2026-10-25T02:30:00",
    "2011-12-30",
    "2026-02-20T10:00:00+24:00",
    "2026-W08-5",
    "2026-051",
    "1771581600",
    "2026-02-20T10:00:00.123456789012345678901234567890Z",
]
PLACES = {
    "of the diagnosis": (1, "onsetDateTime"),
    "of the enzymes": (4, "effectiveDateTime"),
    "of the latest CK": (6, "effectiveDateTime"),
    "of the prescription": (8, "authoredOn"),
    "of birth": (0, "birthDate"),
}


async def _assessed(chart, zone="UTC"):
    async with running(EhrSimulator(chart), settings(time_zone=zone), now=lambda: AS_OF) as service:
        answer = await service.hook(call_body())
        (audit,) = service.audits()
    return answer, audit


class TestADate:
    @pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "Pacific/Apia"][: count(1, 3)])
    @pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
    async def test_that_is_odd_gives_the_same_band_or_none_and_never_a_crash(self, place, zone):
        number, name = place
        _, clean = await _assessed(imnm_chart(), zone)
        for text in ODD_DATES:
            chart = imnm_chart()
            chart[number] = chart[number] | {name: text}
            answer, audit = await _assessed(chart, zone)
            assert answer.status_code in {200, 412}, text
            if audit["outcome"] == "scored":
                assert audit["band"] in {clean["band"], "unknown"}, text
            if name != "birthDate":
                assert answer.status_code == 412 or answer.json()["cards"], f"silence for {text}"

    @pytest.mark.parametrize(
        "text", ["2026-03-02", "2027", "9999-12-31", "10000-01-01", "-0044-03-15", "2026-02-30", "2008-02-30"]
    )
    async def test_of_birth_that_lies_ahead_or_does_not_exist_is_named_on_the_card(self, text):
        answer, audit = await _assessed([patient(birthDate=text), *imnm_chart()[1:]])
        (card,) = answer.json()["cards"]
        assert card["summary"].startswith("IMNM: not assessed, the birth date is not known")
        assert audit["outcome"] == "not-eligible"


class TestAnAge:
    """Completed years, counted by the days of the hospital's zone."""

    @staticmethod
    def age(born, now, zone):
        entry = Entry(f'{{"resourceType":"Patient","id":"p1","birthDate":"{born}"}}'.encode(), "")
        mapping = MappingSettings(tables=TABLES, time_zone=ZoneInfo(zone))
        return judge(Gathered("p1", "", {"record": Source("read", (entry,))}, mapping), at(now)).patient.age

    @pytest.mark.parametrize(
        ("born", "now", "zone", "age"),
        [
            ("2008-03-29", "2026-03-28T22:59:59", "Europe/Berlin", 17),
            ("2008-03-29", "2026-03-28T23:00:00", "Europe/Berlin", 18),  # the day has 23 hours
            ("2008-03-30", "2026-03-29T21:59:59", "Europe/Berlin", 17),
            ("2008-03-30", "2026-03-29T22:00:00", "Europe/Berlin", 18),
            ("2008-10-26", "2026-10-25T22:59:59", "Europe/Berlin", 17),  # the day before has 25
            ("2008-10-26", "2026-10-25T23:00:00", "Europe/Berlin", 18),
            ("2008-09-06", "2026-09-06T03:59:59", "America/Santiago", 17),
            ("2008-09-06", "2026-09-06T04:00:00", "America/Santiago", 18),  # there is no midnight
            ("2008-04-05", "2026-04-04T12:59:59", "Australia/Lord_Howe", 17),
            ("2008-04-05", "2026-04-04T13:00:00", "Australia/Lord_Howe", 18),  # half an hour of summer
            ("2008-03-01", "2026-02-28T10:00:00", "Pacific/Kiritimati", 18),
            ("2008-03-01", "2026-03-01T10:59:59", "Pacific/Pago_Pago", 17),
            ("2008-02-29", "2026-02-28T23:59:59", "UTC", 17),
            ("2008-02-29", "2026-03-01T00:00:00", "UTC", 18),
            ("2008-02-29", "2028-02-28T23:59:59", "UTC", 19),
            ("2008-02-29", "2028-02-29T00:00:00", "UTC", 20),
            ("0001-01-01", "2026-03-01T00:00:00", "UTC", 2025),
            ("2008-03-01T00:00:00+14:00", "2026-02-28T23:59:59", "UTC", 17),
            ("2026-03-01", "2026-03-01T00:00:00", "UTC", 0),
            ("2026-03-02", "2026-03-01T23:59:59", "UTC", None),
            ("9999-12-31", "2026-03-01T00:00:00", "UTC", None),
            ("10000-01-01", "2026-03-01T00:00:00", "UTC", None),
        ],
    )
    def test_is_right_to_the_day(self, born, now, zone, age):
        assert self.age(born, now, zone) == age


class TestWhatLiesAhead:
    """Beyond the 24 h that clocks may differ."""

    @pytest.mark.parametrize("when", ["2026-03-02T09:00:01Z", "2026-03-03", "2026-04", "2027", "9999-12-31"])
    @pytest.mark.parametrize("zone", ZONES)
    async def test_does_not_count(self, when, zone):
        _, clean = await _assessed(imnm_chart(), zone)
        ahead = [
            enzyme("1920-8", "ast9", 10, 20) | {"effectiveDateTime": when},
            enzyme("1742-6", "alt9", 1000, 20) | {"effectiveDateTime": when},
            enzyme("2157-6", "ck9", 100, 20) | {"effectiveDateTime": when},
            prescription("m9", authoredOn=when),
        ]
        _, audit = await _assessed([*imnm_chart(), *ahead], zone)
        assert [audit[name] for name in ("outcome", "band", "reason")] == [
            clean[name] for name in ("outcome", "band", "reason")
        ]
        assert audit["refused"]["future"] == len(ahead)
