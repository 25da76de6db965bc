"""Which elements of R4 a rule asks for: a resource that lost one of them, or a part of one, cannot be judged (F3).

They are those of `r4_resources.py`, but for

- `id` and `meta`: a resource without them has no versions (F7), as one that never had them; but a Patient without an
  id is nobody's;
- `contained` of a medication resource: what it refers to in there is `unresolved` then (T1);
- `gender`: there is a rule for an unknown sex (F8);
- `issued` beside an effective time: nothing asks for it (F3).

What stands beside a code and is no evidence, its `display` and `extension`, is of any type. A part that is lost counts
like the whole: of two reference ranges the one that was lost may be the one that fits, of two instructions the one by
mouth.
"""

from fhir_mapping.versions.r4_resources import (
    R4AnyResource,
    R4DiagnosticReport,
    R4Medicated,
    R4Observation,
    R4Patient,
)


def asked_for(resource: R4AnyResource) -> frozenset[str]:
    """Name the elements of a resource without which it cannot be judged, as JSON names them."""
    names = frozenset(type(resource).__struct_encode_fields__)
    match resource:
        case R4Patient():
            return names - {"meta", "gender"}
        case R4Medicated():
            return names - {"id", "meta", "contained"}
        case R4Observation() if (
            resource.effective_date_time or resource.effective_period or resource.effective_instant
        ):
            return names - {"id", "meta", "issued"}
        case R4DiagnosticReport() if resource.effective_date_time or resource.effective_period:
            return names - {"id", "meta", "issued"}
        case _:
            return names - {"id", "meta"}
