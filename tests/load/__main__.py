"""`python -m tests.load [G1 G2 G3 G4 G5] [--seconds 60] [--runs 3]`: load on the service; ends with 1 where a gate fails.

G1 complete prefetch at 50 calls a second. G2 a FHIR server that takes 150 ms for each answer, at 20 calls a second. G3 four
times what the service can do. G4 ten calls a second for three minutes. G5 a Bundle of 1,000 entries every two seconds
among normal calls. Gates are lost and refused calls, and memory; times are reported, of three runs, and depend on the machine.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.load.traffic import Caller, Outcome, as_many_as_it_can, at_rate, report
from tests.support.charts import enzyme, imnm_chart
from tests.support.service import call_body, prefetch_of
from tests.support.serving import OPEN, ROOT, Served, free_port, served

MEMORY_MB = 64  # that overload or a soak may add to what the service holds
DRIP_S = 2.0  # between two Bundles of 1,000 entries
SOAK_S = 180


def body(results: int = 0) -> bytes:
    """A call with the whole chart as prefetch, and more results of the laboratory."""
    more = [enzyme("2157-6", f"more-{n}", 300 + n % 50, days=20 + n % 300) for n in range(results)]
    return json.dumps(call_body(fhirServer=None, prefetch=prefetch_of([*imnm_chart(), *more]))).encode()


@contextlib.contextmanager
def running(config: str) -> Iterator[Served]:
    """The service on its own core, this process and its children on the other, where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "imnm-cds.toml")
        file.write_text(config, encoding="utf-8")
        with served(file) as service:
            for process in (
                psutil.Process(service.pid),
                *psutil.Process(service.pid).children(recursive=True),
            ):
                process.cpu_affinity(cores[1:2] or cores)
            os.sched_setaffinity(0, set(cores[:1]))
            try:
                yield service
            finally:
                os.sched_setaffinity(0, set(cores))


def memory_mb(service: Served) -> float:
    """What the workers hold now."""
    return sum(worker.memory_info().rss for worker in service.workers()) / 2**20


def port_of(service: Served) -> int:
    return int(service.base.rpartition(":")[2])


def only_served(outcomes: list[Outcome]) -> bool:
    return all(set(outcome.statuses) == {200} for outcome in outcomes)


def steady(service: Served, data: bytes, rate: float, seconds: float, runs: int) -> list[Outcome]:
    """Runs at a rate that the service can keep."""

    async def run() -> list[Outcome]:
        caller = Caller(port_of(service), data)
        await at_rate(caller, rate, 1)  # connections, caches
        outcomes = [await at_rate(caller, rate, seconds) for _ in range(runs)]
        caller.close()
        return outcomes

    return asyncio.run(run())


def g1(seconds: float, runs: int) -> tuple[str, bool]:
    with running(OPEN) as service:
        outcomes = steady(service, body(), 50, seconds, runs)
    return report(outcomes), only_served(outcomes)


def g2(seconds: float, runs: int) -> tuple[str, bool]:
    port = free_port()
    hospital = f'[[client]]\nname = "hospital"\nfhir_base = "http://127.0.0.1:{port}/fhir"\naccept_unknown_status = true\n'
    ehr = subprocess.Popen([sys.executable, "-m", "tests.load.slow_ehr", str(port), "0.15"], cwd=ROOT)
    try:
        with running(hospital) as service:
            psutil.Process(ehr.pid).cpu_affinity(sorted(os.sched_getaffinity(0)))
            data = json.dumps(call_body(fhirServer=f"http://127.0.0.1:{port}/fhir")).encode()
            outcomes = steady(service, data, 20, seconds, runs)
    finally:
        ehr.terminate()
        ehr.wait()
    return report(outcomes), only_served(outcomes)


def g3(seconds: float, runs: int) -> tuple[str, bool]:
    """Four times the capacity; what is beyond it is refused, nothing is lost, and ten seconds later all is as before."""
    data = body()

    async def run(service: Served) -> tuple[float, list[Outcome], list[Outcome], float]:
        caller = Caller(port_of(service), data)
        capacity = await as_many_as_it_can(caller, 3)
        before, outcomes, after = memory_mb(service), [], []
        for _ in range(runs):
            outcomes.append(await at_rate(caller, 4 * capacity, seconds))
            await asyncio.sleep(10)
            after.append(await at_rate(caller, capacity / 4, 3))
        caller.close()
        return capacity, outcomes, after, memory_mb(service) - before

    with running(OPEN) as service:
        capacity, outcomes, after, grown = asyncio.run(run(service))
    refused = [
        f", refused p50 {one.milliseconds(0.5, 503, sent=True):.0f} ms after sending" for one in outcomes
    ]
    lines = [line + more for line, more in zip(report(outcomes).splitlines(), refused, strict=True)]
    text = "\n".join([f"  capacity {capacity:.0f} calls a second; memory {grown:+.0f} MB", *lines])
    told = all(call.retry_after for one in outcomes for call in one.calls if call.status == 503)
    honest = all(set(one.statuses) == {200, 503} for one in outcomes)
    return text, honest and told and grown < MEMORY_MB and only_served(after)


def g4(seconds: float, _: int) -> tuple[str, bool]:
    """A soak: what is held after a third of the time must be what is held at its end."""
    with running(OPEN) as service:
        first = steady(service, body(), 10, max(seconds, SOAK_S) / 3, 1)
        held, files = memory_mb(service), sum(one.num_fds() for one in service.workers())
        rest = steady(service, body(), 10, max(seconds, SOAK_S) * 2 / 3, 1)
        grown, opened = memory_mb(service) - held, sum(one.num_fds() for one in service.workers()) - files
    flat = grown < MEMORY_MB / 8 and opened <= 8
    return f"{report(first + rest)}\n  memory {grown:+.1f} MB, descriptors {opened:+d}", only_served(
        first + rest
    ) and flat


def g5(seconds: float, runs: int) -> tuple[str, bool]:
    async def run(service: Served) -> tuple[list[Outcome], list[Outcome]]:
        normal, large = Caller(port_of(service), body()), Caller(port_of(service), body(1000))
        await at_rate(normal, 20, 1)
        pairs = [
            await asyncio.gather(
                at_rate(normal, 20, seconds), at_rate(large, 1 / DRIP_S, max(seconds, DRIP_S))
            )
            for _ in range(runs)
        ]
        normal.close()
        large.close()
        return [one for one, _ in pairs], [one for _, one in pairs]

    with running(OPEN) as service:
        others, large = asyncio.run(run(service))
    text = f"{report(others)}\n  of 1,000 entries:\n{report(large)}"
    return text, only_served(others + large)


SHAPES = {"G1": g1, "G2": g2, "G3": g3, "G4": g4, "G5": g5}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load")
    parser.add_argument("shapes", nargs="*", help="of " + ", ".join(SHAPES))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    failed = 0
    for name in chosen.shapes or SHAPES:
        begun = time.monotonic()
        text, kept = SHAPES[name](chosen.seconds, chosen.runs)
        failed += not kept
        print(
            f"{name}: {'kept' if kept else 'FAILED'} in {time.monotonic() - begun:.0f} s\n{text}", flush=True
        )
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
