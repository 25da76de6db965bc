"""How numbers are written, the same in tables, figures and on the terminal."""

from math import floor, log10

from models.training.validation.subgroups import FEWEST_EVENTS
from models.training.validation.validation import Measure

_SMALLEST_P = 0.001
MINUS = "\N{MINUS SIGN}"


def written(value: float, decimals: int = 2, *, percent: bool = False) -> str:
    """A number with so many decimals; as a percentage without the sign where asked for. No "-0"."""
    text = f"{value * 100 if percent else value:.{decimals}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("-", MINUS)


def written_p(p: float) -> str:
    """A p-value with two figures; below 0.001 as such."""
    if p < _SMALLEST_P:
        return f"< {_SMALLEST_P}"
    return f"{p:.{max(2, 1 - floor(log10(p)))}f}" if p < 1 else "1.00"


def written_estimate(value: float | None) -> str:
    """A number, or that there is none."""
    return "not estimable" if value is None else written(value)


def said(measure: Measure) -> str:
    """A measure as text: with its limits, or why there is none."""
    if measure.value is None:
        return f"not estimable ({measure.reason})"
    if measure.low is None or measure.high is None:
        return written(measure.value)
    return f"{written(measure.value)} ({written(measure.low)} to {written(measure.high)})"


def counted(count: int, what: str) -> str:
    """So many of something, in the singular where it is one."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def too_few(events: int) -> str:
    """What is said of figures of a whole cohort with fewer recurrences than a group needs for its own; empty: enough."""
    if events >= FEWEST_EVENTS:
        return ""
    return (
        f"{counted(events, 'recurrence')}: with fewer than {FEWEST_EVENTS} none of these figures can be relied on, and "
        "their limits, where there are any, are too narrow"
    )
