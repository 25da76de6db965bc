"""Patient → the patient of the chart (E5)."""

from datetime import datetime

from fhir_mapping.checks.judging import completed_years
from fhir_mapping.record import MappingSettings, Patient
from fhir_mapping.versions import neutral
from fhir_mapping.versions.times import dates


def read_person(id_: str, person: neutral.Person, as_of: datetime, mapping: MappingSettings) -> Patient:
    """Read the Patient as of a moment; the age is that of the last possible birth date (E5)."""
    today = as_of.astimezone(mapping.time_zone).date()
    first, last = dates(person.birth_date) or (None, None)
    age = None
    if first and last and first <= today:
        age = completed_years(min(last, today), today)
    return Patient(
        id=id_,
        sex=person.sex,
        birth_first=first,
        birth_last=last,
        dead=person.died and (person.death is None or person.death.first <= as_of),
        age=age,
    )
