"""The pages of the demonstration as HTML: the start page, a chart, and one plain sentence where something is wrong."""

import json
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cds_service.demo.charts import Opened
from cds_service.demo.issued import IssuedCard, words_of
from cds_service.demo.patients import PatientBanner, Samples
from cds_service.demo.report import LOCAL_NETWORK, Addresses, in_short, result_in_short, why_silent
from cds_service.web.pages.card import no_card, scrolled, show_card
from cds_service.web.pages.frame import page
from cds_service.web.pages.html import Html, dated, element
from cds_service.web.store import Feedback

_FEEDBACK_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Known:
    """What the pages know without asking: the addresses, the sample patients, and the banner of each chart."""

    addresses: Addresses
    samples: Samples
    banners: Mapping[str, PatientBanner]


def start_page(known: Known, feedback: Sequence[Feedback], issued: Mapping[str, IssuedCard]) -> Html:
    """The start page: what runs here, the patients, and the feedback that the service stored, newest last.

    `issued`: the cards that feedback may be about, by uuid.
    """
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
        element("p", f"“Open in the sandbox” leads to {addresses.sandbox_name}. {LOCAL_NETWORK}"),
        element("h2", "Feedback stored so far"),
        *_feedback(feedback, issued),
        element("h2", "What runs here"),
        element(
            "dl",
            *(
                element("div", element("dt", name), element("dd", element("a", shown, href=link)))
                for name, shown, link in where
            ),
        ),
    )


def chart_page(known: Known, opened: Opened) -> Html:
    """A chart with its card, or why there is none, and everything that was sent and read for it."""
    sample, addresses = opened.sample, known.addresses
    banner = known.banners[sample.name]
    # What was stored comes first in the title, where it is read out when the page has loaded.
    stored = "Stored – " if opened.accepted or opened.dismissed is not None else ""
    link = element("a", f"Open this chart in {addresses.sandbox_name}", href=addresses.launch(sample.name))
    return page(
        f"{stored}{sample.name}",
        element("nav", element("a", "All sample patients", href="/"), aria_label="Breadcrumb"),
        element("h1", banner.name),
        element("p", dated(banner.about)),
        element("p", f"{sample.name}: {sample.story}"),
        *_told(opened),
        element("h2", "Decision support"),
        *_answer(opened),
        element("h2", "Look closer"),
        *_behind(opened),
        element("p", link, f". {LOCAL_NETWORK}"),
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
            element("a", "open in the sandbox", unseen, href=known.addresses.launch(sample.name)),
        )


def _feedback(feedback: Sequence[Feedback], issued: Mapping[str, IssuedCard]) -> list[Html]:
    if not feedback:
        return [element("p", "None yet: accept a suggestion or dismiss a card.")]
    latest = feedback[-_FEEDBACK_SHOWN:]
    accepted = sum(each.outcome == "accepted" for each in feedback)
    counted = f"{accepted} accepted, {len(feedback) - accepted} dismissed"
    which = "" if len(latest) == len(feedback) else f" The last {len(latest)}:"
    return [
        element("p", f"{counted}. It is forgotten when the demonstration ends.{which}"),
        element("ol", *(element("li", _in_words(each, issued.get(each.card))) for each in latest)),
    ]


def _in_words(feedback: Feedback, card: IssuedCard | None) -> str:
    """When, of whose card, and what became of it."""
    who = card.patient_id if card else "a card not issued here"
    words = words_of(card.card) if card else {}
    if feedback.outcome == "accepted":
        labels = [words.get(uuid, "a suggestion") for uuid in feedback.suggestions]
        became = f"accepted {_quoted(labels) or 'a suggestion'}"
    else:
        reasons = [words.get(code, code) for _, code in feedback.reasons]
        became = f"dismissed {f'because {_quoted(reasons)}' if reasons else 'without a reason'}"
    return f"{feedback.at:%H:%M:%S} UTC, {who}: {became}"


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"“{each}”" for each in words)


def _told(opened: Opened) -> list[Html]:
    """What became of the card so far."""
    words = ChainMap(*map(words_of, opened.exchange.cards))
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
    exchange = opened.exchange
    again = element("a", "Open the chart again", href=f"/chart/{opened.sample.name}")
    if exchange.refusal:
        why = f"HTTP {exchange.status}: {exchange.refusal}."
        return [no_card("The service refused the call", why, again)]
    if not exchange.cards:
        said = "No card is shown: the service has nothing to say about this chart."
        return [no_card(said, why_silent(opened.call))]
    if opened.dismissed is not None:
        return [no_card("The card was dismissed", *(card["summary"] for card in exchange.cards), again)]
    return [show_card(card, f"/card/{card['uuid']}", opened.accepted) for card in exchange.cards]


def _behind(opened: Opened) -> list[Html]:
    """What the service asked the EHR for, and the hook call as it went over the wire, each folded."""
    cells = ((f"{each.method} {in_short(each.target)}", result_in_short(each)) for each in opened.requests)
    lines = [element("tr", element("td", request), element("td", result)) for request, result in cells]
    head = element("tr", element("th", "Request", scope="col"), element("th", "Result", scope="col"))
    table = element("table", element("thead", head), element("tbody", *lines), class_="requests")
    count, milliseconds = len(opened.requests), opened.call.get("milliseconds", 0)
    made = f"{count} FHIR requests made for this answer, which took {milliseconds:.0f} ms"
    exchange = opened.exchange
    wire = (
        ("Hook request", f"POST {exchange.url}", exchange.request),
        ("Hook response", f"HTTP {exchange.status}", exchange.response),
    )
    return [
        element("details", element("summary", made), table),
        *(
            element(
                "details",
                element("summary", name),
                element("p", element("code", line)),
                scrolled(name, element("pre", json.dumps(body, indent=2, ensure_ascii=False))),
            )
            for name, line, body in wire
        ),
    ]
