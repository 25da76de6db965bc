# ruff: noqa: N802 - the functions bear the ids of the rules
"""Numbers as written: one, an interval, or what a comparator allows, and what they decide (rules F5, D6)."""

import re
from dataclasses import dataclass
from fractions import Fraction

from .spelling import nfkc

AT_LEAST = (
    *(
        "at least",
        "not less than",
        "no less than",
        "not below",
        "mindestens",
        "wenigstens",
        "mind.",
        "au moins",
    ),
    *("al menos", "por lo menos", "como mínimo", "almeno", "minstens", "ten minste", "至少", "不低于"),
)
SIGNS = {
    "<": "<",
    "<=": "<=",
    "≤": "<=",
    ">": ">",
    ">=": ">=",
    "≥": ">=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "less than": "<",
    "below": "<",
    "greater than": ">",
    "more than": ">",
    "above": ">",
    "over": ">",
    **dict.fromkeys(AT_LEAST, ">="),
}
COMPARATOR = rf"{'|'.join(AT_LEAST)}|<=|>=|<|>|≤|≥|(?:LT|LE|GT|GE|less\s+than|below|greater\s+than|more\s+than|above|over)\b"
DIGITS = r"[0-9]+(?:[,.'’][0-9]+| [0-9]{3}(?![0-9]))*"
FLAG = r"(?:\(\s*(?:HH|H|LL|L|\*)\s*\)|\[\s*(?:HH|H|LL|L|\*)\s*\]|\bHH|\bH|\bLL|\bL|\*)"
NUMBER = re.compile(
    rf"\s*(?P<sign>{COMPARATOR})?\s*(?P<first>{DIGITS})(?:\s*(?:-|–|\bto\b)\s*(?P<second>{DIGITS}))?(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
POWER = re.compile(r"[x*×]?\s*10\s*[*^e]*\s*[-+]?[0-9]+|e\s*[-+]?[0-9].*", re.IGNORECASE)
FLAGGED = re.compile(rf"(?P<unit>.*?)\s*{FLAG}\s*", re.DOTALL)


@dataclass(frozen=True)
class Magnitude:
    """All that a written value allows: from `low` to `high` (None: no end), each end in or out.

    `other` is the second reading of the number beside a comparator (`>20,000`), which is an interval for itself.
    """

    low: Fraction | None
    high: Fraction | None
    low_open: bool = False
    high_open: bool = False
    other: Fraction | None = None

    @property
    def exact(self) -> bool:
        return self.low is not None and self.low == self.high

    @property
    def ends(self) -> list[Fraction]:
        return [end for end in (self.low, self.high) if end is not None]

    def times(self, factor) -> "Magnitude":
        low = None if self.low is None else self.low * Fraction(factor)
        high = None if self.high is None else self.high * Fraction(factor)
        other = None if self.other is None else self.other * Fraction(factor)
        return Magnitude(low, high, self.low_open, self.high_open, other)

    @property
    def written(self) -> list[Fraction]:
        """What may have been written, in order."""
        return sorted([*self.ends, *([] if self.other is None else [self.other])])

    @property
    def order(self) -> tuple:
        """To put magnitudes in order: of an interval the lower end comes first; `<` before a number, `>` after it."""
        if self.high is None:
            sign = 2 if self.low_open else 1
        else:
            sign = 0 if self.low is not None else -2 if self.high_open else -1
        return self.written[0], sign, self.written[-1]

    def above(self, limit) -> bool | None:
        """Is the true value above the limit? None where it is left open (D6)."""
        limit = Fraction(limit)
        if self.low is not None and (self.low > limit or (self.low == limit and self.low_open)):
            return True
        return False if self.high is not None and self.high <= limit else None

    def below(self, limit) -> bool | None:
        limit = Fraction(limit)
        if self.high is not None and (self.high < limit or (self.high == limit and self.high_open)):
            return True
        return False if self.low is not None and self.low >= limit else None

    def at_least(self, limit) -> bool | None:
        answer = self.below(limit)
        return None if answer is None else not answer


def bounded(value, comparator: str) -> Magnitude:
    """A number with its comparator."""
    value = Fraction(value)
    if comparator in ("<", "<="):
        return Magnitude(None, value, high_open=comparator == "<")
    if comparator in (">", ">="):
        return Magnitude(value, None, low_open=comparator == ">")
    return Magnitude(value, value)


def rule_F5_readings(written: str) -> list[Fraction]:
    """What a written number can mean: nothing, one number, or two (`20,000`)."""
    spaced = re.search(r"['’ ]", written)
    if spaced:
        whole = re.split(r"[.,]", written)[0]
        groups = re.split(r"['’ ]", whole)
        if re.search(r"['’ ]", written[len(whole) :]) or not grouped(groups):
            return []
        written = re.sub(r"['’ ]", "", written)
    marks = re.findall(r"[.,]", written)
    if not marks:
        return [Fraction(written)]
    if len(set(marks)) == 2:
        return both_signs(written, marks)
    groups = re.split(r"[.,]", written)
    if len(groups) > 2:
        return [Fraction("".join(groups))] if grouped(groups) else []
    whole, rest = groups
    decimal = Fraction(f"{whole}.{rest}")
    if len(whole) >= 4 or int(whole) == 0 or len(rest) != 3:
        return [decimal]
    return [decimal, Fraction(whole + rest)]


def grouped(groups: list[str]) -> bool:
    return 1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])


def both_signs(written: str, marks: list[str]) -> list[Fraction]:
    """`1,234.5` and `1.234,5`: the last sign is the decimal sign, the other stands between groups of three."""
    last = marks[-1]
    if marks.count(last) != 1:
        return []
    whole, rest = written.rsplit(last, 1)
    groups = re.split(r"[.,]", whole)
    return [Fraction("".join(groups) + "." + rest)] if grouped(groups) else []


@dataclass(frozen=True)
class Written:
    """A text that is wholly a number: its comparator, the readings of one or two numbers, and the unit."""

    comparator: str
    first: tuple[Fraction, ...]
    second: tuple[Fraction, ...]
    unit: str


def rule_F5_text(text: str) -> list[Written]:
    """What a text that begins with a number can be: with all of the rest as its unit, or a flag at its end."""
    match = NUMBER.fullmatch(nfkc(text).strip())
    if not match:
        return []
    first = rule_F5_readings(match["first"])
    second = rule_F5_readings(match["second"]) if match["second"] else []
    if not first or (match["second"] and not second):
        return []
    sign = SIGNS[re.sub(r"\s+", " ", (match["sign"] or "").lower())] if match["sign"] else ""
    rest = match["rest"]
    begun = rest.strip()[:1]
    per = re.match(r"\s*/\s*[^\W\d_]", rest)  # "/uL" is a unit
    if POWER.fullmatch(rest.strip()) or (begun in tuple(":/-–.,;=+<>") and not per):
        return []  # no unit, but a date, a titre …
    units = [rest.strip()]
    flagged = FLAGGED.fullmatch(rest)
    if flagged:
        units.insert(0, flagged["unit"].strip())
    return [Written(sign, tuple(first), tuple(second), unit) for unit in units]


def rule_F5_allows(written: Written, factor, plausible) -> tuple[Magnitude | None, str]:
    """The magnitude of a written number, without readings that are not plausible; or `implausible`."""
    first = [value * Fraction(factor) for value in written.first]
    second = [value * Fraction(factor) for value in written.second]
    likely = [value for value in first if plausible(value)]
    likely_second = [value for value in second if plausible(value)]
    if not likely or (second and not likely_second):
        return None, "implausible"
    low, high = min(likely), max(likely_second or likely)
    if low > high:
        low, high = high, low
    if written.comparator.startswith("<"):
        return Magnitude(None, high, high_open=written.comparator == "<", other=low), ""
    if written.comparator.startswith(">"):
        return Magnitude(low, None, low_open=written.comparator == ">", other=high), ""
    return Magnitude(low, high), ""
