"""`python -m tests.fuzz --seconds 60` fuzzes all targets in `.venv/fuzz`; `python -m tests.fuzz FILE…` reads inputs again.

The first needs atheris, the second no more than the service itself. The target of a file is the name of its folder.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import TARGETS, dictionary, feed

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CORPUS = HERE / "corpus"
FAILURES = HERE / "failures"  # inputs that failed; git does not see them
LONGEST_INPUT = 4096  # bytes; what costs more than linear time shows at this length
HANGS_S = 30  # one input after which the reader is stopped; a slow one that ends is told by `feed`
MOST_SHOWN = 3000  # characters of what libFuzzer says
FEWEST_PLACES = 30  # of code that a target must reach: with fewer the fuzzer was blind


@dataclass(frozen=True)
class Verdict:
    """What to say of one target, and whether all is well."""

    text: str
    good: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, or read files again; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--seed", type=int, default=0, help="0: another each time")
    given = parser.parse_args(arguments)
    if given.files:
        return again(given.files)
    verdicts = [fuzz(name, given.seconds, FAILURES, given.seed) for name in TARGETS]
    return 0 if all(verdict.good for verdict in verdicts) else 1


def again(files: Sequence[Path]) -> int:
    """Read inputs without atheris; what fails shows its traceback."""
    for file in files:
        name = file.resolve().parent.name
        if name not in TARGETS:
            print(f"fuzz: {file}: no target is called {name!r}; put it into a folder {' or '.join(TARGETS)}")
            return 2
        feed(TARGETS[name], file.read_bytes())
        print(f"fuzz: {file}: read; no error that is not declared")
    return 0


def fuzz(name: str, seconds: int, failures: Path, seed: int = 0) -> Verdict:
    """Fuzz one target for its share of the time, say what came of it, and give its verdict."""
    mine = max(1, seconds * TARGETS[name].share // sum(target.share for target in TARGETS.values()))
    folder = failures / name
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    with tempfile.TemporaryDirectory() as scratch:
        words, found = Path(scratch) / "words", Path(scratch) / "found"
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in dictionary()), encoding="ascii")
        found.mkdir()  # what reaches new code goes here, for this run: the corpus that is kept stays small
        options = [
            f"-seed={seed}",
            f"-max_total_time={mine}",
            f"-timeout={HANGS_S}",
            f"-max_len={LONGEST_INPUT}",
            f"-dict={words}",
            f"-artifact_prefix={folder}/",
            "-print_final_stats=1",
            str(found),
            str(CORPUS / name),
        ]
        command = [sys.executable, "-m", "tests.fuzz.guided", name, *options]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    said = (ended.stdout + ended.stderr).decode("utf-8", "replace")
    verdict = judged(name, mine, ended.returncode, said, sorted(set(folder.iterdir()) - before))
    print(f"fuzz: {name}: {verdict.text}", flush=True)
    return verdict


def judged(name: str, seconds: int, status: int, said: str, failed: Sequence[Path]) -> Verdict:
    """Judge by the exit status, the output and the inputs that failed; a run that reached nothing is no good one."""
    if status:
        shown = re.search(r"^Traceback.*?(?=^$)", said, re.DOTALL | re.MULTILINE)
        files = " ".join(
            str(file.relative_to(ROOT) if file.is_relative_to(ROOT) else file) for file in failed
        )
        how = (
            f"again, without atheris: .venv/bin/python -m tests.fuzz {files}"
            if failed
            else "no input is to blame"
        )
        return Verdict(
            f"failed, status {status}\n{shown[0] if shown else said[-MOST_SHOWN:]}\n{how}", good=False
        )
    runs = re.search(r"number_of_executed_units: *(\d+)", said)
    places = max(map(int, re.findall(r"\bcov: (\d+)", said)), default=0)
    text = f"{int(runs[1]) if runs else 0} inputs in {seconds} s, {places} places of code reached"
    if places < FEWEST_PLACES:
        return Verdict(f"{text}: fewer than {FEWEST_PLACES}, the fuzzer is blind", good=False)
    return Verdict(text, good=True)


def _escaped(word: str) -> str:
    """A word as libFuzzer's dictionaries are written."""
    return "".join(f"\\x{byte:02X}" for byte in word.encode())


if __name__ == "__main__":
    sys.exit(main())
