"""`make audit`: ask for known weaknesses of every locked package, and say how many were looked up, and when.

pip-audit skips a package that its source does not know, prints that no weakness was found, and ends with status 0.
Here the number of packages that were looked up must be the number of those that are locked. Where no source answers at
all, that is said, and is a failure only with `--strict`.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.locks import read_lock

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv" / "audit" / "bin" / "python"
LOCKS = ("serve.lock", "build.lock", "all.lock", ".ci/audit.lock", ".ci/fuzz.lock")
SOURCES = ("pypi", "osv")  # asked in this order until one answers
LONGEST_S = 300
Package = tuple[str, str]


@dataclass(frozen=True)
class Verdict:
    """What to say, and the exit status that follows."""

    text: str
    status: int


def locked() -> set[Package]:
    """Name and version of every package in any lock, those for other machines and Pythons too."""
    return {(each.name, each.version) for lock in LOCKS for each in read_lock(ROOT / lock)}


def verdict(
    wanted: Collection[Package], answers: list[dict[str, Any]], when: datetime, *, strict: bool
) -> Verdict:
    """Judge what a source said of the locked packages: nothing, of some only, of all."""
    said = [one for answer in answers for one in answer["dependencies"] if "skip_reason" not in one]
    audited = {(one["name"], one["version"]) for one in said} & set(wanted)
    known = sorted(f"{one['name']} {one['version']}: {bad['id']}" for one in said for bad in one["vulns"])
    day = f"advisories as of {when:%Y-%m-%d}"
    count = f"{len(audited)} of {len(wanted)} locked packages were looked up"
    if known:
        return Verdict("\n".join([f"audit: {count}; {day}; known weaknesses:", *known]), 1)
    if not audited:
        return Verdict(f"audit: no source of advisories answers here: {count}", int(strict))
    if len(audited) < len(wanted):
        left = ", ".join(" ".join(one) for one in sorted(set(wanted) - audited))
        return Verdict(f"audit: {count}; {day}; unknown to the source: {left}", 1)
    return Verdict(f"audit: {count}; {day}; no weakness is known", 0)


def _once_each(packages: Collection[Package]) -> Iterator[list[Package]]:
    """Lists in which no name stands twice: a lock has several versions of one package, for several Pythons."""
    rest = sorted(packages)
    while rest:
        first = dict(rest)
        yield sorted(first.items())
        rest = [one for one in rest if first[one[0]] != one[1]]


def _ask(source: str, packages: list[Package]) -> dict[str, Any]:
    """What one source says; nothing where it does not answer."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{name}=={version}\n" for name, version in packages))
        file.flush()
        options = ["--disable-pip", "--no-deps", "-f", "json", "-s", source, "-r", file.name]
        command = [str(PYTHON), "-m", "pip_audit", "--progress-spinner", "off", *options]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_S)
            return dict(json.loads(ended.stdout))
        except (subprocess.TimeoutExpired, ValueError):
            return {"dependencies": []}


def main(strict: bool) -> int:
    """Ask one source after the other until one knows a package; returns the exit status."""
    wanted = locked()
    for source in SOURCES:
        answers = [_ask(source, packages) for packages in _once_each(wanted)]
        found = verdict(wanted, answers, datetime.now(UTC), strict=strict)
        if "no source" not in found.text:
            break
    print(found.text)
    return found.status


if __name__ == "__main__":
    sys.exit(main(strict="--strict" in sys.argv))
