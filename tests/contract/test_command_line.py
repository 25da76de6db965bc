"""The command line: bad input ends in one line and status 2; the same input gives the same bytes."""

import errno
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest
import uvicorn

from cds_service.cli import main
from cds_service.demo.ehr import create_ehr
from cds_service.demo.patients import chart
from tests.golden.charts import GOLDENS, NAMES
from tests.spec.language import read

ROOT = Path(__file__).parents[2]
AS_OF = ("--as-of", str(GOLDENS["base_day"]))


@dataclass
class Ended:
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    argv = ["imnm-cds", *map(str, arguments)]
    with chdir(ROOT), patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            return Ended(int(end.code or 0), out.getvalue(), err.getvalue())
    return Ended(0, out.getvalue(), err.getvalue())


def write(folder, content):
    path = folder / "input.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def bundle(*resources):
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}


def patient(number):
    return {"resourceType": "Patient", "id": number, "birthDate": "1970-01-01", "gender": "female"}


DSTU2 = {
    "resourceType": "Condition",
    "id": "c",
    "patient": {"reference": "Patient/p"},
    "clinicalStatus": "active",
}
STU3 = {
    "resourceType": "Condition",
    "id": "c",
    "subject": {"reference": "Patient/p"},
    "clinicalStatus": "active",
}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not a FHIR Bundle in JSON: it is empty"),
        (" \n", "not a FHIR Bundle in JSON: it is empty"),
        ('{"resourceType": "Bundle", "entry": [', "not a FHIR Bundle in JSON: it ends in the middle"),
        ('{"resourceType": "Bundle", "a": NaN}', "not a FHIR Bundle in JSON: byte 33 does not belong there"),
        ('{"resourceType": "Patient"}\n{"resourceType": "Patient"}', "it is NDJSON"),
        ("\0{\0}", "it is UTF-16 or UTF-32"),
        ("no json", "not a FHIR Bundle"),
        ('{"resourceType": "Bundle", "entry": [{"resource": {"a": NaN}}]}', "not a FHIR Bundle"),
        ("[" * 100_000, "not a FHIR Bundle"),
        (patient("p"), "single Patient"),
        (bundle(), "no Patient"),
        (bundle(patient("p"), patient("q")), "2 Patients"),
        (bundle(patient("p"), DSTU2), "DSTU2"),
        (bundle(patient("p"), STU3), "STU3"),
    ],
)
def test_what_is_not_one_patients_record_is_refused_in_one_line(tmp_path, content, words):
    refused = run("explain", write(tmp_path, content), *AS_OF, "--json")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert words in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("explain", "absent.json"), "absent.json: No such file"),
        (("explain",), "give a FILE"),
        (("explain", "a.json", "--server", "https://x.example", "--patient", "p"), "give a FILE"),
        (("explain", "README.md", "--as-of", "yesterday"), "--as-of"),
        *(
            (("explain", "README.md", "--as-of", moment), "--as-of: give a year from 1900 to 2199")
            for moment in (
                "0001-01-01",
                "0001-01-01T00:00:00+14:00",
                "1899-12-31",
                "2200-01-01",
                "9999-12-31",
                "9999-12-31T23:59:59-12:00",
            )
        ),
        (("explain", "README.md", "--fhir-version", "R5"), "--fhir-version"),
        (("explain", "README.md", "--config", "absent.toml"), "absent.toml"),
        (("explain", "--server", "no address", "--patient", "p"), "--server: must be an absolute http"),
        (("explain", "--server", "http://10.1.2.3/fhir", "--patient", "p"), "private_network is not set"),
        (("explain", "--server", "http://127.0.0.1/fhir", "--patient", "../p"), "--patient"),
        (("check", "--config", "absent.toml"), "absent.toml"),
        (("check", "--client", "hospital"), "--client and --patient go with --connect"),
        (("check", "--report", "--patient", "p"), "--client and --patient go with --connect"),
        (("check", "--audit", "events.jsonl"), "--audit goes with --report"),
        (("serve", "--config", "absent.toml"), "absent.toml"),
        (("demo", "--patient", "nobody", "--once"), "no sample patient"),
    ],
)
def test_bad_arguments_are_refused_in_one_line_that_says_where(arguments, words):
    refused = run(*arguments)
    assert refused.returncode == 2
    assert words in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = run("demo", "--once", "--port", taken.getsockname()[1])
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1


def test_an_unknown_client_count_is_refused(tmp_path):
    config = tmp_path / "two.toml"
    config.write_text('[[client]]\nname = "a"\n[[client]]\nname = "b"\nfhir_base = "https://b.example"\n')
    refused = run("explain", write(tmp_path, bundle(patient("p"))), "--config", config)
    assert "2 [[client]] blocks" in refused.stderr


@pytest.mark.parametrize("name", NAMES)
def test_explain_gives_the_documented_object_for_every_sample_patient(tmp_path, name):
    explained = run("explain", write(tmp_path, chart(name)), *AS_OF, "--accept-unknown-status", "--json")
    assert explained.returncode == 0, explained.stderr
    answer = json.loads(explained.stdout)
    assert answer["format"] == "imnm-cds-explain/2"
    assert answer["as_of"] == "2026-03-01T00:00:00Z"
    assert answer["outcome"] == GOLDENS[name]["outcome"]
    assert list(answer["features"]) == ["cardiac_involvement", "high_ana", "treatment_refractory", "high_drr"]


def test_the_order_of_the_entries_never_changes_a_byte(tmp_path):
    whole = chart("high-overdue")
    there = run("explain", write(tmp_path, whole), *AS_OF, "--json").stdout
    whole["entry"].reverse()
    assert run("explain", write(tmp_path, whole), *AS_OF, "--json").stdout == there


def test_a_json_object_of_prefetch_keys_is_read_as_a_record(tmp_path):
    resources = read("imnm; ck 900 @-10d").resources
    keys = {
        "patient": resources[0],
        "conditions": bundle(resources[1]),
        "enzymes": bundle(resources[2]),
        "ana": None,
    }
    answer = json.loads(run("explain", write(tmp_path, keys), *AS_OF, "--json").stdout)
    assert answer["eligibility"]["state"] == "definite"
    assert answer["activity"]["ck"]["value"] == 900


def test_without_json_the_same_is_said_for_people(tmp_path):
    said = run("explain", write(tmp_path, chart("high-overdue")), *AS_OF).stdout
    assert "high_drr" in said
    assert "Observation/ho-ast-15" in said
    assert "Risk 2y: 57 % (30 % to 86 %)" in said
    assert "2 of 4 predictors present" in said
    assert "Refused: Observation/ho-ck-15 (entered-in-error)" in said
    silent = run("explain", write(tmp_path, chart("low-quiet")), *AS_OF).stdout
    assert "No card is shown" in silent


def lines(*arguments):
    """What is said for people, without the card and the breaks of lines."""
    return " ".join(run(*arguments).stdout.partition("╭")[0].split())


def test_what_is_said_for_people_names_band_follow_up_and_disease_also_where_there_is_no_card(tmp_path):
    file, chosen = write(tmp_path, chart("low-quiet")), (*AS_OF, "--accept-unknown-status")
    said = lines("explain", file, *chosen)
    answer = json.loads(run("explain", file, *chosen, "--json").stdout)
    assert answer["cards"] == []
    assert f"Band: {answer['band']}" in said
    assert f"Disease: {answer['activity']['phase']}" in said
    for item in answer["follow_up"]:
        assert f"Follow-up: {item['item']} {item['state']}" in said


def test_what_is_said_for_people_names_every_doubt_and_what_it_bars(tmp_path):
    record = read("imnm; ck 900 @-10d unit=none")
    said = lines("explain", write(tmp_path, bundle(*record.resources)), *AS_OF)
    answer = json.loads(run("explain", write(tmp_path, bundle(*record.resources)), *AS_OF, "--json").stdout)
    assert answer["doubts"]
    for doubt in answer["doubts"]:
        bars = ", ".join(doubt["bars"])
        assert f"Doubt: {doubt['resource']} ({doubt['role']}, {doubt['reason']}), bars {bars}" in said


@pytest.mark.parametrize(
    "base", ["http://user:s3cret@127.0.0.1/fhir", "http://127.0.0.1/fhir?access_token=s3cret"]
)
def test_an_address_with_a_secret_is_not_repeated(base):
    refused = run("explain", "--server", base, "--patient", "p")
    assert refused.returncode == 2
    assert refused.stderr.startswith("imnm-cds: --server: must be an a")
    assert "s3cret" not in refused.stderr + refused.stdout


@pytest.mark.parametrize("patient", ["high-overdue", "plain"])  # with the disease, and without it
def test_explain_from_a_live_server_says_what_it_says_of_the_file(tmp_path, patient):
    ehr = create_ehr([chart(patient)])
    config = uvicorn.Config(ehr, port=0, http="h11", loop="asyncio", ws="none", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        base = f"http://127.0.0.1:{port}/fhir"
        live = run("explain", "--server", base, "--patient", patient, *AS_OF, "--json")
    finally:
        server.should_exit = True
        thread.join()
    file = run("explain", write(tmp_path, chart(patient)), *AS_OF, "--json")
    live, file = json.loads(live.stdout), json.loads(file.stdout)
    assert live.get("risk") == file.get("risk")
    assert live["features"] == file["features"]


def test_a_server_that_is_down_gives_status_3_and_says_that_nothing_is_known():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    chosen = ("explain", "--server", f"http://127.0.0.1:{port}/fhir", "--patient", "p", *AS_OF)
    down = run(*chosen, "--json")
    assert down.returncode == 3
    assert json.loads(down.stdout)["outcome"] == "eligibility-unknown"
    assert "imnm-cds: could not be read: patient (no connection), conditions (no connection)" in down.stderr
    said = run(*chosen)
    assert said.returncode == 3
    assert "NOT ASSESSED" in said.stdout
    assert "SILENT" not in said.stdout
    assert "nothing to say" not in said.stdout


def test_check_says_that_all_is_in_order():
    assert run("check").returncode == 0


def test_check_says_of_each_client_who_accepted_the_model_and_when(tmp_path):
    config = tmp_path / "hospital.toml"
    accepted = 'accepted_by = "Prof. A. Example, head of rheumatology"\naccepted_on = 2026-03-01\n'
    clinic = '[[client]]\nname = "clinic"\nfhir_base = "https://b.example"\n'
    config.write_text(f'[[client]]\nname = "ward"\n{accepted}{clinic}')
    said = run("check", "--config", str(config)).stdout.splitlines()
    by = "Prof. A. Example, head of rheumatology"
    assert f"imnm-cds: client ward: the model was accepted by {by} on 2026-03-01" in said
    assert "imnm-cds: client clinic: nobody has accepted the model, so no risk is shown (accepted_by)" in said
    short = [line for line in said if line.endswith('set prefetch = "full"')]
    assert len(short) == 1
    assert short[0].startswith("imnm-cds: client ward: it has no fhir_base")


def test_check_refuses_an_acceptance_without_a_day(tmp_path):
    config = tmp_path / "hospital.toml"
    config.write_text('[[client]]\nname = "ward"\naccepted_by = "Prof. A."\n')
    refused = run("check", "--config", str(config))
    assert refused.returncode == 2
    assert refused.stderr.endswith("client ward: accepted_by and accepted_on: give both, or neither\n")


def test_serve_answers_discovery_and_ends_in_peace_on_sigterm(tmp_path):
    config = tmp_path / "imnm.toml"
    config.write_text('[[client]]\nname = "open"\n')
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    command = [sys.executable, "-m", "cds_service", "serve", "--config", str(config), "--port", str(port)]
    environment = os.environ | {"IMNM_CDS_PREFETCH": "full"}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment) as serving:
        try:
            answer = _eventually(f"http://127.0.0.1:{port}/cds-services")
        finally:
            serving.terminate()
        assert serving.wait(10) == 0
    assert answer == json.loads((ROOT / "cds-hooks.json").read_text(encoding="utf-8"))


def _eventually(url, seconds=20):
    """What the address answers as soon as somebody listens there."""
    for _ in range(seconds * 10):
        try:
            return httpx.get(url, trust_env=False).json()
        except httpx.ConnectError:
            time.sleep(0.1)
    raise AssertionError(f"nobody answered at {url}")


WITHOUT_STATISTICS = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"numpy", "pandas", "lifelines", "scipy", "matplotlib", "pyarrow", "python_calamine"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from cds_service.cli import main
main()
"""


@pytest.mark.parametrize("command", ["describe", "train", "validate"])
def test_a_command_that_needs_the_statistics_libraries_says_so_where_they_are_not_installed(
    command, tmp_path
):
    arguments = {
        "describe": ["c.csv"],
        "train": ["c.csv", "--out", str(tmp_path / "m")],
        "validate": ["m", "c.csv", "--out", str(tmp_path / "r")],
    }[command]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_STATISTICS, command, *arguments, "--time-zero", "diagnosis"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "all.lock" in done.stderr


def in_latin_1(*arguments):
    """A command whose terminal, or file, takes Latin-1 only."""
    return subprocess.run(
        [sys.executable, "-m", "cds_service", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )


def test_json_is_utf_8_wherever_it_goes(tmp_path):
    explain = ("explain", write(tmp_path, chart("high-overdue")), *AS_OF, "--json")
    ended = in_latin_1(*explain)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.decode("utf-8") == run(*explain).stdout
    assert not ended.stdout.isascii()


def test_what_an_old_terminal_cannot_show_ends_no_command(tmp_path):
    config = tmp_path / "hospital.toml"
    config.write_text(
        '[[client]]\nname = "ward"\naccepted_by = "王医生"\naccepted_on = 2026-03-01\n', "utf-8"
    )
    ended = in_latin_1("check", "--config", config)
    assert ended.returncode == 0
    assert b"the model was accepted by ??? on 2026-03-01" in ended.stdout


@pytest.mark.parametrize("closed", [1, 2], ids=["output", "error"])
@pytest.mark.parametrize("command", ["check", "plan", "serve"])
def test_where_nobody_could_hear_an_answer_none_is_worked_out(command, closed):
    begun = f'exec "$0" -m cds_service {command} {closed}>&-'
    ended = subprocess.run(
        ["/bin/sh", "-c", begun, sys.executable], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    said = "imnm-cds: standard output or error is closed: lead it to a file or to /dev/null\n"
    assert ended.stdout + ended.stderr == said


@pytest.mark.parametrize("day", ["1900-01-01", "2199-12-31"])
def test_the_first_and_the_last_moment_are_explained(tmp_path, day):
    explained = run("explain", write(tmp_path, chart("high-overdue")), "--as-of", day, "--json")
    assert explained.returncode in {0, 3}, explained.stderr
    assert json.loads(explained.stdout)["format"] == "imnm-cds-explain/2"


def test_a_file_without_end_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr("cds_service.commands.explain.MOST_BYTES", 1024**2)
    refused = run("explain", "/dev/zero", *AS_OF)
    assert (refused.returncode, "larger than 1 MiB" in refused.stderr) == (2, True)


@pytest.mark.parametrize("rate", ["inf", "nan"])
def test_a_rate_of_death_is_finite(rate):
    refused = run("simulate", "--deaths-per-year", rate)
    assert (refused.returncode, "--deaths-per-year" in refused.stderr) == (2, True)


def test_a_plan_says_what_the_model_that_it_assumes_is():
    assert "reconstructed" in run("plan", "--n", "100").stdout


@pytest.mark.parametrize("command", [("check",), ("explain", "--json"), ("explain",)])
def test_output_that_cannot_be_written_is_one_line(tmp_path, command):
    class Full(io.StringIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    file = (write(tmp_path, chart("low-quiet")),) if command[0] == "explain" else ()
    err = io.StringIO()
    argv = ["imnm-cds", *map(str, (*command, *file))]
    with (
        patch.object(sys, "argv", argv),
        redirect_stdout(Full()),
        redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        main()
    assert end.value.code == 2
    assert err.getvalue().splitlines()[-1] == "imnm-cds: [Errno 28] No space left on device"
    assert "Traceback" not in err.getvalue()
