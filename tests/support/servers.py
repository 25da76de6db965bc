"""Real FHIR servers, written by others, for the tests: started on a free loopback port, loaded, ended by process id."""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import httpx
import psutil

from cds_service.demo.patients import chart, samples
from tests.support.needs import need

HAPI_PROJECT = Path(__file__).parents[1] / "system" / "hapi"
HAPI_JAR = HAPI_PROJECT / "target" / "hapi-server.jar"
_JAVA = ("java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
_START_S, _END_S = 300, 15  # a shared machine is slow at times
_TOGETHER = 200  # HAPI takes 1 s for so many, and far more than twice that for twice as many
Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FhirServer:
    """A server that answers. `ready_ms`: from the start of the process to the first CapabilityStatement."""

    name: str
    base: str
    pid: int
    ready_ms: int

    @property
    def rss_mb(self) -> int:
        """The memory that the process holds now."""
        return psutil.Process(self.pid).memory_info().rss // 2**20


@contextmanager
def hapi_server(*, placeholders: bool = True) -> Iterator[FhirServer]:
    """Run a HAPI FHIR JPA server that holds nothing; without `placeholders` it refuses references to what is absent."""
    need(shutil.which("java") is not None, "java (a Java 17 runtime) for the HAPI server")
    _build_hapi()
    options = ("-Dexit.on.eof=true", f"-Dplaceholders={str(placeholders).lower()}", "-Dport=0")
    command = [*_JAVA, *options, "-jar", str(HAPI_JAR)]
    with _running("hapi", command, _announced) as server:
        yield server


@contextmanager
def sekmet_server(folder: Path) -> Iterator[FhirServer]:
    """Run a sekmet-fhir server that keeps its data in `folder`."""
    program = Path(sys.executable).with_name("sekmet")
    need(program.exists(), "sekmet (the package sekmet-fhir)")
    port = _free_port()
    base = f"http://127.0.0.1:{port}/fhir"
    settings = {
        "base_url": base,  # paging links are written from it
        "host": "127.0.0.1",
        "port": port,
        "data_dir": str(folder),
        "own_private_key_path": str(folder / "key.pem"),
        "simulator": {"enabled": False},  # it would answer orders with results of its own
        "log_inbound": False,
    }
    file = folder / "settings.yaml"
    file.write_text(json.dumps(settings))  # JSON is YAML
    with _running("sekmet", [str(program), "serve", "-c", str(file)], lambda _: base) as server:
        yield server


def load(base: str, resources: Iterable[Mapping[str, Any]]) -> None:
    """Store the resources under their ids, 200 in a transaction: a sample patient's chart is one."""
    entries = [
        {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
        for r in resources
    ]
    for start in range(0, len(entries), _TOGETHER):
        post_transaction(base, entries[start : start + _TOGETHER])


def post_transaction(base: str, entries: list[Resource]) -> list[Resource]:
    """Send a transaction; returns the entries of the answer. Fails the test if it is refused."""
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    response = httpx.post(base, json=bundle, timeout=_START_S, trust_env=False)
    assert response.status_code == 200, response.text[:2000]
    return response.json()["entry"]


def resources_of(name: str) -> list[Resource]:
    """The resources of a sample patient's chart, as of the base day."""
    return [entry["resource"] for entry in chart(name)["entry"]]


def as_new(name: str) -> list[Resource]:
    """The chart of a sample patient as a transaction that leaves the ids to the server."""
    resources = resources_of(name)
    urns = {f"{r['resourceType']}/{r['id']}": uuid4().urn for r in resources}
    text = json.dumps([{k: v for k, v in r.items() if k != "id"} for r in resources])
    for reference, urn in urns.items():
        text = text.replace(f'"reference": "{reference}"', f'"reference": "{urn}"')
    return [
        {"fullUrl": urn, "resource": r, "request": {"method": "POST", "url": r["resourceType"]}}
        for urn, r in zip(urns.values(), json.loads(text), strict=True)
    ]


def load_samples(server: FhirServer) -> FhirServer:
    """Store the chart of every sample patient."""
    for sample in samples().patients:
        load(server.base, resources_of(sample.name))
    return server


def _build_hapi() -> None:
    """Build the jar unless it is newer than its sources; one process at a time."""
    with (HAPI_PROJECT / "pom.xml").open() as pom:
        fcntl.flock(pom, fcntl.LOCK_EX)
        sources = [HAPI_PROJECT / "pom.xml", *(HAPI_PROJECT / "src").rglob("*.*")]
        if HAPI_JAR.exists() and HAPI_JAR.stat().st_mtime > max(f.stat().st_mtime for f in sources):
            return
        need(shutil.which("mvn") is not None, "mvn (Maven 3.8 or newer) to build the HAPI server")
        command = ["mvn", "-q", "-B", "package"]
        built = subprocess.run(command, cwd=HAPI_PROJECT, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]


def _announced(process: "subprocess.Popen[str]") -> str:
    """Read the address off the line `READY <base> after N ms`."""
    said = []
    for line in process.stdout or ():
        if line.startswith("READY "):
            return line.split()[1]
        said.append(line)
    raise AssertionError("the server ended before it was ready: " + "".join(said[-5:]))


@contextmanager
def _running(
    name: str, command: list[str], find_base: Callable[["subprocess.Popen[str]"], str]
) -> Iterator[FhirServer]:
    begun = time.monotonic()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SEKMET_")}
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    patience = threading.Timer(_START_S, process.kill)
    drain = threading.Thread(target=_forget, args=(process.stdout,))
    try:
        patience.start()
        base = find_base(process)
        patience.cancel()
        drain.start()
        _wait_for(f"{base}/metadata", process)
        yield FhirServer(name, base, process.pid, round((time.monotonic() - begun) * 1000))
    finally:
        patience.cancel()
        _end(process)
        if drain.ident:
            drain.join()
        process.stdout.close()


def _forget(output: IO[str]) -> None:
    """Read on, so that the server never waits for a full pipe."""
    for _ in output:
        pass


def _wait_for(url: str, process: "subprocess.Popen[str]") -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended before it answered"
        try:
            if httpx.get(url, timeout=_START_S, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer within {_START_S} s")


def _end(process: "subprocess.Popen[str]") -> None:
    """Close its input, ask it to end, at last end it."""
    process.stdin.close()
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
