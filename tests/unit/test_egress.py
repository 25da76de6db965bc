import pytest

from cds_service.fhir.egress import next_address

BASE = "https://ehr.example/fhir"
ASKED = f"{BASE}/Observation?patient=p1"


@pytest.mark.parametrize(
    ("link", "address"),
    [
        (f"{BASE}?_getpages=1", f"{BASE}?_getpages=1"),
        ("https://EHR.example/fhir?_getpages=1", f"{BASE}?_getpages=1"),
        ("https://ehr.example:443/fhir?_getpages=1", f"{BASE}?_getpages=1"),
        ("http://ehr.example/fhir?_getpages=1", f"{BASE}?_getpages=1"),
        ("http://ehr.example:80/fhir?_getpages=1", f"{BASE}?_getpages=1"),
        ("/other/path?page=2#x", "https://ehr.example/other/path?page=2"),
        ("?page=2", f"{BASE}/Observation?page=2"),
        ("Observation?page=2", f"{BASE}/Observation?page=2"),
        ("//ehr.example/fhir?page=2", f"{BASE}?page=2"),
    ],
)
def test_a_next_link_on_the_same_server_is_asked_there(link, address):
    assert next_address(BASE, ASKED, link) == address


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/fhir?page=2",
        "https://ehr.example.evil.example/fhir?page=2",
        "https://ehr.example@evil.example/fhir",
        "https://user@ehr.example/fhir",
        "https://ehr.example:8443/fhir?page=2",
        "https://ehr.example:80/fhir?page=2",
        "http://ehr.example:443/fhir?page=2",
        "https://evil.example/?base=https://ehr.example/fhir",
        "//evil.example/fhir",
        "https:\\\\evil.example",
        "\\\\evil.example/fhir",
        "https://ehr.example\\@evil.example/fhir",
        "ftp://ehr.example/fhir",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://ehr.example",
        "https://ehr.example /fhir",
        "https://ehr.example/fhir\r\nX: 1",
        "https://ehr。example/fhir",
        "",
    ],
)
def test_a_next_link_that_leads_elsewhere_is_not_followed(link):
    assert next_address(BASE, ASKED, link) is None


def test_a_port_is_part_of_the_server():
    base = "http://[::1]:8080/fhir"
    assert next_address(base, f"{base}/Condition?x=1", "https://[::1]:8080/fhir?page=2") == f"{base}?page=2"
    assert next_address(base, f"{base}/Condition?x=1", "http://[::1]/fhir?page=2") is None
