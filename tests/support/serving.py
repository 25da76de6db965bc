"""`imnm-cds serve` as an operator runs it: real processes in a group of their own, on a free loopback port."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, Any

import httpx
import psutil

ROOT = Path(__file__).parents[2]
_PATIENCE_S = 60  # a start takes 3 s of CPU; a shared machine is slow at times
OPEN = '[[client]]\nname = "open"\naccepted_by = "the tests"\naccepted_on = 2024-01-01\n'


@dataclass(frozen=True)
class Served:
    """A service that is up. What it printed is in `out` and `err`."""

    process: "subprocess.Popen[bytes]"
    base: str
    out: Path
    err: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def events(self, name: str) -> list[dict]:
        """The events of one kind so far; a line that is still being written is left out."""
        lines = self.out.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if f'"event": "{name}"' in line and line.endswith("}\n")]

    def complaints(self) -> list[str]:
        return self.err.read_text().splitlines()

    def workers(self) -> list[psutil.Process]:
        """The processes that answer; with a port of metrics the first one sums these."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children()
        return []

    def post(self, path: str, body: dict, timeout: float = 20) -> httpx.Response:
        """Call on a new connection, and once more where a worker that is ending cut it off."""
        try:
            return httpx.post(self.base + path, json=body, timeout=timeout, trust_env=False)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            return httpx.post(self.base + path, json=body, timeout=timeout, trust_env=False)

    def kill(self) -> None:
        """End the whole group at once, as a loss of power would."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


def eventually(true: Callable[[], object], what: str, seconds: float = _PATIENCE_S) -> None:
    """Wait for a condition; fails the test where it does not come true."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def open_config(folder: Path) -> Path:
    """A configuration file with one open client."""
    file = folder / "imnm.toml"
    file.write_text(OPEN)
    return file


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return unused.getsockname()[1]


def start(
    config: Path,
    port: int,
    workers: int = 1,
    more: Sequence[str] = (),
    stdout: IO[bytes] | int | None = None,
    environment: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Served:
    """Start `serve` and return at once. `stdout`: another place for the events; `before` runs in the new process."""
    command = [sys.executable, "-m", "cds_service", "serve", "--config", str(config), "--port", str(port)]
    out, err = config.with_suffix(".out"), config.with_suffix(".err")
    with out.open("ab") as written, err.open("ab") as stderr:
        process = subprocess.Popen(
            [*command, "--workers", str(workers), *more],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=written if stdout is None else stdout,
            stderr=stderr,
            start_new_session=True,
            # What it leaves behind when it is killed goes with its configuration
            env=os.environ | {"TMPDIR": str(config.parent)} | dict(environment or {}),
            preexec_fn=before,  # noqa: PLW1509 - it sets limits alone
        )
    return Served(process, f"http://127.0.0.1:{port}", out, err)


@contextmanager
def served(config: Path, workers: int = 1, port: int = 0, **how: Any) -> Iterator[Served]:
    """Serve until the block ends; all workers have started when it begins. `how` is for `start`."""
    service = start(config, port or free_port(), workers, **how)
    before, seen = len(service.events("started")), 0 if how.get("stdout") else workers
    try:
        eventually(
            lambda: service.process.poll() is not None or len(service.events("started")) >= before + seen,
            "all workers have started",
        )
        assert service.process.poll() is None, service.complaints()
        eventually(lambda: answers(service.base), "somebody answers")
        yield service
    finally:
        service.kill()


def answers(base: str) -> bool:
    with closing(HTTPConnection(base.removeprefix("http://"), timeout=20)) as connection:
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
