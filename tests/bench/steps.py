"""What valgrind runs: floor and answer of some charts, with a mark wherever a step of the pipeline begins or ends.

A mark is a call of `getppid`, which nobody else makes: callgrind writes down what was counted since the one before it.
`python -m tests.bench.steps FILE CASE …` writes what the stretches between the marks were to a file, as JSON.
"""

import gc
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from fhir_mapping.terms import load_tables
from tests.bench import floor
from tests.bench.answering import Service, service
from tests.bench.charts import body
from tests.support.charts import AS_OF

MARK = "getppid"
PACKAGES = ("cds_service", "fhir_mapping", "models")
# Each step and the functions that it is; what one of them calls of another step counts there.
STEPS: Mapping[str, tuple[str, ...]] = {
    "body": ("cds_service.web.body.read",),
    "gather": ("cds_service.fhir.gather.gather",),
    "page": ("cds_service.fhir.queries.supplied",),
    "judge": ("fhir_mapping.checks.judge",),
    "find": ("fhir_mapping.findings.find",),
    "score and advise": ("models.risk.score", "models.advice.advise", "models.advice.ask"),
    "render": ("cds_service.cards.render.render",),
    "audit": tuple(f"cds_service.web.audit.{name}" for name in ("asked", "acceptance", "audited", "shown")),
}
ELSEWHERE = "serving"  # HTTP, the loop, the event of the audit, the answer as JSON
FLOOR, ANSWER = "floor", "answer"
BETWEEN = ""  # what is not counted: bodies are made, patches are set


@dataclass(frozen=True, slots=True)
class Case:
    """One chart. `goal`: at most so many times the instructions of the floor."""

    observations: int
    imnm: bool = True
    real: bool = False
    goal: float | None = None

    def body(self) -> bytes:
        return body(self.observations, imnm=self.imnm, real=self.real)


CASES: Mapping[str, Case] = {
    "IMNM 20": Case(20),
    "IMNM 200": Case(200, goal=2.0),
    "IMNM 2000": Case(2000, goal=1.8),
    "real 200": Case(200, real=True, goal=2.5),
    "not IMNM 200": Case(200, imnm=False, goal=1.2),
    "empty": Case(0, imnm=False),
}


class Marks:
    """Parts the run into stretches, each with the name of the step in it; the first begins with the first mark."""

    def __init__(self, mark: Callable[[], object] = os.getppid) -> None:
        self.stretches: list[str] = []
        self._steps = [BETWEEN]
        self._mark = mark

    def begin(self, name: str) -> None:
        """Begin a step inside the one that is going on."""
        self._steps.append(name)
        self.stretches.append(name)
        self._mark()

    def end(self) -> None:
        """Go back to the step around it."""
        self._steps.pop()
        self.stretches.append(self._steps[-1])
        self._mark()

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        self.begin(name)
        try:
            yield
        finally:
            self.end()


@contextmanager
def marked(marks: Marks) -> Iterator[None]:
    """Put marks around each step, wherever it is called by the name that its module gave it."""
    modules = [m for name, m in sys.modules.items() if name.partition(".")[0] in PACKAGES]
    with ExitStack() as undone:
        for step, names in STEPS.items():
            for name in names:
                home, _, own = name.rpartition(".")
                function = getattr(import_module(home), own)
                for module, known_as in _known(function, modules):
                    undone.enter_context(patch.object(module, known_as, _around(function, step, marks)))
        yield


def _known(function: object, modules: list[ModuleType]) -> list[tuple[ModuleType, str]]:
    return [(module, name) for module in modules for name, held in vars(module).items() if held is function]


def _around(function: Callable[..., Any], step: str, marks: Marks) -> Callable[..., Any]:
    @wraps(function)
    def at_once(*given: Any, **named: Any) -> Any:
        with marks.during(step):
            return function(*given, **named)

    @wraps(function)
    async def awaited(*given: Any, **named: Any) -> Any:
        with marks.during(step):
            return await function(*given, **named)

    return awaited if inspect.iscoroutinefunction(function) else at_once


def measure(case: Case, answering: Service, known: floor.Compiled, marks: Marks) -> None:
    """Run the floor once, answer once as a whole, and once more step by step: the marks cost something too."""
    data = case.body()
    with marks.during(FLOOR):
        floor.chart(data, known) if case.imnm else floor.keys_alone(data)
    with marks.during(ANSWER):
        answering.answer(data)
    with marked(marks), marks.during(ELSEWHERE):
        answering.answer(data)


def count_from_here() -> None:
    """Switch callgrind's count on, where this runs under it: all that comes before is five times faster without."""
    if "vgpreload" not in os.environ.get("LD_PRELOAD", ""):
        return
    asked = subprocess.Popen(
        ["vgdb", f"--pid={os.getpid()}", "instrumentation", "on"], stderr=subprocess.DEVNULL
    )
    while asked.poll() is None:
        pass  # valgrind hears it while we run, and not while we wait
    assert asked.returncode == 0, "vgdb could not reach valgrind"


def main(file: str, *names: str) -> None:
    """Measure charts; every kind was met before, so that what a process learns once is known."""
    known, found = floor.compiled(load_tables(), AS_OF), {}
    with service() as answering:
        for _ in range(2):
            for case in (Case(20), Case(20, real=True), Case(20, imnm=False)):
                measure(case, answering, known, Marks(mark=list))
        gc.collect()
        gc.freeze()
        gc.disable()
        count_from_here()
        for name in names:
            marks = Marks()
            measure(CASES[name], answering, known, marks)
            found[name] = marks.stretches
    Path(file).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
