"""What the source's Table 1 has beside the predictors, as of time zero: age, symptoms, interstitial lung disease, blood.

Each under the name of its column in the cohort's schema. No card and no risk is made of it.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from fhir_mapping.laboratory.bounds import amount_of, bounded
from fhir_mapping.laboratory.results import LAST, latest_as_bounded, recent
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Result
from fhir_mapping.rules.context import neutrophils_and_lymphocytes
from fhir_mapping.terms.roles import Analyte, RoleWord

# Roles that are called as their columns are
_DIAGNOSED: tuple[RoleWord, ...] = ("myalgia", "dysphagia", "ild")
_MEASURED: tuple[Analyte, ...] = ("ldh", "hbdh", "lymphocytes")


def beside_predictors(record: PatientRecord) -> Mapping[str, bool | Decimal | None]:
    """The further columns of a record, as of its moment; None: not known.

    A diagnosis is present where a counted Condition of it is on record by then, absent where none is and Conditions were
    read. A laboratory value is the latest within `cohort.laboratory_days`, in the unit of its analyte; a bound or an
    interval is none, nor is a result beside which one may be the highest.
    """
    read = not record.has_failed("conditions")
    beside: dict[str, bool | Decimal | None] = {}
    for role in _DIAGNOSED:
        beside[role] = any(d.confirmed and d.has(role) for d in record.diagnoses) if read else None
    for analyte in _MEASURED:
        last = latest_as_bounded(_recent(record, record.of(analyte)))
        beside[analyte] = None if last is None or bounded(*last.likely) else amount_of(last.stands).value
    counts = neutrophils_and_lymphocytes(record)
    beside["nlr"] = None
    if counts and len(_recent(record, sorted(counts, key=LAST))) == len(counts):
        neutrophils, lymphocytes = counts
        beside["nlr"] = amount_of(neutrophils).value / amount_of(lymphocytes).value
    years = record.patient.age if record.patient else None
    beside["age"] = None if years is None else Decimal(years)
    return beside


def _recent(record: PatientRecord, results: Sequence[Result]) -> Sequence[Result]:
    return recent(results, record.as_of, record.mapping.tables.rules.days("cohort.laboratory_days"))
