"""What speaks for IMNM and against it (E1 to E3), as it was read, or with doubts tried as signs (U4)."""

from collections.abc import Iterable, Sequence
from typing import Literal, cast

from msgspec import Struct
from msgspec.structs import replace

from fhir_mapping.checks.doubts import open_doubt
from fhir_mapping.laboratory.answers import took_place
from fhir_mapping.laboratory.antibody import ANTIBODIES, Antibody, Serology, read_answer, read_serology
from fhir_mapping.laboratory.bounds import above_limit, is_raised
from fhir_mapping.laboratory.results import highest
from fhir_mapping.patient_record import PatientRecord, asked_once
from fhir_mapping.record import Diagnosis, Doubt, Result
from fhir_mapping.terms.roles import RoleWord

SignsState = Literal["definite", "probable", "possible", "none"]
_BIOPSY: RoleWord = "necrotizing-biopsy"
BROAD: frozenset[RoleWord] = frozenset({"broad", "broad-antibody", "broad-hmgcr"})


class Signs(Struct, frozen=True):
    """Core and broad codes, antibodies, CK, and what E2b and E3 ask beside them. `positive`: those tried included."""

    core: tuple[Diagnosis, ...]
    # With these antibodies (E2), the core codes that are not confirmed among them (M1)
    broad: tuple[Diagnosis, ...]
    unconditional: bool  # a broad code that needs no antibody
    positive: frozenset[Antibody]
    serology: Serology
    seronegative: bool  # by what was read, and no doubt but those tried speaks against it
    ck: Result | None  # the highest above 5 × ULN
    high_ck: bool
    recent_high_ck: bool  # of the last 365 days (E3)
    # Beside a broad code that needs no antibody: a necrotizing biopsy (E2b; None: no code of the client says so), and
    # whether both antibodies read as negative, or another myositis-specific one positive (E3)
    biopsy: bool | None
    spoken_against: bool
    named: tuple[Doubt, ...]  # `core` by words alone (U4)

    @property
    def state(self) -> SignsState:
        """Definite (E1), probable (E2, E2b), possible (E3) or none (E4), before exclusions."""
        if self.core:
            return "definite"
        if self.high_ck and ((self.broad and self.positive) or self.is_proven_by_biopsy):
            return "probable"
        return "possible" if self.is_possible_by_codes or self.named else "none"

    @property
    def is_possible_by_codes(self) -> bool:
        """E3, but for a diagnosis that is named, not coded."""
        if self.positive:
            return bool(self.broad) or self.high_ck
        return self.unconditional and self.recent_high_ck and not self.spoken_against

    @property
    def is_proven_by_biopsy(self) -> bool:
        """E2b: a broad code that needs no antibody and a necrotizing biopsy, where no antibody was found."""
        return bool(self.biopsy) and self.unconditional and self.seronegative and not self.positive

    @property
    def asks_for_biopsy(self) -> bool:
        """Whether a biopsy would settle it, and was not read (E2b)."""
        return (
            self.state == "none" and self.biopsy is False and replace(self, biopsy=True).state == "probable"
        )

    @property
    def asks_for_ck(self) -> bool:
        """Whether CK may settle it: exactly one of a broad code and an antibody is there (E2, E3)."""
        return self.state == "none" and bool(self.broad) != bool(self.positive)


def read_signs(record: PatientRecord, tried: Iterable[Doubt] = ()) -> Signs:
    """Read the signs of a record.

    `tried`: doubts by code that count as if they could be used, and words as if they were not there (U4).
    """
    tried = tuple(tried)
    return _with(record, tried) if tried else _as_read(record)


@asked_once
def _as_read(record: PatientRecord) -> Signs:
    return _with(record, ())


def _with(record: PatientRecord, tried: tuple[Doubt, ...]) -> Signs:
    serology = read_serology(record)
    by_code = {doubt.role for doubt in tried if doubt.by == "code"}
    positive = frozenset({*serology.positive, *(name for name in ANTIBODIES if name in by_code)})
    eligible = sorted([d for d in record.diagnoses if d.eligible], key=lambda d: d.resource)
    eligible += [_as_diagnosis(doubt) for doubt in tried if doubt.role in {"core", "broad"}]
    unconditional = any(d.has("broad") if d.confirmed else d.has("core") for d in eligible)
    high = _high_cks(record)
    within = record.mapping.tables.rules.days("eligibility.recent_ck_days")
    beside_antibody = bool(serology.positive) and any(doubt.role == "ck" for doubt in tried)
    says_more = len(positive) > len(serology.positive)
    doubted, of_tried = ({(d.resource, d.role) for d in doubts} for doubts in (serology.doubts, tried))
    return Signs(
        core=tuple([d for d in eligible if d.confirmed and d.has("core")]),
        # M1: a core code that is not confirmed stands for a broad one; a broad one must be confirmed, and fit (E2)
        broad=tuple([d for d in eligible if (is_broad(d, positive) if d.confirmed else d.has("core"))]),
        unconditional=unconditional,
        positive=positive,
        serology=serology,
        seronegative=serology.all_negative and doubted <= of_tried,
        ck=highest(high) if high else None,
        high_ck=bool(high) or beside_antibody,
        recent_high_ck=bool(high) and record.as_of - high[-1].when.last <= within,
        biopsy=_has_biopsy(record) if unconditional else None,
        spoken_against=unconditional and not says_more and _is_spoken_against(record, serology),
        named=tuple([d for d in record.doubts_in("core") if d.by == "word" and d.counts]),
    )


def _as_diagnosis(doubt: Doubt) -> Diagnosis:
    """A Condition that could not be used, as if it were active and confirmed."""
    return Diagnosis(
        doubt.resource,
        cast("frozenset[RoleWord]", doubt.roles),
        "active",
        confirmed=True,
        onset=None,
        recorded=None,
    )


@asked_once
def signs_in_doubt(record: PatientRecord) -> tuple[Doubt, ...]:
    """The doubts that U4 tries: core, broad and antibodies by code; CK, a bound that leaves it open among them.

    Where both antibodies read as negative also words that name one: without them a biopsy may decide (E2b).
    """
    times = record.mapping.tables.rules.number("eligibility.ck_times_uln")
    left_open = (ck for ck in record.of("ck") if above_limit(ck, times) is None)
    by_code = (d for d in record.doubts_in("core", "broad", "ck", *ANTIBODIES) if d.by == "code")
    words = words_beside_negatives(record)
    return (*by_code, *map(open_doubt, left_open), *words)


def words_beside_negatives(record: PatientRecord) -> tuple[Doubt, ...]:
    """The antibodies by words alone, where both are otherwise read as negative."""
    serology = read_serology(record)
    return tuple(d for d in serology.doubts if d.by == "word") if serology.all_negative else ()


def is_broad(diagnosis: Diagnosis, positive: Iterable[Antibody]) -> bool:
    """Some codes are broad only with an antibody, some only with anti-HMGCR (E2)."""
    antibodies = set(positive)
    return (
        diagnosis.has("broad")
        or (diagnosis.has("broad-antibody") and bool(antibodies))
        or (diagnosis.has("broad-hmgcr") and "anti-hmgcr" in antibodies)
    )


@asked_once
def _high_cks(record: PatientRecord) -> Sequence[Result]:
    """Every CK that certainly exceeds 5 × its own limit, in order of time."""
    times = record.mapping.tables.rules.number("eligibility.ck_times_uln")
    return [ck for ck in record.of("ck") if is_raised(ck, times)]


@asked_once
def _has_biopsy(record: PatientRecord) -> bool | None:
    if not record.mapping.tables.codes("procedures", _BIOPSY):
        return None
    confirmed = (d for d in record.diagnoses if d.confirmed)
    told = (r for r in record.results if r.has(_BIOPSY) and took_place(r, record.mapping.tables))
    return any(told) or any(fact.has(_BIOPSY) for fact in (*record.done, *confirmed))


def _is_spoken_against(record: PatientRecord, serology: Serology) -> bool:
    """E3: both antibodies read as negative with no word of either, or another myositis-specific antibody positive."""
    by_word = any(d.by == "word" for d in record.doubts_in(*ANTIBODIES))
    others = (read_answer(r, record.mapping.tables) for r in record.of("other-msa"))
    return (serology.all_negative and not by_word) or "positive" in others
