"""What one hospital's FHIR server does costs another hospital nothing, and nobody reads another's patient."""

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import pytest

from cds_service.fhir.client import connect as open_connection
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from cds_service.settings.service import Settings
from cds_service.web.store import Store
from tests.support import ehr_simulator as sim
from tests.support.charts import enzyme, healthy_chart, imnm_chart
from tests.support.ehr_simulator import EhrSimulator
from tests.support.feedback import accepted, invented, issued
from tests.support.loopback import HANG, loopback, response
from tests.support.network import networked, of_chart
from tests.support.nightly import count
from tests.support.service import SERVICE, authorization, call_body, running, settings
from tests.support.tokens import FEEDBACK, PUBLIC, Hospital, bearer, proving


def hospital(name: str, base: str, **members: object) -> Client:
    return Client(**({"name": name, "fhir_base": base, "accept_unknown_status": True} | members))


async def test_while_the_server_of_one_hangs_under_60_calls_the_other_loses_none_of_200_charts():
    charts = [*imnm_chart("p1"), *healthy_chart("p2")]
    async with loopback(lambda *_: HANG) as dead, loopback(of_chart(charts)) as live:
        clients = (hospital("dead", dead.base), hospital("live", live.base, answer_seconds=10))
        async with networked(*clients, limits=Limits(failures_in_a_row=10**6)) as service:
            ended: Counter[int] = Counter()
            over = asyncio.Event()

            async def keeps_calling() -> None:
                while not over.is_set():
                    answer = await service.hook(call_body(fhirServer=dead.base))
                    ended[answer.status_code] += 1
                    await asyncio.sleep(2)  # a clinician who tries again, not a flood: that is another test

            callers = [asyncio.ensure_future(keeps_calling()) for _ in range(60)]
            await asyncio.sleep(0.3)
            read = Counter()
            for batch in range(40):
                patients = ["p2"] * 4 + ["p2" if batch % 4 else "p1"]
                bodies = [call_body(patient_id, fhirServer=live.base) for patient_id in patients]
                for answer in await asyncio.gather(*map(service.hook, bodies)):
                    read[answer.status_code, len(answer.json().get("cards", ()))] += 1
            over.set()
            await asyncio.gather(*callers)
            unread = [a["failed"] for a in service.audits() if a.get("client") == "live" and a["failed"]]
    assert unread == []
    assert read == {(200, 1): 10, (200, 0): 190}
    assert ended[412] >= 40
    assert ended[503] >= 20
    # 408: on a starved machine the time was up before the body was read
    assert set(ended) <= {408, 412, 503}, ended


@pytest.mark.parametrize(("more", "refused"), [(0, 0), (1, 1), (5, 5)])
async def test_calls_of_a_client_beyond_its_turns_are_refused_and_may_come_again(more, refused):
    limits = Limits(client_calls=4, answer_seconds=0.6, render_seconds=0.3)
    async with running(EhrSimulator(imnm_chart()).bend(sim.hang), limits=limits) as service:
        answers = await asyncio.gather(*(service.hook(call_body()) for _ in range(4 + more)))
        busy = [answer for answer in answers if answer.status_code == 503]
        assert len(busy) == refused
        assert all(answer.headers["retry-after"] == "1" for answer in busy)
        assert (await service.hook(call_body())).status_code == 412


@pytest.mark.parametrize(
    ("usual", "own", "at_least", "at_most"),
    [(0.5, None, 300, 2500), (0.5, 1.4, 1200, 2500), (3.0, 0.5, 300, 2500)],
)
async def test_a_client_waits_as_long_as_its_block_says(usual, own, at_least, at_most):
    limits = Limits(answer_seconds=usual, render_seconds=0.2)
    ehr = EhrSimulator(imnm_chart()).bend(sim.hang)
    configured = Settings(client=(hospital("h", sim.BASE, answer_seconds=own),))
    async with running(ehr, configured, limits) as service:
        await service.hook(call_body())
        (audit,) = service.audits()
    assert at_least <= audit["milliseconds"] < at_most


def test_the_longest_answer_is_that_of_the_most_patient_client():
    def settings(*seconds: float | None) -> Settings:
        return Settings(
            client=tuple(
                hospital(f"h{n}", f"https://h{n}.example", answer_seconds=s) for n, s in enumerate(seconds)
            )
        )

    assert settings().longest_answer_seconds == 2.0
    assert settings(None, 0.5).longest_answer_seconds == 2.0
    assert settings(None, 7, 0.5).longest_answer_seconds == 7
    assert settings(0.5, 1).longest_answer_seconds == 1


class TestAServerThatFails:
    LIMITS = Limits(failures_in_a_row=6, rest_seconds=1.5)

    async def test_is_left_alone_read_again_after_its_rest_and_never_taken_for_empty(self):
        ehr = EhrSimulator(imnm_chart()).bend(sim.status(500))
        async with running(ehr, limits=self.LIMITS) as service:
            for _ in range(10):
                answer = await service.hook(call_body())
                assert answer.status_code == 412
            assert "the server failed 6 times in a row, it rests for 1.5 s" in answer.text
            assert len(ehr.requests) == 6
            assert "other" not in service.audits()[-1]["failed"].values()
            assert service.audits()[-1]["fhir_requests"] == 0, "what was not asked is counted as asked"
            ehr.bends.clear()
            await asyncio.sleep(1.55)
            first, second = [await service.hook(call_body()) for _ in range(2)]
        assert first.status_code in {200, 412}, "one question goes first, the others need not wait for it"
        assert len(second.json()["cards"]) == 1

    @pytest.mark.parametrize(
        "fault",
        [sim.status(401), sim.status(404), sim.status(429), sim.status(501), sim.status(302), sim.truncated],
    )
    async def test_is_none_that_answers_whatever_it_says(self, fault):
        ehr = EhrSimulator(imnm_chart()).bend(fault)
        async with running(ehr, limits=self.LIMITS) as service:
            for _ in range(5):
                await service.hook(call_body())
        assert len(ehr.requests) >= 15

    @pytest.mark.parametrize(
        "fault",
        [
            sim.refuse_connection,
            sim.reset,
            sim.half_closed,
            sim.slow_to_connect,
            sim.status(503),
            sim.hang,
            sim.drip,
        ],
    )
    async def test_is_one_that_does_not_answer(self, fault):
        ehr = EhrSimulator(imnm_chart()).bend(fault)
        limits = Limits(failures_in_a_row=6, rest_seconds=9, answer_seconds=0.6, render_seconds=0.4)
        async with running(ehr, limits=limits) as service:
            for _ in range(6):
                await service.hook(call_body())
            before = len(ehr.requests)
            answer = await service.hook(call_body())
        assert len(ehr.requests) == before
        assert "times in a row" in answer.text

    async def test_does_not_stop_the_asking_of_another(self):
        async with (
            loopback(lambda *_: response(b"", 500)) as bad,
            loopback(of_chart(healthy_chart("p1"))) as good,
        ):
            clients = (hospital("bad", bad.base), hospital("good", good.base))
            async with networked(*clients, limits=self.LIMITS) as service:
                for _ in range(5):
                    assert (await service.hook(call_body(fhirServer=bad.base))).status_code == 412
                    assert (await service.hook(call_body(fhirServer=good.base))).json() == {"cards": []}
        assert len(bad.asked) == 6


@pytest.mark.parametrize("bounds", [{"client_requests": 5}, {"client_bytes": 2000}])
async def test_a_minute_of_a_client_has_an_end_that_is_said(bounds):
    ehr = EhrSimulator(imnm_chart())
    async with running(ehr, limits=Limits(**bounds)) as service:
        await service.hook(call_body())
        answer = await service.hook(call_body())
        assert answer.status_code == 412
        assert "a minute" in answer.text
        assert service.audits()[-1]["failed"]["conditions"].startswith("not asked: more than")
    assert len(ehr.requests) <= 17


class Tenants:
    """Two hospitals behind one transport, each with its own server, token and twenty patients of the same ids."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.ehrs = {}
        for name in ("a", "b"):
            base = f"https://{name}.example/fhir"
            chart = [resource for number in range(20) for resource in self._patient(name, number)]
            self.ehrs[name] = EhrSimulator(chart, base=base, token=f"token-{name}")

    @staticmethod
    def value(name: str, number: int) -> int:
        """The CK of a patient, which no other patient of either hospital has."""
        return 4000 + 100 * number + (50 if name == "b" else 0)

    def _patient(self, name: str, number: int) -> list[dict]:
        patient_id = f"p{number}"
        chart = [r for r in imnm_chart(patient_id) if r.get("id") != "ck"]
        chart.append(enzyme("2157-6", "ck", self.value(name, number), 20, patient_id))
        return [r if r["resourceType"] == "Patient" else r | {"id": f"{patient_id}-{r['id']}"} for r in chart]

    def transport(self, limits: Limits, transport: object, client: Client) -> object:
        return open_connection(limits, self.ehrs[client.name], client)

    def bent(self) -> None:
        """Let each server do something else wrong, or nothing."""
        others = sim.with_entries(self._patient("a", 19))
        faults = [
            None,
            None,
            sim.status(500),
            sim.truncated,
            sim.reset,
            sim.status(429, retry_after="0"),
            others,
        ]
        for ehr in self.ehrs.values():
            ehr.bends.clear()
            if fault := self.random.choice(faults):
                ehr.bend(fault, self.random.choice(("", "Observation", "MedicationRequest", "Condition")))


async def test_every_card_speaks_of_its_own_patient_while_two_hospitals_call_at_once():
    """P1: 20 patients × 2 tenants, interleaved, with faults."""
    tenants, calls = Tenants(7), count(120, 1000)
    configured = Settings(client=tuple(hospital(name, ehr.base) for name, ehr in tenants.ehrs.items()))
    of = {Tenants.value(name, n): (name, n) for name in ("a", "b") for n in range(20)}
    shown = Counter()

    async def one(service, number: int) -> None:
        name, n = tenants.random.choice("ab"), tenants.random.randrange(19)
        crossed = number % 10 == 0
        token = f"token-{'ba'['ab'.index(name)] if crossed else name}"
        server = tenants.ehrs[name].base
        body = call_body(f"p{n}", fhirServer=server, fhirAuthorization=authorization(token))
        answer = await service.hook(body)
        if crossed:
            assert answer.status_code == 412, "the token of one hospital opens nothing in the other"
            return
        for card in answer.json().get("cards", ()):
            values = {value for value in of if f"{value:,}" in card["summary"] + card["detail"]}
            assert values <= {Tenants.value(name, n)}, (name, n, card)
            shown[bool(values)] += 1

    limits = Limits(failures_in_a_row=10**6)
    with patch("cds_service.web.app.connect", tenants.transport):
        async with running(None, configured, limits) as service:
            for start in range(0, calls, 20):
                tenants.bent()
                await asyncio.gather(*(one(service, number) for number in range(start, start + 20)))
    assert shown[True] > calls / 3
    strays = {name: set(ehr.strays) for name, ehr in tenants.ehrs.items()}
    assert all(found <= {"another token"} for found in strays.values())


class TestFeedbackOfOneClient:
    """A proves itself and floods; B opens charts with tokens of its own, which the same store remembers."""

    OTHER = "https://other.example/fhir"
    LARGE = tuple(range(2000))

    def _settings(self, folder: Path) -> Settings:
        theirs = proving(name="other", fhir_base=self.OTHER, issuer=self.OTHER)
        return settings().model_copy(
            update={
                "client": (proving(), theirs),
                "store": folder / "store.sqlite",
                "public_url": PUBLIC,
            }
        )

    @staticmethod
    async def _post(service, path: str, content: bytes, token: str):
        headers = {"content-type": "application/json", "authorization": token}
        return await service.http.post(path, content=content, headers=headers)

    @pytest.mark.parametrize(
        "card", [invented, lambda number: issued(number, "other")], ids=["invented", "own"]
    )
    @pytest.mark.parametrize("again", [True, False], ids=["one token", "20 tokens"])
    async def test_holds_up_no_hook_call_of_another(self, card, again, tmp_path):
        def theirs() -> str:
            return bearer(claims={"aud": FEEDBACK, "iss": self.OTHER})

        batch = json.dumps({"feedback": [accepted(card=card(number)) for number in self.LARGE]}).encode()
        opened, used = json.dumps(call_body()).encode(), theirs()
        async with running(Hospital(imnm_chart()), self._settings(tmp_path)) as service:
            path = f"{SERVICE}/feedback"
            flood = [
                asyncio.ensure_future(self._post(service, path, batch, used if again else theirs()))
                for _ in range(20)
            ]
            await asyncio.sleep(0.05)
            begun = asyncio.get_running_loop().time()
            answers = [await self._post(service, SERVICE, opened, bearer()) for _ in range(3)]
            spent = asyncio.get_running_loop().time() - begun
            sent = Counter(answer.status_code for answer in await asyncio.gather(*flood))
        assert [(answer.status_code, len(answer.json()["cards"])) for answer in answers] == [(200, 1)] * 3
        assert spent < 3
        assert sent == {200: 1, 401: 19} if again else set(sent) <= {200, 429, 503}

    async def test_beyond_its_turns_is_refused_and_that_of_another_is_not(self, tmp_path):
        limits = Limits(feedback_calls=2, answer_seconds=1.0)
        async with running(Hospital(), self._settings(tmp_path), limits) as service:
            item = json.dumps({"feedback": accepted(card=issued(0, "other"))}).encode()
            path, held = f"{SERVICE}/feedback", asyncio.Event()
            real = Store.take

            def slowly(store, *given):
                asyncio.run_coroutine_threadsafe(held.wait(), loop).result()
                return real(store, *given)

            loop = asyncio.get_running_loop()
            with patch.object(Store, "take", slowly):
                first = [
                    asyncio.ensure_future(
                        self._post(service, path, item, bearer(claims={"aud": FEEDBACK, "iss": self.OTHER}))
                    )
                    for _ in range(3)
                ]
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
                held.set()
                answers = await asyncio.gather(*first)
            assert sorted(answer.status_code for answer in answers) == [200, 200, 503]
            assert (
                await self._post(service, path, item, bearer(claims={"aud": FEEDBACK}))
            ).status_code == 200
