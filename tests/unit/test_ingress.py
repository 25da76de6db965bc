"""The parts that stand between the network and the application, alone."""

import asyncio
import json
import os
import threading

import pytest

from cds_service.errors import BusyError, TooSlowError
from cds_service.events import Event, Events
from cds_service.settings.limits import Limits
from cds_service.web.ingress import receiving as module
from cds_service.web.ingress.door import Door, quiet_about_files
from cds_service.web.ingress.event_queue import EventQueue
from cds_service.web.ingress.load import Load
from cds_service.web.ingress.receiving import Receiving
from tests.support.charts import clock


class Caller:
    """A connection that the door may end."""

    def __init__(self, peer: str = "192.0.2.1") -> None:
        self.peer = peer
        self.ended = False

    def make_room(self) -> None:
        self.ended = True


def door(trusted: tuple[str, ...] = (), **limits: int) -> tuple[Door, list[str]]:
    lines: list[str] = []
    return Door(Limits(**limits), Events(lines.append, clock), trusted), lines


def entered(where: Door, *callers: Caller) -> list[bool]:
    let_in = []
    for caller in callers:
        let_in.append(where.admit(caller))
        if let_in[-1]:
            where.wait(caller)
    return let_in


class TestTheDoor:
    async def test_lets_in_as_many_as_there_is_room_for(self):
        where, _ = door(client_connections=3)
        callers = [Caller() for _ in range(3)]
        where.most = 3
        assert entered(where, *callers) == [True] * 3
        assert not any(caller.ended for caller in callers)

    async def test_ends_the_one_that_waits_longest_for_one_more(self):
        where, _ = door()
        where.most = 3
        callers = [Caller() for _ in range(3)]
        entered(where, *callers)
        where.wait(callers[0])  # its next request
        assert entered(where, Caller()) == [True]
        assert [caller.ended for caller in callers] == [False, True, False]

    async def test_ends_none_that_is_being_answered(self):
        where, _ = door()
        where.most = 2
        callers = [Caller(), Caller()]
        entered(where, *callers)
        for caller in callers:
            where.busy(caller)
        assert entered(where, Caller()) == [False]
        assert not any(caller.ended for caller in callers)

    async def test_lets_one_peer_push_out_its_own_alone(self):
        where, _ = door(peer_connections=2)
        other, first, second = Caller("192.0.2.2"), Caller(), Caller()
        entered(where, other, first, second, Caller())
        assert (other.ended, first.ended, second.ended) == (False, True, False)

    async def test_lets_a_trusted_proxy_speak_for_many(self):
        where, _ = door(("192.0.2.0/24",), peer_connections=2)
        callers = [Caller() for _ in range(5)]
        assert entered(where, *callers) == [True] * 5
        assert not any(caller.ended for caller in callers)

    async def test_forgets_who_has_left(self):
        where, _ = door(peer_connections=1)
        for _ in range(3):
            caller = Caller()
            assert entered(where, caller) == [True]
            where.leave(caller)
        assert (where.total, dict(where.open)) == (0, {})

    async def test_says_how_many_it_ended_but_not_each_time(self, monkeypatch):
        monkeypatch.setattr("cds_service.web.ingress.door.SAY_S", 0.01)
        where, lines = door(peer_connections=1)
        entered(where, *(Caller() for _ in range(50)))
        await asyncio.sleep(0.05)
        (line,) = map(json.loads, lines)
        assert (line["event"], line["ended"]) == ("crowded", 49)


def test_a_lack_of_file_descriptors_is_said_once_a_minute():
    lines: list[str] = []
    handle = quiet_about_files(lines.append)
    for _ in range(1000):
        handle(None, {"exception": OSError(24, "Too many open files")})
    assert len(lines) == 1


async def chunks(*parts: bytes, pause: float = 0):
    for part in parts:
        await asyncio.sleep(pause)
        yield part


async def never():
    await asyncio.sleep(60)
    yield b""


async def collected(receiving: Receiving, what) -> bytes:
    return b"".join([chunk async for chunk in receiving.through(what)])


class TestReceiving:
    @pytest.fixture(autouse=True)
    def _short_grace(self, monkeypatch):
        monkeypatch.setattr(module, "_GRACE_S", 0.02)

    async def test_passes_on_what_comes(self):
        receiving = Receiving(Limits())
        assert await collected(receiving, chunks(b"a", b"b")) == b"ab"
        assert len(receiving) == 0

    async def test_ends_the_body_that_stands_still_longest_for_one_more(self):
        receiving = Receiving(Limits(bodies=2))
        slow = [asyncio.create_task(collected(receiving, never())) for _ in range(2)]
        await asyncio.sleep(0.03)
        assert await collected(receiving, chunks(b"a")) == b"a"
        with pytest.raises(TooSlowError):
            await asyncio.wait_for(slow[0], 2)
        assert not slow[1].done()
        slow[1].cancel()

    async def test_waits_until_another_had_its_chance(self):
        receiving = Receiving(Limits(bodies=1))
        slow = asyncio.create_task(collected(receiving, never()))
        await asyncio.sleep(0)
        assert await collected(receiving, chunks(b"a")) == b"a"
        with pytest.raises(TooSlowError):
            await asyncio.wait_for(slow, 2)

    async def test_disturbs_nothing_else_that_the_reader_of_a_body_waits_for(self):
        receiving = Receiving(Limits(bodies=1))
        slow = receiving.through(chunks(b"a", b"b"))
        assert await anext(slow) == b"a"
        await asyncio.sleep(0.03)
        assert await collected(receiving, chunks(b"c")) == b"c"
        await asyncio.sleep(0.01)
        with pytest.raises(TooSlowError):
            await anext(slow)
        assert len(receiving) == 0

    async def test_awaits_the_start_of_what_is_complete_and_has_room_for_another(self):
        held: list[int] = []

        async def start() -> None:
            held.append(len(receiving))

        receiving = Receiving(Limits(), start)
        assert await collected(receiving, chunks(b"a", b"b")) == b"ab"
        assert held == [0]

    async def test_ends_none_that_moves_on(self):
        receiving = Receiving(Limits(bodies=2))
        moving = asyncio.create_task(collected(receiving, chunks(*[b"x" * 20_000] * 8, pause=0.01)))
        await asyncio.sleep(0)
        drops = asyncio.create_task(collected(receiving, chunks(*[b"x"] * 50, pause=0.01)))
        await asyncio.sleep(0.03)
        assert await collected(receiving, chunks(b"a")) == b"a"
        assert len(await moving) == 160_000
        with pytest.raises(TooSlowError):
            await asyncio.wait_for(drops, 2)

    async def test_holds_so_many_bytes_and_no_more(self):
        receiving = Receiving(Limits(bodies_bytes=100))

        async def stands():
            yield b"x" * 90
            await asyncio.sleep(60)

        slow = asyncio.create_task(collected(receiving, stands()))
        await asyncio.sleep(0.03)
        assert len(await collected(receiving, chunks(b"y" * 50))) == 50
        with pytest.raises(TooSlowError):
            await asyncio.wait_for(slow, 2)

    async def test_refuses_where_all_move_on(self, monkeypatch):
        monkeypatch.setattr(module, "_TRIES", 0)
        receiving = Receiving(Limits(bodies=1))
        task = asyncio.create_task(collected(receiving, never()))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await collected(receiving, chunks(b"a"))
        assert len(receiving) == 1
        task.cancel()


class TestLoad:
    async def test_a_late_event_loop_is_too_much(self):
        load = Load(Limits(lag_seconds=0.2))
        assert not load.too_much
        load.lag = 0.21
        assert load.too_much

    @pytest.mark.parametrize("step", [0.2, 0.6])  # s
    async def test_one_long_step_is_none_and_many_are(self, step):
        load = Load(Limits(lag_seconds=0.05))
        beat = asyncio.create_task(load.watch())
        await asyncio.sleep(0.1)
        _work(step)
        await asyncio.sleep(0.03)
        assert not load.too_much
        for _ in range(20):
            _work(0.1)
            await asyncio.sleep(0)
        assert load.too_much
        await asyncio.sleep(0.5)
        assert not load.too_much
        beat.cancel()


def _work(seconds: float) -> None:
    threading.Event().wait(seconds)


class TestTheEventQueue:
    def test_writes_in_order(self):
        reads, writes = os.pipe()
        queue = EventQueue(writes)
        for number in range(100):
            queue(f'{{"n": {number}}}')
        queue.close(5)
        got = os.read(reads, 65536).splitlines()
        assert [json.loads(line)["n"] for line in got] == list(range(100))
        os.close(reads)
        os.close(writes)

    def test_never_waits_and_says_how_many_were_lost(self):
        reads, writes = os.pipe()
        lost: list[int] = []
        queue = EventQueue(writes, most=10, watch=lambda: lost.append(1))
        line = json.dumps({"x": "x" * 5000, "failed": {"a": {}}})
        for _ in range(100):
            queue(line)
        assert queue.full
        got = b""
        while got.count(b"\n") < 100 - len(lost):
            got += os.read(reads, 65536)
        queue('{"last": {}}')
        queue.close(5)
        got += os.read(reads, 65536)
        said = [json.loads(each).get("lost", 0) for each in got.splitlines()]
        assert sum(said) == len(lost) > 50
        assert not queue.full
        os.close(reads)
        os.close(writes)

    def test_a_reader_that_is_gone_is_no_error(self):
        reads, writes = os.pipe()
        os.close(reads)
        queue = EventQueue(writes)
        for _ in range(5):
            queue("{}")
        queue.close(5)
        assert queue.full
        os.close(writes)


@pytest.mark.parametrize(
    ("peer", "said"),
    [("192.0.2.1", "192.0.2.1"), ("2001:DB8::1", "2001:db8::1"), ("fe80::1%eth0", "fe80::1"), ("Eve, 1970", "other"), ("", "other")],
)  # fmt: skip
def test_a_peer_is_an_address_or_nothing(peer, said):
    lines: list[str] = []
    Events(lines.append, clock).emit(Event.REQUEST, peer=peer)
    assert json.loads(lines[0])["peer"] == said
