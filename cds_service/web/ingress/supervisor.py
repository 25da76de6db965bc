"""The process that keeps the workers: starts them, replaces them one by one, and ends them within the promised time."""

import asyncio
import socket
import sys
import time
from collections.abc import Callable
from functools import partial

import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from cds_service.web.ingress.door import quiet_about_files
from cds_service.web.ingress.forked import Forked, Lifeline

_HANDSHAKE_S = 5  # TLS; asyncio would wait for a minute
_STEADY_S = 60  # a worker that lived so long was no failure of the start
PAUSES_S = (0.5, 30.0)  # before a worker that died is replaced: doubled from the first to the second
LAST_S = 3  # beyond the time for calls in flight, before a worker is killed


class _TimedServer(uvicorn.Server):
    """uvicorn's server, but for the time that a TLS handshake may take."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then listen."""
        loop, config = asyncio.get_running_loop(), self.config
        loop.set_exception_handler(quiet_about_files(complain))
        await super().startup(sockets=[])

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return made

        for listening in sockets or ():
            server = await loop.create_server(
                protocol,
                sock=listening,
                ssl=config.ssl,
                backlog=config.backlog,
                ssl_handshake_timeout=_HANDSHAKE_S if config.ssl else None,
            )
            self.servers.append(server)


class Worker(Process):
    """A process that answers. It is forked: uvicorn's own would import and check everything once more."""

    process: Forked  # type: ignore[assignment]

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], lifeline: Lifeline) -> None:
        super().__init__(config, sockets)
        self.process = Forked(lifeline, partial(self.target, sockets))
        self.begun = time.monotonic()
        self.told: float | None = None  # to end
        self.died: float | None = None
        self.ready = False

    @property
    def server(self) -> uvicorn.Server:
        """The server that runs in it."""
        if self._server is None:
            self._server = _TimedServer(config=self.config)
        return self._server

    def look(self) -> bool:
        """Whether it lives; takes note of whether it ever was ready. Never waits: a worker may be dead to any question."""
        if not self.process.is_alive():
            return False
        self.ready = self.ready or self.is_ready(timeout=0)
        return True

    def terminate(self) -> None:
        """Tell it to end: its time runs from now, while others are waited for too."""
        self.told = time.monotonic()
        super().terminate()

    def join(self) -> None:
        """Wait for its end, and kill it if it does not come in time."""
        now = time.monotonic()
        until = (self.told or now) + (self.config.timeout_graceful_shutdown or 0) + LAST_S
        self.process.join(max(0.0, until - now))
        if self.process.is_alive():
            complain(f"worker {self.pid} did not end in time and was killed")
            self.process.kill()
            self.process.join()


class Supervisor(Multiprocess):
    """Keeps the workers. They get what was checked, not the file: one that has died is replaced by its like.

    `reread` brings the configuration up to date, or raises a ValueError.
    """

    processes: list[Worker]  # type: ignore[assignment]

    def __init__(
        self,
        serving: uvicorn.Config,
        sockets: list[socket.socket],
        lifeline: Lifeline,
        reread: Callable[[], None],
    ) -> None:
        super().__init__(serving, sockets)
        self._lifeline = lifeline
        self._reread = reread
        self._pauses: dict[int, float] = {}
        self.failed = False

    def init_processes(self) -> None:
        """Start the workers."""
        self.processes = [self._started() for _ in range(self.processes_num)]

    def handle_hup(self) -> None:
        """Replace the workers, unless the configuration has become unusable, or the system has no process left."""
        try:
            self._reread()
            self.restart_all()
        except (ValueError, OSError) as error:
            complain(f"not reloaded: {error}")

    def restart_all(self) -> None:
        """Replace each worker: the new one is ready before the old one ends; where it is not, the old one stays."""
        for place, old in enumerate(self.processes):
            new = self._started()
            if not new.wait_until_ready(self.config.timeout_worker_healthcheck, self.should_exit):
                new.kill()
                new.join()
                complain("a new worker was not ready in time; the old one stays")
                return
            new.ready = True
            old.terminate()
            old.join()
            self.processes[place] = new

    def handle_ttin(self) -> None:
        """The number of workers stays what it is."""

    def handle_ttou(self) -> None:
        """The number of workers stays what it is."""

    def keep_subprocess_alive(self) -> None:
        """Replace the workers that have died, after a pause that grows; end all where one cannot start and no other answers."""
        if self.should_exit.is_set():
            return  # Ctrl-C reaches them too
        now = time.monotonic()
        for place, worker in enumerate(self.processes):
            if worker.look():
                continue
            nobody_answers = not any(other.look() and other.ready for other in self.processes)
            if nobody_answers and not worker.ready and (worker.exitcode or 0) > 0:
                complain("a worker could not start, so the service ends")
                self.failed = True
                self.should_exit.set()
                return
            if worker.died is None:
                worker.died = now
                self._pauses[place] = self._pause(place, now - worker.begun)
                complain(f"worker {worker.pid} has died (status {worker.exitcode}); another takes its place")
            if now - worker.died >= self._pauses[place]:
                self._replace(place, worker, now)

    def _replace(self, place: int, worker: Worker, now: float) -> None:
        try:
            self.processes[place] = self._started()
        except OSError as error:  # the system has no memory or no process left: it may have had one that died
            worker.died, self._pauses[place] = now, self._pause(place, 0)
            complain(f"no worker could be started: {error.strerror}; it is tried again")

    def terminate_all(self) -> None:
        """End the workers and stop listening: who calls now is refused at once instead of waiting in vain."""
        super().terminate_all()
        for listening in self.sockets:
            listening.close()

    def _started(self) -> Worker:
        worker = Worker(self.config, self.sockets, self._lifeline)
        worker.start()
        return worker

    def _pause(self, place: int, lived: float) -> float:
        shortest, longest = PAUSES_S
        if lived > _STEADY_S:
            return shortest
        return min(longest, max(shortest, 2 * self._pauses.get(place, 0)))


def complain(what: str) -> None:
    """Say something to the operator, on standard error."""
    print(f"imnm-cds: {' '.join(what.split())}", file=sys.stderr, flush=True)  # noqa: T201
