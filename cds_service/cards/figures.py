"""Numbers, dates and lists as a card writes them; and what came from outside, made harmless."""

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from cds_service.cards.words import said
from fhir_mapping.evidence import Activity, Evidence, Feature, Measured
from models.risk import percent

_COMPARATORS = {"<": "under ", "<=": "at most ", ">": "over ", ">=": "at least "}
_MARKS = "|-*>"
_TITRE = "{titer}"
DAYS_OF_A_YEAR = 365
_DAYS_OF_A_MONTH = 30


def words_in(markdown: str) -> int:
    """How long a text is: the marks of tables and lists are deleted, what stands between blanks is counted."""
    for mark in _MARKS:
        markdown = markdown.replace(mark, "")
    return len(markdown.split())


def plain(text: str, length: int = 60) -> str:
    """Words from outside: printable, on one line, at most `length` characters, without Markdown or HTML."""
    shortened = one_line(text, length).replace("<", "‹").replace("&", "＆")
    return re.sub(r"([\\`*_{}\[\]()#+!|~>:@-])", r"\\\1", shortened)


def one_line(text: str, length: int = 60) -> str:
    """Words from outside for a plain text: printable, on one line, at most `length` characters, cut between two words."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    line = re.sub(r"\s+", " ", printable).strip()
    if len(line) <= length:
        return line
    return (line[:length].rpartition(" ")[0] or line[: length - 1]) + "…"


def number(value: Decimal) -> str:
    """A measured value for people: thousands with a comma, at most two decimals, no trailing zeros."""
    exponent = Decimal("0.01") if abs(value) < 100 else Decimal(1)  # noqa: PLR2004 - readable, not clinical
    return _trimmed(f"{value.quantize(exponent, ROUND_HALF_UP):,f}")


def times(value: Decimal) -> str:
    """A multiple for people: one decimal below ten, none from there."""
    exponent = Decimal("0.1") if value < 10 else Decimal(1)  # noqa: PLR2004 - readable, not clinical
    return _trimmed(f"{value.quantize(exponent, ROUND_HALF_UP):,f}")


def measured(ck: Measured, *, says_whose_limit: bool = True) -> str:
    """A CK with how high it is: "CK 1,030 U/L (4.8 × ULN)"."""
    limit = ", default limit" if ck.default_limit and says_whose_limit else ""
    high = _ends(ck.times_uln, ck.times_upto, ck.comparator, times)
    return f"CK {amount(ck)} {ck.unit} ({high} × ULN{limit})"


def times_limit(ck: Measured) -> str:
    """How many times its limit a CK is, without the CK itself: "13", "6 to 20", "over 13"."""
    return _bounded(ck.times_uln, ck.times_upto, ck.comparator, times)


def times_lowest(now: Activity) -> str:
    """How many times its lowest a CK is that rose; beside a bound or an interval at least so many times. Empty: it did not."""
    if now.times_lowest is None:
        return ""
    bounded = [ck for ck in (now.ck, now.lowest) if ck and (ck.comparator or ck.upto is not None)]
    return f"{_COMPARATORS['>='] if bounded else ''}{times(now.times_lowest)}"


def amount(ck: Measured) -> str:
    """A CK as a number alone, with what its bound says."""
    return _bounded(ck.value, ck.upto, ck.comparator, number)


def _bounded(low: Decimal, high: Decimal | None, comparator: str, shown: Callable[[Decimal], str]) -> str:
    return f"{_COMPARATORS.get(comparator, '')}{_ends(low, high, comparator, shown)}"


def _ends(low: Decimal, high: Decimal | None, comparator: str, shown: Callable[[Decimal], str]) -> str:
    """A number, or both ends of an interval; beside a comparator the end that is certain."""
    if high is None or comparator.startswith(">"):
        return shown(low)
    return shown(high) if comparator else f"{shown(low)} to {shown(high)}"


def with_unit(shown: Evidence | Feature) -> str:
    """A value of the record with its unit, if that is one of the catalogue; nothing where it is no number."""
    if not isinstance(shown.value, Decimal):
        return ""
    if shown.unit == _TITRE:
        return _bounded(shown.value, shown.upto, shown.comparator, "1:{:f}".format)
    value = _bounded(shown.value, shown.upto, shown.comparator, number)
    return f"{value} {said(f'units.{shown.unit}', '')}".rstrip()


def whole(risk: float) -> str:
    """A risk without its percent sign: "57", "over 95", "under 1"."""
    return percent(risk).removesuffix(" %").replace("> ", "over ").replace("< ", "under ")


def span(low: float, high: float) -> str:
    """A range of risks: "30–86", "42 to over 95"."""
    first, last = whole(low), whole(high)
    if first == last:
        return first
    return f"{first}–{last}" if first.isdigit() and last.isdigit() else f"{first} to {last}"


def listed(words: Sequence[str]) -> str:
    """Words as a list: "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def age(days: int) -> str:
    """How old something is: "3 years", "7 months", "20 days"."""
    for unit, length in (("year", DAYS_OF_A_YEAR), ("month", _DAYS_OF_A_MONTH), ("day", 1)):
        count = days // length
        if count > 1 or (count == 1 and unit != "month"):
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "0 days"


def age_of(written: str, today: date) -> str:
    """How old a date of the record is, one without day or month counted from its end; empty where it is no date."""
    year, month, day = (*written.split("-"), "", "")[:3]
    try:
        last = int(day) if day else monthrange(int(year), int(month or 12))[1]
        return age(max((today - date(int(year), int(month or 12), last)).days, 0))
    except ValueError:
        return ""


def capital(text: str) -> str:
    """The text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]


def sentence_of(parts: Iterable[str]) -> str:
    """Parts that have something to say, separated by semicolons."""
    return "; ".join(filter(None, parts))


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
