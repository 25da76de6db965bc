"""Disease now: the latest CK, its peak and nadir, and signs of a relapse (R1, R2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Context

from fhir_mapping.bounds import amount_of, at_least, is_raised, is_within, size
from fhir_mapping.citation import cite_diagnosis, cite_with_limit
from fhir_mapping.antibody import read_serology
from fhir_mapping.eligibility import is_myopathy
from fhir_mapping.evidence import Activity, Evidence, Measured
from fhir_mapping.record import Diagnosis, PatientRecord, Result

_QUOTIENT = Context(prec=28)
_COMING_BACK = frozenset({"relapse", "recurrence"})
