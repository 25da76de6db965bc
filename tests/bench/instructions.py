"""Instructions of an answer ÷ those of the floor, under valgrind: exact also on a busy machine, so fit for a gate.

`python -m tests.bench.instructions` prints the table, `--write` stores it, `--check` compares with what is stored and
fails where a ratio has grown by more than 3 %. Both counts of a ratio are of one run, so that another build of Python or
another machine changes little; AVX-512 is hidden by valgrind. What a process learns once is learnt before.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.bench.goals import verdict
from tests.bench.steps import ANSWER, BETWEEN, CASES, ELSEWHERE, FLOOR, MARK, STEPS

STORED = Path(__file__).with_suffix(".toml")
MOST = 1.03  # times the stored ratio
_TOTAL = re.compile(rb"^(?:summary|totals): (\d+)", re.MULTILINE)

Counts = dict[str, int]  # instructions by step, of the floor and of the answer as a whole
Ratios = dict[str, float]  # the same ÷ the floor


def why_not() -> str:
    """Say why nothing can be counted here; empty: it can."""
    return (
        ""
        if shutil.which("valgrind")
        else "valgrind is not installed: run .ci/tools as root on Debian or Ubuntu"
    )


def count(names: Iterable[str]) -> dict[str, Counts]:
    """Run the cases under valgrind, in one process; raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        stretches, out = Path(folder, "stretches.json"), Path(folder, "out")
        valgrind = [
            "valgrind",
            "-q",
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--dump-before={MARK}",
            f"--callgrind-out-file={out}",
        ]
        child = [sys.executable, "-m", "tests.bench.steps", str(stretches), *names]
        environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run([*valgrind, *child], check=True, env=environment)
        counted = iter(_dumps(out))
        next(counted)  # what came before the first mark
        found = json.loads(stretches.read_text(encoding="utf-8"))
        return {name: _by_step(steps, counted) for name, steps in found.items()}


def _dumps(out: Path) -> Iterator[int]:
    """The instructions of each stretch: callgrind numbers its files, and the last has no number."""
    number = 1
    while (file := Path(f"{out}.{number}")).exists():
        yield _total(file)
        number += 1
    yield _total(out)


def _total(file: Path) -> int:
    found = _TOTAL.search(file.read_bytes())
    return int(found[1]) if found else 0


def _by_step(steps: Iterable[str], counted: Iterator[int]) -> Counts:
    counts = dict.fromkeys((FLOOR, ANSWER, *STEPS, ELSEWHERE, BETWEEN), 0)
    for step, instructions in zip(steps, counted, strict=False):
        counts[step] += instructions
    del counts[BETWEEN]
    return counts


def ratios(counts: Counts) -> Ratios:
    """Every count ÷ that of the floor."""
    return {step: instructions / counts[FLOOR] for step, instructions in counts.items() if step != FLOOR}


def table(found: Mapping[str, Counts]) -> list[str]:
    """Markdown: instructions of floor and answer (10⁶), their ratio and its goal, and the ratio step by step."""
    steps = (*STEPS, ELSEWHERE)
    lines = [
        f"| chart | floor, 10⁶ | answer, 10⁶ | ratio | goal | {' | '.join(steps)} |",
        f"| --- |{' ---: |' * (4 + len(steps))}",
    ]
    for name, counts in found.items():
        ratio, goal = ratios(counts), CASES[name].goal
        cells = [f"{counts[FLOOR] / 1e6:.2f}", f"{counts[ANSWER] / 1e6:.2f}", f"{ratio[ANSWER]:.2f}"]
        cells += [verdict(ratio[ANSWER], goal), *(f"{ratio[step]:.2f}" for step in steps)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def stored() -> dict[str, Ratios]:
    """The ratios that were written last."""
    return tomllib.loads(STORED.read_text(encoding="utf-8"))


def write(found: Mapping[str, Counts]) -> None:
    """Store the ratios."""
    head = f"# {' '.join((__doc__ or '').split('.')[0].split())}.\n# Written by `python -m tests.bench.instructions --write`.\n"
    tables = (
        f'\n["{name}"]\n' + "".join(f'"{step}" = {ratio:.3f}\n' for step, ratio in ratios(counts).items())
        for name, counts in found.items()
    )
    STORED.write_text(head + "".join(tables), encoding="utf-8")


def grown(found: Mapping[str, Ratios], known: Mapping[str, Ratios]) -> list[str]:
    """Say of each chart that costs more than is stored how much more, and which step grew most."""
    said = []
    for name, ratio in found.items():
        before = known[name]
        if ratio[ANSWER] > before[ANSWER] * MOST:
            step = max((*STEPS, ELSEWHERE), key=lambda step: ratio[step] - before[step])
            said.append(
                f"{name}: {ratio[ANSWER]:.2f} × the floor, {before[ANSWER]:.2f} is stored; "
                f"{step} grew most, from {before[step]:.2f} to {ratio[step]:.2f}"
            )
    return said


def lines() -> Iterator[str]:
    """Markdown, of all cases."""
    reason = why_not()
    yield from [f"Not counted: {reason}."] if reason else table(count(CASES))


def main(asked: str = "") -> int:
    """Print the table, store it or check it."""
    if reason := why_not():
        print(f"instructions: not counted, {reason}")
        return int(os.environ.get("IMNM_REQUIRE_ALL") == "1")
    found = count(CASES)
    print(*table(found), sep="\n")
    if asked == "--write":
        write(found)
    said = (
        grown({name: ratios(counts) for name, counts in found.items()}, stored())
        if asked == "--check"
        else []
    )
    for line in said:
        print(f"instructions: {line}")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
