"""`imnm-cds check --connect` against a real HAPI server: it passes as it is, and a wrong template is found."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cds_service.commands.connect import show_connections
from cds_service.demo.patients import samples
from cds_service.fhir.queries import QUERIES
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from cds_service.settings.service import Settings
from cds_service.terminal import open_console

pytestmark = pytest.mark.xdist_group("hapi")

ROOT = Path(__file__).parents[2]
PATIENT = "high-overdue"
PATIENTLY = Limits(
    answer_seconds=30.0
)  # what is asked here is whether it works, not how fast a shared machine is


@pytest.fixture
def repository(tmp_path):
    """A copy of the code that may be edited."""
    for package in ("cds_service", "fhir_mapping", "models"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "cds-hooks.json", tmp_path)
    return tmp_path


def run(repository, *arguments):
    command = [sys.executable, "-m", "cds_service", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("name", [sample.name for sample in samples().patients])
def test_everything_is_supported_for_every_sample_patient(hapi, name):
    output = io.StringIO()
    settings = Settings(client=(Client(name="hapi", fhir_base=hapi.base),))
    works = show_connections(open_console(output), settings, only="", patient=name, limits=PATIENTLY)
    said = output.getvalue()
    assert works, said
    assert "FHIR R4 (4.0.1), HAPI FHIR Server" in said
    assert said.strip().endswith("Everything is supported.")
    assert said.count("supported: ") == len(QUERIES)


@pytest.mark.parametrize(
    ("right", "wrong", "refused"),
    [
        ('[("code", ",".join(', '[("codes", ",".join(', {"antibodies", "enzymes"}),
        ('[("status", self.status)]', '[("sort:desc", self.status)]', {"orders", "appointments"}),
    ],
)
def test_a_wrong_template_is_found_and_named(hapi, repository, right, wrong, refused):
    queries = repository / "cds_service" / "fhir" / "queries.py"
    code = queries.read_text(encoding="utf-8")
    assert code.count(right) == 1
    queries.write_text(code.replace(right, wrong), encoding="utf-8")
    (repository / "imnm.toml").write_text(f'[[client]]\nname = "hapi"\nfhir_base = "{hapi.base}"\n')
    written = run(repository, "check", "--write")
    assert written.returncode == 0, written.stderr
    found = run(repository, "check", "--connect", "--config", "imnm.toml", "--patient", PATIENT)
    assert (found.returncode, found.stderr) == (1, "")
    rows = {line.split()[0]: line for line in found.stdout.splitlines() if line.split()}
    assert [key for key in refused if "refused (HTTP 400" not in rows[key]] == []
    assert "HTTP 400" not in rows["conditions"]
    assert "imnm-cds check --write" in " ".join(found.stdout.split())
