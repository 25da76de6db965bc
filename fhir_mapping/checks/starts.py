"""When a treatment starts: by what its type says it by, and by nothing else (T3, F3)."""

from collections.abc import Iterable
from typing import Protocol

from fhir_mapping.record import MedicationKind, Moment, Period, Treatment


class Taken(Protocol):
    """The times of a medication resource."""

    @property
    def kind(self) -> MedicationKind:
        """Its type."""

    @property
    def authored(self) -> Moment | None:
        """When a request was written."""

    @property
    def validity(self) -> Period:
        """When a request is valid."""

    @property
    def effective(self) -> Period:
        """When a medicine was taken or given."""

    @property
    def handed_over(self) -> Moment | None:
        """When it was dispensed."""


def began(treatment: Treatment) -> Moment | None:
    """Give the start of a treatment; None: it is not known."""
    return starts(treatment, [dosage.bounds for dosage in treatment.dosages])


def starts(taken: Taken, bounds: Iterable[Period]) -> Moment | None:
    """Give the start of what has these bounds in its instructions."""
    match taken.kind:
        case "MedicationRequest":
            written = [period.start for period in bounds if period.start]
            earliest = min(written, key=lambda moment: moment.first, default=None)
            return earliest or taken.validity.start or taken.authored
        case "MedicationDispense":
            return taken.handed_over
        case _:
            return taken.effective.start
