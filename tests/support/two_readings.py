"""One drawn record through the product and through the independent reading, in one common shape."""

import json
from datetime import datetime
from fractions import Fraction
from functools import cache
from zoneinfo import ZoneInfo

from cds_service.cards.assessment import assess
from fhir_mapping import checks
from fhir_mapping.record import Entry, Gathered, MappingSettings, Source
from fhir_mapping.terms import CodeRow, Tables, load_tables
from models import advice as advising
from models import risk
from models.registry import Model, default_folder, load_model, model_of
from tests.support import reference
from tests.support.records import Record

TOLERANCE = 1e-9
NAMED_REASONS = {
    # high_drr
    "activity unknown",
    "no pair from active disease",
    "a newer result could not be read",
    "unit",
    "no AST",
    "no ALT",
    "no pair within 5 years",
    "ALT < 5 U/L",
    "not the same day",
    # high_ana
    "a result could not be read",
    # cardiac_involvement
    "troponin T raised, may come from skeletal muscle: troponin I decides",
    "pre-existing",
    "a diagnosis could not be read",
    "an older ejection fraction could not be read",
    "not assessed",
    # treatment_refractory
    "no CK since escalation",
    "CK still raised",
    "treated < 180 days",
    "no CK on treatment",
    "latest CK > 180 days old",
    "CK not decided",
    "a newer CK could not be read",
    "an agent could not be read",
    "an older CK could not be read",
    "no medication data",
    "treated < 90 days",
    # any
    "not offered by the server",
    "not read",
}  # the reasons that the rules print; other words are the writer's own
OPENINGS = ("last troponin ", "last ejection fraction on ")  # C6: compared as they are, date and all
FROM_MUSCLE = "AST and ALT may not come from muscle: "  # D8: which Condition is named is the writer's own


def named_reason(reason: str | None) -> str:
    """The reason as far as the rules give its words."""
    if not reason or reason in NAMED_REASONS or reason.startswith(OPENINGS):
        return reason or ""
    return FROM_MUSCLE if reason.startswith(FROM_MUSCLE) else ""


@cache
def packaged() -> tuple[Tables, Model]:
    return load_tables(), load_model(default_folder())


@cache
def mapped_tables(site_map: tuple) -> Tables:
    rows = [CodeRow(system, code, code, role, "site") for system, code, role in site_map]
    return packaged()[0].with_site_map(rows) if rows else packaged()[0]


def gathered(record: Record) -> Gathered:
    """The Bundle as `explain FILE` gathers it: all in one source, the base from the Patient's fullUrl."""
    entries, base = [], ""
    for entry in record.bundle["entry"]:
        resource, full_url = entry["resource"], entry.get("fullUrl", "")
        entries.append(Entry(json.dumps(resource).encode(), full_url))
        if resource["resourceType"] == "Patient" and full_url.endswith("/Patient/p1"):
            base = full_url.removesuffix("/Patient/p1")
    settings = MappingSettings(
        tables=mapped_tables(record.site_map),
        time_zone=ZoneInfo(record.time_zone),
        accept_unknown_status=record.accept_unknown_status,
        any_encounter_counts=record.any_encounter_counts,
        also_known_as=record.also_known_as,
    )
    sources = {"record": Source("read", tuple(entries))}
    sources |= {key: Source("failed", (), "timed out") for key in record.failed}
    sources |= {key: Source("not-offered") for key in record.not_offered if key not in record.failed}
    return Gathered("p1", base, sources, settings)


def product_answer(record: Record, model: dict | None = None) -> dict:
    """States, reasons and numbers as the product finds them; `model`: an artefact with landmarks."""
    served = model_of(model, packaged()[1].policy) if model else packaged()[1]
    judged = checks.judge(gathered(record), datetime.fromisoformat(record.as_of))
    assessed = assess(judged, served, explained=True)
    found = assessed.findings
    state = found.eligibility.state
    answer: dict = {
        "eligibility": {"state": state, "subtype": found.eligibility.subtype},
        "features": {name: product_feature(one) for name, one in found.features.items()},
        "refused": {(one.resource, one.reason) for one in found.refused},
        "doubts": {product_doubt(one) for one in found.doubts},
        "activity": product_activity(found.activity) if found.activity else None,
        "context": {one.finding for one in found.context},
        "srp_refractory": product_srp(found.srp_refractory),
    }
    if state == "excluded":
        answer["eligibility"]["reason"] = found.eligibility.reason
    if state == "possible":
        answer["suggestions"] = product_suggestions(advising.ask(packaged()[1].policy, found.follow_up))
    if state in ("definite", "probable"):
        answer.update(product_score(assessed))
    else:
        answer["outcome"] = "eligibility-unknown" if state == "unknown" else "not-eligible"
    return answer


def product_doubt(barring) -> tuple:
    doubt = barring.doubt
    return doubt.resource, doubt.role, doubt.reason, doubt.date, doubt.by, tuple(barring.bars)


def product_feature(feature) -> dict:
    return {
        "state": str(feature.state),
        "rule": feature.rule,
        "stale": feature.stale,
        "reason": named_reason(feature.reason),
        "value": float(feature.value) if feature.value is not None and feature.state.known else None,
    }


def product_activity(activity) -> dict:
    def shown(one):
        return one and (float(one.value), float(one.times_uln), one.date)

    line = {name: shown(getattr(activity, name)) for name in ("ck", "peak", "nadir")}
    return {**line, "phase": activity.phase}


def product_srp(srp) -> dict | None:
    return srp and {"male": srp.male, "severe_weakness": srp.severe_weakness, "ild": srp.ild}


def product_score(assessed) -> dict:
    found, outcome, advice = assessed.findings, assessed.outcome, assessed.advice
    answer: dict = {
        "follow_up": {item.item: product_item(item) for item in advice.follow_up},
        "suggestions": product_suggestions(advice),
        "indicator": advice.indicator,
        "silent": advice.quiet and not found.failed and not found.doubts,
    }
    if assessed.landmark:
        answer["landmark"] = assessed.landmark.days, assessed.landmark.since
    test = outcome.next_best_test
    answer["next_best_test"] = test.predictor if test else None
    if isinstance(outcome, risk.Abstained):
        return {**answer, "outcome": "abstained", "abstention": outcome.code}
    ends = outcome.range_over_unknowns.get("2y")
    return {
        **answer,
        "outcome": "scored",
        "band": advice.band,
        "risk": {h: (one.estimate, one.low, one.high) for h, one in outcome.risk.items()},
        "ends": (ends.lowest, ends.highest) if ends and outcome.unknown else None,
        "contributions": {n: (c.hazard_ratio, c.risk_2y_without) for n, c in outcome.contributions.items()},
    }


def product_suggestions(advice) -> tuple:
    return tuple((one.item, tuple(order.part for order in one.orders)) for one in advice.suggestions)


def product_item(item) -> tuple:
    parts = tuple((p.part, p.state, p.last and p.last.isoformat()) for p in item.parts)
    if item.state in ("warn", "unknown"):
        return item.state, parts
    last = item.last and item.last.isoformat()
    due = item.due and item.due.isoformat()
    return item.state, last, due, item.overdue_days or 0, parts


def reference_answer(record: Record, model: dict | None = None) -> dict:
    """The same from the independent reading."""
    found = reference.assess_bundle(
        record.bundle,
        record.as_of,
        accept_unknown_status=record.accept_unknown_status,
        time_zone=record.time_zone,
        any_encounter_counts=record.any_encounter_counts,
        also_known_as=record.also_known_as,
        site_map=record.site_map,
        failed=record.failed,
        not_offered=set(record.not_offered) - set(record.failed),
        model=model,
    )
    eligibility = {name: found["eligibility"][name] for name in ("state", "subtype")}
    if eligibility["state"] == "excluded":
        eligibility["reason"] = found["eligibility"]["reason"]
    answer = {
        "eligibility": eligibility,
        "features": {name: reference_feature(one) for name, one in found["features"].items()},
        "refused": {(row["resource"], row["reason"]) for row in found["refused"]},
        "doubts": {reference_doubt(row) for row in found["doubts"]},
        "activity": reference_activity(found["activity"]) if "activity" in found else None,
        "context": set(found.get("context", ())),
        "srp_refractory": found.get("srp_refractory"),
        "outcome": found["outcome"],
    }
    if "suggestions" in found:
        answer["suggestions"] = tuple((one["item"], tuple(one["parts"])) for one in found["suggestions"])
    if found["outcome"] in ("not-eligible", "eligibility-unknown"):
        return answer
    if "landmark" in found:
        answer["landmark"] = found["landmark"]["days"], found["landmark"].get("since_time_zero")
    answer["follow_up"] = {row["item"]: reference_item(row) for row in found["follow_up"]}
    answer |= {name: found[name] for name in ("indicator", "silent")}
    answer["next_best_test"] = found.get("next_best_test")
    if found["outcome"] == "abstained":
        return {**answer, "abstention": found["abstention"]["code"]}
    ends = found.get("range_over_unknowns", {}).get("2y")
    return {
        **answer,
        "band": found["band"],
        "risk": {h: (one["estimate"], one["low"], one["high"]) for h, one in found["risk"].items()},
        "ends": (ends["lowest"], ends["highest"]) if ends else None,
        "contributions": {
            name: (one["hazard_ratio"], one["risk_2y_without"])
            for name, one in found["contributions"].items()
        },
    }


def reference_doubt(row: dict) -> tuple:
    return row["resource"], row["role"], row["reason"], row.get("date", ""), row["by"], tuple(row["bars"])


def reference_feature(feature: dict) -> dict:
    value = feature.get("value") if feature["state"] in ("present", "absent") else None
    return {
        "state": feature["state"],
        "rule": feature["rule"],
        "stale": feature["stale"],
        "reason": named_reason(feature.get("reason")),
        "value": None if value is None else float(Fraction(value)),
    }


def reference_activity(activity: dict) -> dict:
    def shown(one):
        return one and (float(one["value"]), float(one["times_uln"]), one["date"])

    line = {name: shown(activity.get(name)) for name in ("ck", "peak", "nadir")}
    return {**line, "phase": activity["phase"]}


def reference_item(row: dict) -> tuple:
    parts = tuple((one["part"], one["state"], one.get("last")) for one in row.get("parts", ()))
    if row["state"] in ("warn", "unknown"):
        return row["state"], parts
    return row["state"], row.get("last"), row.get("due"), row.get("overdue_days", 0), parts


def differences(product, independent, path: str = "") -> list[tuple[str, object, object]]:
    """(where, product, independent) of everything that is not the same; numbers to 1e-9."""
    if isinstance(product, dict) and isinstance(independent, dict):
        found = []
        for name in sorted({*product, *independent}):
            found += differences(product.get(name), independent.get(name), f"{path}/{name}")
        return found
    if isinstance(product, set) and isinstance(independent, set):
        if product == independent:
            return []
        return [(path, sorted(product - independent), sorted(independent - product))]
    if isinstance(product, tuple) and isinstance(independent, tuple) and len(product) == len(independent):
        pairs = enumerate(zip(product, independent, strict=True))
        return [row for i, (one, other) in pairs for row in differences(one, other, f"{path}/{i}")]
    if isinstance(product, float) and isinstance(independent, float):
        same = abs(product - independent) <= TOLERANCE * max(1, abs(product))
        return [] if same else [(path, product, independent)]
    return [] if product == independent else [(path, product, independent)]


def compare(record: Record, model: dict | None = None) -> list[tuple[str, object, object]]:
    """Where the two readings of one record differ, by the shipped model or one with landmarks."""
    return differences(product_answer(record, model), reference_answer(record, model))
