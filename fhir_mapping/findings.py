"""`find`: everything that one patient's record says, before any model is asked (rules A to E, R, T, V, X and Z)."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from fhir_mapping.evidence import Eligibility, Feature, Findings, Note, RefusedFact
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import SourceKey, local_day
from fhir_mapping.rules.activity import activity
from fhir_mapping.rules.barring import Predictor, barring
from fhir_mapping.rules.context import context, srp_refractory
from fhir_mapping.rules.eligibility import PHASE_1, eligibility
from fhir_mapping.rules.follow_up import follow_up
from fhir_mapping.rules.predictors import drr, refractory
from fhir_mapping.rules.predictors.ana import high_ana
from fhir_mapping.rules.predictors.cardiac import cardiac_involvement
from fhir_mapping.rules.predictors.drr import high_drr
from fhir_mapping.rules.predictors.refractory import MEDICATION_SOURCES, treatment_refractory
from models.inputs import NOT_READ, FollowUpFacts, State

SOURCES: Mapping[str, tuple[SourceKey, ...]] = {  # S5: the queries that feed each predictor
    "cardiac_involvement": ("conditions", "cardiacTests"),
    "high_ana": ("ana",),
    "treatment_refractory": (
        "enzymes",
        *MEDICATION_SOURCES,
        "procedures",  # infusions (T1), plasma exchange (T8)
        "conditions",  # a site's own codes (T5)
        "reports",
    ),
    "high_drr": ("conditions", "enzymes", "reports"),
}
# These only where they may decide
_AT_TIMES: Mapping[tuple[Predictor, SourceKey], Callable[[PatientRecord], bool]] = {
    ("treatment_refractory", "conditions"): refractory.may_be_stated,
    ("treatment_refractory", "reports"): refractory.may_be_stated,
    ("high_drr", "reports"): drr.may_be_joined,
}
_LISTED = frozenset({"other patient", "unresolved"})  # reasons that are told whatever the code is
_MISSING_RULES: Mapping[Predictor, str] = {
    "cardiac_involvement": "C6",
    "high_ana": "A3",
    "treatment_refractory": "T10",
    "high_drr": "D5",
}


def find(record: PatientRecord, *, explained: bool = True) -> Findings:
    """Assemble the findings: eligibility, four predictors, activity, follow-up facts, context, refusals.

    Activity, context and the factors of Z1 are there in every state but `none` and `unknown`. Predictors, follow-up
    facts and doubts are in every state where they are to be `explained`, else in every state but `none`, of which no
    card says more. `features` are in the order of the predictors.
    """
    who = eligibility(record)
    today = local_day(record.as_of, record.mapping.time_zone)
    asked = explained or who.state != "none"
    unread = {name: _unread(record, name) for name in _MISSING_RULES} if asked and record.failed else {}
    features = _features(record, who, unread) if asked else {}
    suspected = who.state not in {"none", "unknown"}
    now = activity(record) if suspected else None
    srp = srp_refractory(record, who, features["treatment_refractory"].state) if suspected else None
    # What carries a code of our tables, or is told whatever its code is, and does not count
    refused = {(r.resource, r.reason) for r in record.refused if r.roles or r.reason in _LISTED}
    # What eligibility or a predictor needs (F9, S5)
    needed = (*PHASE_1, *(key for keys in unread.values() for key in keys))
    return Findings(
        patient_id=record.patient_id,
        age=record.patient.age if record.patient else None,
        sex=record.patient.sex if record.patient else "",
        today=today,
        eligibility=who,
        features=dict(features.items()),
        activity=now,
        follow_up=follow_up(record) if asked else FollowUpFacts(record.as_of, today, {}),
        context=context(record, who) if suspected else (),
        srp_refractory=srp,
        refused=tuple([RefusedFact(*fact) for fact in sorted(refused)]),
        doubts=barring(record, who, features, now) if asked else (),
        notes=_notes(record, who, features.values()),
        unread={key: record.failed[key] for key in needed if record.has_failed(key)},
        failed=dict(record.failed.items()),
    )


def _features(
    record: PatientRecord, who: Eligibility, unread: Mapping[Predictor, Sequence[SourceKey]]
) -> dict[Predictor, Feature]:
    """Each predictor; one whose source failed is not read, whatever the rest says, unless it is present (S5)."""
    read: dict[Predictor, Feature] = {
        "cardiac_involvement": cardiac_involvement(record, who.onset),
        "high_ana": high_ana(record),
        "treatment_refractory": treatment_refractory(record),
        "high_drr": high_drr(record),
    }
    for name, keys in unread.items():
        if keys and read[name].state is not State.PRESENT:
            read[name] = Feature(State.MISSING, _MISSING_RULES[name], NOT_READ)
    return read


def _unread(record: PatientRecord, name: Predictor) -> list[SourceKey]:
    """The failed queries that feed a predictor (S5)."""
    failed = [key for key in SOURCES[name] if record.has_failed(key)]
    return [key for key in failed if (name, key) not in _AT_TIMES or _AT_TIMES[name, key](record)]


def _notes(record: PatientRecord, who: Eligibility, features: Iterable[Feature]) -> tuple[Note, ...]:
    """Every note once: those of eligibility, then those of the predictors in their order.

    Then what could not be read of resources that were not refused, and of the Patient, being of a wrong JSON type (F3).
    """
    notes = dict.fromkeys(who.notes)
    for feature in features:
        notes |= dict.fromkeys(feature.notes)
    losses = [
        Note("F3", f"{at}: {element} is of a wrong type and was left out") for at, element in record.losses
    ]
    return (*notes, *losses)
