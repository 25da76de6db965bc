"""A token is accepted once, over two real workers and a restart."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest

from tests.support.nightly import count
from tests.support.service import SERVICE, call_body
from tests.support.serving import served
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
        answer = httpx.post(
            base + SERVICE, json=call_body(), headers={"authorization": sent}, timeout=20, trust_env=False
        )
        assert (answer.status_code, answer.content) in {(200, b'{"cards":[]}'), (401, b"")}
        return sent, answer.status_code

    for _ in range(2):
        with served(config, workers=2) as service, ThreadPoolExecutor(8) as pool:
            calls = [sent for _ in range(TIMES // 2) for sent in tokens]
            statuses.update(pool.map(lambda sent, base=service.base: post(base, sent), calls))
            assert not service.events("crashed")
    assert [statuses[sent, 200] for sent in tokens] == [1] * len(tokens)
    assert [statuses[sent, 401] for sent in tokens] == [TIMES - 1] * len(tokens)
