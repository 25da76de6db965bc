"""Key sets: which keys are taken, when a set is asked for again, and until when one is kept."""

import ast
import asyncio
import json
import re
from pathlib import Path

import pytest

from cds_service.fhir.client import connect, fetch
from cds_service.security.keys import FetchedKeys, keys_of_file, published_keys
from cds_service.security.tokens import Rejected, UnusableKeysError, prove, read, read_keys
from cds_service.settings.limits import Limits
from cds_service.settings.service import SettingsError
from tests.support.ehr_simulator import (
    EhrSimulator,
    body,
    drip,
    gzipped,
    half_closed,
    hang,
    huge,
    refuse_connection,
    reset,
    status,
)
from tests.support.nightly import count
from tests.support.tokens import ISSUER, JWKS, b64, jwk, key_set, private_key, thumbprint, token

ALL = ("ES384", "RS384", "ES256", "RS256")
URL = f"{ISSUER}/jwks"
ROOT = Path(__file__).parents[2]
SANDBOX = {
    "kty": "EC",
    "use": "sig",
    "crv": "P-384",
    "kid": "44823f3d-0b01-4a6c-a80e-b9d3e8a7226f",
    "x": "dw_JGR8nB2I6XveNxUOl2qk699ZPLM2nYI5STSdiEl9avAkrm3CkfYMbrrjr8laB",
    "y": "Sm3mLE-n1zYNla_aiE3cb3nZsL51RbC7ysw3q8aJLxGm-hx79RPMYpITDjp7kgzy",
    "alg": "ES384",
}


class Address:
    """An address with a key set that may rotate, fail and be slow; time is ours."""

    def __init__(self, *kids):
        self.kids = kids
        self.now = 1000.0
        self.fetches = 0
        self.fails = False
        self.keys = FetchedKeys(JWKS, ALL, self.fetch, lambda: self.now, Limits())

    async def fetch(self, url):
        assert url == JWKS
        self.fetches += 1
        await asyncio.sleep(0)
        if self.fails:
            raise ConnectionError("no connection")
        return key_set(*(jwk("ES384", kid) for kid in self.kids))

    async def knows(self, kid):
        try:
            await self.keys.key(kid)
        except Rejected as error:
            return error.reason
        return True


class TestWhenASetIsAskedFor:
    async def test_a_hundred_calls_at_once_ask_once(self):
        address = Address("a")
        assert await asyncio.gather(*(address.knows("a") for _ in range(100))) == [True] * 100
        assert address.fetches == 1

    async def test_a_hundred_unknown_kids_at_once_ask_once_and_no_more_for_30_s(self):
        address = Address("a")
        await address.knows("a")
        address.now += 30
        for _ in range(10):
            kids = [f"unknown {number}" for number in range(count(100, 1000))]
            assert set(await asyncio.gather(*map(address.knows, kids))) == {"unknown key"}
            address.now += 2.9
        assert address.fetches == 2

    async def test_a_new_key_is_known_within_30_s(self):
        address = Address("a")
        await address.knows("a")
        address.kids = ("a", "b")
        address.now += 29.9
        assert await address.knows("b") == "unknown key"
        address.now += 0.1
        assert await address.knows("b") is True

    async def test_a_key_that_was_withdrawn_is_refused_after_a_minute(self):
        address = Address("a", "b")
        await address.knows("a")
        address.kids = ("b",)
        address.now += 59.9
        assert await address.knows("a") is True
        address.now += 0.1
        assert await address.knows("a") == "unknown key"
        assert address.fetches == 2

    async def test_a_key_that_was_withdrawn_is_refused_as_soon_as_another_made_us_ask(self):
        address = Address("a")
        await address.knows("a")
        address.kids = ("b",)
        address.now += 30
        assert await address.knows("b") is True
        assert await address.knows("a") == "unknown key"

    async def test_an_address_that_fails_leaves_what_there_is_for_a_day_and_no_longer(self):
        address = Address("a")
        await address.knows("a")
        address.fails = True
        for minutes in range(0, 24 * 60, 7):
            address.now = 1000 + 60 * minutes
            assert await address.knows("a") is True
        address.now = 1000 + 24 * 3600
        assert await address.knows("a") == "keys unread"
        address.fails = False
        address.now += 5
        assert await address.knows("a") is True

    async def test_an_address_that_fails_is_asked_every_30_s_at_most_while_there_are_keys(self):
        address = Address("a")
        await address.knows("a")
        address.fails = True
        address.now += 300
        for _ in range(600):
            assert await address.knows("a") is True
            address.now += 0.1
        assert address.fetches == 1 + 2

    async def test_a_failure_is_remembered_for_5_s_where_there_are_no_keys(self):
        address = Address("a")
        address.fails = True
        assert set(await asyncio.gather(*(address.knows("a") for _ in range(100)))) == {"keys unread"}
        address.fails = False
        address.now += 4.9
        assert (await address.knows("a"), address.fetches) == ("keys unread", 1)
        address.now += 0.1
        assert (await address.knows("a"), address.fetches) == (True, 2)

    async def test_a_set_that_is_wrong_leaves_what_there_is(self):
        address = Address("a")
        await address.knows("a")
        address.kids = ("a", "a")
        address.now += 300
        assert await address.knows("a") is True

    async def test_a_caller_that_leaves_does_not_keep_the_others_waiting(self):
        address = Address("a")
        first = asyncio.create_task(address.knows("a"))
        others = [asyncio.create_task(address.knows("a")) for _ in range(5)]
        await asyncio.sleep(0)
        first.cancel()
        assert set(await asyncio.gather(*others)) <= {True, "keys unread"}
        address.now += 5
        assert await address.knows("a") is True

    async def test_at_most_two_sets_are_held(self):
        address = Address("a")
        for number in range(50):
            address.kids = (f"kid {number}",)
            address.now += 30
            assert await address.knows(f"kid {number}") is True
        assert (len(address.keys._fresh), len(address.keys._kept)) == (1, 1)


def wrong(*keys):
    return json.dumps({"keys": keys}).encode()


ES, RS = jwk("ES384"), jwk("RS384")


class TestASetThatIsRefused:
    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"", "is not JSON"),
            (b"{}", "is not a JWK Set"),
            (b"[]", "is not a JWK Set"),
            (b'{"keys": {}}', "is not a JWK Set"),
            (b'{"keys": []}', "has no key"),
            (b'{"keys": [1]}', "holds something that is no key"),
            (b'{"keys": [], "keys": []}', "is not JSON with one reading"),
            (key_set(*[ES] * 101), "at most 100 keys"),
            (key_set(ES, ES), "two keys of one kid"),
            (key_set(ES, RS | {"kid": "ES384"}), "two keys of one kid"),
            (key_set(ES, ES | {"kid": "b", "d": "AA"}), "a private or symmetric key"),
            (key_set(ES, RS | {"p": "AA"}), "a private or symmetric key"),
            (key_set(ES, {"kty": "oct", "k": "AA", "kid": "b"}), "a private or symmetric key"),
            (key_set(ES, {"kty": "oct", "kid": "b"}), "a private or symmetric key"),
            (key_set(ES, SANDBOX), "such as that of the CDS Hooks sandbox"),
            (key_set(ES, {**SANDBOX, "kid": "renamed", "alg": "ES384"}), "such as that of the CDS Hooks"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",  # the keys are new in each process
    )
    def test_is_refused_whole_in_one_sentence(self, content, why):
        with pytest.raises(UnusableKeysError, match=why):
            read_keys(content, ALL, published_keys())

    @pytest.mark.parametrize(
        "key",
        [
            jwk("RS384", "b", private_key("RS384", "weak", 1024)),
            ES | {"kid": "b", "use": "enc"},
            ES | {"kid": "b", "key_ops": ["sign", "verify"]},
            ES | {"kid": "b", "key_ops": 5},
            ES | {"kid": "b", "alg": "ES256"},
            ES | {"kid": "b", "alg": ["ES384"]},
            ES | {"kid": "b", "crv": "P-256"},
            ES | {"kid": "b", "crv": ["P-384"]},
            ES | {"kid": "b", "y": ES["x"]},
            ES | {"kid": "b", "x": 5},
            ES | {"kid": "b", "kty": "OKP"},
            RS | {"kid": "b", "alg": "PS384"},
            RS | {"kid": "b", "e": b64(b"\x02")},
            RS | {"kid": 5},
            RS | {"kid": ["b"]},
            {**jwk("ES512", "b")},
            {"kid": "b"},
        ],
    )
    def test_a_key_that_is_not_for_us_is_left_out_and_the_others_stay(self, key):
        assert set(read_keys(key_set(ES, key), ALL, published_keys())) == {"ES384"}

    def test_of_a_key_without_alg_the_client_decides(self):
        for algorithms, fixed in ((ALL, "RS384"), (("ES384", "RS384"), "RS384"), (("RS256",), "RS256")):
            keys = read_keys(key_set(jwk("RS384", "b", alg=...)), algorithms, ())
            assert keys["b"].algorithm == fixed

    def test_every_published_thumbprint_is_one_and_the_sandboxs_is_among_them(self):
        assert thumbprint(SANDBOX) in published_keys()
        assert {len(print_) for print_ in published_keys()} == {43}

    @pytest.mark.parametrize("name", ["x", "y"])
    def test_a_published_key_in_another_spelling_is_the_same_key(self, name):
        """The last digit of some coordinates has bits that mean nothing, and may be padded: no new key."""
        padded = SANDBOX | {name: SANDBOX[name] + "="}
        assert thumbprint(padded) not in published_keys()
        with pytest.raises(UnusableKeysError, match="sandbox"):
            read_keys(key_set(padded), ALL, published_keys())


class TestAFile:
    async def test_is_read_at_the_start_and_gives_its_keys(self, tmp_path):
        (tmp_path / "keys.json").write_bytes(key_set())
        key = await keys_of_file(tmp_path / "keys.json", ALL)("ES384")
        prove(read(token()), key)
        with pytest.raises(Rejected, match="unknown key"):
            await keys_of_file(tmp_path / "keys.json", ALL)("other")

    @pytest.mark.parametrize("content", [None, b"", b"zq", key_set(SANDBOX)])
    def test_that_cannot_be_used_is_one_line_at_the_start(self, tmp_path, content):
        file = tmp_path / "keys.json"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(SettingsError, match=rf"^jwks_file: {file} [^\n]+$") as refused:
            keys_of_file(file, ALL)
        assert "zq" not in str(refused.value)


class TestTheRequestForASet:
    """One GET: no token, no redirect, bounded in bytes and time."""

    async def got(self, *fault, most=1000, seconds=0.3):
        ehr = EhrSimulator(base=ISSUER)
        if fault:
            ehr.bend(*fault)
        connection = connect(Limits(keys_bytes=most, keys_seconds=seconds), ehr)
        try:
            return await fetch(connection, URL), ehr
        finally:
            await connection.http.aclose()
            assert (len(ehr.requests), ehr.strays) == (1, [])
            assert "authorization" not in ehr.requests[0].headers

    @pytest.mark.parametrize(
        "fault",
        [
            *(hang, drip, half_closed, reset, refuse_connection, huge, gzipped, body(b"x" * 1001)),
            *(status(code) for code in (204, 301, 302, 307, 401, 404, 429, 500, 503)),
            body(b"", 302, location="http://169.254.169.254/latest"),
        ],
    )
    async def test_whatever_happens_ends_in_one_error_after_one_request(self, fault):
        with pytest.raises(ConnectionError):
            await self.got(fault)

    async def test_what_lies_there_is_returned_up_to_the_last_byte(self):
        content, _ = await self.got(body(b"x" * 1000))
        assert content == b"x" * 1000


KEPT = {
    "cds_service/cards/words.py": ["catalogue"],  # our texts
    "cds_service/fhir/network.py": ["_public_trust"],  # authorities
    "cds_service/security/keys.py": ["published_keys", "TTLCache", "TTLCache"],  # public keys
    "fhir_mapping/terms/codes.py": ["words_in", "analyte_in", "Memory"],  # roles of the tables; codes
    "fhir_mapping/terms/systems.py": ["Memory"],  # codes
    "fhir_mapping/terms/units.py": ["Memory"],  # units
    "fhir_mapping/versions/salvage.py": ["_fields", "_decoder"],  # by type
    "fhir_mapping/versions/__init__.py": ["version"],  # its module
    "fhir_mapping/cohort/relapse.py": ["cache"],  # of one record, outside the service
    "models/artefact.py": ["_expression"],  # reasons, as policies write them
    "models/transparency/__init__.py": ["asked"],  # our texts
}


class TestWhatIsKeptBetweenCalls:
    """P2: only what is public or ours; never anything of a patient, and no token."""

    @staticmethod
    def caches(tree):
        """Functions that remember what they gave, and caches that are made."""
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                decorators = " ".join(map(ast.unparse, node.decorator_list))
                if re.search(r"\b(lru_)?cache\b|\bcached\b", decorators):
                    yield node.name
            elif isinstance(node, ast.Call) and re.search(r"Cache$|\bcache$", ast.unparse(node.func)):
                yield ast.unparse(node.func)
            elif isinstance(node, ast.keyword) and ast.unparse(node.value) == "Memory":
                yield "Memory"

    def test_is_what_is_listed_here(self):
        found = {}
        for package in ("cds_service", "fhir_mapping", "models"):
            for file in (ROOT / package).rglob("*.py"):
                if "training" not in file.parts and (kept := [*self.caches(ast.parse(file.read_text()))]):
                    found[str(file.relative_to(ROOT))] = kept
        assert found == KEPT

    @pytest.mark.parametrize(
        "text",
        ["@cache\ndef f(): 1", "@functools.lru_cache(5)\ndef f(): 1", "f = LRUCache(5)", "f = cache(g)"],
    )
    def test_is_seen_however_it_is_written(self, text):
        assert len([*self.caches(ast.parse(text))]) == 1
