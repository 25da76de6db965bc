"""What a start costs and what memory is held: `serve` with one worker, supervisor and helpers counted.

As where it is installed: its bytecode is there, as pip leaves it, and memory is held with the settings of the image.
"""

import compileall
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx

from tests.bench.called_once import PACKAGES, ROOT
from tests.bench.charts import body
from tests.bench.goals import verdict
from tests.bench.over_http import CONFIG
from tests.bench.timing import family, pss, status
from tests.support.serving import Served, eventually, free_port, served, start

STARTS = 5
START_GOAL, REST_GOAL_MIB, LARGE_GOAL_MIB = 2.0, 110.0, 40.0
HELD_GOAL_MIB = 4.0  # all comes back, but for what the allocator keeps of the last pages
LARGE_CHART = 2110  # Observations of a body of 4.7 MB
BARE = "import fastapi, httpx"
SETTLE_S = 2.0
MIB = 2**20
_SETTING = re.compile(r"^ENV (GLIBC_TUNABLES)=(\S+)$", re.MULTILINE)
JSON = {"content-type": "application/json"}


def lines() -> Iterator[str]:
    """Markdown: start, memory at rest, memory for a large chart."""
    small, large = body(20), body(LARGE_CHART)
    for package in PACKAGES:
        compileall.compile_dir(ROOT / package, quiet=1)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "bench.toml"
        config.write_text(CONFIG)
        _first_answer(config, small), _bare()  # once for the page cache
        pairs = [(_first_answer(config, small), _bare()) for _ in range(STARTS)]
        own, bare = (statistics.median(values) for values in zip(*pairs, strict=True))
        yield (
            f"- `serve` until its first answer, all processes: {own:.2f} s of CPU; `{BARE}`: {bare:.2f} s; "
            f"{own / bare:.2f} × ({verdict(own / bare, START_GOAL)}), medians of {STARTS} in turn."
        )
        image = dict(_SETTING.findall((ROOT / "Dockerfile").read_text("utf-8")))
        with served(config, environment=image) as service:
            yield from _memory(service, small, large)


def _bare() -> float:
    """Seconds of CPU of a Python that imports what nobody who serves FHIR does without."""
    process = subprocess.Popen([sys.executable, "-c", BARE])
    _, ended, usage = os.wait4(process.pid, 0)
    assert ended == 0
    return usage.ru_utime + usage.ru_stime


def _first_answer(config: Path, data: bytes) -> float:
    """Seconds of CPU of all processes of a `serve` until its first answer."""
    service = start(config, free_port())
    try:
        eventually(lambda: _answers(service, data), "the first answer")
        times = [process.cpu_times() for process in family(service.pid)]
        return sum(t.user + t.system + t.children_user + t.children_system for t in times)
    finally:
        service.kill()


def _answers(service: Served, data: bytes) -> bool:
    with suppress(httpx.TransportError):
        return _call(service, data) == 200
    return False


def _call(service: Served, data: bytes) -> int:
    address = f"{service.base}/cds-services/imnm-recurrence"
    return httpx.post(address, content=data, headers=JSON, timeout=60, trust_env=False).status_code


def _memory(service: Served, small: bytes, large: bytes) -> Iterator[str]:
    """Memory of all processes at rest, then of the worker around one large chart."""
    _call(service, small)
    time.sleep(SETTLE_S)
    held = {process.pid: pss(process.pid) / MIB for process in family(service.pid)}
    total, parts = sum(held.values()), ", ".join(f"{each:.0f}" for each in held.values())
    yield f"- Memory at rest: {total:.0f} MiB PSS of all processes ({parts}; {verdict(total, REST_GOAL_MIB)})."
    (worker,) = (process.pid for process in service.workers())
    for nth in ("first", "second"):
        before, peak, after = _around(service, worker, large)
        adds, keeps = peak - before, after - before
        yield (
            f"- The {nth} chart of {len(large) / 1e6:.1f} MB adds {adds:.0f} MiB to the worker at its peak "
            f"({verdict(adds, LARGE_GOAL_MIB)}); {keeps:.0f} MiB of them are held {SETTLE_S:.0f} s later "
            f"({verdict(keeps, HELD_GOAL_MIB)})."
        )


def _around(service: Served, worker: int, data: bytes) -> tuple[float, float, float]:
    """MiB of the worker before a call, at its peak and afterwards."""
    Path(f"/proc/{worker}/clear_refs").write_text("5")  # forget the peak so far
    before = status(worker, "VmRSS")
    assert _call(service, data) == 200
    peak = status(worker, "VmHWM")
    time.sleep(SETTLE_S)
    return before / MIB, peak / MIB, status(worker, "VmRSS") / MIB
