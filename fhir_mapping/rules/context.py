"""What is shown beside the score and never scored: context (X), and refractory course in anti-SRP disease (Z1)."""

from collections.abc import Hashable
from datetime import datetime

from fhir_mapping.checks.doubts import REASONS
from fhir_mapping.evidence import ContextFinding, Eligibility, Evidence, FactorState, SrpRefractory
from fhir_mapping.laboratory.answers import took_place
from fhir_mapping.laboratory.bounds import amount_of, at_least
from fhir_mapping.laboratory.results import latest, lowest, newest
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Result
from fhir_mapping.rules.citation import cite, cite_diagnosis
from fhir_mapping.rules.exposures import exposures
from fhir_mapping.rules.falls import Fall, fvc_fall, lvef_fall
from fhir_mapping.rules.since_onset import cancer_window, childhood_onset, malignancy
from fhir_mapping.terms.roles import AgentClass, Analyte, RoleWord
from models.inputs import State


def context(record: PatientRecord, eligibility: Eligibility) -> tuple[ContextFinding, ...]:
    """Give the findings of X1 to X4 that the record has, always in the same order.

    What is compared with the onset of myositis is left out where that is unknown (E9): exposure before it, the cancer
    window, onset in childhood.
    """
    onset = eligibility.onset
    findings = (
        ContextFinding("ild", _diagnosed(record, "ild")),
        ContextFinding("lymphopenia", _lymphopenia(record)),
        ContextFinding("ldh", _last(record, "ldh")),
        ContextFinding("hbdh", _last(record, "hbdh")),
        ContextFinding("nlr", _neutrophils_to_lymphocytes(record)),
        ContextFinding("dysphagia", _diagnosed(record, "dysphagia")),
        malignancy(record, onset),
        cancer_window(record),
        childhood_onset(record),
        ContextFinding("fvc-fall", _fallen(fvc_fall(record))),
        ContextFinding("lvef-fall", _fallen(lvef_fall(record))),
        ContextFinding("statin", _exposed(record, "statin", onset)),
        ContextFinding("checkpoint-inhibitor", _exposed(record, "checkpoint-inhibitor", onset)),
    )
    return tuple([finding for finding in findings if finding.evidence])


def srp_refractory(
    record: PatientRecord, eligibility: Eligibility, refractory: State
) -> SrpRefractory | None:
    """Published factors of a refractory course (Z1); None unless anti-SRP is positive and the predictor not known."""
    if eligibility.subtype not in {"anti-SRP", "both"} or refractory.known:
        return None
    sex = record.patient.sex if record.patient else ""
    weak = _diagnosed(record, "severe-weakness") or _was_measured(record, "severe-weakness")
    return SrpRefractory(
        male="present" if sex == "male" else "absent" if sex == "female" else "missing",
        severe_weakness="present" if weak else "missing",
        ild=_ild(record),
    )


def _diagnosed(record: PatientRecord, role: RoleWord) -> tuple[Evidence, ...]:
    """Every counted Condition of this kind (M1)."""
    return tuple(cite_diagnosis(d, role) for d in record.diagnoses if d.confirmed and d.has(role))


def pregnant(record: PatientRecord) -> bool:
    """Whether a counted pregnancy of the last 300 days, or an undated one, is not abated (V).

    `resolved` without an abatement is not enough: a pregnancy that may go on is the safer reading.
    """
    recent = record.mapping.tables.rules.days("context.pregnancy_days")
    return any(
        d.confirmed
        and d.has("pregnancy")
        and not d.abated
        and (d.onset is None or record.as_of - d.onset.last <= recent)
        for d in record.diagnoses
    )


def _fallen(fall: Fall | None) -> tuple[Evidence, ...]:
    return (cite(fall.after), cite(fall.before)) if fall else ()


def _lymphopenia(record: PatientRecord) -> tuple[Evidence, ...]:
    """The latest lymphocyte count, if it certainly is below its own limit; of several at one time the lowest that is."""
    low: list[Result] = []
    for count in newest(record.of("lymphocytes"), lambda count: count.amount is not None):
        amount, limit = amount_of(count), count.limits.low
        if limit is not None and at_least(amount.value, amount.comparator, limit, amount.upto) is False:
            low.append(count)
    the_lowest = lowest(low)
    return (cite(the_lowest),) if the_lowest else ()


def _last(record: PatientRecord, analyte: Analyte) -> tuple[Evidence, ...]:
    last = latest(record.of(analyte))
    return (cite(last),) if last else ()


def _neutrophils_to_lymphocytes(record: PatientRecord) -> tuple[Evidence, ...]:
    counts = neutrophils_and_lymphocytes(record)
    if counts is None:
        return ()
    last, partner = counts
    ratio = amount_of(last).value / amount_of(partner).value
    return (Evidence(last.resource, "nlr", ratio, "1", date=last.when.day_text), cite(last), cite(partner))


def neutrophils_and_lymphocytes(record: PatientRecord) -> tuple[Result, Result] | None:
    """The latest two counts of one specimen, else of one time; of several the lowest ids. Lymphocytes are above 0."""
    partners: dict[Hashable, Result] = {}
    for count in _exact(record, "lymphocytes"):
        if amount_of(count).value > 0:
            for drawn in _drawn(count):
                known = partners.setdefault(drawn, count)
                if count.resource < known.resource:
                    partners[drawn] = count
    pairs = [
        (count, partner)
        for count in _exact(record, "neutrophils")
        if (partner := next(filter(None, map(partners.get, _drawn(count))), None))
    ]
    last = max([max(count.when.last for count in pair) for pair in pairs], default=None)
    latest_ones = [pair for pair in pairs if last in {count.when.last for count in pair}]
    return min(latest_ones, key=lambda pair: pair[0].resource, default=None)


def _exact(record: PatientRecord, analyte: Analyte) -> list[Result]:
    """Every count of which more than a bound is known."""
    return [r for r in record.of(analyte) if r.amount and not (r.amount.comparator or r.amount.upto)]


def _drawn(count: Result) -> list[Hashable]:
    """What two counts of the same blood share: the specimen, or else the time."""
    time = (count.when.first, count.when.last)
    return [count.specimen, time] if count.specimen else [time]


def _exposed(record: PatientRecord, klass: AgentClass, onset: datetime | None) -> tuple[Evidence, ...]:
    """Exposure to a class of medicines that began before the onset of myositis."""
    return tuple(
        Evidence(e.treatment.resource, klass, date=e.began.day_text)
        for e in exposures(record)
        if e.klass == klass and onset is not None and e.start < onset
    )


def _ild(record: PatientRecord) -> FactorState:
    """Z1: absent only where a chest CT took place, and the Conditions were read and none of them may be one."""
    if _diagnosed(record, "ild"):
        return "present"
    scanned = _was_measured(record, "chest-ct") or any(d.has("chest-ct") for d in record.done)
    unread = (
        record.has_failed("conditions")
        or any(d.has("ild") for d in record.diagnoses)  # not confirmed (M1)
        or any(  # refused for what says nothing about it (U1)
            "ild" in refused.roles and refused.reason in REASONS and refused.resource.startswith("Condition/")
            for refused in record.refused
        )
    )
    return "absent" if scanned and not unread else "missing"


def _was_measured(record: PatientRecord, role: RoleWord) -> bool:
    """Whether a result of this kind says more than that there is none (U1)."""
    return any(r.has(role) and took_place(r, record.mapping.tables) for r in record.results)
