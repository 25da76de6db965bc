"""What the demonstration prints: the card, the FHIR requests that were made for it, and where to go on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

from rich.console import Console
from rich.text import Text

from cds_service.cards.why import silence
from cds_service.cds_client import Exchange
from cds_service.demo.ehr import Served
from cds_service.demo.patients import SamplePatient, Samples
from cds_service.terminal import show_card, show_silence

SANDBOX = "https://sandbox.cds-hooks.org"
LOCAL_NETWORK = "If your browser asks whether that page may reach your local network, allow it."
_CODES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the demonstration runs: base of the service, FHIR base of the EHR; and the origin of the sandbox's page."""

    service: str
    fhir: str
    sandbox: str = SANDBOX

    @property
    def discovery(self) -> str:
        """The discovery address, as a CDS client wants it."""
        return f"{self.service}/cds-services"

    @property
    def sandbox_name(self) -> str:
        """Which sandbox it is, in words."""
        return "the public CDS Hooks sandbox" if self.sandbox == SANDBOX else f"the sandbox at {self.sandbox}"

    def launch(self, patient: str) -> str:
        """A link that opens a patient's chart in the sandbox."""
        values = {"fhirServiceUrl": self.fhir, "patientId": patient, "serviceDiscoveryURL": self.discovery}
        return f"{self.sandbox}/?" + "&".join(
            f"{name}={quote(value, safe='')}" for name, value in values.items()
        )


def show_answer(
    console: Console,
    sample: SamplePatient,
    exchange: Exchange,
    served: Sequence[Served],
    call: Mapping[str, Any],
) -> None:
    """Print the cards of the answer (or why there are none), and the FHIR requests that the service made for it.

    `call` is the audit event of the call.
    """
    console.print(Text.assemble("Chart opened: ", (sample.name, "bold")))
    _lines(console, sample.story, "")
    for card in exchange.cards:
        show_card(console, card)
    if not exchange.cards and not exchange.refusal:
        show_silence(console, why_silent(call))
    milliseconds = call.get("milliseconds", 0)
    _heading(
        console, f"FHIR requests that the service made ({len(served)}; whole answer {milliseconds:.0f} ms)"
    )
    asked = [f"  {each.method} {in_short(each.target)}" for each in served]
    width = max((len(line) for line in asked), default=0)
    _lines(
        console,
        *(f"{line:<{width}}  {result_in_short(each):>9}" for line, each in zip(asked, served, strict=True)),
    )


def why_silent(call: Mapping[str, Any]) -> str:
    """Say why an answer is `cards: []`, from the audit event of the call."""
    if call.get("memory") == "overridden":
        return (
            "Assessed: you overrode this card, and it would say the same. It stays away for a time (rule V8)."
        )
    return silence(call.get("eligibility", "none"), call.get("band", "none"))


def show_next_steps(
    console: Console, addresses: Addresses, exchange: Exchange, known: Samples, *, served: bool
) -> None:
    """Print the addresses to go on with (as long as they are `served`), and the other patients."""
    if served:
        patient = exchange.request["context"]["patientId"]
        _heading(console, "Go on from here (Ctrl-C ends both servers)")
        _lines(console, f"  Start page   {addresses.service}/", f"  Discovery    {addresses.discovery}")
        _lines(console, f"  FHIR server  {addresses.fhir}")
        _heading(console, "The same call again")
        body = json.dumps(exchange.request, indent=1).splitlines()
        _lines(
            console,
            f"  curl -s {exchange.url} \\",
            "    -H 'Content-Type: application/json' \\",
            f"    -d '{body[0]}",
            *(f"    {line}" for line in body[1:-1]),
            f"    {body[-1]}'",
        )
        _heading(console, f"The same chart in {addresses.sandbox_name}")
        _lines(console, f"  {addresses.launch(patient)}", f"  {LOCAL_NETWORK}")
    _heading(console, "Other sample patients: --patient NAME")
    width = max(len(sample.name) for sample in known.patients)
    _lines(console, *(f"  {sample.name:<{width}}  {sample.story}" for sample in known.patients))
    if not served:
        _lines(console, "", "Without --once the servers stay, and their addresses stand here.")


def result_in_short(served: Served) -> str:
    """What a FHIR request gave, in a word or two."""
    if served.status != 200:  # noqa: PLR2004
        return f"HTTP {served.status}"
    return "read" if served.matches is None else f"{served.matches} found"


def in_short(target: str) -> str:
    """A FHIR request for people: percent-encoding undone; the page size, the patient and most of many codes left out."""
    path, _, query = target.partition("?")
    shown = []
    for name, value in parse_qsl(query):
        if name == "_count":
            continue
        values = value.split(",")
        if name == "patient":
            shown.append("patient=…")
        elif len(values) > _CODES_SHOWN:
            shown.append(f"{name}={','.join(values[:_CODES_SHOWN])},… ({len(values)})")
        else:
            shown.append(f"{name}={value}")
    return f"{path}?{'&'.join(shown)}" if shown else path


def _heading(console: Console, words: str) -> None:
    console.print(Text(f"\n{words}", style="bold"))


def _lines(console: Console, *lines: str) -> None:
    """Print lines as they are: an address or a command must be copied whole."""
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)
