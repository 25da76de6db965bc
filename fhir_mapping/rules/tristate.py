"""Yes, no or open: what several questions say together when a bound or an interval leaves one of them open (D6)."""

from dataclasses import dataclass

from fhir_mapping.record import Result


@dataclass(frozen=True, slots=True)
class Tristate:
    """Yes, no, or (None) open; and the results whose bounds leave it open."""

    truth: bool | None
    open_by: tuple[Result, ...] = ()

    def no(self) -> "Tristate":
        """The answer to the opposite question."""
        return Tristate(None if self.truth is None else not self.truth, self.open_by)


NO = Tristate(truth=False)
YES = Tristate(truth=True)


def left_to(truth: bool | None, *results: Result) -> Tristate:
    """An answer that, where it is open, these results leave so."""
    return Tristate(truth, results if truth is None else ())


def both(*answers: Tristate) -> Tristate:
    """Whether all hold: no if one does not, else open if one is."""
    if any(answer.truth is False for answer in answers):
        return NO
    left = [answer for answer in answers if answer.truth is None]
    return Tristate(None, _together(left)) if left else YES


def either(*answers: Tristate) -> Tristate:
    """Whether one holds: yes if one does, else open if one is."""
    if any(answer.truth is True for answer in answers):
        return YES
    left = [answer for answer in answers if answer.truth is None]
    return Tristate(None, _together(left)) if left else NO


def _together(answers: list[Tristate]) -> tuple[Result, ...]:
    return tuple({result.resource: result for answer in answers for result in answer.open_by}.values())
