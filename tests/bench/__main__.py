"""`make bench`: measure everything, print it, and write `docs/performance.md`. Some minutes; never a gate.

`python -m tests.bench NAME …` measures some sections alone and writes nothing: instructions, ratios, http, start,
statistics.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import instructions, over_http, ratios, starting, statistics

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
SECTIONS: dict[str, tuple[str, Callable[[], Iterable[str]]]] = {
    "instructions": ("Instructions, beside the floor", instructions.lines),
    "ratios": ("CPU, beside `orjson.loads` and the natural pipeline", ratios.lines),
    "http": ("CPU over HTTP, beside HealthChain", over_http.lines),
    "start": ("Start and memory", starting.lines),
    "statistics": ("Training", statistics.lines),
}
HEAD = """\
# Performance

Written by `make bench` on {day} at commit {commit}: {cores} cores ({processor}), {python}, load average {load} at the start.
The machine was shared: only the ratios of one run count, and of these the instructions are exact. A goal that was missed
is marked so.

Bodies are those of `tests/bench/charts.py`: N distinct Observations of 2 kB, all 17 keys of the prefetch; *real* has 30
Conditions, 140 medication resources, 100 Encounters and 40 reports beside them. Every answer is from the bytes of the body to
the bytes of the answer, with all checks, audit and doubts, without authentication. *The floor* (`tests/bench/floor.py`) is
what no implementation in Python avoids: one typed decode and one loop that asks each Observation for subject, status,
time, code, value, unit, limit and doubt; of a chart without the disease the cut of the body into keys and one typed decode
of the three that are read.
"""


def head() -> str:
    """What was measured where and when."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return HEAD.format(
        day=datetime.now(UTC).date(),
        commit=commit or "unknown",
        cores=os.cpu_count(),
        processor=_processor(),
        python=f"CPython {platform.python_version()}",
        load=" ".join(f"{each:.1f}" for each in os.getloadavg()),
    )


def _processor() -> str:
    with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def measured(names: Iterable[str]) -> Iterator[str]:
    """The lines of some sections."""
    for name in names:
        title, section = SECTIONS[name]
        yield f"\n## {title}\n"
        yield from section()


def main(*asked: str) -> None:
    """Measure and print; all of it is written down."""
    page = [head()]
    print(page[0])
    for line in measured(asked or SECTIONS):
        print(line, flush=True)
        page.append(line)
    if not asked:
        PAGE.write_text("\n".join(page) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
