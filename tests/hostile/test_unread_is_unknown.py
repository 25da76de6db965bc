"""Rules 0: whatever is made unreadable never decides.

Nobody becomes absent, none, seronegative, controlled or silent by it, and no statin row is lost.
"""

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from random import Random

import pytest

from cds_service.cards import assessment, why
from cds_service.cards.card_settings import CardSettings
from cds_service.fhir import gather
from cds_service.security.clients import Caller, callers
from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from fhir_mapping import checks, findings
from fhir_mapping.checks.doubts import doubts_of
from fhir_mapping.laboratory.antibody import read_serology
from fhir_mapping.record import Entry, Gathered, Source
from fhir_mapping.rules import eligibility, signs
from models.registry import default_folder, load_model
from tests.support import record_damage as damage
from tests.support.changes import replace
from tests.support.charts import AS_OF
from tests.support.ehr_simulator import EhrSimulator
from tests.support.service import KEYS, TABLES, call_body, running
from tests.support.unread_charts import ATORVASTATIN, INGREDIENTS, Chart, imnm_chart, keys_of, other_chart

pytestmark = pytest.mark.thorough
SEEDS, PER_SEED = range(8), 250  # 2,000 generated records a run
OTHERS = 1000
WAYS: tuple[damage.Way, ...] = (
    damage.no_subject,
    damage.subject_by_identifier_alone,
    damage.subject_on_another_server,
    damage.subject_that_was_not_sent,
    damage.subject_of_a_wrong_type,
    damage.modifier_extension,
    damage.modifier_extension_inside,
    damage.implicit_rules,
    damage.no_status,
    damage.status_that_does_not_exist,
    damage.status_of_a_wrong_type,
    damage.statuses_that_disagree,
    damage.status_unknown,
    damage.preliminary,
    damage.undated,
    damage.time_in_other_words,
    damage.time_of_a_wrong_type,
    damage.conflicting_codes,
    damage.no_unit,
    damage.unknown_unit,
    damage.units_that_disagree,
    damage.number_as_text,
    damage.value_beside_a_reason_for_its_absence,
    damage.named_not_coded,
    damage.medicine_that_is_nowhere,
    damage.code_of_a_wrong_shape,
    damage.code_without_its_system,
)
TAKEN = ("no_unit", "unknown_unit", "units_that_disagree", "number_as_text")
SIGNS = ("core", "broad", "anti-srp", "anti-hmgcr")
ENZYMES = {"ast", "alt", "drr"}
SCORED = ("definite", "probable")
PREDICTORS = ("cardiac_involvement", "high_ana", "treatment_refractory", "high_drr")
CALLER: Caller = callers([Client(name="open")], TABLES, b"")[""]


@dataclass(frozen=True)
class Seen:
    """What the service makes of a chart."""

    states: dict[str, str]
    reasons: dict[str, str]
    cited: dict[str, set[str]]
    eligibility: str
    subtype: str
    phase: str  # empty: not asked, this is no patient
    statin: str  # the state of the statin row; empty: there is none
    speaks: bool
    bars: dict[str, set[str]]  # resource → what its doubts bar
    whole: bool  # the chart was read to its end, there being a sign of the disease


@cache
def model():
    return load_model(default_folder())


def opened(chart: Chart, keys: dict[str, list[str]]) -> Seen:
    """The chart through prefetch, gather, `assess` and the one decision whether there is a card."""
    held: dict[str, list[dict]] = {key: [] for key in KEYS}
    for resource in chart:
        for key in keys[resource["id"]]:
            held[key].append(resource)
    patient = held.pop("patient")[0]
    prefetch = {key: json.dumps(bundle_of(resources)).encode() for key, resources in held.items()}
    prefetch["patient"] = json.dumps(patient).encode()
    gathering = gather.gather(
        CALLER, "p1", "", prefetch, as_of=AS_OF, connection=None, limits=Limits(), deadline=math.inf
    )
    with closing(asyncio.new_event_loop()) as loop:
        gathered = loop.run_until_complete(gathering)
    sources = gathered.gathered.sources
    whole = all(source.state == "read" for source in sources.values())
    return seen(assessment.assess(gathered.record, model(), explained=True), whole=whole and "ana" in sources)


def bundle_of(resources: list[dict]) -> dict:
    entries = [{"resource": resource, "search": {"mode": "match"}} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def seen(assessed: assessment.Assessment, *, whole: bool) -> Seen:
    found = assessed.findings
    statin = assessed.advice.statin if assessed.advice else None
    bars: dict[str, set[str]] = {}
    for held in found.doubts:
        bars.setdefault(held.doubt.resource, set()).update(held.bars)
    return Seen(
        states={name: str(feature.state) for name, feature in found.features.items()},
        reasons={name: feature.reason for name, feature in found.features.items()},
        cited={name: {e.resource for e in feature.evidence} for name, feature in found.features.items()},
        eligibility=found.eligibility.state,
        subtype=found.eligibility.subtype,
        phase=found.activity.phase if found.activity else "",
        statin=statin.state if statin else "",
        speaks=why.speaks(assessed, CardSettings()),
        bars=bars,
        whole=whole,
    )


ROLES = {
    "1920-8": "ast",
    "1742-6": "alt",
    "1916-6": "drr",
    "2157-6": "ck",
    "33921-8": "anti-srp",
    "93493-5": "anti-hmgcr",
    "5048-4": "ana",
    "8061-4": "ana",
    "89579-7": "troponin-i",
    "6598-7": "troponin-t",
    "33762-6": "nt-probnp",
    "10230-1": "lvef",
    "715863001": "core",
    "G72.49": "broad",
    "50920009": "cardiac",
    "I40.8": "cardiac",
}


def code_of(resource: dict) -> str:
    concept = resource.get("medicationCodeableConcept") or resource.get("code") or {}
    return next((coding["code"] for coding in concept.get("coding", ())), "")


@dataclass(frozen=True)
class Damaged:
    """One resource of a chart made unreadable."""

    chart: Chart
    resource: dict  # as it was
    way: str
    broken: dict

    @property
    def name(self) -> str:
        return f"{self.resource['resourceType']}/{self.resource['id']}"

    @property
    def role(self) -> str:
        return role_of(self.resource)

    @property
    def may_be_imnm(self) -> bool:
        """Whether nobody can say which diagnosis it is (U1)."""
        return self.resource["resourceType"] == "Condition" and self.way == "code_of_a_wrong_shape"

    @property
    def time(self) -> str:
        """Its time as it counts now; without one it may be the newest (U2)."""
        written = self.broken.get("effectiveDateTime")
        return written if isinstance(written, str) and written[:1] == "2" else AS_OF.isoformat()

    def in_words(self) -> str:
        return f"{self.name} ({self.role}) {self.way}: {json.dumps(self.chart)}"


def role_of(resource: dict) -> str:
    """The role in which U1 doubts a resource, of a medicine its name; empty: in none."""
    return (ROLES | INGREDIENTS).get(code_of(resource), "")


def broken_by(way: damage.Way, resource: dict) -> dict | None:
    """A copy made unreadable; None where the way is not one for such a resource: an active statin needs no time (F3)."""
    copy = deepcopy(resource)
    is_listed = code_of(resource) == ATORVASTATIN and resource["status"] == "active"
    if is_listed and way in (damage.undated, damage.time_in_other_words):
        return None
    return copy if way(copy) else None


def damaged(random: Random, chart: Chart) -> Damaged:
    """Any accepted result, diagnosis or medicine with a role that U1 doubts, in any of the ways."""
    while True:
        resource, way = random.choice(chart[1:]), random.choice(WAYS)
        broken = broken_by(way, resource) if role_of(resource) else None
        if broken is not None:
            return Damaged(chart, resource, way.__name__, broken)


@cache
def drawn(seed: int) -> tuple[Damaged, ...]:
    random = Random(seed)
    return tuple(damaged(random, imnm_chart(random)) for _ in range(PER_SEED))


def times(d: Damaged, names: set[str]) -> list[str]:
    """When the results were taken."""
    every = {f"{r['resourceType']}/{r['id']}": r.get("effectiveDateTime", "") for r in d.chart}
    return sorted(every[name] for name in names if every[name])


def is_older(d: Damaged, without: Seen, name: str) -> bool:
    """Whether the answer without it rests on something that is not older than it, so that it is not later (U2)."""
    decided = times(d, without.cited[name])
    return bool(decided) and d.time <= decided[-1]


def not_asked(d: Damaged, before: Seen, without: Seen) -> set[str]:
    """What the rules let change although something could not be read, each by its rule."""
    excused = set()
    if d.role == "ck":
        excused.add("high_drr")  # D3 knows only what was read
        if "anti-" not in without.subtype and without.subtype != "both":
            excused.add(
                "eligibility"
            )  # U4: CK beside a positive antibody that was read, not beside codes alone
    if d.role in ("core", "broad"):
        excused.add("cardiac_involvement")  # E9: the onset, and with it the window, is that of what was read
    if d.role in ENZYMES and is_older(d, without, "high_drr"):
        excused.add("high_drr")  # D5: a doubt later than the chosen pair
    if d.role in ("troponin-i", "troponin-t", "nt-probnp") and is_older(d, without, "cardiac_involvement"):
        excused.add("cardiac_involvement")  # C6: a doubt later than the newest negative search
    if (
        d.way == "value_beside_a_reason_for_its_absence"
    ):  # U5b: F5 could not read it, so that nobody looks back
        excused |= {"ck": {"treatment_refractory"}, "lvef": {"cardiac_involvement"}}.get(d.role, set())
    if d.way == "named_not_coded" and d.role in ("anti-srp", "anti-hmgcr"):
        excused.add("eligibility")  # U4: of antibodies only doubts by code are tried as signs
    if before.phase in ("relapse", "rising"):
        excused.add("silence")  # R2, R2b: they know only what was read
        if d.role == "ck" and (is_peak(d) or d.way == "value_beside_a_reason_for_its_absence"):
            excused.add("phase")  # U5b: it looks for a nadir after the peak, among what F5 could read
    if d.role == "anti-hmgcr" and before.statin and (without.subtype == "anti-SRP" or is_asked_again(d)):
        excused |= {
            "statin",
            "silence",
        }  # V: no row where anti-SRP is positive or anti-HMGCR has another answer
    return excused


def is_peak(d: Damaged) -> bool:
    """Whether a result is not later than the highest of the others: the peak of what was read (R1)."""
    others = [r for r in d.chart if role_of(r) == d.role and r is not d.resource]
    highest = max((r["valueQuantity"]["value"] for r in others), default=0)
    peaks = [r["effectiveDateTime"] for r in others if r["valueQuantity"]["value"] == highest]
    return bool(peaks) and d.resource["effectiveDateTime"] <= min(peaks)


def is_asked_again(d: Damaged) -> bool:
    """Whether the same test has another result on the chart."""
    return sum(role_of(resource) == d.role for resource in d.chart) > 1


def wrongs(d: Damaged) -> Iterator[str]:
    """What is not as rules 0 want it, in sentences."""
    keys = {resource["id"]: keys_of(resource) for resource in d.chart}
    rest = [resource for resource in d.chart if resource is not d.resource]
    before, without = opened(d.chart, keys), opened(rest, keys)
    after = opened([*rest, d.broken], keys)
    excused = not_asked(d, before, without)
    yield from decided(before, after, excused)
    yield from unnamed(d, before, without, after)
    for name in PREDICTORS:
        pinned = d.role in ENZYMES and name == "high_drr" and is_older(d, without, name)
        if pinned and without.states[name] == "absent" != after.states[name]:
            yield f"{name} is {after.states[name]} by a doubt that is not later"


def decided(before: Seen, after: Seen, excused: set[str]) -> Iterator[str]:
    """What is absent, none, seronegative, controlled, without a statin row or silent now, and was not before."""
    newly = {
        name for name in PREDICTORS if before.whole and after.states[name] == "absent" != before.states[name]
    }
    if after.eligibility == "none" != before.eligibility:
        newly.add("eligibility")
    if after.subtype == "seronegative" != before.subtype:
        newly.add("subtype")
    if after.phase == "controlled" and before.phase not in ("controlled", ""):
        newly.add("phase")
    if before.statin and not after.statin and after.eligibility in SCORED:
        newly.add("statin")
    if before.speaks and not after.speaks and not newly & excused:
        newly.add("silence")
    yield from (f"{name} is decided by what was left" for name in sorted(newly - excused))


def unnamed(d: Damaged, before: Seen, without: Seen, after: Seen) -> Iterator[str]:
    """What is other than it would be without the resource, and no doubt of it says so."""
    named = after.bars.get(d.name, set())
    for name in PREDICTORS if without.whole and after.whole else ():
        told = (after.states[name], after.reasons[name]) == (without.states[name], without.reasons[name])
        if not told and name not in named:
            yield f"{name} is {after.states[name]} ({after.reasons[name]}) and the doubt is not named"
    taken = (
        d.way in TAKEN and before.speaks == after.speaks
    )  # V1: what has no unit or no number was done all the same
    if "silence" in named and after.eligibility in SCORED and not after.speaks:
        yield "it is silent against a doubt that is named"
    for name, one, other in (
        ("eligibility", without.eligibility, after.eligibility),
        ("subtype", without.subtype, after.subtype),
        ("phase", without.phase, after.phase if without.phase else ""),
        ("silence", str(after.speaks if taken else without.speaks), str(after.speaks)),
    ):
        if one != other and name not in named:
            yield f"{name} is {other}, not {one}, and the doubt is not named"


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_made_unreadable_never_decides(seed):
    for d in drawn(seed):
        assert not list(wrongs(d)), (list(wrongs(d)), d.in_words())


def test_every_way_makes_a_doubt_of_every_kind_that_it_applies_to_and_is_met():
    met = {(d.way, d.resource["resourceType"]): d for seed in SEEDS for d in drawn(seed)}
    every = {d.resource["resourceType"]: d.resource for d in met.values()}
    due = {(way.__name__, kind) for way in WAYS for kind, one in every.items() if broken_by(way, one)}
    assert {way for way, _ in met} == {way.__name__ for way in WAYS}
    assert due <= met.keys()
    for d in met.values():
        entries = tuple(Entry(json.dumps(resource).encode()) for resource in (d.chart[0], d.broken))
        record = checks.judge(Gathered("p1", "", {"record": Source("read", entries)}, CALLER.mapping), AS_OF)
        assert d.name in {doubt.resource for doubt in record.doubts}, d.in_words()


# The ten faults that the property finds

Fault = Callable[[pytest.MonkeyPatch], None]
FAULTS: dict[str, Fault] = {}


def fault(sentence: str) -> Callable[[Fault], Fault]:
    """Name a fault by what the product then does wrong."""

    def named(make: Fault) -> Fault:
        FAULTS[sentence] = make
        return make

    return named


def doubtless(record):
    return replace(record, doubts=())


@fault("a doubt is dropped in judge: what has a wrong JSON type leaves none")
def dropped_in_judge(patch):
    def without_unreadable(resource, verdict, case):
        return (doubt for doubt in doubts_of(resource, verdict, case) if doubt.reason != "unreadable")

    patch.setattr(checks, "doubts_of", without_unreadable)


@fault("doubts are not carried by gather: it reads on only for what was read")
def not_carried_by_gather(patch):
    patch.setattr(gather, "signs_in_doubt", lambda _record: ())


def ignored_by(name: str) -> Fault:
    def make(patch):
        rule = getattr(findings, name)
        patch.setattr(findings, name, lambda record, *rest: rule(doubtless(record), *rest))

    return make


FAULTS |= {
    "the De Ritis ratio ignores doubts": ignored_by("high_drr"),
    "the ANA titre ignores doubts": ignored_by("high_ana"),
    "the heart ignores doubts": ignored_by("cardiac_involvement"),
    "the course of treatment ignores doubts": ignored_by("treatment_refractory"),
}


@fault("the subtype ignores doubts")
def ignored_by_subtype(patch):
    def read(record):
        return replace(read_serology(record), doubts=())

    patch.setattr(signs, "read_serology", read)


@fault("eligibility ignores doubts")
def ignored_by_eligibility(patch):
    patch.setattr(eligibility, "signs_in_doubt", lambda _record: ())


@fault("silence ignores doubts")
def ignored_by_silence(patch):
    speaks = why.speaks

    def deaf(assessed, cards):
        return speaks(replace(assessed, findings=replace(assessed.findings, doubts=())), cards)

    patch.setattr(why, "speaks", deaf)


@fault("an older doubt is taken for a newer one")
def older_taken_for_newer(patch):
    judge = checks.judge

    def judged(gathered, as_of):
        record = judge(gathered, as_of)
        return replace(record, doubts=tuple(replace(doubt, when=as_of) for doubt in record.doubts))

    patch.setattr(gather, "judge", judged)


@pytest.mark.parametrize("sentence", FAULTS)
def test_the_property_finds_a_fault_within_its_run(sentence):
    with pytest.MonkeyPatch.context() as patch:
        FAULTS[sentence](patch)
        assert any(list(wrongs(d)) for seed in SEEDS for d in drawn(seed))


# Charts without IMNM


def test_a_chart_without_imnm_stays_silent_and_is_never_refused_but_for_a_doubt_in_a_sign_of_it():
    random, refused = Random(99), Counter()
    for number in range(OTHERS):
        chart = other_chart(random)
        keys = {resource["id"]: keys_of(resource) for resource in chart}
        role = ""
        if number % 2:
            d = damaged(random, chart)
            role = "core" if d.may_be_imnm else d.role
            chart = [d.broken if resource is d.resource else resource for resource in chart]
        made = opened(chart, keys)
        assert made.eligibility in ("none", "unknown"), json.dumps(chart)
        assert made.speaks is (made.eligibility == "unknown")
        if made.eligibility == "unknown":
            assert role in SIGNS, (role, json.dumps(chart))
            refused[role] += 1
    print(
        f"{OTHERS} charts without IMNM, half of them damaged: 0 cards, {refused.total()} × 412 {dict(refused)}"
    )


WORDS = (
    "IMNM ruled out",
    "family history of IMNM",
    "methotrexate",
    "anti-Jo-1",
    "rule out anti-HMGCR myopathy",
)


@pytest.mark.parametrize("number", range(20))
async def test_a_chart_without_a_sign_of_imnm_costs_three_requests_and_neither_words_nor_doubts_add_one(
    number,
):
    random = Random(number)
    chart = [resource for resource in other_chart(random) if role_of(resource) not in SIGNS]
    d = next(d for _ in range(100) if not (d := damaged(random, chart)).may_be_imnm)
    unread = [d.broken if resource is d.resource else resource for resource in chart]
    for held in (chart, [in_other_words(resource, number) for resource in chart], unread):
        ehr = EhrSimulator(held)
        async with running(ehr) as service:
            response = await service.hook(call_body())
        assert response.json() == {"cards": []}
        assert len(ehr.requests) == 3


def in_other_words(resource: dict, number: int) -> dict:
    if resource["resourceType"] not in ("Condition", "Observation"):
        return resource
    return {**resource, "code": {**resource["code"], "text": WORDS[number % len(WORDS)]}}
