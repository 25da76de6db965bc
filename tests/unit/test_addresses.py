"""Which addresses of the configuration may be connected to, in every spelling that a resolver would understand."""

from ipaddress import ip_address

import pytest
from pydantic import ValidationError

from cds_service.settings.addresses import is_own_machine, kind_of, literal, refusal
from cds_service.settings.client import Client

METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.169.254.",
    "2852039166",
    "0xa9fea9fe",
    "0xA9.0xFE.0xA9.0xFE",
    "0251.0376.0251.0376",
    "025177524776",
    "169.254.43518",
    "169.16689662",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "[fe80::1]",
    "[fe80::a9fe:a9fe%25eth0]",
    "[fd00:ec2::254]",
    "[fd00:0ec2:0:0:0:0:0:0254]",
    "[fd20:ce::254]",
    "100.100.100.200",
    "1684301000",
    "192.0.0.192",
    "168.63.129.16",
]
NAMES = [
    "metadata.google.internal",
    "METADATA.google.internal.",
    "metadata",
    "metadata.goog",
    "instance-data",
]
UNUSABLE = [
    "0.0.0.0",
    "0",
    "[::]",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "[ff02::1]",
    "[::ffff:0.0.0.0]",
    "[2001:db8::1]",
    "[2001::1]",
    "[fec0::1]",
    "[::7f00:1]",
    "[64:ff9b:1::7f00:1]",
]
PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "167772161",
    "0x0a000001",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::10.0.0.1]",
]
OWN = [
    "127.0.0.1",
    "127.1",
    "127.0.0.53",
    "2130706433",
    "0x7f000001",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "localhost",
    "LOCALHOST.",
]
PUBLIC = ["8.8.8.8", "172.32.0.1", "[2606:4700::1111]", "hapi.fhir.org", "metadata.hospital.example", "1.1"]


def refused(host: str, scheme: str = "https", **client: object) -> str:
    try:
        Client(name="hospital", fhir_base=f"{scheme}://{host}/fhir", **client)
    except ValidationError as error:
        return str(error.errors()[0]["msg"])
    return ""


@pytest.mark.parametrize("host", [*METADATA, *NAMES])
def test_a_metadata_service_is_refused_at_start_up_whatever_is_permitted(host):
    assert "metadata service" in refused(host, private_network=True, plain_http=True)
    assert "metadata service" in refused(host, "http", private_network=True, plain_http=True)


@pytest.mark.parametrize("host", UNUSABLE)
def test_an_address_that_no_server_has_is_refused_whatever_is_permitted(host):
    assert "none of a server" in refused(host, private_network=True, plain_http=True)


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_address_needs_the_setting_that_the_refusal_names(host):
    assert "private_network is not set" in refused(host)
    assert refused(host, private_network=True) == ""


@pytest.mark.parametrize("host", OWN)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_this_machine_by_its_own_name_needs_no_setting(host, scheme):
    assert refused(host, scheme) == ""


@pytest.mark.parametrize("host", PUBLIC)
def test_a_public_server_needs_no_setting_but_https(host):
    assert refused(host) == ""
    said = refused(host, "http")
    assert "plain_http = true" in said
    assert "client hospital: fhir_base:" in said
    assert refused(host, "http", plain_http=True) == ""


def test_a_private_server_without_https_needs_both_settings():
    assert refused("10.0.0.1", "http", private_network=True)
    assert refused("10.0.0.1", "http", plain_http=True)
    assert refused("10.0.0.1", "http", private_network=True, plain_http=True) == ""


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("address", ["8.8.8.8", "10.0.0.1", "169.254.169.254"])
def test_localhost_that_leads_elsewhere_is_refused(host, address):
    assert refusal(host, [ip_address(address)], private_network=True)


def test_one_bad_address_among_good_ones_refuses_them_all():
    good, bad = ip_address("8.8.8.8"), ip_address("10.0.0.1")
    assert refusal("ehr.example", [good], private_network=False) == ""
    assert "private_network" in refusal("ehr.example", [good, bad], private_network=False)
    assert "private_network" in refusal("ehr.example", [bad, good], private_network=False)


def test_a_name_is_no_literal_and_not_this_machine():
    assert literal("ehr.example") is None
    assert not is_own_machine("localhost.evil.example")
    assert not is_own_machine("127.0.0.1.evil.example")


def test_every_kind_has_an_address():
    kinds = {kind_of(ip_address(a)) for a in ("8.8.8.8", "127.0.0.1", "10.0.0.1", "169.254.0.1", "0.0.0.0")}
    assert kinds == {"public", "loopback", "private", "metadata", "unusable"}
