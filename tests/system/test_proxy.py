"""The reverse proxy of `docs/deploy/nginx.conf`, run as it stands but for names and ports, in front of a service."""

import re
import shutil
import socket
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import trustme

from tests.support.charts import imnm_chart
from tests.support.needs import need
from tests.support.raw import statuses, until_closed
from tests.support.service import SERVICE, call_body, prefetch_of
from tests.support.serving import ROOT, eventually, free_port, served
from tests.support.tokens import bearer_now, proving_file

RECIPE = ROOT / "docs" / "deploy" / "nginx.conf"
SETTINGS = 'hosts = ["localhost"]\ntrusted_proxies = ["127.0.0.1"]\n'
BODY = call_body(fhirServer=None, prefetch=prefetch_of(imnm_chart()))


class Proxied:
    """A service behind the proxy."""

    def __init__(self, service, port: int, context: ssl.SSLContext) -> None:
        self.service = service
        self.port = port
        self.context = context
        self.http = httpx.Client(
            base_url=f"https://localhost:{port}", verify=context, timeout=20, trust_env=False
        )

    def said(self, request: bytes) -> list[int]:
        """The statuses that bytes of our own choice get."""
        with (
            socket.create_connection(("127.0.0.1", self.port)) as plain,
            self.context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            connection.settimeout(20)
            with suppress(OSError):
                connection.sendall(request)
            return statuses(until_closed(connection))


def recipe(folder: Path, proxy: int, service: int) -> Path:
    """The recipe with the names, ports and files of this test; every replacement must be one."""
    text = RECIPE.read_text(encoding="utf-8")
    for old, new in {
        "127.0.0.1:8080": f"127.0.0.1:{service}",
        "listen 443": f"listen 127.0.0.1:{proxy}",
        "cds.hospital.example;": "localhost;",
        "/etc/ssl/cds.hospital.example.pem": str(folder / "chain.pem"),
        "/etc/ssl/private/cds.hospital.example.key": str(folder / "key.pem"),
    }.items():
        assert old in text
        text = text.replace(old, new)
    paths = "".join(
        f"    {kind}_temp_path {folder / kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(f"pid {folder / 'pid'};\n" + re.sub(r"http \{\n", f"http {{\n{paths}", text))
    return file


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    nginx = shutil.which("nginx", path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin")
    need(nginx is not None, "nginx (nginx-light) for the reverse proxy")
    assert nginx
    folder = tmp_path_factory.mktemp("proxy")
    folder.chmod(0o755)
    authority = trustme.CA()
    certificate, context = authority.issue_cert("localhost"), ssl.create_default_context()
    authority.configure_trust(context)
    (folder / "key.pem").write_bytes(certificate.private_key_pem.bytes())
    (folder / "chain.pem").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    config, ports = proving_file(folder, SETTINGS), (free_port(), free_port())
    file = recipe(folder, *ports)
    with served(config, port=ports[1]) as service, (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen(
            [nginx, "-c", str(file), "-e", str(folder / "error.log"), "-g", "daemon off;"],
            stdout=log,
            stderr=log,
        )
        proxy = Proxied(service, ports[0], context)
        try:
            eventually(lambda: reached(proxy), "the proxy answers", seconds=20)
            yield proxy
        finally:
            proxy.http.close()
            process.terminate()
            process.wait(20)


def reached(proxy: Proxied) -> bool:
    with suppress(httpx.TransportError):
        return proxy.http.get("/cds-services").status_code == 200
    return False


def test_a_card_comes_through_the_proxy_and_the_event_names_the_caller(proxied):
    headers = {"X-Forwarded-For": "203.0.113.7", "Authorization": bearer_now()}
    answer = proxied.http.post(SERVICE, json=BODY, headers=headers)
    assert (answer.status_code, len(answer.json()["cards"])) == (200, 1)
    eventually(lambda: proxied.service.events("hook-call"), "its event is there")
    event = proxied.service.events("hook-call")[-1]
    assert event["peer"] == "127.0.0.1"


def test_nothing_but_the_services_is_reached_through_the_proxy(proxied):
    for path in ("/health", "/ready", "/metrics", "/x"):
        assert proxied.http.get(path).status_code == 404


def test_what_has_two_readings_serves_no_hidden_request(proxied):
    before = len(proxied.service.events("request"))
    head = f"POST {SERVICE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    hidden = "GET /cds-services/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for lengths in (
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 5",
    ):
        assert proxied.said(f"{head}{lengths}\r\n\r\n0\r\n\r\n{hidden}".encode()) == [400]
    assert [e for e in proxied.service.events("request")[before:] if e["target"] == "service"] == []


def test_another_name_is_refused_in_the_handshake_and_by_the_service(proxied):
    with socket.create_connection(("127.0.0.1", proxied.port)) as plain, pytest.raises(ssl.SSLError):
        proxied.context.wrap_socket(plain, server_hostname="evil.example")
    direct = httpx.get(f"{proxied.service.base}/cds-services", trust_env=False)
    assert direct.status_code == 421
    assert direct.json()["resourceType"] == "OperationOutcome"


def test_a_body_that_is_too_long_is_413(proxied):
    answer = proxied.http.post(
        SERVICE, content=b" " * (17 * 2**20), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413


def test_slow_callers_in_front_of_the_proxy_cost_an_honest_one_nothing(proxied):
    held = [socket.create_connection(("127.0.0.1", proxied.port)) for _ in range(100)]
    try:
        for _ in range(5):
            answer = proxied.http.post(SERVICE, json=BODY, headers={"Authorization": bearer_now()})
            assert answer.status_code == 200
    finally:
        for connection in held:
            connection.close()
