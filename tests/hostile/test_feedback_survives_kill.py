"""E1, F2: whatever moment processes are killed or replaced at, feedback that was acknowledged is on the disk, once."""

import json
import os
import random
import shutil
import signal
import sqlite3
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import count as numbers

import pytest

from tests.support.feedback import SECRET, accepted, epic, issued, overridden
from tests.support.nightly import count
from tests.support.service import SERVICE
from tests.support.serving import OPEN, eventually, served

CYCLES = count(20, 200)
CLIENTS = 6
MOST = 300  # posts of one client in one cycle
A_DAY = 1_000_000  # more than is sent here


@dataclass
class Load:
    """Clients that post as fast as they are answered. `acknowledged`, `unknown`: the cards of items, by their fate.

    What is repeated goes to the `other` port, if there is one.
    """

    port: int
    other: int = 0
    most: int = MOST
    pause: float = 0  # s, between two posts of a client
    retries: int = 0
    numbers: "numbers[int]" = field(default_factory=numbers)
    acknowledged: list[str] = field(default_factory=list)
    unknown: list[list[dict]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def post(self, items: list[dict]) -> bool:
        """Send one batch; returns whether it was acknowledged, now or at a repetition."""
        for attempt in range(1 + self.retries):
            port = self.other if attempt % 2 and self.other else self.port
            connection = HTTPConnection("127.0.0.1", port, timeout=20)
            with closing(connection):
                try:
                    body, headers = json.dumps({"feedback": items}), {"Content-Type": "application/json"}
                    connection.request("POST", f"{SERVICE}/feedback", body, headers)
                    if connection.getresponse().status == 200:
                        self.acknowledged += [item["card"] for item in items]
                        return True
                except (OSError, HTTPException):
                    pass
        self.unknown.append(items)
        return False

    def _client(self) -> None:
        for _ in range(self.most):
            forms = random.choices([accepted, overridden, epic], k=random.choice([1, 1, 1, 5]))
            answered = self.post([form(card=issued(next(self.numbers), "open")) for form in forms])
            if self.over.wait(self.pause) or not (answered or self.retries):
                return

    @contextmanager
    def running(self):
        """Post from all clients while the block lasts."""
        self.over.clear()
        clients = [threading.Thread(target=self._client) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            self.over.set()
            for client in clients:
                client.join()


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("IMNM_CDS_CARD_SECRET", SECRET)
    file = tmp_path / "imnm.toml"
    file.write_text(f'store = "feedback.sqlite"\n{OPEN}feedback_a_day = {A_DAY}\n')
    return file


def stored_cards(folder, copy=None):
    """How often each card is stored, read from a copy: what is left to the next start stays as it was left."""
    if copy:
        copy.mkdir()
        for file in folder.glob("feedback.sqlite*"):
            shutil.copy(file, copy)
    with closing(sqlite3.connect((copy or folder) / "feedback.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return Counter(card for (card,) in database.execute("SELECT card FROM feedback"))


@pytest.mark.parametrize("workers", [1, 2])
def test_feedback_that_was_acknowledged_is_stored_once_whenever_everything_is_killed(config, workers):
    begun, load, folder = time.monotonic(), Load(0), config.parent
    for cycle in range(CYCLES):
        with served(config, workers) as service:
            load.port = int(service.base.rpartition(":")[2])
            unknown, load.unknown = load.unknown, []
            assert all(load.post(items) for items in unknown), "what was cut off can be sent again"
            before = len(load.acknowledged)
            with load.running():
                eventually(lambda: len(load.acknowledged) > before, "feedback is acknowledged")  # noqa: B023
                time.sleep(random.uniform(0, 0.4))
                service.kill()
        stored = stored_cards(folder, folder / f"after-{cycle}")
        shutil.rmtree(folder / f"after-{cycle}")
        lost = set(load.acknowledged) - stored.keys()
        twice = [card for card, times in stored.items() if times > 1]
        assert (lost, twice) == (set(), []), f"cycle {cycle}"
    cut_off = sum(map(len, load.unknown))
    print(
        f"{CYCLES} kills, {workers} worker(s): acknowledged {len(set(load.acknowledged))}, stored {len(stored)}, "
        f"cut off in the last cycle {cut_off}, lost 0, twice 0, {time.monotonic() - begun:.0f} s"
    )
    assert len(load.acknowledged) >= CYCLES * CLIENTS


def test_a_client_that_tries_once_more_notices_nothing_of_a_worker_that_is_killed(config):
    with served(config, 2) as service:
        load = Load(int(service.base.rpartition(":")[2]), retries=1)
        back = []
        for killed in range(1, count(5, 10) + 1):
            with load.running():
                done = len(load.acknowledged)
                eventually(lambda: len(load.acknowledged) > done, "feedback is acknowledged")  # noqa: B023
                # in turn: the pause before a worker is replaced doubles each time for its place, to half a minute
                min(service.workers(), key=lambda worker: worker.create_time()).kill()
                begun = time.monotonic()
            eventually(lambda: len(service.events("started")) == 2 + killed, "another worker")  # noqa: B023
            back.append(time.monotonic() - begun)
        assert load.unknown == []
    stored = stored_cards(config.parent)
    print(
        f"{killed} workers killed: acknowledged {len(load.acknowledged)}, back after {max(back):.1f} s at most"
    )
    assert stored == Counter(load.acknowledged)
    assert set(stored.values()) == {1}


def test_a_client_that_tries_once_more_notices_nothing_of_workers_that_are_replaced(config):
    with served(config, 2) as service:
        load = Load(int(service.base.rpartition(":")[2]), retries=1, most=10_000, pause=0.05)
        with load.running():
            for replaced in range(1, count(2, 10) + 1):
                os.kill(service.pid, signal.SIGHUP)
                eventually(lambda: len(service.events("stopped")) == 2 * replaced, "the old workers are gone")  # noqa: B023
                done = len(load.acknowledged)
                eventually(lambda: len(load.acknowledged) > done + CLIENTS, "feedback goes on")  # noqa: B023
        assert load.unknown == []
        assert service.complaints() == []
    assert stored_cards(config.parent) == Counter(load.acknowledged)


def test_a_client_that_tries_the_other_of_two_ports_notices_nothing_of_a_rolling_restart(config):
    configs = [config, config.with_name("second.toml")]
    shutil.copy(*configs)
    with ExitStack() as running:
        services = [running.enter_context(served(each)) for each in configs]
        ports = [int(service.base.rpartition(":")[2]) for service in services]
        load = Load(ports[0], ports[1], most=10_000, pause=0.05, retries=1)
        with load.running():
            for number in [0, 1] * count(1, 5):
                load.port, load.other = ports[1 - number], ports[number]  # as a balancer that drains one side
                services[number].process.terminate()
                assert services[number].process.wait(10) == 0
                services[number] = running.enter_context(served(configs[number], port=ports[number]))
                load.port, load.other = ports[number], ports[1 - number]
                done = len(load.acknowledged)
                eventually(lambda: len(load.acknowledged) > done + CLIENTS, "feedback goes on")  # noqa: B023
        assert load.unknown == []
    stored = stored_cards(config.parent)
    assert stored == Counter(load.acknowledged)
