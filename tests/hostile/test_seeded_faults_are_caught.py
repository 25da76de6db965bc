"""A fault put into the product is seen as a disagreement of the two readings within 2,000 drawn records."""

from collections.abc import Callable
from datetime import UTC
from decimal import Decimal

import pytest
from msgspec import structs

from fhir_mapping import checks, findings
from fhir_mapping.laboratory.antibody import read_serology
from fhir_mapping.record import Entry, Moment, ReferenceLimits
from fhir_mapping.rules import barring, eligibility, signs
from fhir_mapping.rules.predictors.cardiac import cardiac_involvement
from fhir_mapping.terms.units import UnitFactor, Units
from fhir_mapping.terms.words import Vocabulary
from fhir_mapping.versions.superseded import last_versions
from models import advice, risk
from models.inputs import State
from tests.support.changes import replace
from tests.support.faults import (
    AT_MOST,
    Fault,
    Faults,
    change_doubts,
    change_number,
    change_results,
    first_disagreement,
)

FAULTS = Faults()
fault = FAULTS.named


def change_gathered(patch: pytest.MonkeyPatch, change: Callable) -> None:
    """Let the product judge something else than what was gathered."""
    judge = checks.judge
    patch.setattr(checks, "judge", lambda gathered, as_of: judge(change(gathered), as_of))


@fault("a stale unit factor: 1 ukat/L is read as 16.67 U/L")
def stale_unit_factor(patch):
    factor = Units.factor

    def stale(self, number, dimension):
        right = factor(self, number, dimension)
        return UnitFactor(Decimal("16.67"), Decimal(1)) if right == (60, 1) else right

    patch.setattr(Units, "factor", stale)


@fault("a comparator is dropped: > 7000 is read as 7000")
def dropped_comparator(patch):
    def without(result):
        return structs.replace(result, amount=result.amount and structs.replace(result.amount, comparator=""))

    change_results(patch, without)


@fault("a page is dropped: the last entries of a query are not read")
def dropped_page(patch):
    def first_page(gathered):
        shorter = {key: replace(one, entries=one.entries[:-2]) for key, one in gathered.sources.items()}
        return replace(gathered, sources=shorter)

    change_gathered(patch, first_page)


@fault("the status of an Observation is ignored")
def status_ignored(patch):
    patch.setattr("fhir_mapping.checks.observations.status_problem", lambda *_, **__: "")


@fault("the ratio's threshold is off by one step")
def ratio_threshold(patch):
    change_number(patch, "high_drr.threshold", "0.01")


@fault("the titre's threshold is off by one step")
def titre_threshold(patch):
    change_number(patch, "high_ana.threshold", "1")


@fault("a CK of exactly 5 times its limit counts as high")
def ck_threshold(patch):
    change_number(patch, "eligibility.ck_times_uln", "-0.0001")


@fault("the window of a troponin is a day too short")
def shorter_window(patch):
    change_number(patch, "cardiac.search_days", "-1")


@fault("a gap of 45 days ends an episode")
def shorter_gap(patch):
    change_number(patch, "refractory.gap_days", "-0.5")


@fault("the client's time zone is ignored")
def time_zone_ignored(patch):
    def in_utc(gathered):
        return replace(gathered, mapping=replace(gathered.mapping, time_zone=UTC))

    change_gathered(patch, in_utc)


@fault("of two versions of one id the older counts")
def wrong_version(patch):
    def older(readings):
        kept, superseded = last_versions(readings)
        names = {one.name for one in superseded}
        newer = tuple(one for one in kept if one.name in names)
        return tuple(one for one in kept if one.name not in names) + superseded, newer

    patch.setattr(checks, "last_versions", older)


@fault("duplicate medication resources count twice")
def duplicates_counted(patch):
    patch.setattr(checks, "distinct_treatments", tuple)


@fault("a weak antibody counts as positive")
def weak_is_positive(patch):
    roles = Vocabulary.roles
    patch.setattr(Vocabulary, "roles", lambda self, phrase: roles(self, phrase) - {"weak"})


@fault("a missing predictor is read as absent")
def missing_is_absent(patch):
    def absent(*arguments):
        feature = cardiac_involvement(*arguments)
        return replace(feature, state=State.ABSENT) if feature.state is State.MISSING else feature

    patch.setattr(findings, "cardiac_involvement", absent)


@fault("the laboratory's own CK limit is ignored")
def ck_limit_ignored(patch):
    def default(result):
        return (
            structs.replace(result, limits=ReferenceLimits(high=Decimal(200)))
            if result.analyte == "ck"
            else result
        )

    change_results(patch, default)


@fault("another patient's result counts")
def subject_ignored(patch):
    def all_ours(gathered):
        def ours(entry):
            return Entry(entry.json.replace(b'"Patient/p2"', b'"Patient/p1"'), entry.full_url)

        sources = {
            key: replace(one, entries=tuple(ours(entry) for entry in one.entries))
            for key, one in gathered.sources.items()
        }
        return replace(gathered, sources=sources)

    change_gathered(patch, all_ours)


@fault("a modifier extension is ignored")
def extension_ignored(patch):
    patch.setattr("fhir_mapping.checks.observations.not_understood", lambda _json: "")


@fault("a partial date is read as its first day only")
def partial_date(patch):
    def first_day(result):
        when = result.when
        return structs.replace(result, when=Moment(when.text, when.first, when.first, when.precision))

    change_results(patch, first_day)


@fault("results are paired without their reports")
def reports_ignored(patch):
    change_results(patch, lambda result: structs.replace(result, reports=frozenset()))


@fault("the band begins one risk too early")
def band_edge(patch):
    advise = advice.advise

    def earlier(settings, *arguments, **named):
        return advise(replace(settings, low_below=0.12), *arguments, **named)

    patch.setattr(advice, "advise", earlier)


@fault("an unknown predictor is scored as absent")
def unknown_scored_as_absent(patch):
    score = risk.score

    def as_absent(model, predictors, unread):
        known = {
            n: replace(p, state=p.state if p.state.known else State.ABSENT) for n, p in predictors.items()
        }
        return score(model, known, unread)

    patch.setattr(risk, "score", as_absent)


@fault("a doubt is dropped in judge: of what names no unit")
def doubt_dropped_in_judge(patch):
    change_doubts(patch, lambda doubts, _as_of: (doubt for doubt in doubts if doubt.reason != "no unit"))


@fault("a source that was gathered is judged without its doubts: those by words")
def doubt_not_carried(patch):
    change_doubts(patch, lambda doubts, _as_of: (doubt for doubt in doubts if doubt.by == "code"))


def ignored_by(name: str) -> Fault:
    """Let one rule decide as if there were no doubt."""

    def make(patch):
        rule = getattr(findings, name)
        patch.setattr(findings, name, lambda record, *rest: rule(replace(record, doubts=()), *rest))

    return make


FAULTS |= {
    "the De Ritis ratio ignores doubts": ignored_by("high_drr"),
    "the ANA titre ignores doubts": ignored_by("high_ana"),
    "the heart ignores doubts": ignored_by("cardiac_involvement"),
    "the course of treatment ignores doubts": ignored_by("treatment_refractory"),
}


@fault("the subtype ignores doubts")
def doubt_ignored_by_subtype(patch):
    def read(record):
        return replace(read_serology(record), doubts=())

    patch.setattr(signs, "read_serology", read)


@fault("eligibility ignores doubts")
def doubt_ignored_by_eligibility(patch):
    patch.setattr(eligibility, "signs_in_doubt", lambda _record: ())


@fault("a newer CK that could not be read does not bar silence")
def doubt_ignored_by_silence(patch):
    patch.setattr(barring, "newer_ck_doubts", lambda _record: ())


@fault("an older doubt is taken for a newer one")
def older_doubt_taken_for_newer(patch):
    change_doubts(patch, lambda doubts, as_of: (replace(doubt, when=as_of) for doubt in doubts))


@pytest.mark.parametrize("sentence", FAULTS)
def test_a_fault_is_seen_within_two_thousand_records(sentence):
    assert 0 < first_disagreement(FAULTS[sentence]) <= AT_MOST
