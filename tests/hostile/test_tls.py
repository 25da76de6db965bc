"""B5: a server that cannot prove who it is gets no question and no token; one with the hospital's own authority does."""

import datetime as dt
import ssl
import warnings

import pytest
import trustme

from cds_service.settings.client import Client
from cds_service.settings.service import SettingsError
from tests.support.charts import healthy_chart
from tests.support.loopback import loopback, response
from tests.support.network import networked, of_chart
from tests.support.service import authorization, call_body

NOW = dt.datetime.now(dt.UTC)
HONEST = of_chart(healthy_chart("p1"))
OURS, OTHERS = trustme.CA(), trustme.CA()


def context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(made)
    return made


def self_signed() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    lonely = trustme.CA()
    with lonely.private_key_pem.tempfile() as key, lonely.cert_pem.tempfile() as certificate:
        made.load_cert_chain(certificate, key)
    return made


def old(newest: ssl.TLSVersion) -> ssl.SSLContext:
    made = context(OURS.issue_cert("localhost"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is what is tried
        made.minimum_version, made.maximum_version = ssl.TLSVersion.TLSv1, newest
    made.set_ciphers("ALL:@SECLEVEL=0")
    return made


def of_another_age(begin: int, end: int) -> ssl.SSLContext:
    begin_, end_ = (NOW + dt.timedelta(days=days) for days in (begin, end))
    return context(OURS.issue_cert("localhost", not_before=begin_, not_after=end_))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    file = tmp_path_factory.mktemp("tls") / "hospital.pem"
    OURS.cert_pem.write_to_path(file)
    return file


BAD = {
    "self-signed": (self_signed, "certificate is not trusted"),
    "another authority": (lambda: context(OTHERS.issue_cert("localhost")), "certificate is not trusted"),
    "expired": (lambda: of_another_age(-30, -1), "certificate is not trusted"),
    "not valid yet": (lambda: of_another_age(1, 30), "certificate is not trusted"),
    "another host": (lambda: context(OURS.issue_cert("ehr.example")), "certificate is not trusted"),
    "an address, not the name": (lambda: context(OURS.issue_cert("127.0.0.1")), "certificate is not trusted"),
    "TLS 1.0": (lambda: old(ssl.TLSVersion.TLSv1), "no connection"),
    "TLS 1.1": (lambda: old(ssl.TLSVersion.TLSv1_1), "no connection"),
    "no TLS": (lambda: None, "timed out"),
}


async def called(server, **client):
    base = server.base.replace("http://127.0.0.1", "https://localhost")
    async with networked(Client(name="hospital", fhir_base=base, answer_seconds=1.5, **client)) as service:
        return await service.hook(call_body(fhirServer=base, fhirAuthorization=authorization("secret-1")))


@pytest.mark.parametrize(("tls", "failure"), BAD.values(), ids=BAD)
async def test_a_server_that_cannot_prove_who_it_is_gets_no_question(tls, failure, authority):
    async with loopback(HONEST, tls()) as server:
        answer = await called(server, ca_file=authority)
    assert answer.status_code == 412
    assert failure in answer.text
    assert server.asked == []


async def test_a_redirect_to_plain_http_is_not_followed(authority):
    async with loopback(HONEST) as plain:
        away = response(b"", 302, {"Location": f"{plain.base}/Condition"})
        async with loopback(lambda *_: away, context(OURS.issue_cert("localhost"))) as server:
            answer = await called(server, ca_file=authority)
    assert "HTTP 302" in answer.text
    assert (len(server.asked), plain.connections) == (3, 0)


async def test_the_authority_of_one_hospital_is_not_trusted_for_another_or_for_all():
    async with loopback(HONEST, context(OURS.issue_cert("localhost"))) as server:
        answer = await called(server)
    assert "certificate is not trusted" in answer.text
    assert server.asked == []


async def test_a_server_with_the_hospitals_own_authority_is_read(authority):
    async with loopback(HONEST, context(OURS.issue_cert("localhost"))) as server:
        answer = await called(server, ca_file=authority)
    assert answer.json() == {"cards": []}
    assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer secret-1"}


async def test_a_name_that_is_looked_up_is_the_one_in_tls_and_in_the_certificate(authority, monkeypatch):
    monkeypatch.setattr("cds_service.fhir.network.look_up", lambda _: ["127.0.0.1"])
    for name, read in (("ehr.hospital.example", True), ("other.hospital.example", False)):
        names = []
        tls = context(OURS.issue_cert("ehr.hospital.example"))
        tls.sni_callback = lambda _socket, asked, _context, names=names: names.append(asked)
        async with loopback(HONEST, tls) as server:
            base = f"https://{name}:{server.port}/fhir"
            client = Client(name="a", fhir_base=base, private_network=True, ca_file=authority)
            async with networked(client) as service:
                answer = await service.hook(call_body(fhirServer=base))
        assert (answer.status_code == 200) is read
        assert set(names) == {name}


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\x00\xff"])
async def test_an_authority_that_cannot_be_read_stops_the_start_with_one_line(content, tmp_path):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    client = Client(name="hospital", fhir_base="https://ehr.example", ca_file=file)
    with pytest.raises(
        SettingsError, match="client hospital: ca_file: cannot be read as certificates in PEM"
    ):
        async with networked(client):
            pass
