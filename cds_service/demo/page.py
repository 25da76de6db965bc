"""The start page of the demonstration: what runs here, and a link to every sample patient's chart."""

from html import escape

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from cds_service.demo.patients import Samples
from cds_service.demo.report import Addresses

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>imnm-cds demonstration</title>
<style>body {{ font: 1rem/1.5 sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }}</style>
<h1>imnm-cds demonstration</h1>
<p>A CDS Hooks service for immune-mediated necrotizing myopathy, and an EHR with synthetic patients. For evaluation,
not for clinical use.</p>
<p>Discovery: <a href="{discovery}">{discovery}</a><br>FHIR server: <a href="{metadata}">{fhir}</a></p>
<h2>Open a chart in the public CDS Hooks sandbox</h2>
<p>Your browser asks whether that page may reach your local network: allow it.</p>
<ul>
{patients}
</ul>
</html>
"""


def start_page(addresses: Addresses, known: Samples) -> str:
    """The page as HTML."""
    patients = [
        f'<li><a href="{escape(addresses.sandbox(sample.name))}">{escape(sample.name)}</a>: {escape(sample.story)}</li>'
        for sample in known.patients
    ]
    return _PAGE.format(
        discovery=escape(addresses.discovery),
        fhir=escape(addresses.fhir),
        metadata=escape(addresses.fhir + "/metadata"),
        patients="\n".join(patients),
    )


def with_start_page(app: ASGIApp, addresses: Addresses, known: Samples) -> ASGIApp:
    """The application with the start page at `/`."""
    page = HTMLResponse(start_page(addresses, known))

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        is_start = scope["type"] == "http" and scope["path"] == "/" and scope["method"] in {"GET", "HEAD"}
        await (page if is_start else app)(scope, receive, send)

    return served
