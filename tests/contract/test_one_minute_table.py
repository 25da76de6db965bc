"""Each row of the README's table "What to touch": the edit is made, and its effect is seen."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from cds_service.settings.client import Client
from cds_service.settings.service import Settings
from cds_service.web.app import create_app
from fhir_mapping.terms import load_tables
from models.policy import load_policy
from tests.golden.charts import AS_OF, INSTANCE
from tests.spec.language import TABLES, read
from tests.spec.run import answer, packaged_model
from tests.support.changes import replace

ROOT = Path(__file__).parents[2]
R5_RECORD = "imnm; ck 900 @-10d; request methotrexate from=-400d; encounter AMB visit @-30d"
NEW_LOINC = "99999-5"  # nobody's code; the check digit is right


@pytest.fixture
def repository(tmp_path):
    """A copy of the code that may be edited."""
    for package in ("cds_service", "fhir_mapping", "models"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    shutil.copy(ROOT / "cds-hooks.json", tmp_path)
    return tmp_path


@pytest.fixture
def tables(tmp_path):
    """A copy of the tables that may be edited."""
    return Path(shutil.copytree(TABLES, tmp_path / "tables"))


def run(repository, *arguments):
    command = [sys.executable, "-m", "cds_service", *arguments]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


def append(path, *row):
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(row)


def bundle_file(folder, text, change=lambda resource: resource):
    path = folder / f"{change.__name__.strip('<>')}.json"
    entries = [{"resource": change(resource)} for resource in read(text).resources]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    return path


def test_every_row_of_the_readme_is_tried_here():
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("| I want to…")[1].split("\n\n")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    tried = Path(__file__).read_text(encoding="utf-8")
    assert rows
    assert [row for row in rows if f'"""{row[0].upper()}{row[1:]}."""' not in tried] == []


def test_a_code(repository):
    """Change a LOINC, SNOMED or ICD code."""
    table = repository / "fhir_mapping" / "tables" / "observations.csv"
    append(table, "http://loinc.org", NEW_LOINC, "Another CK", "ck", "a test")
    stale = run(repository, "check")
    assert stale.returncode == 2
    assert "imnm-cds check --write" in stale.stderr
    assert run(repository, "check", "--write").returncode == 0
    assert NEW_LOINC in (repository / "cds-hooks.json").read_text(encoding="utf-8")
    file = bundle_file(repository, f"imnm; ck 900 code=loinc:{NEW_LOINC} @-10d")
    explained = run(repository, "explain", str(file), "--as-of", "2026-03-01", "--json")
    assert json.loads(explained.stdout)["activity"]["ck"]["value"] == 900


def test_a_unit(tables):
    """Accept another unit."""
    record = "imnm; ck 900 unit=none text=catal @-10d"
    assert "ck" not in answer(read(record))["activity"]
    append(tables / "units.csv", "enzyme", "catal", "text", "2", "assumed", "a test")
    assert answer(read(record), tables=load_tables(tables))["activity"]["ck"]["value"] == 1800


def test_a_threshold(tables):
    """Look back further, move a predictor's threshold."""
    record = "imnm; ast 150 @-10d; alt 100 @-10d"
    assert answer(read(record))["features"]["high_drr"]["state"] == "absent"
    rules = tables / "rules.toml"
    rules.write_text(
        rules.read_text(encoding="utf-8").replace("threshold = { value = 1.73", "threshold = { value = 1.4")
    )
    assert answer(read(record), tables=load_tables(tables))["features"]["high_drr"]["state"] == "present"


def test_a_band(tmp_path):
    """Change a band or a follow-up interval."""
    model = packaged_model()
    text = (ROOT / "models" / "imnm_recurrence" / "policy.toml").read_text(encoding="utf-8")
    path = tmp_path / "policy.toml"
    path.write_text(
        re.sub(r"low_below = \{ value = [\d.]+", "low_below = { value = 0.10", text), encoding="utf-8"
    )
    changed = replace(model, policy=load_policy(path))
    record = "imnm; predictors 0000"
    assert answer(read(record), model=model)["band"] == "low"
    assert answer(read(record), model=changed)["band"] == "intermediate"


def test_a_hook(repository):
    """Add a hook."""
    hook = (repository / "cds_service" / "web" / "hooks" / "patient_view.py").read_text(encoding="utf-8")
    new = repository / "cds_service" / "web" / "hooks" / "encounter_start.py"
    new.write_text(hook.replace('NAME = "patient-view"', 'NAME = "encounter-start"'), encoding="utf-8")
    known = repository / "cds_service" / "web" / "hooks" / "__init__.py"
    line = "HOOKS: Mapping[str, Hook] = {"
    more = (
        f"from cds_service.web.hooks import encounter_start\n\n{line}encounter_start.NAME: encounter_start, "
    )
    known.write_text(known.read_text(encoding="utf-8").replace(line, more), encoding="utf-8")
    discovery = json.loads((repository / "cds-hooks.json").read_text(encoding="utf-8"))
    service = discovery["services"][0] | {"id": "imnm-at-check-in", "hook": "encounter-start"}
    (repository / "cds-hooks.json").write_text(json.dumps({"services": [*discovery["services"], service]}))
    program = f"""
import asyncio, httpx
from cds_service.web.app import create_app
from cds_service.settings.client import Client
from cds_service.settings.service import Settings
app = create_app(Settings(client=(Client(name="open"),)), write=lambda _: None)
body = {{"hook": "encounter-start", "hookInstance": "{INSTANCE}", "context": {{"patientId": "p", "userId": "Practitioner/1"}},
         "prefetch": {{"patient": {{"resourceType": "Patient", "id": "p"}}, "conditions": None, "antibodies": None}}}}
async def call():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
        return await client.post("/cds-services/imnm-at-check-in", json=body)
print(asyncio.run(call()).text)
"""
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=False
    )
    assert json.loads(said.stdout) == {"cards": []}, said.stderr


R5 = '''"""FHIR R5, as far as a test needs it: resources in the shape of R4, read as R4."""

import msgspec
from msgspec.structs import replace

from fhir_mapping.record import Entry
from fhir_mapping.versions import r4


def read(gathered):
    return r4.read(_as_r4(gathered))


class Reader:  # none is read before all are
    def bundle(self, text, *, unchanged):
        return None

    def fits(self, entry):
        return "", ""


def reader():
    return Reader()


def read_apart(gathered):
    return r4.read_apart(_as_r4(gathered))


def work(gathered, values=None):
    return r4.work(_as_r4(gathered), values)


def products(gathered):
    return r4.products(_as_r4(gathered))


def unresolved_medications(gathered):
    return r4.unresolved_medications(_as_r4(gathered))


def other_version(gathered):
    visits = [one for one in _resources(gathered) if one.get("resourceType") == "Encounter"]
    return "R4" if any(isinstance(visit.get("class"), dict) for visit in visits) else ""


def _resources(gathered):
    return [msgspec.json.decode(entry.json) for source in gathered.sources.values() for entry in source.entries]


def _as_r4(gathered):
    def changed(source):
        entries = (Entry(msgspec.json.encode(_down(msgspec.json.decode(e.json))), e.full_url) for e in source.entries)
        return replace(source, entries=tuple(entries))

    return replace(gathered, sources={key: changed(source) for key, source in gathered.sources.items()})


def _down(resource):
    if "medication" in resource:
        resource["medicationCodeableConcept"] = resource.pop("medication").get("concept")
    if resource["resourceType"] == "Encounter":
        (resource["class"],) = resource["class"][0]["coding"]
        resource["period"] = resource.pop("actualPeriod")
        resource["serviceType"] = resource["serviceType"][0]["concept"]
        resource["status"] = {"completed": "finished"}.get(resource["status"], resource["status"])
    return resource
'''


def as_r5(resource):
    """A resource of R4, of the types that changed, as R5 has it."""
    if "medicationCodeableConcept" in resource:
        return {
            **{key: value for key, value in resource.items() if key != "medicationCodeableConcept"},
            "medication": {"concept": resource["medicationCodeableConcept"]},
        }
    if resource["resourceType"] == "Encounter":
        kept = {key: value for key, value in resource.items() if key != "period"}
        return {
            **kept,
            "status": "completed",
            "class": [{"coding": [resource["class"]]}],
            "serviceType": [{"concept": resource["serviceType"]}],
            "actualPeriod": resource["period"],
        }
    return resource


def test_a_fhir_version(repository):
    """Add a FHIR version."""
    old = bundle_file(repository, R5_RECORD)
    new = bundle_file(repository, R5_RECORD, as_r5)

    def explained(file, version):
        arguments = ("--fhir-version", version, "--as-of", "2026-03-01", "--json")
        return run(repository, "explain", str(file), *arguments)

    assert explained(new, "R5").returncode == 2
    expected = json.loads(explained(old, "R4").stdout)

    (repository / "fhir_mapping" / "versions" / "r5.py").write_text(R5, encoding="utf-8")
    modules = repository / "fhir_mapping" / "versions" / "__init__.py"
    line = '    "R5": "fhir_mapping.versions.r5",\n'
    text = modules.read_text(encoding="utf-8")
    modules.write_text(text.replace('r4",\n}', f'r4",\n{line}}}'), encoding="utf-8")

    answer = json.loads(explained(new, "R5").stdout)
    assert answer["eligibility"]["state"] == "definite"
    assert "MedicationRequest/" in json.dumps(answer["features"]["treatment_refractory"]["evidence"])
    assert answer == expected
    for file, version, other in ((new, "R4", "R5"), (old, "R5", "R4")):
        refused = explained(file, version)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.rstrip("\n").endswith(f"the content is FHIR {other}; only {version} is read")
        assert refused.stderr.count("\n") == 1


async def test_another_hospital():
    """Connect another hospital."""
    first = Client(name="first", fhir_base="https://first.example/fhir")
    second = Client(name="second", fhir_base="https://second.example/r4")
    assert await status(*second.fhir_base, first) == 403
    assert await status(*second.fhir_base, first, second) == 200


async def status(fhir_server, *clients):
    app = create_app(Settings(client=clients), clock=lambda: AS_OF, write=lambda _: None)
    body = {
        "hook": "patient-view",
        "hookInstance": INSTANCE,
        "fhirServer": fhir_server,
        "context": {"patientId": "p", "userId": "Practitioner/1"},
        "prefetch": {
            "patient": {"resourceType": "Patient", "id": "p"},
            "conditions": None,
            "antibodies": None,
        },
    }
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
        return (await client.post("/cds-services/imnm-recurrence", json=body)).status_code


def test_a_laboratorys_own_codes(tmp_path):
    """Map a lab's own codes."""
    (tmp_path / "codes.csv").write_text("system,code,role\nurn:local,KREA-KIN,ck\n")
    (tmp_path / "imnm.toml").write_text('[[client]]\nname = "lab"\nsite_map = "codes.csv"\n')
    file = bundle_file(tmp_path, "imnm; ck 900 code=local:KREA-KIN @-10d")
    arguments = ("explain", str(file), "--as-of", "2026-03-01", "--json")
    without, mapped = run(ROOT, *arguments), run(ROOT, *arguments, "--config", str(tmp_path / "imnm.toml"))
    assert "ck" not in json.loads(without.stdout)["activity"]
    assert json.loads(mapped.stdout)["activity"]["ck"]["value"] == 900


def test_a_fitted_model(tmp_path):
    """Serve our own fitted model."""
    cohort, zero = tmp_path / "cohort.csv", "six months after the start of treatment"
    for arguments in (
        ("simulate", "--n", "300", "--seed", "1", "--out", cohort),
        (
            "train",
            cohort,
            "--out",
            tmp_path / "ours",
            "--synthetic",
            "--time-zero",
            zero,
            "--bootstrap",
            "40",
        ),
    ):
        done = run(ROOT, *map(str, arguments))
        assert done.returncode == 0, done.stderr
    config = tmp_path / "imnm.toml"
    config.write_text('model = "ours"\n', encoding="utf-8")
    checked = run(ROOT, "check", "--config", str(config))
    assert (checked.returncode, checked.stderr) == (0, "")
    assert str(tmp_path / "ours") in checked.stdout
