"""`PatientRecord`: what counts of one patient's record as of one moment, and what was asked of it already."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property, wraps
from typing import Any, TypeVar

from msgspec import Struct

from fhir_mapping.record import (
    Diagnosis,
    Done,
    Doubt,
    MappingSettings,
    Patient,
    Planned,
    Refused,
    Result,
    SourceKey,
    Treatment,
)
from fhir_mapping.terms.roles import Analyte

_Answer = TypeVar("_Answer")
_NEVER: Any = object()  # asked


class PatientRecord(Struct, frozen=True, dict=True):
    """The facts that count, as of one moment. Order of the input never changes it: every tuple is sorted.

    What is asked for again and again is kept beside the fields.
    """

    as_of: datetime
    mapping: MappingSettings
    patient: Patient | None
    results: tuple[Result, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    treatments: tuple[Treatment, ...] = ()
    done: tuple[Done, ...] = ()
    planned: tuple[Planned, ...] = ()
    refused: tuple[Refused, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    # Resource, element of a wrong type: no rule reads it and it was left out (F3), or it makes the Patient unreadable
    losses: tuple[tuple[str, str], ...] = ()
    failed: Mapping[SourceKey, str] = {}  # what happened (F9)
    not_offered: frozenset[SourceKey] = frozenset()  # what the server does not offer
    patient_id: str = ""  # of the context, also where the Patient could not be read

    @cached_property
    def answers(self) -> dict[Callable[["PatientRecord"], object], Any]:
        """What was asked with `asked_once`: an answer for each question. Another record begins without."""
        return {}

    def of(self, analyte: Analyte) -> tuple[Result, ...]:
        """All results of one analyte, earliest first."""
        return self._by_analyte.get(analyte, ())

    def has_failed(self, source: SourceKey) -> bool:
        """Whether something could not be read (F9)."""
        return source in self.failed

    def offers(self, source: SourceKey) -> bool:
        """Whether the server offers this query at all (F9)."""
        return source not in self.not_offered

    def doubts_in(self, *roles: str) -> tuple[Doubt, ...]:
        """Everything that is there in these roles and could not be used (U1)."""
        if not self.doubts:
            return ()
        places = sorted(place for role in set(roles) for place in self._doubts_by_role.get(role, ()))
        return tuple(self.doubts[place] for place in places)

    @cached_property
    def _by_analyte(self) -> Mapping[Analyte, tuple[Result, ...]]:
        of: defaultdict[Analyte, list[Result]] = defaultdict(list)
        for result in self.results:
            of[result.analyte].append(result)
        return {analyte: tuple(results) for analyte, results in of.items()}

    @cached_property
    def _doubts_by_role(self) -> Mapping[str, list[int]]:
        """The places of the doubts, by role: those of several roles stay in their order."""
        places: dict[str, list[int]] = {}
        for place, doubt in enumerate(self.doubts):
            places.setdefault(doubt.role, []).append(place)
        return places


def asked_once(question: Callable[[PatientRecord], _Answer]) -> Callable[[PatientRecord], _Answer]:
    """Answer a question about a record once: several rules ask it, and no fact of a record ever changes."""

    @wraps(question)
    def answer(record: PatientRecord) -> _Answer:
        known: _Answer = record.answers.get(question, _NEVER)
        if known is _NEVER:
            known = record.answers[question] = question(record)
        return known

    return answer
