import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from cds_service.settings.service import Settings, SettingsError, load_settings
from tests.support.ehr_simulator import BASE

ROOT = Path(__file__).parents[2]
DOCUMENTED = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
NAMES = [*Settings.model_fields, *Client.model_fields, *(field.name for field in fields(Limits))]


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_and_every_limit_is_documented(name):
    assert f"\n| `{name}` |" in DOCUMENTED


UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "h": 3600}


@pytest.mark.parametrize("limit", fields(Limits), ids=lambda limit: limit.name)
def test_the_documented_value_of_a_limit_is_its_own(limit):
    said = re.search(rf"\n\| `{limit.name}` \| ([\d,.]*\d),? ?(\w*)", DOCUMENTED)
    assert float(said[1].replace(",", "")) * UNITS.get(said[2], 1) == limit.default


@pytest.mark.parametrize("model", [Settings, Client])
def test_the_documented_default_of_a_setting_is_its_own(model):
    table = dict(re.findall(r"\n\| `(\w+)` \| ([^|]*) \|", DOCUMENTED))
    plain = {
        n: f.default for n, f in model.model_fields.items() if isinstance(f.default, bool | int | float | str)
    }
    said = {name: table[name].strip("`").replace(",", "") for name in plain}
    assert said == {name: json.dumps(default) for name, default in plain.items()}


def test_every_documented_setting_exists():
    documented = [line.split("`")[1] for line in DOCUMENTED.splitlines() if line.startswith("| `")]
    assert sorted(documented) == sorted(NAMES)


def test_the_documented_example_is_a_configuration(tmp_path):
    file = tmp_path / "imnm.toml"
    file.write_text(DOCUMENTED.split("```toml\n")[1].split("```")[0])
    (client,) = load_settings(file).client
    assert client.fhir_base == ("https://fhir.hospital.example/r4",)
    assert client.site_map == tmp_path / "hospital-codes.csv"
    assert client.order_codes["ck"].code == "LAB-17"


def test_without_a_file_there_are_defaults():
    assert load_settings().client == ()


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    file = tmp_path / "imnm.toml"
    file.write_text('cors_origins = ["https://a.example"]')
    monkeypatch.setenv("IMNM_CDS_CORS_ORIGINS", '["https://b.example/"]')
    assert load_settings(file).cors_origins == ("https://b.example",)


def refused(folder, text):
    """A configuration that stops the start: its file, and what is said of it."""
    file = folder / "imnm.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    return file, str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x =", "is not TOML"),
        (f"x = {'9' * 5000}", "is not TOML: a number in it has too many digits"),
        ("colour = 1", "colour: there is no such setting"),
        ('card_secret = "0123456789abcdef"', "card_secret: belongs in the environment"),
        ("client = 1", "client: "),
        ("[[client]]", "client[0].name: is missing"),
        ('[[client]]\nname = "a\\n"', "client[0].name: "),
        ('[[client]]\nname = "a"\nfhir_base = "ftp://x"', "client[0].fhir_base[0]: must be an absolute"),
        (
            '[[client]]\nname = "a"\nfhir_base = "https://u:p@x/"',
            "client[0].fhir_base[0]: must be an absolute",
        ),
        (
            '[[client]]\nname = "a"\nfhir_base = "https://x/?q"',
            "client[0].fhir_base[0]: must be an address without",
        ),
        ('[[client]]\nname = "a"\nfhir_base = "https://x:y/"', "client[0].fhir_base[0]: "),
        ('[[client]]\nname = "a"\nfhir_version = "DSTU2"', "client[0].fhir_version: "),
        ('[[client]]\nname = "a"\ntime_zone = "Mars/X"', "client[0].time_zone: unknown time zone"),
        ('[[client]]\nname = "a"\ntime_zone = "../x"', "client[0].time_zone: unknown time zone"),
        ('[[client]]\nname = "a"\nwhen_eligibility_unknown = "no"', "client[0].when_eligibility_unknown: "),
        (
            '[[client]]\nname = "a"\n[[client]]\nname = "b"',
            "client: two [[client]] blocks have the same fhir_base",
        ),
        ('cors_origins = ["https://x/path"]', "cors_origins[0]: must be an origin"),
        (f"a = {'[' * 2000}{']' * 2000}", "is nested too deeply"),
        (f"a = {'{b = ' * 2000}1{'}' * 2000}", "is nested too deeply"),
        *(
            (f'{name} = "a{wrong}b"', f"{name}: must not contain control characters")
            for name in ("store", "model", "metrics_host")
            for wrong in ("\\u0000", "\\n", "\\u007F")
        ),
        *(
            (
                f'[[client]]\nname = "a"\n{name} = "a{wrong}"',
                f"client[0].{name}: must not contain control characters",
            )
            for name in ("site_map", "jwks_file", "ca_file")
            for wrong in ("\\u0000", "\\n", "\\u007F")
        ),
    ],
)
def test_a_bad_configuration_is_one_line_with_file_and_key(tmp_path, text, message):
    file, said = refused(tmp_path, text)
    assert said.startswith(f"{file}: {message}")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "ck-ast-alt = {}",
            "'ck-ast-alt' cannot be ordered; what can: visit, ck, ast, alt, troponin-i, ecg, ",
        ),
        ('"a\\nb" = {}', "'a\\nb' cannot be ordered; "),
        ('ck = { code = "1", display = "CK" }', "ck.system: is missing"),
        (
            'ck = { system = "urn:x", code = "1", display = "CK", unit = "1" }',
            "ck.unit: there is no such setting",
        ),
        ('ck = "LAB-17"', "ck: "),
        ('ck = { system = "local", code = "1", display = "CK" }', "ck.system: must be an address"),
        ('ck = { system = "urn:a b", code = "1", display = "CK" }', "ck.system: must be an address"),
        ('ck = { system = "urn:x", code = "a  b", display = "CK" }', "ck.code: must be a code"),
        ('ck = { system = "urn:x", code = "", display = "CK" }', "ck.code: must be a code"),
        ('ck = { system = "urn:x", code = "1", display = " " }', "ck.display: must be words on one line"),
        ('ck = { system = "urn:x", code = "1", display = "a\\nb" }', "ck.display: must be words on one line"),
    ],
)
def test_a_bad_order_code_is_one_line_with_file_client_and_key(tmp_path, line, message):
    file, said = refused(tmp_path, f'[[client]]\nname = "hospital"\n[client.order_codes]\n{line}\n')
    assert said.startswith(f"{file}: client[0].order_codes: client hospital: {message}")
    assert "\n" not in said


def test_a_file_that_is_not_there_or_not_text_is_one_line(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load_settings(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xff")
    with pytest.raises(SettingsError, match="is not UTF-8"):
        load_settings(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("IMNM_CDS_CARD_SECRET", "short-secret-x", "environment IMNM_CDS_CARD_SECRET: "),
        ("IMNM_CDS_CORS_ORIGINS", "no json", "environment IMNM_CDS_CORS_ORIGINS: must be JSON"),
        ("IMNM_CDS_CLIENT", '[{"name": "a"', "environment IMNM_CDS_CLIENT: must be JSON"),
    ],
)
def test_a_bad_variable_is_one_line_that_does_not_repeat_it(monkeypatch, name, value, message):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings()
    assert value not in str(caught.value)


def test_a_secret_is_never_shown(monkeypatch):
    monkeypatch.setenv("IMNM_CDS_CARD_SECRET", "0123456789abcdef")
    settings = load_settings()
    assert settings.card_secret.get_secret_value() == "0123456789abcdef"
    assert "0123456789abcdef" not in repr(settings)


def test_settings_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        Client(name="a").name = "b"
    with pytest.raises(ValueError, match="frozen"):
        Settings().services = ()


def test_a_base_loses_its_trailing_slash():
    assert Client(name="a", fhir_base=f"{BASE}//").fhir_base == (BASE,)


def test_a_wildcard_is_an_origin_of_its_own():
    assert Settings(cors_origins=("*", "https://x.example/")).cors_origins == ("*", "https://x.example")


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://EHR.Hospital.example", "https://ehr.hospital.example"),
        ("HTTPS://ehr.example:443/", "https://ehr.example"),
        ("http://localhost:80", "http://localhost"),
        ("http://ehr.example:443", "http://ehr.example:443"),
        ("https://[FD00::1]:08443", "https://[fd00::1]:8443"),
    ],
)
def test_an_origin_is_compared_as_a_browser_sends_it(written, sent):
    assert Settings(cors_origins=(written,)).cors_origins == (sent,)


def test_the_deadline_leaves_time_to_render():
    limits = Limits()
    assert limits.gather_seconds == pytest.approx(1.6)
    assert limits.gather_seconds < limits.answer_seconds


def test_an_authority_is_relative_to_the_file_that_names_it(tmp_path):
    file = tmp_path / "imnm.toml"
    file.write_text('[[client]]\nname = "a"\nfhir_base = "https://ehr.example"\nca_file = "ca.pem"\n')
    assert load_settings(file).client[0].ca_file == tmp_path / "ca.pem"


@pytest.mark.parametrize("seconds", [0.4, 10.1, -1, "soon"])
def test_a_client_waits_between_half_a_second_and_ten(seconds, tmp_path):
    _, said = refused(tmp_path, f'[[client]]\nname = "a"\nanswer_seconds = {seconds!r}\n')
    assert "client[0].answer_seconds" in said


@pytest.mark.parametrize(
    ("base", "named"),
    [
        ("http://ehr.example/fhir", "plain_http = true"),
        ("https://10.0.0.1/fhir", "private_network is not set"),
        ("https://2852039166/fhir", "metadata service"),
    ],
)
def test_a_base_that_may_not_be_connected_to_stops_the_start_with_one_line(base, named, tmp_path):
    file, said = refused(tmp_path, f'[[client]]\nname = "a"\nfhir_base = "{base}"\n')
    assert named in said
    assert said.startswith(f"{file}: client")
    assert "\n" not in said


def test_a_byte_order_mark_of_an_editor_is_passed_over(tmp_path):
    file = tmp_path / "imnm.toml"
    file.write_text('[[client]]\nname = "a"\n', encoding="utf-8-sig")
    assert load_settings(file).client[0].name == "a"
