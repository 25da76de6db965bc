"""`find`: everything that one patient's record says, before any model is asked (rules A to E, R, T, V, X and Z)."""

from collections.abc import Iterable, Mapping

from fhir_mapping.evidence import Eligibility, Feature, Findings, Note, RefusedFact
from fhir_mapping.record import PatientRecord, SourceKey, local_day
from fhir_mapping.rules.activity import activity
from fhir_mapping.rules.context import context, srp_refractory
from fhir_mapping.rules.eligibility import eligibility, read_signs
from fhir_mapping.rules.follow_up import follow_up
from fhir_mapping.rules.predictors.ana import high_ana
from fhir_mapping.rules.predictors.cardiac import cardiac_involvement
from fhir_mapping.rules.predictors.drr import high_drr
from fhir_mapping.rules.predictors.refractory import treatment_refractory

_FOR_ELIGIBILITY: tuple[SourceKey, ...] = ("patient", "conditions", "antibodies")
_FOR_PREDICTORS: tuple[SourceKey, ...] = (
    "ana",
    "enzymes",
    "cardiacTests",
    "medicationRequests",
    "medicationStatements",
    "medicationDispenses",
    "medicationAdministrations",
)


def find(record: PatientRecord) -> Findings:
    """Assemble the findings: eligibility, four predictors, activity, follow-up facts, context, refusals.

    Predictors and follow-up facts are there in every state; activity, context and the factors of Z1 in every state
    but `none`. `features` are in the order of the predictors.
    """
    who = eligibility(record)
    features = {
        "cardiac_involvement": cardiac_involvement(record, who.onset),
        "high_ana": high_ana(record),
        "treatment_refractory": treatment_refractory(record),
        "high_drr": high_drr(record),
    }
    suspected = who.state != "none"
    refractory = features["treatment_refractory"].state
    return Findings(
        patient_id=record.patient.id if record.patient else "",
        age=record.patient.age if record.patient else None,
        sex=record.patient.sex if record.patient else "",
        today=local_day(record.as_of, record.mapping.time_zone),
        eligibility=who,
        features=features,
        activity=activity(record) if suspected else None,
        follow_up=follow_up(record, who.subtype),
        context=context(record, who) if suspected else (),
        srp_refractory=srp_refractory(record, who, refractory) if suspected else None,
        refused=_refused(record),
        notes=_notes(who, features.values()),
        unread=_unread(record),
        failed=dict(record.failed.items()),
        eligibility_complete=_eligibility_complete(record),
    )


def _refused(record: PatientRecord) -> tuple[RefusedFact, ...]:
    """What carries a code of our tables, or is another patient's, and does not count."""
    told = {(r.resource, r.reason) for r in record.refused if r.roles or r.reason == "other patient"}
    return tuple(RefusedFact(*fact) for fact in sorted(told))


def _notes(who: Eligibility, features: Iterable[Feature]) -> tuple[Note, ...]:
    """Every note once: those of eligibility, then those of the predictors in their order."""
    notes = [*who.notes, *(note for feature in features for note in feature.notes)]
    return tuple(dict.fromkeys(notes))


def _unread(record: PatientRecord) -> Mapping[str, str]:
    """F9, S5: the failed queries that eligibility or a predictor needs.

    Procedures are needed only where the client's site map knows plasma exchange (T8).
    """
    needed = [*_FOR_ELIGIBILITY, *_FOR_PREDICTORS]
    if record.mapping.tables.codes("procedures", "plasma-exchange"):
        needed.append("procedures")
    return {key: record.failed[key] for key in needed if record.has_failed(key)}


def _eligibility_complete(record: PatientRecord) -> bool:
    """Whether no more reading could make this an IMNM patient (E1 to E4).

    CK is needed only where a broad code or a positive antibody stands alone: with either it makes the second sign.
    """
    if record.patient is None or any(map(record.has_failed, _FOR_ELIGIBILITY)):
        return False
    signs = read_signs(record)
    alone = signs.state == "none" and bool(signs.broad or signs.serology.positive)
    return not (alone and record.has_failed("enzymes"))
