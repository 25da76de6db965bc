"""A patient p1, and resources of p1 that count, to be bent by each test."""

import json
from datetime import UTC, datetime

import pytest

from fhir_mapping.checks import judge
from fhir_mapping.record import Entry, Gathered, MappingSettings, Source
from fhir_mapping.terms import load_tables

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"


@pytest.fixture(scope="session")
def tables():
    return load_tables()


@pytest.fixture
def as_of():
    return AS_OF


def entry(resource):
    """A resource, raw JSON, or a pair of fullUrl and one of these."""
    full_url, resource = resource if isinstance(resource, tuple) else ("", resource)
    return Entry(resource if isinstance(resource, bytes) else json.dumps(resource).encode(), full_url)


@pytest.fixture
def gathered(tables):
    def make(*resources, base="", sources=None, **settings):
        entries = tuple(entry(resource) for resource in resources)
        mapping = MappingSettings(**{"tables": tables, **settings})
        return Gathered("p1", base, sources or {"record": Source("read", entries)}, mapping)

    return make


@pytest.fixture
def record(gathered):
    def make(*resources, as_of=AS_OF, **settings):
        return judge(gathered(*resources, **settings), as_of)

    return make


@pytest.fixture
def reasons(record):
    """Why resources are refused: {resource: reason}."""

    def make(*resources, **settings):
        return {r.resource: r.reason for r in record(*resources, **settings).refused}

    return make


@pytest.fixture
def patient():
    def make(**more):
        return {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1970-05-01", **more}

    return make


def concept(code, system=LOINC, **more):
    return {"coding": [{"system": system, "code": code}], **more}


@pytest.fixture
def coded():
    return concept


@pytest.fixture
def observation():
    """A CK of 1000 U/L, on 1 January 2026; `code` a LOINC code or a CodeableConcept."""

    def make(id_="o1", code="2157-6", value=1000, unit="U/L", **more):
        return {
            "resourceType": "Observation",
            "id": id_,
            "status": "final",
            "code": concept(code) if isinstance(code, str) else code,
            "subject": {"reference": "Patient/p1"},
            "effectiveDateTime": "2026-01-01T08:00:00Z",
            **(
                {}
                if value is None
                else {"valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit}}
            ),
            **more,
        }

    return make


@pytest.fixture
def condition():
    """IMNM by its SNOMED CT code."""

    def make(id_="c1", code="715863001", system="http://snomed.info/sct", **more):
        return {
            "resourceType": "Condition",
            "id": id_,
            "code": concept(code, system),
            "subject": {"reference": "Patient/p1"},
            **more,
        }

    return make


@pytest.fixture
def request_():
    """An active MedicationRequest for prednisone."""

    def make(id_="m1", code="8640", **more):
        return {
            "resourceType": "MedicationRequest",
            "id": id_,
            "status": "active",
            "intent": "order",
            "subject": {"reference": "Patient/p1"},
            "medicationCodeableConcept": concept(code, "http://www.nlm.nih.gov/research/umls/rxnorm"),
            "authoredOn": "2026-01-01",
            **more,
        }

    return make
