"""E2: while the disk fails, nothing is acknowledged that is not stored and no token is accepted; after it all goes on alone."""

import os
import resource
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count as numbers
from pathlib import Path

import httpx
import pytest

from tests.support.feedback import SECRET, accepted, issued
from tests.support.needs import need
from tests.support.nightly import NIGHTLY
from tests.support.service import SERVICE, call_body
from tests.support.serving import OPEN, Served, eventually, free_port, served, start
from tests.support.tokens import ENDPOINT, ISSUER, PUBLIC, bearer, claims_of, key_set

PROVED = (
    f'public_url = "{PUBLIC}"\n[[client]]\nname = "hospital"\nfhir_base = "{ISSUER}"\nmode = "off"\n'
    f'auth = "jwt"\nissuer = "{ISSUER}"\njwks_file = "keys.json"\n'
)
STORE = "store.sqlite"
MOST = 500  # that are sent until three are refused
ON_A_DISK = "a disk of its own: root, and a kernel that lets it mount one"


@dataclass
class Feedback:
    """Items that are sent to a service with an open client."""

    service: Served
    folder: Path
    settings = OPEN
    sent = numbers()

    def new(self) -> str:
        return issued(next(self.sent), "open")

    def post(self, card: str) -> int:
        return self.service.post(f"{SERVICE}/feedback", {"feedback": [accepted(card=card)]}).status_code

    def check(self, kept: list[str]) -> None:
        """What was acknowledged is stored once, and may be sent again."""
        with closing(sqlite3.connect(self.folder / STORE)) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            stored = [card for (card,) in database.execute("SELECT card FROM feedback")]
        assert set(kept) <= set(stored)
        assert len(stored) == len(set(stored))
        assert {self.post(card) for card in kept} == {200}


@dataclass
class Tokens:
    """Tokens that prove calls of a hospital."""

    service: Served
    folder: Path
    settings = PROVED

    def new(self) -> str:
        return bearer(claims=claims_of(datetime.now(UTC), aud=ENDPOINT))

    def post(self, token: str) -> int:
        headers = {"authorization": token}
        answer = httpx.post(
            self.service.base + SERVICE, json=call_body(), headers=headers, timeout=20, trust_env=False
        )
        return answer.status_code

    def check(self, kept: list[str]) -> None:
        """A token that was accepted is refused from then on."""
        assert {self.post(token) for token in kept} == {401}


@contextmanager
def mounted(folder):
    """Make a folder a file system of 4 MB of its own; gives None where that is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)]
    allowed = shutil.which("mount") and not os.geteuid()
    if not allowed or subprocess.run(command, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def writes_refused(disk):
    """EROFS on a file system that nobody has a file open on."""
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    with mounted(tmp_path_factory.mktemp("disk")) as folder:
        yield folder


@pytest.fixture(scope="module", params=[Feedback, Tokens], ids=["feedback", "tokens"])
def kept(request, disk, tmp_path_factory):
    """A service whose store lies on that disk where there is one: all faults come over it, one after the other."""
    folder = tmp_path_factory.mktemp("service")
    on = folder if disk is None else disk / request.param.__name__
    on.mkdir(exist_ok=True)
    (folder / "keys.json").write_bytes(key_set())
    config = folder / "imnm.toml"
    config.write_text(f'store = "{on / STORE}"\n{request.param.settings}')
    with served(config, environment={"IMNM_CDS_CARD_SECRET": SECRET}) as service:
        yield request.param(service, on)


@contextmanager
def no_room(kept):
    """ENOSPC: something else has filled the disk."""
    filler = kept.folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def no_byte_more(kept):
    """EFBIG: no file may grow, by a limit on the process."""
    (worker,) = kept.service.workers()
    _, hard = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def read_only(kept):
    """EROFS: what a kernel makes of a disk that had errors."""
    with no_byte_more(kept):
        kept.post(kept.new())  # after which the file is closed, as after any error
    with writes_refused(kept.folder.parent):
        yield


@contextmanager
def held(kept):
    """Another process holds the lock for 5 s."""
    with closing(sqlite3.connect(kept.folder / STORE, isolation_level=None)) as other:
        begun = time.monotonic()
        other.execute("BEGIN IMMEDIATE")
        yield
        time.sleep(max(0, 5 - (time.monotonic() - begun)))


def failing(calls: str, error: str):
    """Every such system call of the worker ends in an error."""

    @contextmanager
    def fault(kept):
        (worker,) = kept.service.workers()
        command = ["strace", "-f", "-p", str(worker.pid), "-o", os.devnull]
        command += ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            try:
                assert "attached" in tracer.stderr.readline()
                yield
            finally:
                tracer.terminate()

    return fault


FAULTS = {
    "the disk is full": no_room,
    "no file may grow": no_byte_more,
    "the disk is read only": read_only,
    "the lock is held for 5 s": held,
}
TRACED = {
    f"{error} from {name}": failing(calls, error)
    for error in ("EIO", "ENOSPC")
    for name, calls in (("write", "pwrite64"), ("fsync", "fsync,fdatasync"))
}


def tried(kept, fault) -> None:
    """Send before, while and after; what was refused while it lasted is sent again."""
    acknowledged, refused = [kept.new() for _ in range(3)], []
    assert [kept.post(each) for each in acknowledged] == [200] * 3
    with fault(kept):
        for _ in range(MOST):  # what was written over before may be written over on a full disk too
            each = kept.new()
            status = kept.post(each)
            assert status in {200, 503}
            (acknowledged if status == 200 else refused).append(each)
            if len(refused) == 3:
                break
        assert httpx.get(f"{kept.service.base}/health", trust_env=False).status_code == 200
    assert len(refused) == 3
    after = kept.new()
    assert kept.post(after) == 200, "it recovers alone"
    again = {each: kept.post(each) for each in refused}
    assert set(again.values()) <= {200, 401}, "a token whose fate was not known may be used up"
    kept.check([*acknowledged, after, *(each for each, status in again.items() if status == 200)])
    assert kept.service.complaints() == []


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_nothing_is_acknowledged_while_it_lasts_and_all_goes_on_after_it(fault, kept, disk):
    if fault in {no_room, read_only}:
        need(disk is not None, ON_A_DISK)
    tried(kept, fault)


@pytest.mark.skipif(not NIGHTLY, reason="nightly: faults of single system calls, by strace")
@pytest.mark.parametrize("fault", TRACED.values(), ids=TRACED)
def test_nothing_is_acknowledged_while_a_system_call_fails(fault, kept):
    need(shutil.which("strace") is not None, "strace")
    tried(kept, fault)


def test_a_disk_that_is_read_only_from_the_start_stops_it_with_one_line(tmp_path):
    config, folder = tmp_path / "imnm.toml", tmp_path / "disk"
    folder.mkdir()
    config.write_text(f'store = "disk/{STORE}"\n{OPEN}')
    with mounted(folder) as disk:
        need(disk is not None, ON_A_DISK)
        with writes_refused(disk):
            service = start(config, free_port())
            try:
                eventually(lambda: service.process.poll() is not None, "it ends")
            finally:
                service.kill()
    assert service.process.returncode == 2
    (line,) = service.complaints()
    assert line.startswith(f"imnm-cds: store: {folder / STORE} cannot be made")
