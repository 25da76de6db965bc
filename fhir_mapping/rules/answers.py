"""Yes, no or open: what several questions say together when a bound or an interval leaves one of them open (D6)."""

from dataclasses import dataclass

from fhir_mapping.record import Result


@dataclass(frozen=True, slots=True)
class Answer:
    """Yes, no, or (None) open; and the results whose bounds leave it open."""

    truth: bool | None
    open_by: tuple[Result, ...] = ()

    def no(self) -> "Answer":
        """The answer to the opposite question."""
        return Answer(None if self.truth is None else not self.truth, self.open_by)


NO = Answer(truth=False)
YES = Answer(truth=True)


def left_to(truth: bool | None, *results: Result) -> Answer:
    """An answer that, where it is open, these results leave so."""
    return Answer(truth, results if truth is None else ())


def both(*answers: Answer) -> Answer:
    """Whether all hold: no if one does not, else open if one is."""
    if any(answer.truth is False for answer in answers):
        return NO
    left = [answer for answer in answers if answer.truth is None]
    return Answer(None, _together(left)) if left else YES


def either(*answers: Answer) -> Answer:
    """Whether one holds: yes if one does, else open if one is."""
    if any(answer.truth is True for answer in answers):
        return YES
    left = [answer for answer in answers if answer.truth is None]
    return Answer(None, _together(left)) if left else NO


def _together(answers: list[Answer]) -> tuple[Result, ...]:
    return tuple({result.resource: result for answer in answers for result in answer.open_by}.values())
