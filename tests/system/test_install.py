"""`make install` on a fresh machine: the command, from a copy of the repository, with the packages of the index."""

import os
import re
import shutil
import subprocess
import sys

from tests.support.serving import ROOT

FILES = (
    "Makefile",
    "serve.lock",
    "build.lock",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "NOTICE",
    "cds-hooks.json",
)
FOLDERS = (".ci", "cds_service", "fhir_mapping", "models")


def test_make_install_gives_the_command_without_test_tools_and_statistics(tmp_path):
    copy, elsewhere = tmp_path / "copy", tmp_path / "elsewhere"
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, copy)
    elsewhere.mkdir()
    env = {k: v for k, v in os.environ.items() if not re.match(r"PYTHON|VIRTUAL_ENV|COV|MAKE|MFLAGS", k)}

    def run(*command, cwd=elsewhere):
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)

    for _ in range(2):
        made = run("make", "install", f"PYTHON={sys.executable}", cwd=copy)
        assert (made.returncode, made.stderr) == (0, "")
        assert ".venv/bin/imnm-cds" in made.stdout.splitlines()[-1]
    assert made.stdout.count("\n") == 1  # the second time there is nothing to do
    tools = copy / ".venv" / "bin"
    shown = run(tools / "imnm-cds", "demo", "--once")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "recurrence risk" in shown.stdout
    described = run(tools / "imnm-cds", "describe", "cohort.csv", "--time-zero", "diagnosis")
    assert described.returncode == 2
    assert "make .venv/all" in described.stderr
    assert not [name for name in ("pytest", "ruff", "mypy") if (tools / name).exists()]
