"""CPU of whole servers: ours with its card, and HealthChain 0.16.1 with a trivial one, for the same calls over HTTP.

Both run as they are started by whoever deploys them, one worker, on a kept connection. HealthChain stands in an
environment of its own, `.venv/healthchain`, which `make bench` makes from its lock file.
"""

import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.bench.charts import body
from tests.bench.goals import verdict
from tests.bench.ratios import SIZES
from tests.bench.timing import ROUNDS, spent_by
from tests.support.serving import OPEN, ROOT, eventually, free_port, served

PYTHON = ROOT / ".venv" / "healthchain" / "bin" / "python"
OTHER = ROOT / "tests" / "system" / "healthchain" / "service.py"
CALLS = {20: 40, 200: 20, 2000: 5}  # in a round
CONFIG = f"{OPEN}accept_unknown_status = true\n"


@contextmanager
def healthchain() -> Iterator[tuple[int, str]]:
    """Run HealthChain until the block ends: its process id and the address of its service."""
    port = free_port()
    address = f"http://127.0.0.1:{port}/hc/cds-services"
    process = subprocess.Popen([PYTHON, OTHER, str(port)], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: process.poll() is not None or _listens(address), "HealthChain answers")
        yield process.pid, f"{address}/vaccination"
    finally:
        process.terminate()
        process.wait(30)


def _listens(address: str) -> bool:
    try:
        return httpx.get(address, trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def lines() -> Iterator[str]:
    """Markdown: a row for each chart."""
    if not PYTHON.exists():
        yield "Not measured: HealthChain is not installed (`make bench` installs it)."
        return
    yield "| chart | N | ours, ms | HealthChain, ms | ours ÷ HealthChain | goal |"
    yield "| --- | ---: | ---: | ---: | ---: | --- |"
    with tempfile.TemporaryDirectory() as folder, healthchain() as (other, address), httpx.Client(trust_env=False, timeout=60) as http:  # fmt: skip
        config = Path(folder) / "bench.toml"
        config.write_text(CONFIG)
        with served(config) as own:
            servers = {own.pid: f"{own.base}/cds-services/imnm-recurrence", other: address}
            for kind, imnm in (("IMNM", True), ("not IMNM", False)):
                for size in SIZES:
                    data = body(size, imnm=imnm)
                    assert bool(_post(http, servers[own.pid], data)["cards"]) == imnm
                    assert _post(http, address, data)["cards"]
                    ours, theirs = _in_turn(http, servers, data, CALLS[size])
                    ratio = ours / theirs
                    yield (
                        f"| {kind} | {size} | {ours * 1000:.2f} | {theirs * 1000:.2f} | {ratio:.2f} | "
                        f"{verdict(ratio, 1.0)} |"
                    )


def _in_turn(http: httpx.Client, servers: dict[int, str], data: bytes, calls: int) -> list[float]:
    """Seconds of CPU a call of each server, the median of rounds in the order A B A B."""
    taken: dict[int, list[float]] = {pid: [] for pid in servers}
    for _ in range(ROUNDS + 1):
        for pid, address in servers.items():
            before = spent_by(pid)
            for _ in range(calls):
                _post(http, address, data)
            taken[pid].append((spent_by(pid) - before) / calls)
    return [statistics.median(spent[1:]) for spent in taken.values()]  # the first round only warms up


def _post(http: httpx.Client, address: str, data: bytes) -> Any:
    answer = http.post(address, content=data, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    return answer.json()
