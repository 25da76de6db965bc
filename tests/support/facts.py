"""Judged facts for the unit tests, written as "a CK of 400, 30 days ago": no FHIR, no tables of their own."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache

from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import (
    Amount,
    Coding,
    Diagnosis,
    Done,
    Dosage,
    MappingSettings,
    Moment,
    Patient,
    Period,
    Planned,
    ReferenceLimits,
    Result,
    Treatment,
    Value,
)
from fhir_mapping.terms import Tables, load_tables
from fhir_mapping.versions.times import moment

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
BORN = date(1970, 1, 1)
UNITS = {
    **dict.fromkeys(("ast", "alt", "ck", "ldh", "hbdh"), "U/L"),
    **dict.fromkeys(("troponin-i", "troponin-t", "nt-probnp"), "ng/L"),
    **dict.fromkeys(("lymphocytes", "neutrophils"), "10*9/L"),
    "lvef": "%",
}
LIMITS = {"ck": 200, "ast": 40, "alt": 40, "troponin-i": 14, "troponin-t": 14, "nt-probnp": 125}
SNOMED = "http://snomed.info/sct"


@cache
def tables() -> Tables:
    """The tables that the product ships."""
    return load_tables()


def ago(days):
    """A moment so many days before AS_OF (a number), or a date as FHIR writes it (a text), or None."""
    if days is None or isinstance(days, Moment):
        return days
    if isinstance(days, str):
        return moment(days, UTC)
    then = AS_OF - timedelta(days=days)
    return Moment(then.isoformat(), then, then, "time")


def record(*facts, sex="female", **options):
    """A woman born in 1970 with these facts; `settings` go into the mapping, anything else into the record."""
    settings = {"tables": tables(), **options.pop("settings", {})}
    of = {
        kind: tuple(f for f in facts if isinstance(f, kind))
        for kind in (Result, Diagnosis, Treatment, Done, Planned)
    }
    return PatientRecord(
        as_of=options.pop("as_of", AS_OF),
        mapping=MappingSettings(**settings),
        patient=options.pop("patient", Patient("p1", sex, BORN, BORN, age=56)),
        results=tuple(sorted(of[Result], key=lambda r: (r.when.last, r.id))),
        diagnoses=of[Diagnosis],
        treatments=of[Treatment],
        done=of[Done],
        planned=of[Planned],
        **options,
    )


def result(analyte, value, days, comparator="", low=None, high="usual", **more):
    """A result in the canonical unit; `high` is its upper limit, None: it has none."""
    unit, limit = UNITS.get(analyte, ""), LIMITS.get(analyte) if high == "usual" else high
    amount = (
        None
        if value is None
        else Amount(Decimal(str(value)), unit, comparator, f"{comparator}{value} {unit}")
    )
    limits = ReferenceLimits(*(None if bound is None else Decimal(str(bound)) for bound in (low, limit)))
    more = {"resource": f"Observation/{analyte}-{days}", "roles": frozenset({analyte}), **more}
    return Result(analyte=analyte, when=ago(days), value=Value(), amount=amount, limits=limits, **more)


def diagnosis(roles, days, confirmed=True, clinical="active", **more):
    """A Condition with an onset so many days ago; None: undated."""
    words = frozenset(roles.split())
    more = {"resource": f"Condition/{roles.replace(' ', '-')}-{days}", "recorded": None, **more}
    return Diagnosis(roles=words, clinical=clinical, confirmed=confirmed, onset=ago(days), **more)


def medicine(kind, ingredient, **more):
    """A medication resource of the kind `Request`, `Statement`, `Dispense` or `Administration`."""
    more = {"active": False, "roles": frozenset(), **more}
    more.setdefault("resource", f"Medication{kind}/{ingredient}")
    return Treatment(kind=f"Medication{kind}", ingredient=ingredient, **more)


def course(ingredient, start, end=None, **more):
    """A MedicationRequest from so many days ago to so many days ago; without an end it is active."""
    more = {"resource": f"MedicationRequest/{ingredient}-{start}", "active": end is None, **more}
    daily = {"frequency": Decimal(1), "period_days": Decimal(1)}
    dose = {k: more.pop(k) for k in ("dose_mg", "period_days", "routes", "as_needed") if k in more}
    dosage = Dosage(bounds=Period(ago(start), ago(end)), **(daily | dose))
    return medicine("Request", ingredient, dosages=(dosage,), **more)


def given(ingredient, days, **more):
    """A MedicationAdministration so many days ago."""
    more = {"resource": f"MedicationAdministration/{ingredient}-{days}", **more}
    return medicine("Administration", ingredient, effective=Period(ago(days), ago(days)), **more)


def done(kind, roles, days, **more):
    """A Procedure, DiagnosticReport or Encounter so many days ago."""
    more = {"resource": f"{kind}/{roles.replace(' ', '-')}-{days}", **more}
    return Done(kind=kind, roles=frozenset(roles.split()), when=ago(days), **more)


def plan(kind, roles, **more):
    """An Appointment or a ServiceRequest; `start` and `made` are days ago."""
    moments = {k: ago(more.pop(k, None)) for k in ("start", "made")}
    more = {"resource": f"{kind}/{roles.replace(' ', '-')}", **moments, **more}
    return Planned(kind=kind, roles=frozenset(roles.split()), **more)


def route(word):
    """The first code of `qualifiers.csv` with this role, as the route or reason of a medication resource."""
    code = tables().codes("qualifiers", word)[0]
    return (Coding(code.system, code.code),)
