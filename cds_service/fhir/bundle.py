"""One FHIR answer, as bytes: whether it is what was asked for, whether it is whole, and which resources it holds.

A Bundle is decoded at once with its resources, or entry by entry where one does not fit (ADR 25): what has a wrong type
loses itself and nothing else. What a resource means `fhir_mapping` judges, one by one. Whatever says that something is
missing is told (F9): an answer that only looks whole would be read as "not there".
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

import msgspec

from cds_service.json_text import items, leniently
from fhir_mapping.checks.extensions import may_change_a_meaning
from fhir_mapping.record import Entry
from fhir_mapping.versions import AnyReader
from fhir_mapping.versions.frame import RAW_BUNDLE, Frame, Framed, FramedEntry, RawBundle

_FAILURES = frozenset({"error", "fatal"})
_NO_FAILURES = frozenset({"warning", "information", "success"})
_ONLY_INFORMS = ("information", "informational")
_WITHHELD = frozenset({"forbidden", "security", "suppressed", "incomplete", "timeout", "too-costly"})
_MATCHES = frozenset({"", "match"})
_MODES = _MATCHES | {"include", "outcome"}
_SOME_TEXT = re.compile('"[^"]')
_TYPE = re.compile("[A-Z][A-Za-z]+")
_FULL_URL_TYPE = re.compile(r"/([A-Z][A-Za-z]+)/[^/?#]+(?:/_history/[^/?#]+)?$")
_COUNT = msgspec.json.Decoder(int, strict=False)
_Shape = TypeVar("_Shape", bound=msgspec.Struct)
_FOREIGN = "the answer holds other resources"
_UNCLEAR = "a remark of the server cannot be read"
ANY_TYPE = ""  # of resources: whatever a file holds was meant to be there


class UnreadableError(Exception):
    """The answer is not what was asked for; the message is for people and holds nothing of the answer."""


class TooMuchError(UnreadableError):
    """There is more to read than any chart needs."""

    def __init__(self, most: int) -> None:
        super().__init__(f"more than {most} values")


class _Issue(msgspec.Struct, gc=False):
    severity: str = ""
    code: str = ""


class _Outcome(msgspec.Struct, gc=False, rename="camel"):
    resource_type: str = ""
    issue: msgspec.Raw = msgspec.Raw(b"null")


class _Response(msgspec.Struct, gc=False):
    status: str = ""


class _Resource(msgspec.Struct, gc=False, rename="camel"):
    resource_type: str = ""
    id: str = ""


class _Link(msgspec.Struct, gc=False):
    relation: str = ""
    url: str = ""


class _Bundle(Frame):
    entry: msgspec.Raw = msgspec.Raw(b"null")


class Page(msgspec.Struct):
    """One page of a search: resources of the wanted type and the Medications sent with them.

    Names are `Type/id`, for a resource without id its text: what came twice is one.
    """

    bundle_type: str = ""
    size: int = 0  # bytes
    entries: list[Entry] = []
    matches: set[str] = set()  # names of what answers the search
    others: set[str] = set()  # names of what was sent along
    remarks: set[str] = set()  # texts of the server's OperationOutcomes that do no more than inform
    warnings: int = 0  # remarks of the server, each issue one
    total: int | None = None
    total_unclear: bool = False  # it could not be read: it may count more than was sent
    remark_unclear: bool = False  # what the server remarks could not be read: it may be an error
    next_link: str = ""
    self_link: str = ""  # the search as the server understood it
    unclear: bool = False  # a link could not be read: it may have led to a next page
    failure: str = ""  # what alone shows that this is not everything; empty: nothing does

    def fails(self, reason: str) -> None:
        """Note why this is not everything; the first reason stays."""
        self.failure = self.failure or reason

    @property
    def incomplete(self) -> str:
        """Why this is not everything, as far as it says itself; empty: it may be."""
        return self.failure or (_UNCLEAR if self.remark_unclear else "")


class SearchSet(msgspec.Struct):
    """What a search gave so far; `failure` says why it is not everything (empty: it is)."""

    entries: list[Entry] = []
    matches: set[str] = set()
    pages: int = 0
    size: int = 0  # bytes of all pages
    warnings: int = 0
    failure: str = ""
    self_link: str = ""  # of the first page: the search as the server understood it
    parameters: tuple[tuple[str, str], ...] = ()  # how it was asked in the end, beside the patient
    _others: set[str] = set()
    _remarks: set[str] = set()
    _total: int | None = None
    _doubt: str = ""

    def add(self, page: Page, *, partial: bool = False) -> None:
        """Take in a page. `partial`: the server calls it a part (HTTP 206)."""
        if not self.matches.isdisjoint(page.matches):
            self._doubts("the same resource is on two pages")
        if partial:
            self._doubts("the server calls it a part")
        if page.unclear:
            self._doubts("a link cannot be read")
        if page.total_unclear:
            self._doubts("the number of matches cannot be read")
        self.failure = self.failure or page.incomplete
        self.self_link = self.self_link if self.pages else page.self_link
        self.entries += page.entries
        self.matches |= page.matches
        self._others |= page.others
        self._remarks |= page.remarks
        self.warnings += page.warnings
        if page.total is not None:
            self._total = max(page.total, self._total or 0)
        self.pages += 1
        self.size += page.size

    def close(self) -> None:
        """Say whether all pages together are everything, as far as the server counts.

        A `total` counts the distinct matches (F9). Some servers count by mistake what was sent along with them, or a
        remark that does no more than inform; any other remark, and what came alone, may stand for a match that was
        left out. Only where the matches themselves are as many as it counts does it dispel a doubt.
        """
        missing = None if self._total is None else self._total - len(self.matches)
        if missing == 0:
            return
        if missing is not None and missing > 0:
            others, remarks = len(self._others) if self.matches else 0, len(self._remarks)
            if missing not in {others, remarks, others + remarks}:
                self.failure = self.failure or "the server counted more than it sent"
        self.failure = self.failure or self._doubt

    def _doubts(self, doubt: str) -> None:
        """Note why this may not be everything; the first doubt stays."""
        self._doubt = self._doubt or doubt


def read_page(text: bytes, resource_type: str) -> Page:
    """Read a Bundle of a search for `resource_type` (or of `ANY_TYPE`); raises UnreadableError if it is none."""
    reader, unchanged = AnyReader(), not may_change_a_meaning(text)
    frame, entries = reader.bundle(text, unchanged=unchanged) or _one_by_one(
        text, reader, resource_type, unchanged
    )
    if frame.resource_type != "Bundle":
        raise UnreadableError("the answer is not a Bundle")
    total = _total(frame.total)
    counts = resource_type != ANY_TYPE and bytes(frame.total) != b"null"
    page, foreign = Page(frame.type, len(text), total=total, total_unclear=counts and total is None), False
    for framed in entries:
        if framed is None:
            page.fails("an entry cannot be read")
            continue
        entry, mode, kind, name = framed
        if kind == resource_type and name and mode in _MATCHES:  # as nearly all are
            page.matches.add(name)
            page.entries.append(entry)
        else:
            foreign |= _take(page, *framed, resource_type)
    if foreign and not page.matches:
        if not page.entries:
            raise UnreadableError(_FOREIGN)
        page.fails(_FOREIGN)
    _follow(page, frame.link)
    return page


def read_resource(text: bytes, resource_type: str, resource_id: str, full_url: str = "") -> Entry:
    """Read a single resource; raises UnreadableError if it is of another type or has another id."""
    resource = _object(text, _Resource)
    if resource.resource_type != resource_type:
        raise UnreadableError(f"the answer is not a {resource_type}")
    if resource.id != resource_id:
        raise UnreadableError(f"the answer is another {resource_type}")
    return Entry(text, full_url)


def issue_codes(text: bytes) -> frozenset[str]:
    """Return the issue codes of an OperationOutcome; empty for anything else."""
    try:
        outcome = _object(text, _Outcome)
    except UnreadableError:
        return frozenset()
    issues = _issues(outcome) if outcome.resource_type == "OperationOutcome" else ()
    return frozenset(issue.code for issue in issues)


def failure_told(outcome: bytes) -> str:
    """What an OperationOutcome says is missing of what it came with; empty: nothing. Raises UnreadableError."""
    page = Page()
    _remark(page, outcome)
    return page.incomplete


def _one_by_one(
    text: bytes, reader: AnyReader, wanted: str, unchanged: bool
) -> tuple[Frame, Iterator[Framed | None]]:
    """Read a Bundle entry by entry; None for one that cannot be read."""
    bundle: _Bundle | RawBundle
    try:
        bundle = RAW_BUNDLE.decode(text)
    except (msgspec.DecodeError, RecursionError):
        bundle = _object(text, _Bundle)
    if isinstance(bundle, RawBundle):
        return bundle, _read_each(bundle.entry or (), reader, wanted, unchanged)
    return bundle, _read_each(map(_entry, _items(bundle.entry)), reader, wanted, unchanged)


def _read_each(
    entries: Iterable[FramedEntry | None], reader: AnyReader, wanted: str, unchanged: bool
) -> Iterator[Framed | None]:
    for framed in entries:
        if framed is None:
            yield None
            continue
        # In a file an entry without a resource is nothing, unless it stands for a request that brought nothing
        if wanted == ANY_TYPE and bytes(framed.resource) == b"null" and not _is_refusal(framed):
            continue
        entry = Entry(bytes(framed.resource), framed.full_url or "", unchanged)
        yield entry, (framed.search and framed.search.mode) or "", *reader.fits(entry)


def _is_refusal(framed: FramedEntry) -> bool:
    """Whether an entry of a batch says that its request brought nothing."""
    try:
        status = leniently(framed.response, _Response).status
    except (msgspec.DecodeError, RecursionError):
        return False
    return bool(status) and not status.startswith("2")


def _entry(item: msgspec.Raw) -> FramedEntry | None:
    try:
        return _object(item, FramedEntry)
    except UnreadableError:
        return None


def _object(text: bytes | msgspec.Raw, shape: type[_Shape]) -> _Shape:
    try:
        return leniently(text, shape)
    except (msgspec.DecodeError, RecursionError):
        raise UnreadableError("the answer is not FHIR JSON") from None


def _items(array: msgspec.Raw) -> list[msgspec.Raw]:
    try:
        return items(array)
    except (msgspec.DecodeError, RecursionError):
        raise UnreadableError("the answer is not FHIR JSON") from None


def _total(number: msgspec.Raw) -> int | None:
    """What the server counted, be it a number in quotes; None where it is none."""
    try:
        total = _COUNT.decode(number)
    except msgspec.DecodeError:
        return None
    return total if total >= 0 else None


def _take(page: Page, entry: Entry, mode: str, kind: str, name: str, wanted: str) -> bool:
    """Take in an entry; says whether it answers the search with another type of resource."""
    if not kind:  # of what does not fit
        try:
            resource = _object(entry.json, _Resource)
        except UnreadableError:
            resource = _Resource()
        kind = resource.resource_type
        name = f"{kind}/{resource.id}" if resource.id else ""
        if not _TYPE.fullmatch(kind):
            page.fails("an entry cannot be read")
            return False
    # A match or not: nobody can say whether one is missing
    if mode not in _MODES or (mode == "outcome" and kind != "OperationOutcome"):
        page.fails("an entry has an unknown search mode")
    if kind == "OperationOutcome":
        named = _FULL_URL_TYPE.search(entry.full_url)
        if mode == "match" or (named and named[1] != kind):
            page.fails("the server withheld a match")
        _remark(page, entry.json)
        return False
    is_wanted = wanted in (kind, ANY_TYPE)
    (page.matches if is_wanted and mode != "include" else page.others).add(name or str(entry.json, "utf-8"))
    if is_wanted or kind == "Medication":
        page.entries.append(entry)
    return not is_wanted and mode != "include"


def _remark(page: Page, text: bytes) -> None:
    """Read an OperationOutcome beside the matches: some say that the matches are not all there are (F9)."""
    outcome = _object(text, _Outcome)
    issues = [(issue.severity.strip().lower(), issue.code.strip().lower()) for issue in _issues(outcome)]
    page.warnings += len(issues)
    page.remark_unclear |= not issues
    if all(issue == _ONLY_INFORMS for issue in issues):
        page.remarks.add(str(text, "utf-8"))
    for severity, code in issues:
        if severity in _FAILURES:
            page.fails("the server reported an error")
        elif code in _WITHHELD:
            page.fails(f"the server says that the answer is not whole ({code})")
        elif severity not in _NO_FAILURES or not code:
            page.remark_unclear = True


def _issues(outcome: _Outcome) -> Iterator[_Issue]:
    """The issues; one that cannot be read says nothing."""
    with suppress(msgspec.DecodeError, RecursionError):
        for issue in items(outcome.issue):
            try:
                yield leniently(issue, _Issue)
            except msgspec.DecodeError:
                yield _Issue()


def _follow(page: Page, links: msgspec.Raw) -> None:
    """Read the links; the first of its kind counts."""
    try:
        raw_links = items(links)
    except (msgspec.DecodeError, RecursionError):
        raw_links = [links]
    told = []
    for raw in raw_links:
        try:
            told.append(leniently(raw, _Link))
        except (msgspec.DecodeError, RecursionError):  # all of its text may hold an address
            text = str(raw, "utf-8")
            told.append(_Link(url=text if _SOME_TEXT.search(text) else ""))
    urls = {link.relation.strip().lower(): link.url.strip() for link in reversed(told)}
    page.next_link, page.self_link = urls.get("next", ""), urls.get("self", "")
    page.unclear = any(link.url and not link.relation for link in told)
    if "next" in urls and not page.next_link:
        page.fails("the link to the next page cannot be used")
