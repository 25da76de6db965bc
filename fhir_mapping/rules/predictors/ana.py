"""High ANA titre: present, absent, indeterminate or missing (A)."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from fhir_mapping.checks.doubts import open_doubt
from fhir_mapping.checks.observations import NO_VALUE
from fhir_mapping.evidence import Feature, Note
from fhir_mapping.laboratory.bounds import at_least
from fhir_mapping.laboratory.staining import Staining, belongs_to, read_ana
from fhir_mapping.laboratory.titres import Titre
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Doubt, Result
from fhir_mapping.rules.citation import cite
from fhir_mapping.rules.doubted import doubted
from fhir_mapping.terms.rules import Rules
from models.inputs import State

_UNIT = "{titer}"


class Decision(Struct, frozen=True):
    """A state, with the result that decides it and the titre in it."""

    state: State
    staining: Staining
    titre: Titre | None = None
    reason: str = ""
    note: str = ""
    left_open: tuple[Doubt, ...] = ()


def high_ana(record: PatientRecord) -> Feature:
    """Whether any nuclear ANA titre ever reached the threshold (A1 to A5); the value is reciprocal, in {titer}."""
    results = record.of("ana")
    belong_to = {shared for result in results for shared in belongs_to(result)}
    # A4b: not a line without titre that says nothing ("see note") beside a result that was read
    doubts = tuple(
        doubt
        for doubt in record.doubts_in("ana")
        if doubt.reason != NO_VALUE
        or "titre" in doubt.roles
        or doubt.result is None
        or belong_to.isdisjoint(belongs_to(doubt.result))
    )
    return doubted(_read(record, results), "A4b", "a result could not be read", doubts)


def _read(record: PatientRecord, results: Sequence[Result]) -> Feature:
    if not results:
        reason = "no ANA result" if record.offers("ana") else "not offered by the server"
        return Feature(State.MISSING, "A3", reason)
    rules = record.mapping.tables.rules
    decision = decide(read_ana(record), rules)
    age = record.as_of - max(result.when.last for result in results)
    stale = age > rules.days("high_ana.stale_after_days")
    if decision is None:
        return Feature(State.MISSING, "A3", "no ANA result that can be read", stale)
    result, titre = decision.staining.result, decision.titre
    shown = titre.reciprocal if titre else decision.staining.answer
    comparator, upto = (titre.comparator, titre.upto) if titre else ("", None)
    decided = titre if decision.state.known else None
    return Feature(
        decision.state,
        "A3",
        decision.reason,
        stale,
        value=decided.reciprocal if decided else None,
        unit=_UNIT if decided else "",
        date=result.when.day_text,
        evidence=(cite(result, value=shown, unit=_UNIT if titre else "", comparator=comparator, upto=upto),),
        notes=(Note("A3", decision.note),) if decision.note else (),
        barred_by=decision.left_open,
        comparator=comparator,
        upto=upto,
    )


def decide(stainings: Iterable[Staining], rules: Rules) -> Decision | None:
    """A3, in its order; None: no result says anything."""
    by_time = sorted(
        sorted(stainings, key=lambda s: s.result.id), key=lambda s: s.result.when.last, reverse=True
    )
    for state, is_high, reason in (
        (State.PRESENT, True, ""),
        (State.INDETERMINATE, None, "the comparator leaves the titre open"),
        (State.ABSENT, False, ""),
    ):
        if highest := _highest(by_time, is_high, rules):
            # F5: the results whose comparator or interval leaves the question open
            undecided = {s.result for s in by_time if _highest((s,), None, rules)} if is_high is None else ()
            left_open = tuple(map(open_doubt, sorted(undecided, key=lambda result: result.id)))
            return Decision(state, *highest, reason, left_open=left_open)
    latest: dict[str, Staining] = {}
    for staining in by_time:
        latest.setdefault("cytoplasmic" if staining.cytoplasmic else staining.answer or "unread", staining)
    if positive := latest.get("positive") or latest.get("weak"):
        return Decision(State.INDETERMINATE, positive, reason="positive without titre")
    stained = latest.get("cytoplasmic")
    note = "cytoplasmic staining only: no nuclear titre" if stained else ""
    negative = latest.get("negative") or stained
    seen = next((staining for staining in by_time if staining.seen), None)
    if negative and seen:
        return Decision(State.INDETERMINATE, seen, reason="positive without titre")
    return Decision(State.ABSENT, negative, note=note) if negative else None


def _highest(
    latest_first: Iterable[Staining], is_high: bool | None, rules: Rules
) -> tuple[Staining, Titre] | None:
    """The highest titre of which it is so high or not, or open; of several the latest result, then the lower id (A2)."""
    threshold = rules.number("high_ana.threshold")
    deciding = [
        (staining, titre)
        for staining in latest_first
        for titre in staining.titres
        if at_least(titre.reciprocal, titre.comparator, threshold, titre.upto) is is_high
    ]
    return max(deciding, key=lambda d: d[1].size, default=None)
