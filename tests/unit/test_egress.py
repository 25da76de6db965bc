import pytest

from cds_service.fhir.bundle import UnreadableError
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
        ("/fhir/other/path?page=2#x", f"{BASE}/other/path?page=2"),
        ("../fhir/Observation?page=2", f"{BASE}/Observation?page=2"),
        (f"{BASE}/Observation/a%2Fb?page=2", f"{BASE}/Observation/a%2Fb?page=2"),
        (f"{BASE}/?page=../../x", f"{BASE}/?page=../../x"),
        ("?page=2", f"{BASE}/Observation?page=2"),
        ("Observation?page=2", f"{BASE}/Observation?page=2"),
        ("//ehr.example/fhir?page=2", f"{BASE}?page=2"),
        (
            f"{BASE}?since=2020-01-01T00:00:00 00:00&page=2",
            f"{BASE}?since=2020-01-01T00:00:00%2000:00&page=2",
        ),
        (f"{BASE}?name=Jörg\u00a0日&page=2", f"{BASE}?name=J%C3%B6rg%C2%A0%E6%97%A5&page=2"),
        (f"{BASE}?name=J%C3%B6rg&page=2", f"{BASE}?name=J%C3%B6rg&page=2"),
        ("Kranke Leute?page=2", f"{BASE}/Kranke%20Leute?page=2"),
        (f"{BASE}?code=a|b,<c>&page=2", f"{BASE}?code=a|b,<c>&page=2"),
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
        "ftp://ehr.example/fhir",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://ehr.example",
        "https://ehr.example /fhir",
        "https://ehr。example/fhir",
    ],
)
def test_a_next_link_that_leads_elsewhere_is_not_followed(link):
    with pytest.raises(UnreadableError, match="it lies on another server"):
        next_address(BASE, ASKED, link)


@pytest.mark.parametrize(
    "link",
    [
        "/",
        "/other/path?page=2",
        "/fhirx?page=2",
        "/FHIR?page=2",
        "/x?page=2/../fhir",
        "../../admin",
        "../admin",
        f"{BASE}/../admin",
        f"{BASE}/%2e%2e/admin",
        f"{BASE}/%2E./admin",
        f"{BASE}/.%2e/admin",
        f"{BASE}/%252e%252e/admin",
        f"{BASE}/%25252e%25252e/admin",
        f"{BASE}/%2525252525252e%2525252525252e/admin",
        f"{BASE}/..%2fadmin",
        f"{BASE}/..%5cadmin",
        f"{BASE}/x%5c..%5c..%5cadmin",
        f"{BASE}/..;/admin",
        f"{BASE}/..;x=1/admin",
        f"{BASE}/%2e%2e%3bx/admin",
        f"{BASE}/./Observation",
        f"{BASE}/x/..",
        f"{BASE}%2f..%2fadmin",
        "https://ehr.example?page=2",
        "https://ehr.example/%66hir/../admin",
    ],
)
def test_a_next_link_that_leaves_the_path_of_the_base_is_not_followed(link):
    with pytest.raises(UnreadableError, match=r"it lies outside the path of fhir_base"):
        next_address(BASE, ASKED, link)


@pytest.mark.parametrize(
    "link",
    [
        "",
        "https:\\\\evil.example",
        "\\\\evil.example/fhir",
        "https://ehr.example\\@evil.example/fhir",
        "https://ehr.example/fhir\r\nX: 1",
        "https://ehr.example/fhir?page=\t2",
        "https://ehr.example/fhir?page=\x7f2",
        "https://ehr.example/fhir?page=\ud8002",
        "https://ehr.example:443:443/fhir?page=2",
        "https://ehr.example:fhir/fhir?page=2",
        "https://ehr.example:99999/fhir?page=2",
        "https://[ehr.example/fhir?page=2",
        "https://[v1.x/fhir",
    ],
)
def test_a_next_link_that_is_no_address_is_not_said_to_lie_elsewhere(link):
    with pytest.raises(UnreadableError, match="its address cannot be read"):
        next_address(BASE, ASKED, link)


def test_a_port_is_part_of_the_server():
    base = "http://[::1]:8080/fhir"
    assert next_address(base, f"{base}/Condition?x=1", "https://[::1]:8080/fhir?page=2") == f"{base}?page=2"
    with pytest.raises(UnreadableError):
        next_address(base, f"{base}/Condition?x=1", "http://[::1]/fhir?page=2")


def test_a_base_without_a_path_leaves_all_of_its_server():
    base = "https://ehr.example"
    assert next_address(base, f"{base}/Condition?x=1", "/other?page=2") == f"{base}/other?page=2"
    assert next_address(base, f"{base}/Condition?x=1", f"{base}?page=2") == f"{base}?page=2"
