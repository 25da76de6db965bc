"""The statuses of R4 by type of resource: which count, which leave it open, which say that nothing took place (F3, T2)."""

from collections.abc import Mapping

_DOUBTFUL = frozenset({"preliminary", "partial", "unknown"})  # something may have been found or done (U1)
_COUNTED: Mapping[str, frozenset[str]] = {
    "Observation": frozenset({"final", "amended", "corrected"}),
    "DiagnosticReport": frozenset({"final", "amended", "corrected", "appended"}),
    "Procedure": frozenset({"completed"}),
    "MedicationRequest": frozenset({"active", "completed", "stopped", "on-hold"}),
    "MedicationStatement": frozenset({"active", "completed", "stopped", "on-hold"}),
    "MedicationAdministration": frozenset({"completed", "in-progress", "stopped"}),
    "MedicationDispense": frozenset({"completed"}),
}
_OTHERS: Mapping[str, frozenset[str]] = {  # the rest of each value set of FHIR R4
    "Observation": frozenset({"registered", "preliminary", "cancelled", "entered-in-error", "unknown"}),
    "DiagnosticReport": frozenset(
        {"registered", "partial", "preliminary", "cancelled", "entered-in-error", "unknown"}
    ),
    "Procedure": frozenset(
        {"preparation", "in-progress", "not-done", "on-hold", "stopped", "entered-in-error", "unknown"}
    ),
    "MedicationRequest": frozenset({"cancelled", "entered-in-error", "draft", "unknown"}),
    "MedicationStatement": frozenset({"entered-in-error", "intended", "not-taken", "unknown"}),
    "MedicationAdministration": frozenset({"not-done", "on-hold", "entered-in-error", "unknown"}),
    "MedicationDispense": frozenset(
        {
            *("preparation", "in-progress", "cancelled", "on-hold", "stopped", "declined"),
            *("entered-in-error", "unknown"),
        }
    ),
}
MEDICATIONS = frozenset(kind for kind in _COUNTED if kind.startswith("Medication"))
# Intents of R4: those that count (T2), and the others
INTENTS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})
PROPOSALS = frozenset({"proposal", "plan", "option"})


def status_problem(kind: str, status: str, *, accept_unknown: bool = False) -> str:
    """Give the reason of F3: the status itself, `no status`, `unknown status`, or nothing."""
    if not status:
        return "no status"
    if status in _COUNTED[kind] or (accept_unknown and status == "unknown"):
        return ""
    return status if status in _OTHERS[kind] else "unknown status"


def never_took_place(kind: str, status: str) -> bool:
    """Whether a status says that there is nothing to doubt: cancelled, entered in error, not done, pending (U1)."""
    return status in _OTHERS.get(kind, ()) and status not in _DOUBTFUL
