"""CPU time of processes, and of works that are done in turn: on a shared machine only ratios of one run count."""

import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ROUNDS = 7
_SHORTEST_S = 0.1  # of a round


def in_turn(*works: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """Seconds of CPU of each work, in the order A B A B: the median of rounds.

    Small works are done several times in a round, still in turn: so none finds the caches warmer than the others do.
    """
    alone = [_cpu(work) for work in works for _ in range(2)]
    often = max(1, round(_SHORTEST_S / sum(alone)))
    gc.collect()
    gc.freeze()  # what one of them has imported is no cost of the others
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        times = [[_cpu(work) for work in works] for _ in range(often)]
        for spent, each in zip(taken, zip(*times, strict=True), strict=True):
            spent.append(sum(each) / often)
    return list(map(statistics.median, taken))


def _cpu(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


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
