"""From an outcome and the follow-up facts to advice (rules S6 and V): band, follow-up, indicator, suggestions."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from models.artefact import BandName, DecidingTest, Mark, ModelError, Orderable, Policy, PolicyItem
from models.inputs import FOLLOW_UP_PARTS, FollowUpFacts, Part
from models.risk import DECISION_HORIZON, Abstained, NextBestTest, Scored

SCHEMA = "imnm-cds-policy/1"

Band = Literal["low", "intermediate", "high", "uncertain"]
ItemState = Literal["ok", "due", "overdue", "never", "planned", "unknown", "warn"]

_GAPS: tuple[ItemState, ...] = ("overdue", "never")  # V6
_SUGGESTED: tuple[ItemState, ...] = ("overdue", "never", "due")  # V7, the most pressing first


@dataclass(frozen=True, slots=True)
class Banding:
    """The band of a score (S6). `column` is the band in which the estimate lies: the table's column (V5).

    `decides` is empty unless the band is uncertain: "low to intermediate: the ANA titre decides".
    """

    band: Band
    column: BandName
    decides: str = ""


@dataclass(frozen=True, slots=True)
class FollowUpItem:
    """One row of the follow-up table for one patient (V1, V2, V3).

    `last` is the earliest of the parts' latest days, None where a part was never done. `due` is the day on which it is
    to be repeated and `overdue_days` counts from there, 0 unless it is overdue; both are None where `last` is, and in
    the state unknown. `open_parts` are to be done, `ordered_parts` are ordered already.
    """

    item: str
    label: str
    state: ItemState
    last: date | None = None
    due: date | None = None
    overdue_days: int | None = None
    open_parts: tuple[str, ...] = ()
    ordered_parts: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SuggestedOrder:
    """One suggestion of the card (V7): something to order, or a visit to book.

    `item` is an item of the follow-up table or, for the next best test, the predictor it would decide.
    """

    kind: Literal["order", "appointment"]
    item: str
    codes: tuple[Orderable, ...]

    @property
    def label(self) -> str:
        """What is to be ordered or booked, for people: "CK, AST"."""
        return ", ".join(code.name for code in self.codes)


@dataclass(frozen=True, slots=True)
class Advice:
    """What a card says beside the risk. `band` and `column` are None on abstention (V5)."""

    band: Band | None
    column: BandName | None
    decides: str
    follow_up: tuple[FollowUpItem, ...]
    indicator: Literal["info", "warning"]
    silent: bool
    suggestions: tuple[SuggestedOrder, ...]


def advise(
    policy: Policy,
    outcome: Scored | Abstained,
    facts: FollowUpFacts,
    *,
    possible_relapse: bool,
) -> Advice:
    """The advice for one patient (V1 to V7)."""
    statin: tuple[FollowUpItem, ...] = ()
    if facts.statin:
        statin = (FollowUpItem("statin", policy.statin_label, "warn", evidence=(facts.statin,)),)
    if isinstance(outcome, Abstained):
        suggestions = _suggestions(policy, outcome.next_best_test, ())
        indicator: Literal["info", "warning"] = "warning" if possible_relapse else "info"
        return Advice(None, None, "", statin, indicator, silent=False, suggestions=suggestions)
    banding = band_of(policy, outcome)
    follow_up = tuple(
        _item(policy, name, item.every[banding.column], facts)
        for name, item in policy.items.items()
        if banding.column in item.every and facts.items.get(name)
    )
    gaps = any(item.state in _GAPS for item in follow_up)
    urgent = possible_relapse or banding.column == "high" or (banding.column == "intermediate" and gaps)
    return Advice(
        band=banding.band,
        column=banding.column,
        decides=banding.decides,
        follow_up=follow_up + statin,
        indicator="warning" if urgent else "info",
        silent=policy.quiet_low and banding.band == "low" and not (gaps or statin or possible_relapse),
        suggestions=_suggestions(policy, outcome.next_best_test, follow_up),
    )


def band_of(policy: Policy, scored: Scored) -> Banding:
    """The band of the 2-year risk; `uncertain` where the unknown predictors could move it (S6)."""
    column = _band_at(policy, scored.risk[DECISION_HORIZON].estimate)
    if not scored.unknown:
        return Banding(column, column)
    ends = scored.range_over_unknowns[DECISION_HORIZON]
    lowest, highest = _band_at(policy, ends.lowest), _band_at(policy, ends.highest)
    if lowest == highest:
        return Banding(lowest, column)
    tests = [f"the {policy.tests[name].name}" for name in scored.unknown]
    verb = "decides" if len(tests) == 1 else "decide"
    return Banding("uncertain", column, f"{lowest} to {highest}: {' and '.join(tests)} {verb}")


def _band_at(policy: Policy, risk: float) -> BandName:
    if risk < policy.low_below:
        return "low"
    return "high" if risk >= policy.high_from else "intermediate"


def _item(policy: Policy, name: str, interval: timedelta, facts: FollowUpFacts) -> FollowUpItem:
    """One item in the light of the facts (V1). A part is ok by what was read, even where more could not be read."""
    item, parts = policy.items[name], facts.items[name]
    not_ok = [p for p in parts if p.last is None or p.last + interval - facts.today <= policy.due_within]
    planned = [p for p in not_ok if _is_planned(item, p, interval, facts)]
    days = [p.last for p in parts if p.last is not None]
    last = min(days) if len(days) == len(parts) else None
    due = None if last is None else last + interval
    state = _state(not_ok, planned, due, facts.today)
    if state == "unknown":
        due = None
    return FollowUpItem(
        item=name,
        label=item.label,
        state=state,
        last=last,
        due=due,
        overdue_days=None if due is None else (facts.today - due).days if state == "overdue" else 0,
        open_parts=tuple(p.name for p in not_ok if p not in planned),
        ordered_parts=tuple(p.name for p in planned),
        evidence=tuple(p.evidence for p in parts if p.evidence),
    )


def _state(not_ok: Sequence[Part], planned: Sequence[Part], due: date | None, today: date) -> ItemState:
    """The state of an item (V2, V3), from the parts that are not ok."""
    if not not_ok:
        return "ok"
    if not all(part.readable for part in not_ok):
        return "unknown"
    if len(planned) == len(not_ok):
        return "planned"
    if due is None:
        return "never"
    return "overdue" if due < today else "due"


def _is_planned(item: PolicyItem, part: Part, interval: timedelta, facts: FollowUpFacts) -> bool:
    """V3: a visit booked within the interval from now; an order not older than the interval."""
    if item.kind == "appointment":
        return any(timedelta(0) < start - facts.as_of <= interval for start in facts.appointments)
    return any(facts.as_of - written <= interval for written in part.orders)


def _suggestions(
    policy: Policy, test: NextBestTest | None, follow_up: Sequence[FollowUpItem]
) -> tuple[SuggestedOrder, ...]:
    """V7: the next best test, then what is overdue, never done, due. No code twice, none that is ordered already."""
    taken = {code for item in follow_up for code in _codes(policy, item.item, item.ordered_parts)}
    needed = sorted((i for i in follow_up if i.state in _SUGGESTED), key=lambda i: _SUGGESTED.index(i.state))
    wanted = [
        SuggestedOrder(policy.items[i.item].kind, i.item, _codes(policy, i.item, i.open_parts))
        for i in needed
    ]
    if test is not None:
        wanted.insert(0, SuggestedOrder("order", test.predictor, (test.order, *test.also)))
    suggestions = []
    for suggestion in wanted:
        codes = tuple(code for code in suggestion.codes if code not in taken)
        taken.update(codes)
        if codes:
            suggestions.append(replace(suggestion, codes=codes))
    return tuple(suggestions[: policy.suggestions_at_most])


def _codes(policy: Policy, item: str, parts: Sequence[str]) -> tuple[Orderable, ...]:
    return tuple(code for part in parts for code in policy.items[item].parts[part])


def load_policy(path: Path) -> Policy:
    """Read and check a `policy.toml`. Raises ModelError, one sentence that names the file, the place and the remedy."""
    try:
        return _policy(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); restore it from the release") from error
    except KeyError as error:
        raise ModelError(f"{path}: {error} is missing; add it there") from error
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: {error}; correct it there") from error


def _policy(document: Mapping[str, Any]) -> Policy:
    if document["schema"] != SCHEMA:
        raise ValueError(f"schema {document['schema']!r} is not {SCHEMA}")
    systems = document["vocabularies"]
    codes = {
        name: Orderable(
            row["name"], row["vocabulary"], systems[row["vocabulary"]], row["code"], row["display"]
        )
        for name, row in document["codes"].items()
    }
    policy = Policy(
        known_at_least=_number(document, "score.known_at_least", "{predictors}"),
        low_below=_number(document, "bands.low_below", "1"),
        high_from=_number(document, "bands.high_from", "1"),
        due_within=timedelta(days=_number(document, "advice.due_within", "d")),
        suggestions_at_most=_number(document, "advice.suggestions_at_most", "{suggestions}"),
        quiet_low=document["advice"]["quiet_low"],
        statin_label=document["advice"]["statin_label"],
        tests={
            name: DecidingTest(
                row["name"], tuple(codes[code] for code in row["orders"]), tuple(row.get("reasons", ()))
            )
            for name, row in document["next_best_test"].items()
        },
        items={name: _item_of(document, name, codes) for name in document["follow_up"]},
    )
    if not 0 < policy.low_below < policy.high_from < 1:
        raise ValueError("bands.low_below and bands.high_from must rise between 0 and 1")
    if not isinstance(policy.quiet_low, bool):
        raise TypeError("advice.quiet_low must be true or false")
    return policy


def _number(document: Mapping[str, Any], name: str, unit: str) -> Any:
    """A number by its dotted name, with the unit we expect, a mark and a source; only probabilities have decimals."""
    row: Any = document
    for key in name.split("."):
        row = row[key]
    kind = float if unit == "1" else int
    sourced = isinstance(row, Mapping) and row.get("mark") in get_args(Mark) and bool(row.get("source"))
    if not sourced or row.get("unit") != unit:
        raise ValueError(f"{name} needs the unit {unit}, a mark and a source")
    if type(row["value"]) is not kind or row["value"] < 0:
        raise ValueError(f"{name} needs {'a probability' if kind is float else 'a whole number'}")
    return row["value"]


def _item_of(document: Mapping[str, Any], name: str, codes: Mapping[str, Orderable]) -> PolicyItem:
    """One row of the table, under the names that the mapping uses."""
    row, parts = document["follow_up"][name], FOLLOW_UP_PARTS.get(name, ())
    if set(row["parts"]) != set(parts):
        raise ValueError(
            f"follow_up.{name} must have the parts of a known item ({', '.join(parts) or 'none'})"
        )
    if row["kind"] not in {"order", "appointment"}:
        raise ValueError(f"follow_up.{name} must be of the kind order or appointment")
    if not set(row["every"]) <= set(get_args(BandName)):
        raise ValueError(f"follow_up.{name} may have intervals for {', '.join(get_args(BandName))} only")
    return PolicyItem(
        label=row["label"],
        kind=row["kind"],
        every={
            b: timedelta(days=_number(document, f"follow_up.{name}.every.{b}", "d")) for b in row["every"]
        },
        parts={part: tuple(codes[code] for code in row["parts"][part]) for part in parts},
    )
