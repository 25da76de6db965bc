"""CPU time of processes, and of works that are done in turn: on a shared machine only ratios of one run count."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ROUNDS = 7
_SHORTEST_S = 0.02  # a round lasts so long at least: shorter ones are done several times in it


def in_turn(*works: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """Seconds of CPU of each work, the median of rounds in the order A B A B; each is done once before."""
    for work in works:
        work()
    times = [max(1, round(_SHORTEST_S / max(_cpu(work, 1), 1e-6))) for work in works]
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, often, spent in zip(works, times, taken, strict=True):
            spent.append(_cpu(work, often))
    return list(map(statistics.median, taken))


def _cpu(work: Callable[[], object], often: int) -> float:
    begun = time.process_time()
    for _ in range(often):
        work()
    return (time.process_time() - begun) / often


def family(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def spent_by(pid: int) -> float:
    """Seconds of CPU of a process and all that it started, to the nanosecond; of threads that are there still."""
    return sum(
        int(task.read_text().split()[0])
        for process in family(pid)
        for task in Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    ) / 1e9  # fmt: skip


def pss(pid: int) -> int:
    """Bytes of memory of a process, what it shares divided among those that share it."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024


def status(pid: int, name: str) -> int:
    """Bytes of a line of `/proc/PID/status`, such as VmRSS or VmHWM."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024
