"""Feedback through the web application as CDS Hooks describes it: what is answered, stored and audited."""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, contextmanager
from uuid import UUID

import pytest

from cds_service.settings.limits import Limits
from cds_service.web.store import Store
from tests.support.charts import AS_OF, clock, healthy_chart, imnm_chart
from tests.support.ehr_simulator import EhrSimulator
from tests.support.feedback import CARD, SYSTEM, accepted, epic, invented, issued, overridden
from tests.support.service import ORIGIN, SERVICE, call_body, running, settings
from tests.support.tokens import PUBLIC, Hospital, bearer, proving

FEEDBACK = f"{SERVICE}/feedback"
FIELDS = {"at", "event", "service", "status", "outcome", "items", "stored", "refused", "authentication"} | {
    "peer",
    "body_bytes",
    "answer_bytes",
    "milliseconds",
}


class Kept:
    """A running service that keeps feedback in a file."""

    def __init__(self, service, path):
        self.service = service
        self.path = path

    async def post(self, content, path=FEEDBACK, **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        named = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.service.http.post(path, content=body, headers=named)

    def stored(self):
        with closing(Store(self.path, 5, clock)) as store:
            return list(store.all())

    def audits(self):
        events = [json.loads(line) for line in self.service.lines]
        return [event for event in events if event["event"] == "feedback"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "feedback.sqlite"


@asynccontextmanager
async def keeping(path, ehr=None, **limits: float) -> AsyncIterator[Kept]:
    configured = settings().model_copy(update={"store": path})
    async with running(ehr, configured, Limits(**limits)) as service:
        yield Kept(service, path)


@contextmanager
def locked(path):
    """Another process that writes to the file and does not end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def is_outcome(response, status, code):
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    (issue,) = response.json()["issue"]
    assert (response.json()["resourceType"], issue["severity"], issue["code"]) == (
        "OperationOutcome",
        "error",
        code,
    )
    return issue["diagnostics"]


class TestTheAnswer:
    @pytest.mark.parametrize(
        ("content", "stored"),
        [
            ({"feedback": [accepted()]}, 1),
            ({"feedback": accepted()}, 1),
            (overridden(), 1),
            ({"feedback": [epic()]}, 1),
            ({"feedback": [accepted(), overridden(), epic()]}, 3),
            ({"feedback": [accepted(), accepted()]}, 1),
        ],
    )
    async def test_says_how_many_items_were_new(self, path, content, stored):
        async with keeping(path) as kept:
            response = await kept.post(content)
            assert (response.status_code, response.json()) == (200, {"stored": stored})
            assert len(kept.stored()) == stored

    async def test_is_given_at_the_addresses_that_clients_really_call(self, path):
        async with keeping(path) as kept:
            for address in (
                f"http://cds.example/{FEEDBACK}",
                f"{FEEDBACK}/",
                FEEDBACK.replace("/imnm", "//imnm"),
            ):
                assert (await kept.post(accepted(), address)).status_code == 200
            assert len(kept.stored()) == 1

    async def test_without_a_store_is_404(self):
        async with running() as service:
            response = await Kept(service, None).post(accepted())
            is_outcome(response, 404, "not-found")

    @pytest.mark.parametrize("name", ["other", "imnm-recurrence%20", "IMNM-RECURRENCE", "feedback"])
    async def test_for_an_unknown_service_is_404(self, path, name):
        async with keeping(path) as kept:
            is_outcome(await kept.post(accepted(), f"/cds-services/{name}/feedback"), 404, "not-found")
            assert kept.stored() == []

    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE"])
    async def test_to_another_method_is_405(self, path, method):
        async with keeping(path) as kept:
            response = await kept.service.http.request(method, FEEDBACK)
            is_outcome(response, 405, "not-supported")
            assert response.headers["allow"] == "POST"

    async def test_to_a_body_that_is_too_large_or_no_json_says_so(self, path):
        async with keeping(path, feedback_bytes=1000) as kept:
            is_outcome(await kept.post(b" " * 1001), 413, "too-long")
            is_outcome(await kept.post(accepted(), content_type="text/plain"), 415, "not-supported")
            is_outcome(await kept.post(accepted(), content_encoding="gzip"), 415, "not-supported")
            body = json.dumps(accepted()).encode()
            assert (await kept.post(body + b" " * (1000 - len(body)))).status_code == 200


class TestBrowsers:
    async def test_a_configured_origin_may_send_feedback(self, path):
        asking = {
            "access_control_request_method": "POST",
            "access_control_request_headers": "authorization,content-type",
        }
        async with keeping(path) as kept:
            headers = {k.replace("_", "-"): v for k, v in asking.items()} | {"origin": ORIGIN}
            preflight = await kept.service.http.options(FEEDBACK, headers=headers)
            response = await kept.post(accepted(), origin=ORIGIN)
        assert preflight.status_code == 204
        assert "POST" in preflight.headers["access-control-allow-methods"]
        for answered in (preflight, response):
            assert answered.headers["access-control-allow-origin"] == ORIGIN
            assert answered.headers["vary"] == "Origin"

    async def test_an_error_can_be_read_by_it_too(self, path):
        async with keeping(path) as kept:
            assert (await kept.post({}, origin=ORIGIN)).headers["access-control-allow-origin"] == ORIGIN

    async def test_another_origin_may_not(self, path):
        async with keeping(path) as kept:
            response = await kept.post(accepted(), origin="https://evil.example")
        assert "access-control-allow-origin" not in response.headers


class TestTheAudit:
    async def test_of_feedback_is_one_event_with_counts_alone(self, path):
        async with keeping(path) as kept:
            await kept.post({"feedback": [accepted(), accepted(), overridden()]})
            (event,) = kept.audits()
        assert set(event) == FIELDS
        assert (event["service"], event["status"], event["outcome"]) == ("imnm-recurrence", 200, "stored")
        assert (event["items"], event["stored"]) == (3, 2)
        assert event["milliseconds"] > 0

    @pytest.mark.parametrize(
        ("content", "headers", "status", "size"),
        [({}, {}, 400, 2), (b"x" * 2000, {}, 413, 0), (b"{}", {"content_type": "text/plain"}, 415, 0)],
    )
    async def test_of_a_refusal_is_one_event_too(self, path, content, headers, status, size):
        async with keeping(path, feedback_bytes=1000) as kept:
            await kept.post(content, **headers)
            (event,) = kept.audits()
        assert (event["status"], event["outcome"], event.get("body_bytes")) == (status, "refused", size)
        assert set(event) <= FIELDS - {"items", "stored", "refused"}

    async def test_is_never_the_audit_of_a_hook_call(self, path):
        async with keeping(path) as kept:
            await kept.post(accepted())
            assert kept.service.audits() == []


def mixed(number):
    """Items of every form, one after the other; every second one again with the next."""
    card = {"card": issued(number // 2)}
    return (accepted, overridden, epic)[number // 2 % 3](**card)


BATCH = [mixed(number) for number in range(1000)]
LATER = "2027-03-01T08:59:30Z"


class TestE3:
    """Row E3: feedback twice, out of order, in batches, for unknown cards, from the future, one bad of ten."""

    @pytest.mark.parametrize("size", [1, 2, 50, 999, 1000])
    async def test_a_batch_is_stored_once_however_often_it_comes(self, path, size):
        async with keeping(path) as kept:
            new = (size + 1) // 2
            for stored in (new, 0, 0):
                response = await kept.post({"feedback": BATCH[:size]})
                assert (response.status_code, response.json()) == (200, {"stored": stored})
            assert len(kept.stored()) == new

    async def test_a_batch_that_overlaps_another_adds_what_is_new(self, path):
        async with keeping(path) as kept:
            await kept.post({"feedback": BATCH[:50]})
            assert (await kept.post({"feedback": BATCH[40:60]})).json() == {"stored": 5}

    async def test_the_same_batch_many_times_at_once_is_stored_once(self, path):
        async with keeping(path) as kept:
            responses = await asyncio.gather(*(kept.post({"feedback": BATCH[:50]}) for _ in range(20)))
            assert {response.status_code for response in responses} == {200}
            assert sum(response.json()["stored"] for response in responses) == 25

    async def test_feedback_out_of_order_is_kept_by_its_own_time(self, path):
        times = [f"2026-02-{day:02}T12:00:00Z" for day in (9, 3, 27, 1)]
        async with keeping(path) as kept:
            for when in times:
                await kept.post(overridden(outcomeTimestamp=when))
            assert [item.at.day for item in kept.stored()] == [1, 3, 9, 27]

    async def test_another_outcome_of_the_same_card_is_another_item(self, path):
        async with keeping(path) as kept:
            await kept.post({"feedback": [overridden(), overridden("patient-refuses"), accepted(), epic()]})
            assert len(kept.stored()) == 4
            assert {item.card for item in kept.stored()} == {CARD}

    async def test_feedback_on_a_card_that_we_did_not_issue_is_refused_and_the_rest_stored(self, path):
        async with keeping(path) as kept:
            response = await kept.post({"feedback": [accepted(card=invented(2**60)), accepted()]})
            assert (response.status_code, response.json()) == (200, {"stored": 1, "refused": 1})
            assert [item.card for item in kept.stored()] == [CARD]
            assert kept.audits()[0]["refused"] == 1

    @pytest.mark.parametrize("when", [LATER, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
    async def test_a_time_in_the_future_or_long_ago_is_stored_as_it_was_sent(self, path, when):
        async with keeping(path) as kept:
            assert (await kept.post(accepted(outcomeTimestamp=when))).json() == {"stored": 1}
            (item,) = kept.stored()
        assert item.at.isoformat() == when.replace("Z", "+00:00")
        assert item.at != AS_OF

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            ({"card": "zq-x"}, "feedback[7].card must be a UUID"),
            ({"card": ...}, "feedback[7].card is missing"),
            ({"outcome": "ignored"}, "feedback[7].outcome must be accepted or overridden"),
            (
                {"outcomeTimestamp": "2026-03-01T08:59:30"},
                "feedback[7].outcomeTimestamp must be a date and time",
            ),
            (
                {"acceptedSuggestions": [{"id": 1}]},
                "feedback[7].acceptedSuggestions[0].id has the wrong type",
            ),
        ],
    )
    async def test_one_bad_item_of_ten_is_named_and_nothing_is_stored(self, path, bad, message):
        ten = [accepted(card=issued(number)) for number in range(10)]
        ten[7] = accepted(**bad)
        async with keeping(path) as kept:
            assert is_outcome(await kept.post({"feedback": ten}), 400, "invalid").startswith(message)
            assert kept.stored() == []
            assert (await kept.post({"feedback": ten[:7] + ten[8:]})).json() == {"stored": 9}


class TestWhoseCards:
    async def test_of_thousands_of_invented_items_none_is_stored(self, path):
        async with keeping(path) as kept:
            for start in range(0, 3150, 1050):
                items = [accepted(card=invented(2**60 + start + n)) for n in range(1050)]
                response = await kept.post({"feedback": items})
                assert (response.status_code, response.json()) == (200, {"stored": 0, "refused": 1050})
            assert not path.exists()
            assert sum(event["refused"] for event in kept.audits()) == 3150

    async def test_a_card_that_a_call_answered_with_is_one_of_ours(self, path):
        async with keeping(path, EhrSimulator(imnm_chart())) as kept:
            (card,) = (await kept.service.hook(call_body())).json()["cards"]
            response = await kept.post(accepted(card=card["uuid"]))
            assert response.json() == {"stored": 1}
            assert [item.client for item in kept.stored()] == ["hospital"]

    @pytest.mark.parametrize("number", range(0, 122, 11))
    async def test_a_card_of_which_one_bit_was_changed_is_not(self, path, number):
        async with keeping(path) as kept:
            changed = str(UUID(int=UUID(CARD).int ^ 1 << (number + (number > 61) * 2)))
            assert (await kept.post(accepted(card=changed))).json() == {"stored": 0, "refused": 1}

    async def test_a_client_that_proves_itself_reports_on_its_own_cards_alone(self, path):
        theirs = proving(name="other", fhir_base="https://other.example/fhir", issuer="https://other.example")
        configured = settings().model_copy(
            update={"client": (proving(), theirs), "store": path, "public_url": PUBLIC}
        )
        items = [accepted(card=issued(n, name)) for n, name in enumerate(("hospital", "other", "open"))]
        async with running(Hospital(), configured) as service:
            kept = Kept(service, path)
            sent = bearer(claims={"aud": f"{PUBLIC}/{FEEDBACK.lstrip('/')}"})
            response = await kept.post({"feedback": items}, authorization=sent)
            assert (response.status_code, response.json()) == (200, {"stored": 1, "refused": 2})
            assert [item.client for item in kept.stored()] == ["hospital"]

    async def test_more_than_a_client_may_send_in_a_day_is_429_and_another_client_is_not_touched(self, path):
        configured = settings(feedback_a_day=3).model_copy(update={"store": path})
        async with running(None, configured) as service:
            kept = Kept(service, path)
            for number in range(3):
                assert (await kept.post(accepted(card=issued(number)))).status_code == 200
            refused = await kept.post({"feedback": [accepted(card=issued(n)) for n in (8, 9)]})
            is_outcome(refused, 429, "throttled")
            assert refused.headers["retry-after"] == "3600"
            assert (await kept.post(accepted(card=issued(0)))).json() == {"stored": 0}
            assert (await kept.post(accepted(card=issued(1, "open")))).json() == {"stored": 1}
            assert len(kept.stored()) == 4

    async def test_after_a_restart_without_a_card_secret_a_card_is_nobodys(self, path):
        async with running(
            None, settings().model_copy(update={"store": path, "card_secret": None})
        ) as service:
            response = await Kept(service, path).post(accepted())
            assert response.json() == {"stored": 0, "refused": 1}


class TestTrouble:
    async def test_a_store_that_cannot_write_is_503_and_nothing_is_lost_by_sending_again(self, path):
        async with keeping(path, store_seconds=0.1) as kept:
            with locked(path):
                response = await kept.post(accepted())
                is_outcome(response, 503, "transient")
                assert int(response.headers["retry-after"]) >= 1
            assert (await kept.post(accepted())).json() == {"stored": 1}
            first, second = kept.audits()
        assert (first["status"], first["outcome"]) == (503, "refused")
        assert (second["status"], second["outcome"]) == (200, "stored")

    async def test_many_calls_on_a_store_that_hangs_all_end_in_time_and_hold_up_no_hook_call(self, path):
        limits = {"answer_seconds": 1.0, "render_seconds": 0.4, "store_seconds": 0.5}
        async with keeping(path, EhrSimulator(healthy_chart("p1")), **limits) as kept:
            with locked(path):
                begun = time.monotonic()
                calls = [asyncio.create_task(kept.post(accepted(card=issued(n)))) for n in range(40)]
                await asyncio.sleep(0.1)
                name = await asyncio.wait_for(asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80), 2)
                hook = await kept.service.hook(call_body())
                responses = await asyncio.gather(*calls)
                spent = time.monotonic() - begun
            assert name
            assert hook.status_code == 200
            assert {response.status_code for response in responses} == {503}
            assert spent < 3
            response = await kept.post(accepted())
            assert (response.status_code, response.json()) == (200, {"stored": 1})

    async def test_bodies_that_are_on_their_way_take_no_turn_from_others(self, path):
        async with keeping(path, parallel_calls=2) as kept:
            late, go = asyncio.Event(), asyncio.Event()

            async def slow():
                yield b"{"
                late.set()
                await go.wait()
                yield json.dumps({"feedback": accepted()}).encode()[1:]

            headers = {"content-type": "application/json"}
            first = [
                asyncio.create_task(kept.service.http.post(FEEDBACK, content=slow(), headers=headers))
                for _ in "ab"
            ]
            await late.wait()
            await asyncio.sleep(0)
            assert (await kept.post(accepted())).json() == {"stored": 1}
            go.set()
            assert [(await call).json()["stored"] for call in first] == [0, 0]
            assert (await kept.post(overridden())).status_code == 200

    async def test_a_store_that_breaks_in_a_way_nobody_thought_of_is_a_500_without_its_words(
        self, path, monkeypatch
    ):
        def broken(*_):
            raise RuntimeError("zq-words")

        async with keeping(path) as kept:
            monkeypatch.setattr(Store, "add", broken)
            response = await kept.post(accepted())
            is_outcome(response, 500, "exception")
            assert "zq" not in response.text + "".join(kept.service.lines)
            assert len(kept.audits()) == 1


async def test_reasons_are_kept_as_codes_with_their_system(path):
    async with keeping(path) as kept:
        await kept.post({"feedback": [overridden("patient-refuses"), epic()]})
        assert {item.reasons for item in kept.stored()} == {
            ((SYSTEM, "patient-refuses"),),
            (("com.epic.cdshooks.feedback.overrideReason", "12"),),
        }
