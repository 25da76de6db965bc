"""The commands of a page of documentation, run in order in one shell, as a reader runs them in one terminal."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
_MARK = "=== step"


def steps_of(page: Path) -> list[str]:
    """The ```sh blocks of a page."""
    return re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def run_steps(
    steps: list[str], folder: Path, variables: Mapping[str, str], seconds: float
) -> tuple[int, list[str]]:
    """Run the blocks until one fails; returns the exit status and what each block printed.

    `imnm-cds` and `python` are this project's. Whatever a block left running is ended.
    """
    programs = folder / "bin"
    programs.mkdir()
    _program(programs / "python", shlex.quote(sys.executable))
    _program(programs / "imnm-cds", f"{shlex.quote(sys.executable)} -m cds_service")
    work = folder / "work"
    work.mkdir()
    script = "set -eu\n" + "".join(f"echo\necho '{_MARK}'\n{step}" for step in steps)
    given = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
    with (folder / "printed").open("w+", encoding="utf-8") as printed:
        shell = subprocess.Popen(
            ["sh", "-c", script],
            cwd=work,
            env=given | dict(variables),
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
        try:
            shell.wait(seconds)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
        printed.seek(0)
        return shell.returncode, printed.read().split(f"\n{_MARK}\n")[1:]


def _program(file: Path, command: str) -> None:
    file.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    file.chmod(0o755)
