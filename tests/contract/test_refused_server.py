"""A refused `fhirServer` stands in the log beside the configured ones, without its secrets; the answer says nothing of it."""

import json

import pytest

from cds_service.settings.client import Client
from cds_service.settings.service import Settings
from tests.support.ehr_simulator import BASE
from tests.support.service import call_body, running, settings

HOSTILE = (
    "https://user:pa\x1b[31mss\r\nword@ehr.exa\u202emple:8443/fhir/R4\x00\x07?token=secret#part"
    + "x" * 10_000
)


async def refused(server, configured=None):
    async with running(configured=configured or settings()) as service:
        answer = await service.hook(call_body(fhirServer=server))
        (audit,) = service.audits()
    assert (answer.status_code, audit["status"], audit["outcome"]) == (403, 403, "refused")
    return answer, audit


async def test_the_log_names_the_refused_server_beside_the_configured_ones():
    _, audit = await refused("https://ehr.example/other")
    assert audit["refused_server"] == "https://ehr.example/other"
    assert audit["configured_servers"] == [BASE]


async def test_no_secret_and_no_control_character_of_a_refused_server_gets_into_the_log():
    answer, audit = await refused(HOSTILE.replace("\x00", ""))
    assert audit["refused_server"] == "https://ehr.example:8443/fhir/R4"
    for secret in ("user", "word", "secret", "token", "x" * 20, "\x1b", "\u202e"):
        assert secret not in json.dumps(audit)
    assert "ehr.example" not in answer.text
    assert len(json.dumps(audit)) < 600


async def test_a_call_without_a_server_that_nobody_may_make_is_logged_as_such():
    single = Settings(client=(Client(name="hospital", fhir_base=BASE),))
    _, audit = await refused(None, single)
    assert audit["refused_server"] == "none"
    assert audit["configured_servers"] == [BASE]


async def test_a_call_that_is_not_refused_names_no_server():
    async with running() as service:
        await service.hook(call_body())
        (audit,) = service.audits()
    assert not {"refused_server", "configured_servers"} & audit.keys()


@pytest.mark.parametrize(
    ("server", "logged"),
    [
        ("HTTPS://EHR.example/R4/", "HTTPS://EHR.example/R4/"),
        ("ehr.example/R4", "ehr.example/R4"),
        ("ftp://ehr.example", "ftp://ehr.example"),
        ("http://[::1]:8080/fhir", "http://[::1]:8080/fhir"),
        (" https://ehr.example/R4 ", " https://ehr.example/R4 "),
        ("https://münchen.example/R4", "https://münchen.example/R4"),
        ("user:word@ehr.example/R4", "ehr.example/R4"),
        ("https://@ehr.example/R4", "https://ehr.example/R4"),
        ("https://ehr.example/R4;jsessionid=secret", "https://ehr.example/R4"),
        ("https://ehr.example?secret", "https://ehr.example"),
        ("https://ehr.example#secret", "https://ehr.example"),
        ("https://ehr.example/" + "a" * 500, "https://ehr.example/" + "a" * 100),
        # What has more than one reading is not shown at all.
        ("https://us/er:word@ehr.example/R4", "other"),
        ("https://user:wo?rd@ehr.example/R4", "other"),
        ("https://user:12#34@ehr.example/R4", "other"),
        ("https://user:word@other@ehr.example/R4", "other"),
        ("https:\\\\user:word@ehr.example/R4", "other"),
        ("https://user:word%40ehr.example/R4", "other"),
        ("https://ehr.example:word/R4", "other"),
        ("javascript:alert(1)", "other"),
        ("\u202e", "other"),
    ],
)
async def test_of_a_refused_server_scheme_host_port_and_path_are_logged(server, logged):
    _, audit = await refused(server)
    assert audit["refused_server"] == logged


async def test_of_many_configured_servers_the_first_twenty_are_logged():
    many = Settings(
        client=tuple(Client(name=f"c{n}", fhir_base=f"https://ehr.example/{n:02d}") for n in range(30))
    )
    _, audit = await refused("https://ehr.example/99", many)
    assert audit["configured_servers"] == [f"https://ehr.example/{n:02d}" for n in range(20)]
