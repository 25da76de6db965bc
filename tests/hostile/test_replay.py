"""A token is accepted once, over two real workers, a restart and a kill -9."""

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event

import httpx
import pytest

from tests.support.nightly import count
from tests.support.service import SERVICE, call_body
from tests.support.serving import eventually, served
from tests.support.tokens import ENDPOINT, ISSUER, PUBLIC, bearer, claims_of, key_set

TIMES = 20  # each token, half of them before the restart


@pytest.fixture
def config(tmp_path):
    (tmp_path / "keys.json").write_bytes(key_set())
    file = tmp_path / "imnm.toml"
    file.write_text(
        f'store = "store.sqlite"\npublic_url = "{PUBLIC}"\n'
        f'[[client]]\nname = "hospital"\nfhir_base = "{ISSUER}"\nmode = "off"\n'
        f'auth = "jwt"\nissuer = "{ISSUER}"\njwks_file = "keys.json"\n'
    )
    return file


def test_each_token_is_accepted_once_by_two_workers_before_and_after_a_restart(config):
    tokens = [
        bearer(("ES384", "RS384")[n % 2], claims_of(datetime.now(UTC), aud=ENDPOINT))
        for n in range(count(4, 50))
    ]
    statuses = Counter()

    def post(base, sent):
        answer = called(base, sent)
        assert (answer.status_code, answer.content) in {(200, b'{"cards":[]}'), (401, b"")}
        return sent, answer.status_code

    for _ in range(2):
        with served(config, workers=2) as service, ThreadPoolExecutor(8) as pool:
            calls = [sent for _ in range(TIMES // 2) for sent in tokens]
            statuses.update(pool.map(lambda sent, base=service.base: post(base, sent), calls))
            assert not service.events("crashed")
    assert [statuses[sent, 200] for sent in tokens] == [1] * len(tokens)
    assert [statuses[sent, 401] for sent in tokens] == [TIMES - 1] * len(tokens)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_token_that_was_accepted_is_refused_whenever_everything_is_killed(config, workers):
    """E1 for tokens: an acceptance is on the disk before it is told."""
    accepted, told = [], 0
    for _ in range(count(3, 100)):
        with served(config, workers) as service, ThreadPoolExecutor(4) as pool:
            again = pool.map(lambda sent, base=service.base: called(base, sent).status_code, accepted)
            assert set(again) <= {401}
            told += len(accepted)
            accepted, over = [], Event()
            clients = [pool.submit(use, service.base, accepted, over) for _ in range(4)]
            eventually(lambda now=accepted: len(now) > 8, "tokens are accepted")
            time.sleep(random.uniform(0, 0.3))
            service.kill()
            over.set()
            assert [client.result() for client in clients] == [None] * 4
    assert told > 16
    print(f"{workers} worker(s): {told} tokens accepted before a kill, none of them after it")


def use(base, accepted, over):
    """Call with one new token after the other until the service is gone."""
    while not over.is_set():
        sent = bearer(claims=claims_of(datetime.now(UTC), aud=ENDPOINT))
        try:
            answer = called(base, sent)
        except httpx.TransportError:
            return
        assert answer.status_code == 200
        accepted.append(sent)


def called(base, sent):
    headers = {"authorization": sent}
    return httpx.post(base + SERVICE, json=call_body(), headers=headers, timeout=20, trust_env=False)
