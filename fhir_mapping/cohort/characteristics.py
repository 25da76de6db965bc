"""What the source's Table 1 has beside the predictors, as of time zero: age, symptoms, interstitial lung disease, blood.

Each under the name of its column in the cohort's schema. No card and no risk is made of it.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

from fhir_mapping.laboratory.bounds import amount_of, bounded
from fhir_mapping.laboratory.results import LAST, Highest, latest_as_bounded, recent
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Patient, Result
from fhir_mapping.rules.context import neutrophils_and_lymphocytes
from fhir_mapping.terms.roles import Analyte, RoleWord

_DIAGNOSED: Mapping[str, RoleWord] = MappingProxyType(
    {"myalgia": "myalgia", "dysphagia": "dysphagia", "ild": "ild"}
)
_MEASURED: Mapping[str, Analyte] = MappingProxyType(
    {"ldh": "ldh", "hbdh": "hbdh", "lymphocytes": "lymphocytes"}
)


def beside_predictors(record: PatientRecord) -> Mapping[str, bool | Decimal | None]:
    """The further columns of a record, as of its moment; None: not known.

    A diagnosis is present where a counted Condition of it is on record by then, absent where none is and Conditions were
    read. A laboratory value is the latest within `cohort.laboratory_days`, in the unit of its analyte; a bound is none.
    """
    read = not record.has_failed("conditions")
    return {
        **{name: _diagnosed(record, role) if read else None for name, role in _DIAGNOSED.items()},
        **{
            name: _value(latest_as_bounded(_recent(record, record.of(analyte))))
            for name, analyte in _MEASURED.items()
        },
        "nlr": _ratio(record),
        "age": _age(record.patient),
    }


def _age(patient: Patient | None) -> Decimal | None:
    """Completed years."""
    return Decimal(patient.age) if patient and patient.age is not None else None


def _diagnosed(record: PatientRecord, role: RoleWord) -> bool:
    return any(diagnosis.confirmed and diagnosis.has(role) for diagnosis in record.diagnoses)


def _recent(record: PatientRecord, results: Sequence[Result]) -> Sequence[Result]:
    return recent(results, record.as_of, record.mapping.tables.rules.days("cohort.laboratory_days"))


def _value(highest: Highest | None) -> Decimal | None:
    """The magnitude of a result; none where a bound or an interval is it, or may be."""
    if highest is None or bounded(*highest.likely):
        return None
    return amount_of(highest.stands).value


def _ratio(record: PatientRecord) -> Decimal | None:
    counts = neutrophils_and_lymphocytes(record)
    if counts is None or len(_recent(record, sorted(counts, key=LAST))) < len(counts):
        return None
    neutrophils, lymphocytes = counts
    return amount_of(neutrophils).value / amount_of(lymphocytes).value
