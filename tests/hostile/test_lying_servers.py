"""C1 to C4: whatever a FHIR server does, the answer is the clean card, or says what could not be read, or is an error.

A case is a chart, and what its server does wrong. The oracle is that of the project: never another band, never another
patient's data, never an empty list that hides an error, never a 500.
"""

import asyncio
import json
import random
import ssl
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest
import trustme

from cds_service.fhir.queries import PHASE_1
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from tests.support import ehr_simulator as sim
from tests.support.charts import condition, enzyme, healthy_chart, imnm_chart, observation
from tests.support.ehr_simulator import BASE, EhrSimulator
from tests.support.loopback import HANG, loopback, padded, response
from tests.support.network import networked, of_chart
from tests.support.nightly import count
from tests.support.service import authorization, call_body, prefetch_of, running

LIMITS = Limits(answer_seconds=0.6, render_seconds=0.35)
TYPES = ("Patient", "Condition", "Observation", "MedicationRequest")
LISTS = TYPES[1:]
STRANGER = "p9"
FOREIGN = 7777  # a result that nobody but the stranger has


def deep(_request: httpx.Request, _response: httpx.Response) -> httpx.Response:
    return httpx.Response(200, content=b'{"a":' * 50_000 + b"1" + b"}" * 50_000)


def _status(code: int, **headers: str) -> Callable:
    return sim.status(code, **headers)


TRANSPORT: dict[str, Callable] = {
    "hangs": sim.hang,
    "drips": sim.drip,
    "resets": sim.reset,
    "closes half-way": sim.half_closed,
    "refuses": sim.refuse_connection,
    "is slow to connect": sim.slow_to_connect,
    "sends nothing": sim.body(b""),
    "cuts its JSON off": sim.truncated,
    "shows a login page": sim.body(b"<html>log in</html>", content_type="text/html"),
    "answers 204": sim.body(b"", 204),
    "sends a gzip bomb": sim.gzip_bomb,
    "sends 100 MB": sim.huge,
    "nests deeply": deep,
    "sends no UTF-8": sim.body(b"\xff\xfe{}"),
    "compresses in an unknown way": sim.encoded_as("br"),
    "calls gzip what is none": sim.encoded_as("gzip", b"none"),
    "cuts its gzip off": sim.encoded_as("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"),
    "sends null": sim.body(b"null"),
    "sends a list": sim.body(b"[]"),
    "sends NUL": sim.body(b"\x00" * 100),
}
STATUSES: dict[str, Callable] = {
    **{
        str(code): _status(code)
        for code in (300, 401, 403, 404, 410, 418, 422, 429, 500, 501, 502, 503, 504, 599)
    },
    "429 in 0 s": _status(429, retry_after="0"),
    "503 in 1 s": _status(503, retry_after="1"),
    "503 at a date": _status(503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"),
    "301 to the metadata": _status(301, location="http://169.254.169.254/latest/meta-data"),
    "302 to another host": _status(302, location="https://evil.example/fhir"),
    "303 to http": _status(303, location=BASE.replace("https", "http")),
    "307 to itself": _status(307, location=BASE),
    "308 to no address": _status(308, location="https://[evil"),
}


def endless(request: httpx.Request, answered: httpx.Response) -> httpx.Response:
    """A page of nothing new, and always another."""
    content = json.loads(answered.content)
    if content["resourceType"] != "Bundle":
        content = {"resourceType": "Bundle", "type": "searchset"}
    number = int(request.url.params.get("_page", 1))
    url = str(request.url.copy_set_param("_page", number + 1))
    return sim.answer(content | {"link": [{"relation": "next", "url": url}], "total": 10**6})


def circle(request: httpx.Request, answered: httpx.Response) -> httpx.Response:
    """Two pages that name each other."""
    content = {"resourceType": "Bundle", "type": "searchset"}
    other = 1 - int(request.url.params.get("_page", 0))
    url = str(request.url.copy_set_param("_page", other))
    return sim.answer(content | {"link": [{"relation": "next", "url": url}]})


def twice(bundle: dict) -> None:
    """The same resource again, as a second match in the place of one that is missing."""
    bundle["entry"] = [*bundle.get("entry", [])[:1] * 2]
    bundle["total"] = len(bundle["entry"]) + 1


def second_page(content: object) -> Callable:
    """A first page as it is, and a second one that is something else."""

    def paged(request: httpx.Request, answered: httpx.Response) -> httpx.Response:
        if "_page" in request.url.params:
            return sim.answer(content)
        link = {"relation": "next", "url": str(request.url.copy_set_param("_page", 2))}
        return sim.answer({**json.loads(answered.content), "link": [link], "total": None})

    return paged


PAGING: dict[str, Callable] = {
    "next without end": endless,
    "next is itself": lambda request, answered: sim.with_next(str(request.url))(request, answered),
    "two pages in a circle": circle,
    "next on another host": sim.with_next("https://evil.example/fhir?page=2"),
    "next by http on another host": sim.with_next("http://evil.example/fhir"),
    "the base in the query of another": sim.with_next(f"https://evil.example/?{BASE}"),
    "next outside the path": sim.with_next("https://ehr.example/admin"),
    "next behind dots": sim.with_next(f"{BASE}/%2e%2e/admin"),
    "next is null": sim.with_next(None),
    "next is no address": sim.with_next("https://[ehr.example/fhir"),
    "the second page fails": sim.with_next(f"{BASE}?_getpages=gone&_getpagesoffset=1&_count=1"),
    "the second page is a Patient": second_page({"resourceType": "Patient", "id": "p1"}),
    "the second page says it failed": second_page(sim.outcome("exception")),
    "counts more than it sends": sim.changed(lambda bundle: bundle.update(total=99)),
    "sends one twice": sim.changed(twice),
}
STRANGERS = [
    condition(number="x1", patient_id=STRANGER),
    enzyme("2157-6", "x2", FOREIGN, 1, STRANGER),
    observation("5048-4", "x3", 1, STRANGER, valueString="1:7777"),
]


def _each(change: Callable[[dict], object]) -> Callable:
    """Let a server change every resource that it sends."""

    def changed(content: dict) -> None:
        for item in content.get("entry", []):
            if item["resource"]["resourceType"] != "Patient":
                change(item["resource"])

    return sim.changed(changed)


def _coding(resource: dict) -> list[dict]:
    return (resource.get("code") or resource.get("medicationCodeableConcept") or {}).get("coding", [])


def _recode(**members: object) -> Callable:
    return _each(lambda resource: [coding.update(members) for coding in _coding(resource)])


def _quantity(**members: object) -> Callable:
    return _each(lambda resource: resource.get("valueQuantity", {}).update(members))


def _subject(subject: object) -> Callable:
    return _each(lambda resource: resource.update(subject=subject))


MEANING: dict[str, Callable] = {
    "strangers in the Bundle": sim.with_entries(STRANGERS),
    "no subject": _each(lambda resource: resource.pop("subject", None)),
    "subject null": _subject(None),
    "subject as identifier": _subject({"identifier": {"system": "urn:mrn", "value": "1"}}),
    "subject elsewhere": _subject({"reference": "https://evil.example/fhir/Patient/p1"}),
    "subject with a version": _subject({"reference": "Patient/p1/_history/2"}),
    "subject contained": _subject({"reference": "#p"}),
    "subject of another": _subject({"reference": f"Patient/{STRANGER}"}),
    "a Group as subject": _subject({"reference": "Group/p1"}),
    "entered in error": _each(lambda resource: resource.update(status="entered-in-error")),
    "preliminary": _each(lambda resource: resource.update(status="preliminary")),
    "no status": _each(lambda resource: resource.pop("status", None)),
    "a status of its own": _each(lambda resource: resource.update(status="zq")),
    "refuted": _each(lambda resource: resource.update(verificationStatus={"coding": [{"code": "refuted"}]})),
    "a modifier": _each(
        lambda resource: resource.update(modifierExtension=[{"url": "urn:x", "valueBoolean": True}])
    ),
    "implicit rules": _each(lambda resource: resource.update(implicitRules="urn:x")),
    "in the future": _each(lambda resource: resource.update(effectiveDateTime="2999-01-01")),
    "undated": _each(lambda resource: resource.pop("effectiveDateTime", None)),
    "dated by words": _each(lambda resource: resource.update(effectiveDateTime="last week")),
    "in the second place": _each(
        lambda resource: _coding(resource).insert(0, {"system": "urn:local", "code": "1"})
    ),
    "system as OID": _recode(system="urn:oid:2.16.840.1.113883.6.1"),
    "system unknown": _recode(system="urn:zq"),
    "no system": _recode(system=None),
    "display contradicts": _recode(display="Bone density"),
    "code a number": _recode(code=7),
    "value below": _quantity(comparator="<"),
    "value above": _quantity(comparator=">"),
    "no unit": _quantity(unit=None, code=None),
    "a foreign unit": _quantity(unit="furlong", code="furlong"),
    "value a text": _quantity(value="much"),
    "value negative": _quantity(value=-5),
    "value huge": _quantity(value=1e12),
    "no value": _each(lambda resource: resource.pop("valueQuantity", None)),
    "value absent": _each(lambda resource: resource.update(dataAbsentReason={"text": "lost"})),
    "no code": _each(lambda resource: resource.pop("code", None)),
    "no id": _each(lambda resource: resource.pop("id", None)),
    "R5 and R4": _each(lambda resource: resource.update(medication={"concept": {}})),
    "mode outcome": sim.changed(
        lambda bundle: [item.update(search={"mode": "outcome"}) for item in bundle.get("entry", [])]
    ),
    "mode include": sim.changed(
        lambda bundle: [item.update(search={"mode": "include"}) for item in bundle.get("entry", [])]
    ),
    "an error beside": sim.changed(
        lambda bundle: bundle.get("entry", []).append({"resource": sim.outcome("exception")})
    ),
}
FAULTS = {**TRANSPORT, **STATUSES, **PAGING, **MEANING}
NO_DIAGNOSIS = {"no code", "system unknown", "system as OID", "mode outcome", "mode include"}
NO_DOUBT = {"other patient", "other subject", "entered-in-error", "refuted", "future", "superseded"}  # U1


@dataclass
class Case:
    """One chart, what its server does wrong, and what prefetch held."""

    ill: bool
    bends: list[tuple[str, str, dict]]  # fault, type of resource, further limits of the bend
    prefetch: tuple[str, ...] = ()
    page_size: int = 100
    without: tuple[str, ...] = ()  # of the chart, by id
    ehr: EhrSimulator = field(init=False)

    def __post_init__(self) -> None:
        whole = imnm_chart() if self.ill else healthy_chart("p1")
        self.chart = [resource for resource in whole if resource["id"] not in self.without]
        self.ehr = EhrSimulator(self.chart, token=sim.TOKEN, page_size=self.page_size)
        for fault, kind, where in self.bends:
            self.ehr.bend(FAULTS[fault], kind, **where)


async def answered(case: Case) -> tuple[httpx.Response, dict]:
    given = prefetch_of(case.chart, case.prefetch) if case.prefetch else None
    body = call_body(fhirAuthorization=authorization(sim.TOKEN), prefetch=given)
    async with running(case.ehr, limits=LIMITS) as service:
        response = await service.hook(body)
        return response, service.audits()[0]


def wrongs(case: Case, clean: dict, response: httpx.Response, audit: dict) -> list[str]:
    """What the oracle has against an answer, in sentences."""
    said = [*_of_cost(case, audit), *_of_leaks(response)]
    if response.status_code in {412, 503}:
        named = "could not be read: " in response.text or audit["refused"] or "not be used" in response.text
        return said if named else [*said, f"an error that names nothing: {response.text}"]
    if response.status_code != 200:
        return [*said, f"HTTP {response.status_code}"]
    cards = response.json()["cards"]
    if not cards:
        return [*said, *_of_silence(case, audit)]
    return [*said, *_of_card(case, clean, cards[0], audit)]


def _of_cost(case: Case, audit: dict) -> list[str]:
    asked = Counter((request.method, str(request.url), request.content) for request in case.ehr.requests)
    once_a_query = {what: number for what, number in asked.items() if "_getpages=gone" not in what[1]}
    said = [f"asked {number} times: {what}" for what, number in once_a_query.items() if number > 2]
    said += [f"POST twice: {what}" for what, number in asked.items() if number > 1 and what[0] != "GET"]
    if audit["milliseconds"] > 1000 * LIMITS.answer_seconds + 1400:  # a shared machine is slow
        said.append(f"{audit['milliseconds']} ms")
    if "other" in {*audit.get("failed", {}).values(), *audit.get("refused", {})}:
        said.append("a reason that the audit does not know")
    return said


def _of_leaks(response: httpx.Response) -> list[str]:
    text = response.text
    return [
        f"{mark} in the answer" for mark in (STRANGER, "7,777", "1:7777", sim.TOKEN, "evil") if mark in text
    ]


def _of_silence(case: Case, audit: dict) -> list[str]:
    if not case.ill:
        return [f"silent though unread: {audit['failed']}"] if audit["failed"] else []
    why = audit["refused"] or audit["not_offered"]
    doubts = audit["refused"].keys() - NO_DOUBT
    return [] if why and not doubts and not audit["failed"] else [f"silent: {audit}"]


def _of_card(case: Case, clean: dict, card: dict, audit: dict) -> list[str]:
    if not case.ill:
        return ["a card for somebody who is well"]
    if card["detail"] == clean["detail"]:
        return []
    named = audit["failed"] or audit["not_offered"] or audit["refused"]
    abstains = any(fault in MEANING for fault, *_ in case.bends)  # a fact that is none of ours is not counted
    said = [] if named or abstains else ["another card, and no reason counted"]
    if audit["failed"] and "Could not be read: " not in card["detail"]:
        said.append(f"unread and unsaid: {audit['failed']}")
    if audit["band"] not in {clean["band"], "none"} and not audit["refused"]:
        said.append(f"band {audit['band']}")
    return said


@pytest.fixture(scope="module")
def clean() -> dict:
    response, audit = asyncio.run(answered(Case(ill=True, bends=[])))
    return response.json()["cards"][0] | {"band": audit["band"]}


ONE_FAULT = [
    *((fault, kind) for fault in (*TRANSPORT, *STATUSES) for kind in TYPES),
    *((fault, kind) for fault in (*PAGING, *MEANING) for kind in LISTS),
]


def test_the_tables_have_their_size():
    assert (len(TRANSPORT), len(STATUSES), len(PAGING)) >= (18, 22, 14)
    assert len(MEANING) * len(LISTS) >= 60


@pytest.mark.parametrize("ill", [True, False], ids=["ill", "well"])
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    "table", [TRANSPORT, STATUSES, PAGING, MEANING], ids=["transport", "status", "paging", "meaning"]
)
async def test_one_fault_ends_in_the_clean_card_or_is_named(table, kind, ill, clean):
    told = {}
    for fault in table:
        if (fault, kind) in ONE_FAULT:
            case = Case(ill=ill, bends=[(fault, kind, {})])
            if said := wrongs(case, clean, *await answered(case)):
                told[fault] = said
    assert told == {}


@pytest.mark.parametrize("fault", sorted(MEANING.keys() - {"no id"}))  # it then stands in the fullUrl
async def test_a_diagnosis_that_is_the_only_sign_is_never_lost_in_silence(fault):
    """Whatever is done to it; but what is not there, or under a code of nobody's, is no diagnosis."""
    case = Case(ill=True, bends=[(fault, "Condition", {})], without=("srp",))
    response, audit = await answered(case)
    if response.status_code == 412:
        assert audit["outcome"] == "eligibility-unknown"
    elif not response.json()["cards"]:
        assert fault in NO_DIAGNOSIS or not _of_silence(case, audit)


def drawn(number: int) -> Case:
    """A case of several faults, the same for the same number."""
    draw = random.Random(number)
    bends = []
    for _ in range(draw.choice((1, 1, 2, 3))):
        fault, kind = draw.choice(ONE_FAULT)
        where = draw.choice(({}, {}, {"page": 1}, {"page": 2}, {"times": 1}))
        bends.append((fault, draw.choice((kind, kind, "")) if fault not in MEANING else kind, where))
    prefetch = draw.choice(((), (), PHASE_1, ("conditions",), ("enzymes", "ana")))
    return Case(draw.random() < 0.7, bends, prefetch, draw.choice((100, 1)))


async def test_a_thousand_servers_that_lie_cause_no_wrong_card_and_no_silence_that_names_nothing(clean):
    told, ends = {}, Counter()
    for number in range(count(100, 1000)):
        case = drawn(number)
        response, audit = await answered(case)
        ends[response.status_code, audit["outcome"]] += 1
        if said := wrongs(case, clean, response, audit):
            told[number] = (case.bends, said)
    print(dict(ends))
    assert told == {}


async def test_neither_a_bomb_nor_100_mb_takes_more_than_64_mb():
    for fault in ("sends a gzip bomb", "sends 100 MB"):
        case = Case(ill=True, bends=[(fault, "", {})])
        FAULTS[fault](None, None)  # what the bomb itself takes is the test's
        tracemalloc.start()
        try:
            await answered(case)
            assert tracemalloc.get_traced_memory()[1] < 64 * 2**20, fault
        finally:
            tracemalloc.stop()


HONEST = of_chart(imnm_chart())
WHOLE = {"resourceType": "Bundle", "type": "searchset", "total": 0}
ON_THE_WIRE = {
    "hangs": HANG,
    "closes without a byte": None,
    "names too great a length": response(WHOLE, headers={"Content-Length": "9999", "Connection": "close"}),
    "names too small a length": response(WHOLE, headers={"Content-Length": "5"}),
    "breaks a chunk off": b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\n{",
    "speaks no HTTP": b"SSH-2.0-OpenSSH_9\r\n\r\nConnection: close\r\n",
    "sends endless headers": b"HTTP/1.1 200 X\r\n" + b"X: y\r\n" * 50_000,
}


@pytest.mark.parametrize("sent", ON_THE_WIRE.values(), ids=ON_THE_WIRE)
@pytest.mark.parametrize("kind", TYPES)
async def test_on_real_sockets_too(sent, kind):
    def lying(server, asked):
        return sent if asked.path.startswith(f"/fhir/{kind}") else HONEST(server, asked)

    async with loopback(lying) as server:
        client = Client(name="h", fhir_base=server.base, accept_unknown_status=True)
        async with networked(client, limits=LIMITS) as service:
            answer = await service.hook(call_body(fhirServer=server.base))
            (audit,) = service.audits()
    assert audit["failed"]
    assert audit["milliseconds"] < 2000
    if answer.status_code == 200:
        (card,) = answer.json()["cards"]
        assert "Could not be read: " in card["detail"]
    else:
        assert answer.status_code == 412
        assert "could not be read: " in answer.text


READ_AT_ONCE = 64 * 1024  # bytes
OF_TLS = 16 * 1024  # bytes of one record
PATIENT = Limits(answer_seconds=60)  # each question has a handshake of its own where the connection is ended
UNASKED = {
    "with the answer": (0, False),
    "after all that is read at once": (READ_AT_ONCE, False),
    "in another record": (OF_TLS, True),
}


@pytest.mark.parametrize(("size", "is_tls"), UNASKED.values(), ids=UNASKED)
async def test_what_a_server_sends_unasked_is_no_answer_to_the_next_question(size, is_tls, tmp_path):
    """An empty Bundle behind each answer but the first: whoever took it for the next one would find nothing on record."""
    authority, certificate = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(certificate)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    def honest(server, asked):
        return padded(HONEST(server, asked), size) if size else HONEST(server, asked)

    def unasked(server, asked):
        return honest(server, asked) + (response(WHOLE) if asked.before else b"")

    details = []
    for answers in (honest, unasked):
        async with loopback(answers, certificate if is_tls else None) as server:
            known = {"ca_file": tmp_path / "ca.pem"} if is_tls else {}
            client = Client(name="h", fhir_base=server.base, accept_unknown_status=True, **known)
            async with networked(client, limits=PATIENT) as service:
                for _ in range(3):
                    (card,) = (await service.hook(call_body(fhirServer=server.base))).json()["cards"]
                    details.append(card["detail"])
    assert len(set(details)) == 1
