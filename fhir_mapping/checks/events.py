"""What was done (Procedure, DiagnosticReport, Encounter) and what is planned (Appointment, ServiceRequest)."""

from fhir_mapping.checks.extensions import not_understood
from fhir_mapping.checks.judging import Case, Verdict
from fhir_mapping.checks.statuses import status_problem
from fhir_mapping.record import Done, MappingSettings, Period, Planned, Treatment
from fhir_mapping.terms import Tables
from fhir_mapping.terms.roles import RoleTable, RoleWord
from fhir_mapping.versions import neutral
from fhir_mapping.versions.times import at_once

TABLES: tuple[RoleTable, ...] = ("observations", "procedures")
"""Where the codes of Procedures, reports and orders stand."""
_NO_CONTACT = frozenset(  # statuses of an Encounter that did not take place, or not yet (V4)
    {"planned", "arrived", "triaged", "onleave", "cancelled", "entered-in-error"}
)
_NO_ORDER = frozenset({"proposal", "option"})  # intents of a ServiceRequest (V3)


def judge_performed(resource: neutral.Resource, performed: neutral.Performed, case: Case) -> Verdict:
    """Judge one Procedure or DiagnosticReport that has a code of our tables; an infusion is a treatment too (T1)."""
    is_report = resource.type == "DiagnosticReport"
    given = frozenset() if is_report else case.tables.ingredients(resource.codings)
    reason = (
        not_understood(resource)
        or report_problem(resource, case.mapping)
        or case.time_problem(performed.when)
        or ("conflicting codes" if len(given) > 1 else "")
    )
    if reason or performed.when is None:
        return reason
    roles, when = roles_in(TABLES, resource, case.tables), case.at(performed.when)
    start = case.at(performed.start) if performed.start else None
    done = Done(resource.name, roles, "DiagnosticReport" if is_report else "Procedure", when, start)
    given_in = Period(start, when) if start else at_once(when)
    infusions = [
        Treatment(
            resource=resource.name,
            roles=frozenset(),
            kind="MedicationAdministration",
            ingredient=ingredient,
            active=False,
            effective=given_in,
        )
        for ingredient in given
    ]
    return (done, *infusions)


def report_problem(resource: neutral.Resource, mapping: MappingSettings) -> str:
    """Give the reason of F3 for the status of a Procedure or DiagnosticReport."""
    is_report = resource.type == "DiagnosticReport"
    accept = is_report and mapping.accept_unknown_status
    return status_problem(resource.type, resource.status, accept_unknown=accept)


def judge_contact(resource: neutral.Resource, contact: neutral.Contact, case: Case) -> Verdict:
    """Judge one Encounter (V4); one whose status says that it is neither finished nor in progress is left out."""
    if reason := not_understood(resource):
        return reason
    if resource.status in _NO_CONTACT:
        return ()
    in_progress = resource.status == "in-progress"
    start, end = contact.period.start, contact.period.end
    when = (start or end) if in_progress else (end or start)
    reason = case.time_problem(when)
    if reason or when is None:
        return reason
    is_special = contact.service or case.tables.words("specialties", contact.kinds)
    roles = case.tables.words("visits", resource.codings)
    took_place = in_progress or resource.status == "finished"
    return (
        Done(
            resource.name,
            roles if took_place else frozenset(),
            "Encounter",
            case.at(when),
            start=case.at(start) if start else None,
            in_progress=in_progress,
            specialty_coded=bool(is_special),
            unclear=not roles or ("ambulatory" in roles and not took_place),
        ),
    )


def judge_booking(resource: neutral.Resource, booking: neutral.Booking, case: Case) -> Verdict:
    """Judge one Appointment (V3); only a booked one is a plan, and it must have been made by `as_of` (F3)."""
    if reason := not_understood(resource):
        return reason
    if resource.status != "booked":
        return ()
    created = booking.created
    if created and case.is_future(created):
        return "future"
    kinds = [kind for kind in booking.kinds if case.tables.words("specialties", [kind])]
    return (
        Planned(
            resource.name,
            case.tables.words("visits", [*booking.service, *kinds]),
            "Appointment",
            start=booking.start,
            made=case.at(created) if created else None,
            specialty_coded=bool(booking.service or kinds),
        ),
    )


def judge_order(resource: neutral.Resource, order: neutral.Order, case: Case) -> Verdict:
    """Judge one ServiceRequest (V3); only an active one that orders something is a plan."""
    if reason := not_understood(resource):
        return reason
    if resource.status != "active" or order.intent in _NO_ORDER or order.do_not_perform:
        return ()
    authored = order.authored
    if authored and case.is_future(authored):
        return "future"
    made = case.at(authored) if authored else None
    return (Planned(resource.name, roles_in(TABLES, resource, case.tables), "ServiceRequest", made=made),)


def roles_in(names: tuple[RoleTable, ...], resource: neutral.Resource, tables: Tables) -> frozenset[RoleWord]:
    """Collect the role words of a resource from several tables."""
    words: frozenset[RoleWord] = frozenset()
    for name in names:
        words |= tables.words(name, resource.codings)
    return words
