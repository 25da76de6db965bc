"""The machine-readable answer of `imnm-cds explain`, version 2: an `Assessment` as one JSON object."""

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, date
from decimal import Decimal
from typing import Any

from cds_service.cards.assessment import Assessment, EligibilityUnknown
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.render import render
from fhir_mapping.evidence import Activity, Barring, Evidence, Feature, Measured, Note
from fhir_mapping.rules import VERSION
from models.advice import FollowUpItem
from models.risk import DECISION_HORIZON, Abstained, NextBestTest, Scored

_FORMAT = "imnm-cds-explain/2"
_ORDER = (
    *("format", "as_of", "patient", "eligibility", "activity", "features", "outcome", "abstention", "risk"),
    *("landmark", "range_over_unknowns", "band", "contributions", "next_best_test", "follow_up", "context"),
    *("srp_refractory", "refused", "doubts", "notes", "model", "cards"),
)


def as_json(assessment: Assessment, settings: CardSettings | None = None) -> dict[str, Any]:
    """The `explain` object: the same input gives the same bytes. Keys without a value are left out."""
    findings, outcome, model = assessment.findings, assessment.outcome, assessment.model
    notes = list(findings.notes)
    if (landmark := assessment.landmark) and landmark.note:
        notes.append(Note("S11", landmark.note))
    # Whether an unknown eligibility is a card or a 412 is the client's setting
    is_unknown = isinstance(outcome, EligibilityUnknown)
    answer = {
        "format": _FORMAT,
        "as_of": assessment.as_of.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "patient": _filled(id=findings.patient_id, age=findings.age, sex=findings.sex),
        "eligibility": _filled(
            state=findings.eligibility.state,
            reason=findings.eligibility.reason,
            subtype=findings.eligibility.subtype,
            evidence=_evidence(findings.eligibility.evidence),
        ),
        "features": {name: _feature(feature) for name, feature in findings.features.items()},
        "outcome": assessment.outcome_name,
        "refused": [{"resource": r.resource, "reason": r.reason} for r in findings.refused],
        "doubts": [_doubt(barring) for barring in findings.doubts],
        "notes": [{"rule": n.rule, "text": n.text} for n in notes],
        "model": {
            "id": model.id,
            "version": model.version,
            "rules": VERSION,
            "evidence": model.evidence,
            "sha256": model.sha256,
        },
        "cards": [] if is_unknown else render(assessment, settings or CardSettings()),
    }
    if findings.activity is not None:
        answer["activity"] = _activity(findings.activity)
    if findings.eligibility.state not in {"none", "unknown"}:
        answer["context"] = [
            {"finding": c.finding, "evidence": _evidence(c.evidence)} for c in findings.context
        ]
    if findings.srp_refractory is not None:
        answer["srp_refractory"] = {
            f.name: getattr(findings.srp_refractory, f.name) for f in fields(findings.srp_refractory)
        }
    if landmark is not None:
        answer["landmark"] = _filled(days=landmark.days, since_time_zero=landmark.since)
    if isinstance(outcome, Scored):
        answer |= _scored(outcome)
    if isinstance(outcome, Abstained):
        answer["abstention"] = {"code": outcome.code, "reason": outcome.reason, "needs": list(outcome.needs)}
        answer |= _next_best_test(outcome.next_best_test)
    if assessment.advice is not None and isinstance(outcome, Scored | Abstained):
        answer |= _filled(band=assessment.advice.band)
        answer["follow_up"] = [_item(item) for item in assessment.advice.follow_up]
    return {key: answer[key] for key in _ORDER if key in answer}


def number(value: Decimal) -> int | float:
    """A decimal as a JSON number: 420, not 420.0."""
    return int(value) if value == value.to_integral_value() else float(value)


def _filled(**members: Any) -> dict[str, Any]:
    """The members that have a value; an empty list, text or None is left out."""
    return {name: value for name, value in members.items() if value not in (None, "", [], {})}


def _evidence(evidence: Iterable[Evidence]) -> list[dict[str, Any]]:
    return [
        _filled(
            resource=e.resource,
            role=e.role,
            unit=e.unit,
            original=e.original,
            date=e.date,
            value=number(e.value) if isinstance(e.value, Decimal) else e.value,
        )
        for e in evidence
    ]


def _feature(feature: Feature) -> dict[str, Any]:
    value = {} if feature.value is None else {"value": number(feature.value), "unit": feature.unit}
    return {
        "state": str(feature.state),
        "stale": feature.stale,
        **value,
        **_filled(date=feature.date),
        "rule": feature.rule,
        **_filled(reason=feature.reason, evidence=_evidence(feature.evidence)),
    }


def _doubt(barring: Barring) -> dict[str, Any]:
    doubt = barring.doubt
    return {
        "resource": doubt.resource,
        "role": doubt.role,
        "reason": doubt.reason,
        **_filled(date=doubt.date),
        "by": doubt.by,
        "bars": list(barring.bars),
    }


def _measured(measured: Measured | None) -> dict[str, Any] | None:
    if measured is None:
        return None
    return {
        "value": number(measured.value),
        "unit": measured.unit,
        "times_uln": number(measured.times_uln),
        "date": measured.date,
        **_filled(comparator=measured.comparator),
    }


def _activity(activity: Activity) -> dict[str, Any]:
    return {
        **_filled(ck=_measured(activity.ck), peak=_measured(activity.peak), nadir=_measured(activity.nadir)),
        "possible_relapse": activity.phase == "relapse",
        "phase": activity.phase,
        **_filled(reason=activity.reason),
    }


def _scored(outcome: Scored) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "risk": {h: {"estimate": e.estimate, "low": e.low, "high": e.high} for h, e in outcome.risk.items()},
        **_filled(
            contributions={
                name: {"hazard_ratio": c.hazard_ratio, "risk_2y_without": c.risk_2y_without}
                for name, c in outcome.contributions.items()
            }
        ),
    }
    if outcome.unknown:
        over = outcome.range_over_unknowns[DECISION_HORIZON]
        answer["range_over_unknowns"] = {DECISION_HORIZON: {"lowest": over.lowest, "highest": over.highest}}
    return answer | _next_best_test(outcome.next_best_test)


def _next_best_test(test: NextBestTest | None) -> dict[str, Any]:
    if test is None:
        return {}
    order, *also = ({"system": each.code.system, "code": each.code.code} for each in test.orders)
    return {"next_best_test": {"predictor": test.predictor, "order": order, **_filled(also=also)}}


def _item(item: FollowUpItem) -> dict[str, Any]:
    days = {} if item.overdue_days is None else {"overdue_days": item.overdue_days}
    dates = _filled(last=_day(item.last), due=_day(item.due))
    parts = [{"part": part.part, "state": part.state, **_filled(last=_day(part.last))} for part in item.parts]
    return {"item": item.item, "state": item.state, **dates, **days, **_filled(parts=parts)}


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
