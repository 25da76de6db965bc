"""Condition → Diagnosis (M1), with the checks of F2 and F3."""

from collections.abc import Collection, Mapping
from typing import Literal

from fhir_mapping.checks.extensions import not_understood
from fhir_mapping.checks.judging import Case, Verdict
from fhir_mapping.record import Concept, Diagnosis
from fhir_mapping.terms.statuses import VALUE_SETS
from fhir_mapping.versions import neutral

REFUTED = frozenset({"refuted", "entered-in-error"})
_INACTIVE = frozenset({"inactive", "resolved"})
_PARENTS: Mapping[str, str] = {  # in the value sets of the two statuses
    "recurrence": "active",
    "relapse": "active",
    "remission": "inactive",
    "resolved": "inactive",
    "provisional": "unconfirmed",
    "differential": "unconfirmed",
}
UNKNOWN = "unknown status"


def judge_condition(resource: neutral.Resource, condition: neutral.Condition, case: Case) -> Verdict:
    """Judge one Condition that has a code of our tables; an undated one counts (F3)."""
    clinical, verification = statuses_of(condition, case)
    reason = (
        not_understood(resource)
        or (verification if verification in REFUTED else "")
        or (UNKNOWN if UNKNOWN in {clinical, verification} else "")
        or (case.time_problem(condition.onset) if condition.onset else "")
    )
    recorded = condition.recorded
    is_late = recorded is not None and recorded.first > case.as_of
    return reason or (
        Diagnosis(
            resource=resource.name,
            roles=case.tables.words("conditions", resource.codings),
            clinical=_clinical(clinical, condition, case),
            confirmed=verification in {"", "confirmed"},
            onset=case.at(condition.onset) if condition.onset else None,
            recorded=case.at(recorded) if recorded and not is_late else recorded,
            recorded_late=is_late,
            abatement=condition.abatement,
            abated=_has_abated(condition, case),
        ),
    )


def may_be_eligible(condition: neutral.Condition, lost: Collection[str], case: Case) -> bool:
    """Whether it is confirmed and not over, as far as is known: also where a status is not known, or lost in part (M1)."""
    clinical, verification = statuses_of(condition, case)
    confirmed = "verificationStatus" in lost or verification in {"", "confirmed", UNKNOWN}
    is_over = _clinical(clinical, condition, case) in _INACTIVE
    return confirmed and ("clinicalStatus" in lost or not is_over)


def statuses_of(condition: neutral.Condition, case: Case) -> tuple[str, str]:
    """Read the clinical status and the verification; "" for one that is not there, `UNKNOWN` for one not known.

    The certainty of a coding that has a role outranks whichever of the two it speaks of.
    """
    clinical = _status("clinicalStatus", condition.clinical, case)
    verification = _status("verificationStatus", condition.verification, case)
    certainties = {
        case.tables.status("diagnosesicherheit", certainty.system, certainty.code)
        for coding, certainty in condition.certainties
        if case.tables.words("conditions", [coding])
    }
    if not certainties:
        return clinical, verification
    certainty = certainties.pop() if len(certainties) == 1 else ""
    if certainty in VALUE_SETS["clinicalStatus"]:
        return certainty, verification
    return clinical, certainty or UNKNOWN


def _status(
    element: Literal["clinicalStatus", "verificationStatus"], written: Concept | None, case: Case
) -> str:
    """Read a status: what all of its codings that are known agree on, a code and its parent being one."""
    if written is None:
        return ""
    known = {case.tables.status(element, coding.system, coding.code) for coding in written.codings} - {""}
    narrowest = known - {_PARENTS.get(status) for status in known}
    return narrowest.pop() if len(narrowest) == 1 else UNKNOWN


def _clinical(written: str, condition: neutral.Condition, case: Case) -> str:
    """M1: missing is active, or resolved if abated by `as_of`; abated only later, inactive and resolved are active."""
    if not written:
        return "resolved" if _has_abated(condition, case) else "active"
    return "active" if _abates_later(condition, case) and written in _INACTIVE else written


def _has_abated(condition: neutral.Condition, case: Case) -> bool:
    return condition.abated and not _abates_later(condition, case)


def _abates_later(condition: neutral.Condition, case: Case) -> bool:
    return condition.abatement is not None and condition.abatement.first > case.as_of
