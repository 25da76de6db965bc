"""Facts as evidence: the resource, what it says and when, as a clinician would look it up."""

from decimal import Decimal

from fhir_mapping.evidence import Evidence
from fhir_mapping.laboratory.numbers import as_written as number_as_written
from fhir_mapping.laboratory.numbers import text_of
from fhir_mapping.record import Diagnosis, Result, Value


def cite(
    result: Result,
    *,
    value: Decimal | str | None = None,
    unit: str = "",
    comparator: str = "",
    upto: Decimal | None = None,
) -> Evidence:
    """A result as it was read: its analyte as the role; `value` and what follows where it is not that of its amount."""
    amount = result.amount
    if amount and value is None:
        value, unit, comparator, upto = amount.value, amount.unit, amount.comparator, amount.upto
    return Evidence(
        resource=result.resource,
        role=result.analyte,
        value=value,
        unit=unit,
        original=amount.original if amount else as_written(result.value),
        date=result.when.day_text,
        comparator=comparator,
        upto=upto,
    )


def cite_with_limit(result: Result) -> tuple[Evidence, ...]:
    """A result, and beside it the upper limit that was used where that is not the laboratory's own (F8)."""
    cited = cite(result)
    if not result.limits.default:
        return (cited,)
    limit = Evidence(
        result.resource, f"{result.analyte}-limit", result.limits.high, cited.unit, "default limit"
    )
    return cited, limit


def cite_diagnosis(diagnosis: Diagnosis, role: str = "condition") -> Evidence:
    """A Condition with the date of its onset, else of its record; an undated one has none."""
    return Evidence(diagnosis.resource, role, date=diagnosis.onset.day_text if diagnosis.onset else "")


def as_written(value: Value) -> str:
    """A value in the words of the laboratory; empty where it has none."""
    if value.number:
        return number_as_written(value.number)
    if value.integer is not None:
        return str(Decimal(value.integer))
    if value.ratio:
        return ":".join(number_as_written(number) for number in value.ratio)
    return text_of(value)
