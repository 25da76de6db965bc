"""The words of a card: `summary` and `detail` (GitHub Flavored Markdown without HTML) of an assessment.

The order of `detail` is fixed: disease now, risk and range, predictors with value and date, follow-up that is
missing, what would change the answer, the limits line. Nothing of the record is printed but numbers in our own
units, dates and ids; whatever else might come from there goes through `plain`.
"""

import re
from decimal import Decimal

from cds_service.assessment import Assessment, EligibilityUnknown, NotEligible
from fhir_mapping.evidence import Activity, Feature, Measured
from models.inputs import State
from models.policy import FollowUpItem
from models.risk import Abstained, Scored

SUMMARY_LENGTH = 139  # CDS Hooks: fewer than 140 characters

SOURCE_WORDS = {
    "patient": "patient data",
    "conditions": "diagnoses",
    "antibodies": "antibodies",
    "ana": "ANA",
    "enzymes": "muscle and liver enzymes",
    "bloodCount": "blood count",
    "cardiacTests": "cardiac tests",
    "lungFunction": "lung function",
    "medicationRequests": "prescriptions",
    "medicationStatements": "medication list",
    "medicationDispenses": "dispensed medicines",
    "medicationAdministrations": "infusions and injections",
    "encounters": "visits",
    "appointments": "appointments",
    "orders": "orders",
    "procedures": "procedures",
    "reports": "reports",
}

_CONTEXT_WORDS = {
    "ild": "interstitial lung disease",
    "lymphopenia": "lymphocytes below their limit",
    "ldh": "LDH",
    "hbdh": "HBDH",
    "nlr": "neutrophil/lymphocyte ratio",
    "dysphagia": "dysphagia",
    "malignancy": "malignancy",
    "statin": "statin before onset",
    "checkpoint-inhibitor": "checkpoint inhibitor before onset",
}
_ASSOCIATED = ("ild", "lymphopenia")  # X1: the two of the source's univariate comparison


def plain(text: str, length: int = 60) -> str:
    """Text of the record made harmless: one line, no Markdown, no HTML, at most `length` characters."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    shortened = re.sub(r"\s+", " ", printable).strip()[:length]
    return re.sub(r"([\\`*_{}\[\]()#+!|~>-])", r"\\\1", shortened.replace("<", "‹").replace("&", "＆"))


def percent(risk: float) -> str:
    """A risk for people (S10): whole percents, "> 95 %" and "< 1 %" at the ends."""
    if risk > 0.95:  # noqa: PLR2004 - S10 is a rule of display, not a clinical threshold
        return "> 95 %"
    if risk < 0.01:  # noqa: PLR2004
        return "< 1 %"
    return f"{risk * 100:.0f} %"


def amount(value: Decimal) -> str:
    """A measured value for people: thousands with a comma, at most two decimals, no trailing zeros."""
    rounded = value.quantize(Decimal("0.01")) if abs(value) < Decimal(100) else value.quantize(Decimal(1))
    text = f"{rounded:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
