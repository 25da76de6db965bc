"""What start-up refuses of a client that proves itself, and of one that does not: one line, which says what to do."""

import pytest

from cds_service.commands.explain import caller_for
from cds_service.settings.client import Client
from cds_service.settings.service import SettingsError, load_settings
from cds_service.web.app import create_app
from tests.support.tokens import key_set

STORE = 'store = "store.sqlite"\n'
PUBLIC = 'public_url = "https://cds.example/imnm"\n'
BLOCK = '[[client]]\nname = "a"\nfhir_base = "https://a.example"\nauth = "jwt"\n'
ISSUER, URL = 'issuer = "https://a.example"\n', 'jwks_url = "https://a.example/jwks"\n'
GOOD = STORE + PUBLIC + BLOCK + ISSUER + URL
SECOND = BLOCK.replace('"a"', '"b"').replace("//a", "//b") + ISSUER + URL
OPEN = '[[client]]\nname = "open"\n'


def started(folder, text):
    file = folder / "imnm.toml"
    file.write_text(text)
    return create_app(load_settings(file))


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace(URL, 'jwks_file = "keys.json"\n'),
        GOOD.replace("https://a.example/jwks", "http://127.0.0.1:8080/jwks"),
        GOOD.replace("https://cds.example/imnm", "http://localhost:8000"),
        GOOD.replace(PUBLIC, "") + '[client.audience]\nimnm-recurrence = "https://cds.example/hook"\n',
        GOOD + 'algorithms = ["RS256"]\ntenant = "t"\n',
        GOOD.replace('"https://a.example"\n' + URL, '["https://a.example", "https://b.example"]\n' + URL),
        GOOD + 'tenant = "a"\n' + SECOND + 'tenant = "b"\n',
    ],
)
def test_a_client_that_proves_itself_starts(tmp_path, text):
    (tmp_path / "keys.json").write_bytes(key_set())
    started(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace(ISSUER, ""), 'client[0]: client a: auth = "jwt" needs issuer'),
        (GOOD.replace(URL, ""), 'client[0]: client a: auth = "jwt" needs one of jwks_url and jwks_file'),
        (GOOD + 'jwks_file = "k"\n', 'client[0]: client a: auth = "jwt" needs one of jwks_url and jwks_file'),
        (GOOD + "algorithms = []\n", "client[0]: client a: algorithms is empty"),
        (GOOD + 'algorithms = ["HS256"]\n', "client[0].algorithms[0]: "),
        (GOOD + 'algorithms = ["none"]\n', "client[0].algorithms[0]: "),
        (GOOD.replace(STORE, ""), 'client: client a: auth = "jwt" needs store'),
        (
            GOOD.replace(STORE, STORE + 'cors_origins = ["*"]\n'),
            'client: client a: auth = "jwt" needs cors_origins',
        ),
        (
            GOOD.replace("https://a.example/jwks", "http://a.example/jwks"),
            "client[0].jwks_url: must be an https",
        ),
        (GOOD.replace("https://cds", "http://cds"), "public_url: must be an https"),
        (GOOD + OPEN, 'client: client open: a service with a public_url needs auth = "jwt"'),
        (
            GOOD.replace(PUBLIC, "") + '[client.audience]\nimnm-recurrence = "https://x"\n' + OPEN,
            'client: client open: needs auth = "jwt": client a has an audience',
        ),
        (PUBLIC + OPEN, 'client: client open: a service with a public_url needs auth = "jwt"'),
        (OPEN + ISSUER, 'client[0]: client open: issuer is for auth = "jwt"'),
        (
            OPEN + '[client.audience]\nx = "https://x"\n',
            'client[0]: client open: audience is for auth = "jwt"',
        ),
        (GOOD + SECOND, "client: two [[client]] blocks have the same issuer"),
        (
            GOOD + BLOCK.replace('"a"', '"b"') + 'issuer = "https://b.example"\n' + URL,
            "client: two [[client]] blocks have the same fhir_base",
        ),
        (GOOD + "feedback_a_day = 0\n", "client[0].feedback_a_day: "),
        (GOOD + 'tenant = ""\n', "client[0].tenant: "),
    ],
)
def test_a_configuration_that_leaves_a_door_open_is_refused_with_file_and_key(tmp_path, text, message):
    file = tmp_path / "imnm.toml"
    with pytest.raises(SettingsError) as caught:
        started(tmp_path, text)
    assert str(caught.value).startswith(f"{file}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace(PUBLIC, ""), "client a: needs public_url, or an audience for imnm-recurrence"),
        (
            GOOD + '[client.audience]\nother = "https://x"\n',
            "client a: audience: other is no service that is offered",
        ),
        (
            GOOD.replace(URL, 'jwks_file = "none.json"\n'),
            "jwks_file: {folder}/none.json cannot be read: No such",
        ),
        (GOOD.replace(URL, 'jwks_file = "imnm.toml"\n'), "jwks_file: {folder}/imnm.toml is not JSON"),
    ],
)
def test_what_only_the_service_can_know_is_refused_too(tmp_path, text, message):
    with pytest.raises(SettingsError) as caught:
        started(tmp_path, text)
    assert str(caught.value).startswith(message.format(folder=tmp_path))
    assert "\n" not in str(caught.value)


def test_a_client_without_a_word_about_it_is_open_as_before():
    client = Client(name="a", fhir_base="https://a.example")
    assert (client.auth, client.fhir_base, client.issuer) == ("none", ("https://a.example",), ())


def test_explain_reads_a_file_by_the_settings_of_a_client_with_several_bases():
    client = Client(name="a", fhir_base=["https://a.example", "https://b.example"], time_zone="Asia/Tokyo")
    assert str(caller_for(client).mapping.time_zone) == "Asia/Tokyo"


def test_a_client_may_have_several_bases():
    client = Client(name="a", fhir_base=["https://a.example/", "https://b.example"])
    assert client.fhir_base == ("https://a.example", "https://b.example")
