"""A sample patient with 2,000 Observations: years of daily results in front of the chart's own."""

import json
import re
from datetime import timedelta
from functools import cache
from typing import Any

from cds_service.demo.patients import chart, samples

_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
OBSERVATIONS = 2000
ENZYMES = 1200  # of these: what one search for enzymes finds beside the chart's own
_KINDS = (  # code, unit, range of values, reference range
    ("2157-6", "CK", "U/L", (150, 900), (20, 192)),
    ("1920-8", "AST", "U/L", (18, 70), (10, 35)),
    ("1742-6", "ALT", "U/L", (15, 60), (10, 40)),
    ("2951-2", "Sodium", "mmol/L", (134, 146), (136, 145)),
    ("2823-3", "Potassium", "mmol/L", (3, 6), (3, 5)),
)


@cache
def large_chart(name: str = "high-overdue") -> dict[str, Any]:
    """The chart of that sample patient under ids of its own, with generated results up to 2,000 Observations."""
    bundle = json.loads(_renamed(json.dumps(chart(name))))
    own = sum(entry["resource"]["resourceType"] == "Observation" for entry in bundle["entry"])
    bundle["entry"] += [{"resource": _result(name, number)} for number in range(OBSERVATIONS - own)]
    return bundle


def _renamed(text: str) -> str:
    """Put `large-` before every id and every reference to one."""
    text = re.sub(r'("reference": "[A-Za-z]+/)', r"\1large-", text)
    return re.sub(r'("resourceType": "[A-Za-z]+", "id": ")', r"\1large-", text)


def _result(name: str, number: int) -> dict[str, Any]:
    """The results of one day are one of each kind; the newest day comes last, on the last page."""
    kinds, left = (_KINDS[:3], ENZYMES - number) if number < ENZYMES else (_KINDS[3:], OBSERVATIONS - number)
    code, text, unit, (lowest, highest), (low, high) = kinds[number % len(kinds)]
    day = samples().base_day - timedelta(days=left // len(kinds))
    return {
        "resourceType": "Observation",
        "id": f"large-result-{number}",
        "status": "final",
        "category": [{"coding": [{"system": _CATEGORIES, "code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}], "text": text},
        "subject": {"reference": f"Patient/large-{name}"},
        "effectiveDateTime": f"{day}T07:30:00Z",
        "valueQuantity": _quantity(lowest + number * 7919 % (highest - lowest), unit),
        "referenceRange": [{"low": _quantity(low, unit), "high": _quantity(high, unit)}],
    }


def _quantity(value: int, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
