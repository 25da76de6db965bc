"""`imnm-cds check --report`: what was shown, what would have been, what failed, and what became of the cards.

It reads the audit events that `serve` wrote and the feedback that the store keeps. Files are read line by line; what is
held in memory grows with the cards that were issued, not with the charts that were opened.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds_service.cards.reasons import SYSTEM as OUR_REASONS
from cds_service.errors import UnusableInput
from cds_service.events import Event
from cds_service.settings.limits import Limits
from cds_service.settings.service import Settings
from cds_service.terminal import printable
from cds_service.web.store import Feedback, Store

FEWEST = 20  # charts; a rate over fewer says nothing

_CARD, _NOTHING, _UNKNOWN = "card", "nothing to say", "eligibility unknown, no card"
_AWAY = "overridden before, no card"
_LOOKED_AT = (_CARD, _NOTHING, _AWAY, _UNKNOWN)
_ASSESSED = {"scored", "abstained", "not-eligible"}
_LEFT_ALONE = {
    "off": "not looked at: the client is off",
    "patients-view": "not looked at: patient's own view",
}
_PILOT_SHOWN, _PILOT_SILENT = "pilot, its users", "pilot, all others"
_WENT_OUT = frozenset({"live", _PILOT_SHOWN})
_NAMES = 44  # characters of the column of names; three columns of numbers still fit beside it


class _Line(msgspec.Struct):
    """One event as it stands in an audit file; only what the report counts."""

    event: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    client: str = ""
    mode: str = ""
    shown: str = ""
    status: int = 0
    outcome: str = ""
    reason: str = ""
    memory: str = ""
    band: str = ""
    cards: int = 0
    card: str = ""

    @property
    def sight(self) -> str:
        """The mode of the client; of a pilot also whether this user saw the answer."""
        if self.mode != "pilot":
            return self.mode
        return _PILOT_SHOWN if self.shown == "yes" else _PILOT_SILENT

    @property
    def fate(self) -> str:
        """What became of the chart: looked at, with or without a card; left alone on purpose; or the status of an error."""
        if self.status == 200 and self.outcome in _LEFT_ALONE:  # noqa: PLR2004 - HTTP
            return _LEFT_ALONE[self.outcome]
        if self.status in {200, 412} and self.outcome == "eligibility-unknown":
            return _CARD if self.cards else _UNKNOWN
        if self.status == 200 and self.outcome in _ASSESSED:  # noqa: PLR2004 - HTTP
            quiet = _AWAY if self.memory == "overridden" else _NOTHING
            return _CARD if self.cards else quiet
        return f"status {self.status}" if self.status else "ended by the caller"


class ChartKind(NamedTuple):
    """What many opened charts have in common. `client` and `mode` are empty where the caller could not be told.

    A pilot is two modes: that of its users, and that of all others.
    """

    client: str
    mode: str
    fate: str
    reason: str
    band: str


class Issued(NamedTuple):
    """A card: its band, and whether it went out (it did not where the answer is silent)."""

    band: str
    went_out: bool


@dataclass(slots=True)
class Audit:
    """What the audit files hold. `others` are events of another kind, `strangers` lines that are no event."""

    charts: Counter[ChartKind] = field(default_factory=Counter)
    cards: dict[str, Issued] = field(default_factory=dict)
    others: int = 0
    strangers: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, line: _Line) -> None:
        """Count one event."""
        if line.event != Event.HOOK_CALL.label:
            self.others += 1
            return
        self.first = min(self.first or line.at, line.at)
        self.last = max(self.last or line.at, line.at)
        fate = line.fate
        self.charts[ChartKind(line.client, line.sight, fate, line.reason, line.band)] += 1
        if fate == _CARD and line.card:
            self.cards[line.card] = Issued(line.band, went_out=line.sight in _WENT_OUT)


def show_report(console: Console, settings: Settings, audit_files: Sequence[Path]) -> None:
    """Print what the audit files and the store say; raises UnusableInput or SettingsError, one sentence each."""
    if not audit_files and settings.store is None:
        raise UnusableInput(
            "--report: nothing to report on; name a file of events with --audit, or set store in the configuration"
        )
    audit = read_audit(audit_files) if audit_files else None
    feedback: list[Feedback] | None = None
    if settings.store and settings.store.exists():
        store = Store(settings.store, Limits().store_seconds, lambda: datetime.now(UTC))
        try:
            feedback = list(store.all())
        finally:
            store.close()
    elif settings.store and audit is None:
        raise UnusableInput(
            f"store: {settings.store} does not exist; the service makes it with the first feedback"
        )
    if audit is None:
        _say(console, "Charts: no file of events was named (--audit).")
    else:
        _show_charts(console, audit)
    console.print()
    if feedback is None and settings.store:
        _say(
            console,
            f"Feedback: none yet; {settings.store} is not there, the service makes it with the first.",
        )
    elif feedback is None:
        _say(console, "Feedback: none is kept, because store is not set in the configuration.")
    else:
        _show_feedback(console, feedback, audit)


def read_audit(files: Sequence[Path]) -> Audit:
    """Count the events of several files. Raises UnusableInput for a file that cannot be read."""
    audit, decoder = Audit(), msgspec.json.Decoder(_Line)
    for text in _lines(files):
        try:
            line = decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            audit.strangers += 1
        else:
            audit.add(line)
    return audit


def _lines(files: Sequence[Path]) -> Iterator[bytes]:
    """Yield every line that is not blank."""
    places = [file.resolve() for file in files]
    for file, place in zip(files, places, strict=True):
        if places.count(place) > 1:
            raise UnusableInput(f"--audit: {file} is named twice and would count twice; name it once")
        try:
            with file.open("rb") as lines:
                yield from (line for line in lines if not line.isspace())
        except OSError as error:
            raise UnusableInput(f"--audit: {file} cannot be read: {error.strerror}") from None


def _show_charts(console: Console, audit: Audit) -> None:
    """Section 1: for each client and mode, what became of the charts that were opened."""
    times = [audit.first, audit.last] if audit.first and audit.last else []
    _say(console, f"Charts: {_number(audit.charts.total(), 'hook call')}{_span(times)}", "bold")
    others, strangers = _number(audit.others, "other event"), _number(audit.strangers, "line")
    verb = "is" if audit.strangers == 1 else "are"
    _say(console, f"Not counted: {others}; {strangers} that {verb} no event.")
    _say(console, f"Rates are per 1,000 charts looked at; below {FEWEST} charts there are too few.")
    for client, mode in sorted({(chart.client, chart.mode) for chart in audit.charts}):
        own = Counter({c: n for c, n in audit.charts.items() if (c.client, c.mode) == (client, mode)})
        console.print()
        _show_client(console, client, mode, own)


def _show_client(console: Console, client: str, mode: str, charts: Counter[ChartKind]) -> None:
    fates = _tally(charts, lambda chart: chart.fate)
    seen = sum(fates[fate] for fate in _LOOKED_AT)
    who = f"{client}, {mode}" if client else "Caller not known"
    _say(console, f"{who}: {_number(charts.total(), 'chart')} opened, {seen:,} looked at", "bold")
    table = _table("charts", "per 1,000")
    if seen:
        would = "would have been shown" if mode in {"silent", _PILOT_SILENT} else "shown"
        _row(table, f"cards {would}", fates[_CARD], _rate(fates[_CARD], seen))
        cards = Counter({c: n for c, n in charts.items() if c.fate == _CARD})
        for heading, counts in (
            ("by reason", _tally(cards, lambda chart: chart.reason)),
            ("by band", _tally(cards, lambda chart: chart.band)),
        ):
            if counts:
                _row(table, f"  {heading}")
            for name, count in _ranked(counts):
                _row(table, f"    {name or 'none'}", count, _rate(count, seen))
        for fate in (_NOTHING, _UNKNOWN):
            _row(table, fate, fates[fate], _rate(fates[fate], seen))
        if fates[_AWAY]:
            _row(table, _AWAY, fates[_AWAY], _rate(fates[_AWAY], seen))
    for fate in _LEFT_ALONE.values():
        if fates[fate]:
            _row(table, fate, fates[fate])
    failed = Counter(
        {fate: n for fate, n in fates.items() if fate not in {*_LOOKED_AT, *_LEFT_ALONE.values()}}
    )
    _row(table, "refused or failed", failed.total())
    for fate, count in _ranked(failed):
        _row(table, f"    {fate}", count)
    console.print(table)


def _show_feedback(console: Console, items: Sequence[Feedback], audit: Audit | None) -> None:
    """Section 2: what became of the cards. The same card counts once per outcome, however often it is reported."""
    cards = _number(len({item.card for item in items}), "card")
    _say(console, f"Feedback: {_number(len(items), 'item')} on {cards}{_span([i.at for i in items])}", "bold")
    if items:
        table = _table("accepted", "overridden", "items")
        _feedback_row(table, "cards", items)
        for heading, groups in (
            ("by band", _grouped(items, lambda item: [_band(item, audit)])),
            ("by reason", _grouped(items, _reasons)),
        ):
            if groups:
                _row(table, f"  {heading}")
            for name, group in groups:
                _feedback_row(table, f"    {name}", group)
        _feedback_row(table, "with a comment", [item for item in items if item.commented])
        console.print()
        console.print(table)
    if audit:
        went_out = {card for card, issued in audit.cards.items() if issued.went_out}
        without = _number(len(went_out - {item.card for item in items}), "card")
        console.print()
        _say(console, f"Shown, and no feedback: {without}. What became of them is not known.")


def _band(item: Feedback, audit: Audit | None) -> str:
    if audit is None:
        return "not known, no file of events was named"
    issued = audit.cards.get(item.card)
    return (issued.band or "none") if issued else "not known, no event of this card"


def _reasons(item: Feedback) -> Iterable[str]:
    """The reasons that were given, by code; with the code system where it is not the one that our cards offer."""
    if not item.reasons:
        return ["none given"] if item.outcome == "overridden" else []
    return {
        code if system == OUR_REASONS else f"{code} ({system or 'no system'})"
        for system, code in item.reasons
    }


def _grouped(
    items: Iterable[Feedback], names: Callable[[Feedback], Iterable[str]]
) -> list[tuple[str, list[Feedback]]]:
    """Sort items into groups: the group with the most cards first, of equal ones by name."""
    groups: dict[str, list[Feedback]] = {}
    for item in items:
        for name in names(item):
            groups.setdefault(name, []).append(item)
    return sorted(groups.items(), key=lambda group: (-_cards_by_outcome(group[1]).total(), group[0]))


def _cards_by_outcome(items: Iterable[Feedback]) -> Counter[str]:
    return Counter(outcome for _, outcome in {(item.card, item.outcome) for item in items})


def _feedback_row(table: Table, name: str, items: Sequence[Feedback]) -> None:
    cards = _cards_by_outcome(items)
    _row(table, name, cards["accepted"], f"{cards['overridden']:,}", f"{len(items):,}")


def _tally(charts: Mapping[ChartKind, int], name: Callable[[ChartKind], str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for chart, count in charts.items():
        counts[name(chart)] += count
    return counts


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent first, of equal ones by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _rate(count: int, charts: int) -> str:
    return f"{1000 * count / charts:,.1f}" if charts >= FEWEST else "too few"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _span(times: Sequence[datetime]) -> str:
    """The time covered, in UTC: "" where there is none."""
    if not times:
        return ""
    first, last = (f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" for moment in (min(times), max(times)))
    return f", {first} to {last} UTC"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(width=_NAMES, overflow="fold")
    for column in columns:
        table.add_column(Text(column), min_width=10, justify="right")
    return table


def _row(table: Table, name: str, count: int | None = None, *more: str) -> None:
    table.add_row(_cell(name), "" if count is None else f"{count:,}", *more)


def _cell(text: str, style: str = "") -> Text:
    """Make the text of a file harmless to a terminal."""
    return Text(printable(text), style=style)


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(_cell(text, style))
