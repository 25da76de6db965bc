"""No forged token proves anything, every honest one does, and an answer never says which failed why."""

import json
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from cds_service.settings.client import Client
from cds_service.settings.service import Settings
from tests.support.charts import AS_OF, condition, healthy_chart, imnm_chart, patient
from tests.support.ehr_simulator import BASE
from tests.support.feedback import SECRET, accepted
from tests.support.forged import forged
from tests.support.service import ACCEPTED, KEYS, call_body, prefetch_of, running
from tests.support.tokens import (
    ENDPOINT,
    FEEDBACK,
    ISSUER,
    PUBLIC,
    Hospital,
    bearer,
    jwk,
    key_set,
    private_key,
    proving,
)

NOW = int(AS_OF.timestamp())
PATHS = {ENDPOINT: "/cds-services/imnm-recurrence", FEEDBACK: "/cds-services/imnm-recurrence/feedback"}
BODIES = {ENDPOINT: call_body(), FEEDBACK: {"feedback": [accepted()]}}
OTHER = {"name": "other", "fhir_base": "https://other.example/fhir", "issuer": "https://other.example"}


@asynccontextmanager
async def guarded(folder, *clients, **hospital):
    """A service with clients that prove themselves, another hospital among them."""
    own = folder / "other.json"
    own.write_bytes(key_set(jwk("ES384", "other", private_key("ES384", "other"))))
    other = proving(**OTHER, tenant="a", jwks_url=..., jwks_file=own)
    configured = Settings(
        client=clients or (proving(**hospital), other),
        store=folder / "store.sqlite",
        public_url=PUBLIC,
        card_secret=SecretStr(SECRET),
    )
    ehr = Hospital(healthy_chart("p1"))
    async with running(ehr, configured) as service:
        yield service, ehr


async def send(service, endpoint, *authorization, body=None):
    headers = [("content-type", "application/json"), *(("authorization", value) for value in authorization)]
    content = json.dumps(body or BODIES[endpoint]).encode()
    return await service.http.post(PATHS[endpoint], content=content, headers=headers)


def said(service):
    return [json.loads(line) for line in service.lines]


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
@pytest.mark.parametrize("endpoint", PATHS, ids=["service", "feedback"])
async def test_no_forged_token_proves_anything_and_all_get_the_same_empty_answer(
    tmp_path, algorithm, endpoint
):
    tokens = forged(algorithm, endpoint)
    assert len(tokens) >= 60
    async with guarded(tmp_path) as (service, ehr):
        answers = {name: await send(service, endpoint, value) for name, value in tokens.items()}
        answers["none"] = await send(service, endpoint)
        answers["two headers"] = await send(service, endpoint, *[bearer(algorithm, {"aud": endpoint})] * 2)
        assert [name for name, response in answers.items() if response.status_code != 401] == []
        assert {response.content for response in answers.values()} == {b""}
        assert len({tuple(sorted(response.headers.items())) for response in answers.values()}) == 1
        assert answers["none"].headers["www-authenticate"] == "Bearer"
        calls = [event for event in said(service) if event["event"] in {"hook-call", "feedback"}]
        why = dict(zip(answers, (event["authentication"] for event in calls), strict=True))
        reasons = set(why.values())
        never = [name for name in why if name.startswith(("header: alg is", "key: HS", "key: PSS"))]
        assert {why[name] for name in never if "said to be" not in name} == {"alg"}
        assert not [event for event in said(service) if event["event"] == "crashed"]
        assert reasons & {"none", "jwt", "other"} == set()
        assert {
            "signature",
            "exp",
            "iat",
            "aud",
            "jku",
            "alg",
            "alg of key",
            "unknown key",
            "life",
        } <= reasons
        assert (ehr.asked_keys, ehr.requests) == (1, [])
        good = await send(service, endpoint, bearer(algorithm, {"aud": endpoint}))
        assert good.status_code == 200


HONEST: dict[str, tuple[str, dict, dict]] = {
    "the sandbox's": ("ES384", {}, {}),
    "Epic's": (
        "RS384",
        {"nbf": NOW - 300, "exp": NOW + 900, "sub": "a client id", "iss": ISSUER},
        {"kid": "d3bmo5HzW61TUgikHZH+A8Tx4UOXz2iOs4KvVU4eLY0="},
    ),
    "with a list of audiences": ("RS384", {"aud": ["https://another.example/", ...]}, {}),
    "of a clock 60 s ahead": ("ES384", {"iat": NOW + 60, "nbf": NOW + 60, "exp": NOW + 360}, {}),
    "of a clock that is late": ("ES384", {"iat": NOW - 359, "exp": NOW - 59}, {}),
    "that lives an hour": ("RS384", {"exp": NOW + 3600}, {}),
    "with fractions of seconds": ("RS384", {"iat": NOW + 0.5, "exp": NOW + 300.25}, {}),
    "with claims of its own": ("ES384", {"azp": "x", "scope": ["a"], "user": {"id": 1}, "sub": None}, {}),
    "with a typ in small letters": ("ES384", {}, {"typ": "jwt"}),
    "without a jku": ("RS384", {}, {"jku": ...}),
    "with members that mean nothing to us": ("ES384", {}, {"x5t": "abc", "cty": "JWT"}),
}


@pytest.mark.parametrize("endpoint", PATHS, ids=["service", "feedback"])
async def test_every_honest_token_is_accepted_and_the_audit_says_so(tmp_path, endpoint):
    async with guarded(tmp_path) as (service, ehr):
        epic = jwk("RS384", "d3bmo5HzW61TUgikHZH+A8Tx4UOXz2iOs4KvVU4eLY0=")
        ehr.keys = key_set(jwk("ES384"), jwk("RS384", alg=...) | {"kid": "RS384"}, epic)
        for name, (algorithm, claims, header) in HONEST.items():
            aud = claims.get("aud", [...])
            aimed = [endpoint if each is ... else each for each in aud]
            sent = bearer(
                algorithm,
                claims | {"aud": aimed if len(aimed) > 1 else endpoint},
                header,
                private_key(algorithm),
            )
            response = await send(service, endpoint, sent)
            assert response.status_code == 200, name
            event = said(service)[-1]
            assert (event["authentication"], len(event["key"])) == ("jwt", 12)
        assert ehr.asked_keys == 1


async def test_feedback_may_carry_the_token_of_its_service_but_a_service_not_that_of_feedback(tmp_path):
    async with guarded(tmp_path) as (service, _):
        assert (await send(service, FEEDBACK, bearer(claims={"aud": ENDPOINT}))).status_code == 200
        assert (await send(service, ENDPOINT, bearer(claims={"aud": FEEDBACK}))).status_code == 401


async def test_the_shorter_hash_is_taken_where_the_block_names_it_and_nowhere_else(tmp_path):
    keys = key_set(jwk("ES256"), jwk("RS256"), jwk("ES384"))
    for algorithms, accepted_ones in (
        (("ES256", "RS256"), {"ES256", "RS256"}),
        (("ES384", "RS384"), {"ES384"}),
    ):
        folder = tmp_path / algorithms[0]
        folder.mkdir()
        async with guarded(folder, algorithms=algorithms) as (service, ehr):
            ehr.keys = keys
            for algorithm in ("ES256", "RS256", "ES384"):
                status = (await send(service, ENDPOINT, bearer(algorithm))).status_code
                assert (status == 200) is (algorithm in accepted_ones), (algorithms, algorithm)


class TestWhoMaySpeakForWhom:
    async def test_the_token_of_one_client_never_opens_the_record_of_another(self, tmp_path):
        async with guarded(tmp_path) as (service, ehr):
            body = call_body(fhirServer="https://other.example/fhir")
            response = await send(service, ENDPOINT, bearer(), body=body)
            assert response.status_code == 403
            key = private_key("ES384", "other")
            theirs = {"iss": "https://other.example", "tenant": "a"}
            other = bearer(claims=theirs, header={"kid": "other"}, key=key)
            assert (await send(service, ENDPOINT, other)).status_code == 403
            assert ehr.requests == []
            assert [event.get("configured_servers") for event in said(service)[-2:]] == [
                ["https://ehr.example/fhir"],
                ["https://other.example/fhir"],
            ]

    async def test_a_tenant_is_another_client(self, tmp_path):
        shared = {"issuer": "https://shared.example"}
        bases = {name: f"https://ehr.example/fhir/{name}" for name in "ab"}
        clients = [proving(**shared, name=n, tenant=n, fhir_base=base) for n, base in bases.items()]
        async with guarded(tmp_path, *clients) as (service, _):
            for tenant, status in (("a", 200), ("b", 403), ("c", 401), (..., 401)):
                sent = bearer(claims={"iss": "https://shared.example", "tenant": tenant})
                body = call_body(fhirServer=bases["a"], context={"userId": "Patient/1", "patientId": "p1"})
                assert (await send(service, ENDPOINT, sent, body=body)).status_code == status, tenant

    async def test_each_of_a_clients_own_bases_is_open_to_it(self, tmp_path):
        bases = ("https://ehr.example/fhir", "https://ehr.example/test")
        async with guarded(tmp_path, proving(fhir_base=bases)) as (service, ehr):
            for base in bases:
                response = await send(service, ENDPOINT, bearer(), body=call_body(fhirServer=base))
                assert response.status_code in {200, 412}
                assert str(ehr.requests[-1].url).startswith(base)

    @pytest.mark.parametrize("bases", [BASE, (BASE, "https://ehr.example/test")], ids=["one", "two"])
    async def test_a_client_that_names_no_server_is_read_from_its_prefetch_and_nothing_is_dialled(
        self, bases, tmp_path
    ):
        chart = imnm_chart()
        given = prefetch_of(chart)
        async with guarded(tmp_path, proving(fhir_base=bases, **ACCEPTED)) as (service, ehr):
            whole = call_body(fhirServer=None, prefetch=given)
            response = await send(service, ENDPOINT, bearer(), body=whole)
            named = await send(service, ENDPOINT, bearer(), body=call_body(prefetch=given))
            assert (response.status_code, named.status_code) == (200, 200)
            (card,), (same,) = (answer.json()["cards"] for answer in (response, named))
            assert card["detail"] == same["detail"]
            # Of several servers nobody knows whose patient it is, so that neither card is the other
            assert (card["uuid"][:13] == same["uuid"][:13]) is (bases == BASE)
            events = [event for event in said(service) if event["event"] == "hook-call"]
            assert [event["client"] for event in events] == ["hospital"] * 2
            lean = call_body(fhirServer=None, prefetch=prefetch_of(chart, KEYS[1:]))
            assert (await send(service, ENDPOINT, bearer(), body=lean)).status_code == 200
            nothing = await send(service, ENDPOINT, bearer(), body=call_body(fhirServer=None))
            assert nothing.status_code == 412
            assert "no FHIR server was given" in nothing.text
            assert [str(request.url) for request in ehr.requests] == []

    @pytest.mark.parametrize(
        ("bases", "eligibility"), [(BASE, "definite"), ((BASE, "https://ehr.example/test"), "unknown")]
    )
    async def test_its_one_base_tells_whose_an_absolute_reference_is(self, bases, eligibility, tmp_path):
        given = prefetch_of([patient(), condition(subject={"reference": f"{BASE}/Patient/p1"})])
        async with guarded(tmp_path, proving(fhir_base=bases)) as (service, ehr):
            await send(service, ENDPOINT, bearer(), body=call_body(fhirServer=None, prefetch=given))
            assert said(service)[-1]["eligibility"] == eligibility
            assert [str(request.url) for request in ehr.requests] == []

    @pytest.mark.parametrize("server", ["/", "https://other.example/fhir", "https://ehr.example"])
    async def test_a_server_that_is_named_and_not_its_own_is_refused_all_the_same(self, server, tmp_path):
        async with guarded(tmp_path) as (service, ehr):
            given = prefetch_of(imnm_chart())
            response = await send(
                service, ENDPOINT, bearer(), body=call_body(fhirServer=server, prefetch=given)
            )
            assert response.status_code in {400, 403}
            assert ehr.requests == []

    def test_open_clients_and_such_that_prove_themselves_do_not_go_together(self, tmp_path):
        clients = (proving(public_url=...), Client(name="open", fhir_base="https://ehr.example/open"))
        configured = {"audience": {"imnm-recurrence": ENDPOINT}}
        with pytest.raises(
            ValueError, match='client open: needs auth = "jwt": client hospital has an audience'
        ):
            Settings(client=(proving(**configured), clients[1]), store=tmp_path / "s", cors_origins=())

    async def test_where_all_are_open_a_token_is_not_looked_at(self):
        async with running(Hospital(healthy_chart("p1"))) as service:
            for sent in ((), (bearer(),), ("Bearer zq",), ("Basic x",)):
                assert (await send(service, ENDPOINT, *sent)).status_code == 200
            assert {event["authentication"] for event in service.audits()} == {"none"}

    async def test_discovery_is_open_with_any_token(self, tmp_path):
        async with guarded(tmp_path) as (service, _):
            for sent in ({}, {"authorization": "Bearer zq"}, {"authorization": bearer()}):
                assert (await service.http.get("/cds-services", headers=sent)).status_code == 200


class TestReplay:
    async def test_a_token_is_good_for_one_call_of_either_endpoint(self, tmp_path):
        async with guarded(tmp_path) as (service, _):
            both = bearer(claims={"aud": ENDPOINT})
            answers = [await send(service, endpoint, both) for endpoint in (ENDPOINT, FEEDBACK, ENDPOINT)]
            assert [response.status_code for response in answers] == [200, 401, 401]
            assert [response.content for response in answers[1:]] == [b"", b""]
            assert [event["authentication"] for event in said(service)[-2:]] == ["used before"] * 2

    async def test_a_call_that_is_refused_for_its_body_or_its_server_leaves_the_token_unused(self, tmp_path):
        async with guarded(tmp_path) as (service, _):
            sent = bearer()
            for body in ({"hook": "patient-view"}, call_body(fhirServer="https://other.example/fhir")):
                assert (await send(service, ENDPOINT, sent, body=body)).status_code in {400, 403}
            assert (await send(service, ENDPOINT, sent)).status_code == 200

    async def test_a_jti_is_its_issuers_own(self, tmp_path):
        async with guarded(tmp_path) as (service, _):
            jti = {"jti": "the same"}
            assert (await send(service, FEEDBACK, bearer(claims=jti))).status_code == 200
            theirs = jti | {"iss": "https://other.example", "tenant": "a"}
            other = bearer(claims=theirs, header={"kid": "other"}, key=private_key("ES384", "other"))
            assert (await send(service, FEEDBACK, other)).status_code == 200

    async def test_a_store_that_fails_accepts_no_token(self, tmp_path, monkeypatch):
        async with guarded(tmp_path) as (service, ehr):
            (tmp_path / "store.sqlite").mkdir()
            for endpoint in PATHS:
                response = await send(service, endpoint, bearer())
                assert (response.status_code, response.json()["issue"][0]["code"]) == (503, "transient")
            assert ehr.requests == []


SCHEMES = ("https://", "http://", "//", "file://", "ftp://", "HTTPS:\\\\")
HOSTS = (
    *("evil.example/jwks", "169.254.169.254/latest/meta-data", "[fd00:ec2::254]/", "127.0.0.1:8080/jwks"),
    *(
        "[::1]/",
        "0.0.0.0/",
        "2130706433/",
        "0x7f.1/",
        "ehr.example@evil.example/",
        "evil.example#@ehr.example/",
    ),
    *("ehr.example.evil.example/keys/jwks.json", "ehr.example:444/keys/jwks.json", "/etc/passwd"),
)


async def test_the_jku_of_a_token_is_never_dialled(tmp_path):
    """Whatever address it is: the transport counts what leaves, and every one must be the configured one."""
    addresses = [f"{scheme}{host}" for scheme in SCHEMES for host in HOSTS]
    assert len(addresses) >= 60
    async with guarded(tmp_path) as (service, ehr):
        for jku in addresses:
            response = await send(service, ENDPOINT, bearer(header={"jku": jku, "kid": "mine"}))
            assert response.status_code == 401
        assert (ehr.asked_keys, ehr.strays) == (0, [])
