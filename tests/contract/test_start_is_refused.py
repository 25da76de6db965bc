"""F3: what must not be served stops the start with one line that says what to do, and a status that is not 0."""

import errno
import gc
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from cds_service.cli import main
from cds_service.settings.service import SettingsError, load_settings
from cds_service.web.ingress.supervisor import Supervisor
from models.registry import checksum, default_folder
from tests.support.serving import OPEN, ROOT, free_port, open_config, served

TLS = trustme.CA().issue_cert("localhost")
HOSPITAL = '[[client]]\nname = "hospital"\nfhir_base = "https://fhir.example/r4"\n'
PROOF = 'auth = "jwt"\nissuer = "https://fhir.example/r4"\njwks_url = "https://fhir.example/keys"\n'
# name: the file, further arguments, the environment, words of the line
REFUSED = {
    "no client": ("", [], {}, "there is no [[client]] block"),
    "no service": (f"services = []\n{OPEN}", [], {}, "services: names none"),
    "another service": (f'services = ["other"]\n{OPEN}', [], {}, "services: other is not in cds-hooks.json"),
    "an empty host": (OPEN, ["--host", ""], {}, "--host is empty"),
    "every address": (OPEN, ["--host", "0.0.0.0"], {}, "--allow-unproved-callers"),
    "every address of IPv6": (OPEN, ["--host", "::"], {}, "--allow-unproved-callers"),
    "an address that is none": (OPEN, ["--host", "256.0.0.1"], {}, "cannot listen on 256.0.0.1"),
    "a variable that sets nothing": (OPEN, [], {"IMNM_CDS_CORS_ORIGIN": "[]"}, "IMNM_CDS_CORS_ORIGIN: there is no"),
    "a variable in small letters": (OPEN, [], {"imnm_cds_secret": "x"}, "imnm_cds_secret: there is no"),
    "a blank secret": (OPEN, [], {"IMNM_CDS_CARD_SECRET": " " * 20}, "IMNM_CDS_CARD_SECRET: must have at least 16"),
    "an empty secret": (OPEN, [], {"IMNM_CDS_CARD_SECRET": ""}, "IMNM_CDS_CARD_SECRET: must have at least 16"),
    "a short audit secret": (OPEN, [], {"IMNM_CDS_AUDIT_SECRET": "short"}, "IMNM_CDS_AUDIT_SECRET: must have"),
    "an audit secret in the file": (f'audit_secret = "0123456789abcdef"\n{OPEN}', [], {}, "belongs in the environment"),
    "an order for an unknown item": (f"{OPEN}[client.order_codes]\nxray = {{}}\n", [], {}, "'xray' cannot be ordered"),
    "an order with a bad code": (
        f'{OPEN}[client.order_codes]\nck = {{ system = "urn:x", code = "a  b", display = "CK" }}\n', [], {}, "ck.code: must be a code",
    ),
    "a host with a port": (f'hosts = ["cds.example:8080"]\n{OPEN}', [], {}, "hosts[0]: must be a host name"),
    "an open client behind a proxy": (f'trusted_proxies = ["10.1.2.3"]\n{OPEN}', [], {}, 'a service behind trusted_proxies needs auth = "jwt"'),
    "a proxy that is no address": (f'trusted_proxies = ["proxy"]\n{OPEN}', [], {}, "trusted_proxies[0]: must be"),
    "what to do with lost events": (f'when_events_are_lost = "panic"\n{OPEN}', [], {}, "when_events_are_lost: "),
    "a port of metrics that is none": (f"metrics_port = 0\n{OPEN}", [], {}, "metrics_port: "),
    "a certificate without key": (OPEN, ["--certfile", "x.pem"], {}, "--certfile and --keyfile go together"),
    "a certificate that is not there": (OPEN, ["--certfile", "x.pem", "--keyfile", "x.key"], {}, "No such file"),
    "a model that is none": (f'model = "none"\n{OPEN}', [], {}, "none"),
    "a store in no folder": (f'store = "no/folder/x.sqlite"\n{OPEN}', [], {}, "store: "),
    "every origin with a client that proves itself": (
        f'cors_origins = ["*"]\nstore = "x.sqlite"\npublic_url = "https://cds.example"\n{HOSPITAL}{PROOF}', [], {}, 'auth = "jwt" needs cors_origins by name',
    ),
    "two clients of one name": (f"{HOSPITAL}{HOSPITAL}", [], {}, "the same name"),
}  # fmt: skip


def ended(tmp_path, text, arguments=(), environment=None):
    """Run the command in a process of its own."""
    config = tmp_path / "imnm.toml"
    config.write_text(text)
    command = [
        sys.executable,
        "-m",
        "cds_service",
        "serve",
        "--config",
        str(config),
        "--port",
        str(free_port()),
    ]
    return subprocess.run(
        [*command, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {}),
    )


@pytest.fixture
def refused(tmp_path, monkeypatch, capfd):
    """Run the command in this process, as far as it gets before there is any worker; the one line that it says."""

    def command(text, arguments=(), environment=None):
        (tmp_path / "imnm.toml").write_text(text)
        for name, value in (environment or {}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(Supervisor, "__init__", served_all_the_same)
        given = ["serve", "--config", "imnm.toml", "--port", str(free_port()), *arguments]
        monkeypatch.setattr(sys, "argv", ["imnm-cds", *given])
        with pytest.raises(SystemExit) as end:
            main()
        gc.unfreeze()  # this process lives on, and is looked at by others
        out, err = capfd.readouterr()
        assert end.value.code == 2
        assert out == ""
        (line,) = err.splitlines()
        assert line.startswith("imnm-cds: ")
        return line

    return command


def served_all_the_same(*_):
    raise AssertionError("the service started")


def test_there_are_20_rows_and_more():
    assert len(REFUSED) >= 20


@pytest.mark.parametrize(("text", "arguments", "environment", "words"), REFUSED.values(), ids=REFUSED)
def test_it_is_one_line_and_a_status_that_is_not_0(refused, text, arguments, environment, words):
    assert words in refused(text, arguments, environment)


def _of_rules_before(document, policy):
    return document | {"rules": "1"}, policy


def _in_another_order(document, policy):
    return document | {"predictors": document["predictors"][::-1]}, policy


def _of_another_predictor(document, policy):
    first, *rest = document["predictors"]
    renamed = policy.replace("[next_best_test.cardiac_involvement]", "[next_best_test.heart]")
    return document | {"predictors": [first | {"name": "heart"}, *rest]}, renamed


@pytest.fixture(params=[_of_rules_before, _in_another_order, _of_another_predictor])
def of_other_rules(tmp_path, monkeypatch, request):
    folder = Path(shutil.copytree(default_folder(), tmp_path / "model"))
    given = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    document, policy = request.param(given, (folder / "policy.toml").read_text(encoding="utf-8"))
    (folder / "policy.toml").write_text(policy, encoding="utf-8")
    (folder / "model.json").write_text(
        json.dumps(document | {"sha256": checksum(document)}), encoding="utf-8"
    )
    (tmp_path / "imnm.toml").write_text(f'model = "model"\n{OPEN}')
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", [("check",), ("serve",), ("explain", "chart.json")], ids=" ".join)
def test_a_model_of_other_rules_is_not_served(of_other_rules, monkeypatch, capsys, command):
    monkeypatch.setattr(Supervisor, "__init__", served_all_the_same)
    monkeypatch.setattr(sys, "argv", ["imnm-cds", *command, "--config", "imnm.toml"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "in this order, of version 2 of the clinical rules" in capsys.readouterr().err


def test_a_process_ends_with_that_line_and_status(tmp_path):
    result = ended(tmp_path, "")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "imnm-cds: there is no [[client]] block: nobody could call; see docs/configuration.md"
    ]


def test_a_port_of_metrics_that_is_taken_is_one_line(refused):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"metrics_port: cannot listen on 127.0.0.1:{port}" in refused(f"metrics_port = {port}\n{OPEN}")
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ  # nobody is told to count into a folder that is gone


def test_metrics_without_a_folder_for_temporary_files_are_one_line(refused, monkeypatch):
    def none_is_writable(**_):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr("cds_service.web.ingress.metrics.TemporaryDirectory", none_is_writable)
    said = refused(f"metrics_port = {free_port()}\n{OPEN}")
    assert "metrics_port: needs a folder for temporary files: No usable temporary directory found" in said


def test_a_key_of_another_certificate_is_one_line(refused, tmp_path):
    TLS.cert_chain_pems[0].write_to_path(tmp_path / "one.pem")
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(tmp_path / "two.key")
    said = refused(OPEN, ["--certfile", "one.pem", "--keyfile", "two.key"])
    assert "not a certificate and its key" in said


def test_a_key_with_a_passphrase_is_one_line_and_nobody_is_asked_for_it(refused, tmp_path):
    TLS.cert_chain_pems[0].write_to_path(tmp_path / "one.pem")
    key = serialization.load_pem_private_key(TLS.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"a passphrase"),
    )
    (tmp_path / "locked.key").write_bytes(locked)
    said = refused(OPEN, ["--certfile", "one.pem", "--keyfile", "locked.key"])
    assert "not a certificate and its key without a passphrase" in said


def test_open_clients_are_served_to_all_where_the_operator_says_so_and_told_so(tmp_path):
    with served(open_config(tmp_path), more=["--host", "0.0.0.0", "--allow-unproved-callers"]) as service:
        (line,) = service.complaints()
    assert line.startswith("imnm-cds: warning: callers prove nothing here")


def test_variables_that_set_something_are_taken(monkeypatch):
    monkeypatch.setenv("IMNM_CDS_FHIR_TOKEN", "for check --connect")
    monkeypatch.setenv("IMNM_CDS_CARD_SECRET", "0123456789abcdef")
    monkeypatch.setenv("IMNM_CDS_HOSTS", json.dumps(["CDS.hospital.example", "[::1]"]))
    assert load_settings().hosts == ("cds.hospital.example", "[::1]")
    monkeypatch.setenv("IMNM_CDS_COLOUR", "1")
    with pytest.raises(SettingsError, match="environment IMNM_CDS_COLOUR: there is no such setting"):
        load_settings()


def test_a_worker_that_cannot_start_ends_the_service_with_one_line(tmp_path):
    """The configuration is sound when it is checked, and not any more when the worker opens the store."""
    folder = tmp_path / "kept"
    folder.mkdir()
    (tmp_path / "sitecustomize.py").write_text(
        f"import os\nos.register_at_fork(after_in_child=lambda: os.path.exists({str(folder)!r}) and os.rmdir({str(folder)!r}))\n"
    )
    text = f'store = "kept/feedback.sqlite"\n{OPEN}'
    result = ended(tmp_path, text, ["--workers", "2"], {"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    assert result.returncode == 1
    said = result.stderr.splitlines()
    assert said[-1] == "imnm-cds: a worker could not start, so the service ends"
    assert set(said[:-1]) == {next(line for line in said if "a worker could not start: store: " in line)}
