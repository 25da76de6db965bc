"""Faults put into the product, and the records on which the two readings of the rules must then disagree."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cache, cached_property

import pytest

from fhir_mapping import checks
from fhir_mapping.terms.rules import Rules
from tests.support.changes import replace
from tests.support.imnm_charts import imnm_charts
from tests.support.records import Record, drawn
from tests.support.two_readings import differences, product_answer, reference_answer

AT_MOST = 2000
CHUNK = 100
Fault = Callable[[pytest.MonkeyPatch], None]


class Faults(dict[str, Fault]):
    """Faults by what the product then does wrong, in a sentence."""

    def named(self, sentence: str) -> Callable[[Fault], Fault]:
        """Name a fault."""

        def name(make: Fault) -> Fault:
            self[sentence] = make
            return make

        return name


@dataclass(frozen=True)
class Reading:
    """One record, what the independent reading says of it, and whether the sound product says the same."""

    record: Record

    @cached_property
    def independent(self) -> dict:
        return reference_answer(self.record)

    @cached_property
    def is_sound(self) -> bool:
        return not differences(product_answer(self.record), self.independent)


@cache
def of_records(number: int) -> list[Reading]:
    """Records at the boundaries of the rules, with all that goes wrong in writing them down."""
    return [Reading(record) for record in drawn(1000 + number, CHUNK)]


@cache
def of_imnm_charts(number: int) -> list[Reading]:
    """Courses of the disease, most of them clean."""
    return [Reading(record) for record, _ in imnm_charts(1000 + number, CHUNK)]


def every(chunk: Callable[[int], list[Reading]]) -> Iterator[Reading]:
    for number in range(AT_MOST // CHUNK):
        yield from chunk(number)


def first_disagreement(make: Fault, chunk: Callable[[int], list[Reading]] = of_records) -> int:
    """How many records it took; records on which the two readings differ anyway prove nothing."""
    for number, reading in enumerate(every(chunk), start=1):
        independent = reading.independent
        with pytest.MonkeyPatch.context() as patch:
            make(patch)
            seen = differences(product_answer(reading.record), independent)
        if seen and reading.is_sound:
            return number
    return 0


def change_record(patch: pytest.MonkeyPatch, change: Callable) -> None:
    """Let the product go on with another record than it judged."""
    judge = checks.judge
    patch.setattr(checks, "judge", lambda gathered, as_of: change(judge(gathered, as_of), as_of))


def change_results(patch: pytest.MonkeyPatch, change: Callable) -> None:
    """Let the product go on with other results than it judged."""
    change_record(
        patch, lambda record, _: replace(record, results=tuple(change(result) for result in record.results))
    )


def change_doubts(patch: pytest.MonkeyPatch, change: Callable) -> None:
    """Let the product go on with other doubts than it made."""
    change_record(patch, lambda record, as_of: replace(record, doubts=tuple(change(record.doubts, as_of))))


def change_number(patch: pytest.MonkeyPatch, name: str, add: str) -> None:
    """Let one named threshold of the product be off by a step."""
    number, days = Rules.number, Rules.days

    def other_number(self, asked):
        return number(self, asked) + (Decimal(add) if asked == name else 0)

    def other_days(self, asked):
        return days(self, asked) + (timedelta(days=float(add)) if asked == name else timedelta(0))

    patch.setattr(Rules, "number", other_number)
    patch.setattr(Rules, "days", other_days)
