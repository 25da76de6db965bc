"""The pages of the demonstration as HTML: the start page, a chart, and one plain sentence where something is wrong."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cds_service.demo.charts import Opened
from cds_service.demo.ehr import Served
from cds_service.demo.patients import Person, Samples
from cds_service.demo.report import Addresses, in_short, result_in_short, why_silent
from cds_service.web.pages.card import no_card, scrolled, show_card
from cds_service.web.pages.frame import page
from cds_service.web.pages.html import Html, element
from cds_service.web.store import Feedback

FEEDBACK_SHOWN = 20
_LOCAL_NETWORK = "Your browser asks whether that page may reach your local network: allow it."


@dataclass(frozen=True, slots=True)
class Known:
    """What the pages know without asking: the addresses, the sample patients, and who each of them is."""

    addresses: Addresses
    samples: Samples
    people: Mapping[str, Person]


def start_page(known: Known, feedback: Sequence[Feedback], shown: Mapping[str, Opened]) -> Html:
    """The start page: what runs here, the patients, and the feedback that the service stored, newest last."""
    addresses = known.addresses
    where = (
        ("CDS Hooks discovery", addresses.discovery, addresses.discovery),
        ("FHIR R4 server", addresses.fhir, f"{addresses.fhir}/metadata"),
    )
    return page(
        "Sample patients",
        element("h1", "Sample patients"),
        element(
            "p",
            "A CDS Hooks service for immune-mediated necrotizing myopathy (IMNM) runs here, beside a small EHR. "
            "Open a chart: the EHR calls the service and shows its card.",
        ),
        element("ul", *_patients(known), class_="patients"),
        element("p", f"The sandbox is a public web page. {_LOCAL_NETWORK}"),
        element("h2", "Feedback stored so far"),
        *_feedback(feedback, shown),
        element("h2", "What runs here"),
        element("dl", *(_address(*each) for each in where)),
    )


def chart_page(known: Known, opened: Opened) -> Html:
    """A chart with its card, or why there is none, and everything that was sent and read for it."""
    sample, milliseconds = opened.sample, opened.call.get("milliseconds", 0)
    person = known.people[sample.name]
    return page(
        f"{_title(opened)}{sample.name}",
        element("nav", element("a", "All sample patients", href="/"), aria_label="Breadcrumb"),
        element("h1", person.name),
        element("p", person.about),
        element("p", f"{sample.name}: {sample.story}"),
        *_told(opened),
        element("h2", "Decision support"),
        *_answer(opened),
        element("h2", "FHIR requests made for this answer"),
        element("p", f"{len(opened.requests)} requests; the whole answer took {milliseconds:.0f} ms."),
        _requests(opened.requests),
        element("h2", "Look closer"),
        *_raw(opened),
        element(
            "p",
            element(
                "a",
                "Open this chart in the public CDS Hooks sandbox",
                href=known.addresses.sandbox(sample.name),
            ),
            f". {_LOCAL_NETWORK}",
        ),
    )


def problem_page(status: int, sentence: str) -> Html:
    """One sentence that says what was wrong, and the way back."""
    return page(
        f"Problem {status}",
        element("h1", "This did not work"),
        element("p", sentence),
        element("p", element("a", "All sample patients", href="/")),
    )


def _patients(known: Known) -> Iterable[Html]:
    for sample in known.samples.patients:
        unseen = element("span", f": {sample.name}", class_="unseen")
        yield element(
            "li",
            element("a", sample.name, href=f"/chart/{sample.name}"),
            element("span", sample.story),
            element("a", "open in the sandbox", unseen, href=known.addresses.sandbox(sample.name)),
        )


def _address(name: str, shown: str, link: str) -> Html:
    return element("div", element("dt", name), element("dd", element("a", shown, href=link)))


def _feedback(feedback: Sequence[Feedback], shown: Mapping[str, Opened]) -> list[Html]:
    if not feedback:
        return [element("p", "None yet: accept a suggestion or dismiss a card.")]
    latest = feedback[-FEEDBACK_SHOWN:]
    lines = [element("li", f"{each.at:%H:%M:%S} UTC, {_became(each, shown)}") for each in latest]
    which = "" if len(latest) == len(feedback) else f" The last {len(latest)}:"
    return [element("p", f"{_counted(feedback)}{which}"), element("ol", *lines)]


def _counted(feedback: Sequence[Feedback]) -> str:
    accepted = sum(each.outcome == "accepted" for each in feedback)
    return f"{accepted} accepted, {len(feedback) - accepted} dismissed. It is forgotten when the demonstration ends."


def _became(each: Feedback, shown: Mapping[str, Opened]) -> str:
    """One stored item in words; labels and reasons are in those of the card if it was shown here."""
    opened = shown.get(each.card)
    who = opened.sample.name if opened else "a card shown elsewhere"
    words = _words(opened) if opened else {}
    if each.outcome == "accepted":
        labels = [words.get(uuid, "a suggestion") for uuid in each.suggestions]
        return f"{who}: accepted {_quoted(labels) or 'a suggestion'}"
    reasons = [words.get(code, code) for _, code in each.reasons]
    return f"{who}: dismissed {f'because {_quoted(reasons)}' if reasons else 'without a reason'}"


def _words(opened: Opened) -> dict[str, str]:
    """How the card calls a suggestion, by its uuid, and a reason, by its code."""
    words: dict[str, str] = {}
    for card in opened.exchange.cards:
        words |= {each["uuid"]: str(each["label"]) for each in card.get("suggestions", ())}
        words |= {each["code"]: str(each["display"]) for each in card.get("overrideReasons", ())}
    return words


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"“{each}”" for each in words)


def _title(opened: Opened) -> str:
    """What was stored comes first in the title, where it is read out when the page has loaded."""
    return "Stored – " if opened.accepted or opened.dismissed is not None else ""


def _told(opened: Opened) -> list[Html]:
    """What became of the card so far."""
    words = _words(opened)
    accepted = [words[uuid] for uuid in dict.fromkeys(opened.accepted)]
    said = [f"accepted {_quoted(accepted)}"] if accepted else []
    if opened.dismissed is not None:
        why = f"because “{opened.dismissed}”" if opened.dismissed else "without a reason"
        said.append(f"dismissed {why}")
    if not said:
        return []
    what = "; ".join(said)
    return [element("p", element("strong", "Feedback stored: "), f"{what}.", class_="told", role="status")]


def _answer(opened: Opened) -> list[Html]:
    exchange, again = (
        opened.exchange,
        element("a", "Open the chart again", href=f"/chart/{opened.sample.name}"),
    )
    if exchange.refusal:
        return [
            no_card("The service refused the call", f"HTTP {exchange.status}: {exchange.refusal}.", again)
        ]
    if not exchange.cards:
        return [no_card("No card is shown: the service answered cards: []", why_silent(opened.call))]
    if opened.dismissed is not None:
        return [no_card("The card was dismissed", *(card["summary"] for card in exchange.cards), again)]
    return [show_card(card, f"/card/{card['uuid']}", opened.accepted) for card in exchange.cards]


def _requests(requests: Iterable[Served]) -> Html:
    rows = [
        element(
            "tr",
            element("td", f"{each.method} {in_short(each.target)}"),
            element("td", result_in_short(each)),
        )
        for each in requests
    ]
    head = element("tr", element("th", "Request", scope="col"), element("th", "Result", scope="col"))
    return element("table", element("thead", head), element("tbody", *rows), class_="requests")


def _raw(opened: Opened) -> list[Html]:
    """The hook call as it went over the wire."""
    exchange = opened.exchange
    what = (
        ("Hook request", f"POST {exchange.url}", exchange.request),
        ("Hook response", f"HTTP {exchange.status}", exchange.response),
    )
    return [
        element(
            "details",
            element("summary", name),
            element("p", element("code", line)),
            scrolled(name, element("pre", json.dumps(body, indent=2, ensure_ascii=False))),
        )
        for name, line, body in what
    ]
