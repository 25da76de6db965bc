"""Condition → Diagnosis (M1), with the checks of F2 and F3."""

from fhir_mapping.checks.extensions import not_understood
from fhir_mapping.checks.judging import Case, Verdict
from fhir_mapping.record import Diagnosis
from fhir_mapping.versions import neutral

REFUTED = frozenset({"refuted", "entered-in-error"})
INACTIVE = frozenset({"inactive", "resolved"})


def judge_condition(resource: neutral.Resource, found: neutral.Condition, case: Case) -> Verdict:
    """Judge one Condition that has a code of our tables; an undated one counts (F3)."""
    when = found.onset or found.recorded
    reason = (
        not_understood(resource.json)
        or next((code for code in found.verification if code in REFUTED), "")
        or (case.time_problem(when) if when else "")
    )
    recorded = found.recorded
    is_late = recorded is not None and recorded.first > case.as_of
    return reason or (
        Diagnosis(
            resource=resource.name,
            roles=case.tables.words("conditions", resource.codings),
            clinical=_clinical(found, case),
            confirmed=not found.verification or "confirmed" in found.verification,
            onset=case.at(when) if when else None,
            recorded=case.at(recorded) if recorded and not is_late else recorded,
            recorded_late=is_late,
        ),
    )


def _clinical(found: neutral.Condition, case: Case) -> str:
    """M1: missing is active, or resolved if abated by `as_of`; abated only later, inactive and resolved are active."""
    abates_later = found.abatement is not None and found.abatement.first > case.as_of
    if not found.clinical:
        return "resolved" if found.abated and not abates_later else "active"
    written = found.clinical[0]
    return "active" if abates_later and written in INACTIVE else written
