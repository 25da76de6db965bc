"""`assess`: one pure function from a patient's record to what we have to say. Everything that answers calls it."""

from dataclasses import dataclass
from datetime import date, datetime

from fhir_mapping.evidence import Findings
from fhir_mapping.findings import find
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.rules.eligibility import in_words
from fhir_mapping.rules.time_zero import anchor_day
from models.advice import Advice, advise, ask
from models.inputs import Predictor
from models.registry import Model
from models.risk import Abstained, Scored, score


@dataclass(frozen=True, slots=True)
class NotEligible:
    """Not an IMNM patient whom the model is for: none, possible or excluded (E3, E4, E5)."""

    reason: str


@dataclass(frozen=True, slots=True)
class EligibilityUnknown:
    """It is not known whether this is an IMNM patient.

    `failed` says what failed, by prefetch key; `unused` what was there and could not be used (U4), in words.
    """

    failed: dict[str, str]
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotShown:
    """A score that is not shown: nobody at the client accepted its model, which is no fit to local patients."""


Outcome = Scored | Abstained | NotEligible | EligibilityUnknown | NotShown


@dataclass(frozen=True, slots=True)
class AtLandmark:
    """Of which landmark the baseline is that was used, in days since the model's time zero (S11).

    `since` is how long ago time zero was, negative before it; None: not known, and `note` says why. `note` also says
    where time zero is still to come.
    """

    days: int
    since: int | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Assessment:
    """One patient at one moment: findings with the ids that they were made from, the outcome and advice that follow."""

    as_of: datetime
    findings: Findings
    outcome: Outcome
    advice: Advice | None  # None: not an IMNM patient whom the model is for, and nothing to ask (E3)
    model: Model
    landmark: AtLandmark | None = None  # None: the model has none, or was not asked

    @property
    def outcome_name(self) -> str:
        """scored, abstained, not-eligible or eligibility-unknown, as in the `explain` format; or not-shown."""
        match self.outcome:
            case Scored():
                return "scored"
            case Abstained():
                return "abstained"
            case NotEligible():
                return "not-eligible"
            case EligibilityUnknown():
                return "eligibility-unknown"
            case NotShown():
                return "not-shown"


def assess(record: PatientRecord, model: Model, *, explained: bool = False) -> Assessment:
    """Map, score, advise. Pure: the same record gives the same answer, as of the moment at which it was judged.

    What no card says of somebody without the disease is found only where it is to be `explained`. Raises nothing that
    depends on the patient's data.
    """
    findings = find(record, explained=explained)
    landmark = landmark_of(record, findings, model) if model.time_zero else None
    who = findings.eligibility
    outcome: Outcome
    advice = None
    if who.is_established:
        predictors = {name: Predictor(f.state, f.reason) for name, f in findings.features.items()}
        used = model.from_landmark(landmark.days) if landmark else model
        outcome = score(used, predictors, findings.unread)
        advice = advise(model.policy, outcome, findings.follow_up, findings.phase)
    elif who.state == "unknown":
        unused = dict.fromkeys(map(in_words, who.barred_by))
        outcome = EligibilityUnknown(dict(findings.failed), tuple(unused))
    else:
        outcome = NotEligible(who.reason)
        advice = ask(model.policy, findings.follow_up) if who.state == "possible" else None
    return Assessment(record.as_of, findings, outcome, advice, model, landmark)


def landmark_of(record: PatientRecord, findings: Findings, model: Model) -> AtLandmark | None:
    """The latest landmark that is not after the patient's time since time zero (S11)."""
    zero, who = model.time_zero, findings.eligibility
    if zero is None or not who.is_established:
        return None
    anchor = anchor_day(record, who, zero.anchor)
    if not isinstance(anchor, date):
        what = "myositis onset" if zero.anchor == "onset" else "the first day of treatment"
        why = f"{anchor.resource} may be earlier and could not be used" if anchor else "it is not on record"
        return AtLandmark(0, None, f"time since time zero is not known, for {what} is not: {why}")
    since = (findings.today - anchor).days - zero.offset
    note = f"time zero of the model is in {-since} days" if since < 0 else ""
    return AtLandmark(model.landmark_at(since), since, note)
