"""The specification tables: Markdown files of `rules/`, one table a rule, read and held against an answer.

A table's first column is the record, its last (`why`) is for people, and every other column says what must come out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from models.inputs import Phase
from tests.spec.language import alternatives
from tests.spec.words import when

FOLDER = Path(__file__).parent / "rules"
PREDICTORS = ("cardiac_involvement", "high_ana", "treatment_refractory", "high_drr")


@dataclass(frozen=True)
class Row:
    """One row of one table; `record` may hold `{a,b}` alternatives."""

    file: str
    rule: str
    line: int
    record: str
    expected: dict[str, str]

    @property
    def cases(self) -> list[str]:
        """The records of this row, one for each alternative."""
        return alternatives(self.record)


def rows(folder: Path = FOLDER) -> list[Row]:
    """Every row of every table, in the order of the files."""
    return [row for path in files(folder) for row in _rows(path)]


def files(folder: Path = FOLDER) -> list[Path]:
    """The files of tables in the order of their numbers."""
    return sorted(folder.glob("*.md"), key=lambda path: int(path.name.split("-")[0]))


def _rows(path: Path) -> Iterator[Row]:
    rule, header = "", []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if heading := re.match(r"## ([A-Z][0-9]+[a-z]?)\b", line):
            rule, header = heading[1], []
        if not rule or not line.startswith("|"):
            continue
        cells = [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells[0] == "record":
            header = cells
        elif not set(cells[0]) <= set("- :"):
            if len(cells) != len(header):
                raise ValueError(f"{path.name}:{number}: {len(cells)} cells under a header of {len(header)}")
            expected = {h: c for h, c in zip(header[1:], cells[1:], strict=True) if c and h != "why"}
            if not expected or not expected.keys() <= _CHECKS.keys():
                raise ValueError(
                    f"{path.name}:{number}: expects nothing, or what no column knows: {expected}"
                )
            yield Row(path.name, rule, number, cells[0], expected)


def differences(answer: dict[str, Any], expected: dict[str, str]) -> list[str]:
    """What the answer (the object of `imnm-cds explain --json`) says otherwise than the row; [] if nothing."""
    return [
        f"{column}: expected {cell!r}, got {got!r}"
        for column, cell in expected.items()
        for holds, got in [_CHECKS[column](answer, cell)]
        if not holds
    ]


_FEATURE = re.compile(
    r"(?P<state>present|absent|indeterminate|missing)(?P<stale> stale)?(?: (?P<value>-?[\d.]+))?"
    r"(?: \((?P<rule>[A-Z]\d+[a-z]?)\))?(?: on (?P<date>[\d-]+))?(?:: (?P<reason>.+))?"
)


def _feature(name: str, answer: dict[str, Any], cell: str) -> tuple[bool, Any]:
    """`present stale 1.74 (D5) on 2025-03: reason`: state and staleness always, the rest where it is written."""
    want, got = _FEATURE.fullmatch(cell), answer["features"][name]
    if not want:
        raise ValueError(f"not a predictor state: {cell!r}")
    same = got["state"] == want["state"] and got["stale"] == bool(want["stale"])
    same = same and (want["rule"] is None or got["rule"] == want["rule"])
    same = same and (want["date"] is None or got.get("date") == want["date"])
    same = same and (want["reason"] is None or got.get("reason") == want["reason"])
    if want["value"] is not None:
        digits = len(want["value"].partition(".")[2])
        same = same and "value" in got and round(float(got["value"]), digits) == float(want["value"])
    return same, {k: got[k] for k in ("state", "stale", "value", "rule", "date", "reason") if k in got}


def _from(part: dict[str, Any], cell: str) -> tuple[bool, Any]:
    """`a1 b1, not a2`: resources that are among the evidence, and one that is not."""
    got = {e["resource"].split("/")[1] for e in part.get("evidence", [])}
    wanted, _, unwanted = cell.partition(", not ")
    return got.issuperset(wanted.split()) and not got.intersection(unwanted.split()), sorted(got)


def _words(got: set[str], cell: str) -> tuple[bool, Any]:
    want = set() if cell == "none" else {w.strip() for w in cell.split(",")}
    return got == want, sorted(got)


def _colon(first: Any, second: Any, cell: str) -> tuple[bool, Any]:
    """`state: more` where `more` may be left out; `second` must contain it."""
    want, _, more = (p.strip() for p in cell.partition(":"))
    return first == want and (not more or more in str(second)), f"{first}: {second}"


def _refused(answer: dict[str, Any], cell: str) -> tuple[bool, Any]:
    return _words({f"{r['resource'].split('/')[1]} {r['reason']}" for r in answer["refused"]}, cell)


def _doubts(answer: dict[str, Any], cell: str) -> tuple[bool, Any]:
    """`r1 ck no unit, r2 azathioprine by word`: every doubt that changes something, with its role and its reason."""
    got = set()
    for doubt in answer["doubts"]:
        by_word = doubt["by"] == "word"
        if by_word != (doubt["reason"] == "named, not coded"):
            got.add(f"by {doubt['by']}: {doubt['reason']}")
        reason = "by word" if by_word else doubt["reason"]
        got.add(f"{doubt['resource'].split('/')[1]} {doubt['role']} {reason}")
    return _words(got, cell)


def _bars(answer: dict[str, Any], cell: str) -> tuple[bool, Any]:
    """`r1 subtype treatment_refractory, r2 silence`: what each keeps open; silence is written only where it is all."""
    got = set()
    for doubt in answer["doubts"]:
        bars = doubt["bars"]
        what = bars[:-1] or bars if bars[-1:] == ["silence"] else [*bars, "but not silence"]
        got.add(" ".join([doubt["resource"].split("/")[1], *what]))
    return _words(got, cell)


def _notes(answer: dict[str, Any], cell: str) -> tuple[bool, Any]:
    return _words({n["rule"] for n in answer["notes"]}, cell)


_PHASES = frozenset(get_args(Phase))


def _activity(answer: dict[str, Any], cell: str) -> tuple[bool, Any]:
    """`ck 420 2.1, peak 5000, nadir 180, improving, "CK not decided"`; a thing not written is not looked at."""
    got = answer.get("activity", {})
    seen = []
    for word in (w.strip() for w in cell.split(",")):
        if word in _PHASES:
            seen += [got["phase"] == word, got["possible_relapse"] == (word == "relapse")]
        elif word in {"no ck", "no peak", "no nadir"}:
            seen.append(word[3:] not in got)
        elif word.startswith('"'):
            seen.append(word.strip('"') in got.get("reason", ""))
        else:
            name, value, *times = word.split()
            seen.append(name in got and float(got[name]["value"]) == float(value))
            seen += [round(float(got[name]["times_uln"]), 2) == float(times[0])] if times and seen[-1] else []
    return all(seen), got


def _follow_up(answer: dict[str, Any], cell: str) -> tuple[bool, Any]:
    """`visit overdue 3, echo never`; `visit ok 2026-02-28`: when it was last done; `none`: there is no table.

    `no echo`: the item is not in the table.
    """
    got = {item["item"]: item for item in answer.get("follow_up", [])}
    if cell == "none":
        return not got, got
    seen = []
    for item, state, *days in (w.split() for w in cell.split(",")):
        if item == "no":
            seen.append(state not in got)
        else:
            seen.append(item in got and got[item]["state"] == state)
            name = "last" if days and "-" in days[0] else "overdue_days"
            seen += [str(got[item].get(name)) == days[0]] if days and seen[-1] else []
    return all(seen), {k: v["state"] for k, v in got.items()} | {"days": list(got.values())}


def _parts(answer: dict[str, Any], cell: str) -> tuple[bool, Any]:
    """`ck ok 2026-02-19, ast never`: the state of a part of an item, and when it was last done."""
    got = {part["part"]: part for item in answer.get("follow_up", []) for part in item.get("parts", [])}
    seen = []
    for part, state, *last in (w.split() for w in cell.split(",")):
        seen.append(part in got and got[part]["state"] == state)
        seen += [[got[part].get("last")] == last] if seen[-1] and last else []
    return all(seen), got


def _risk(answer: dict[str, Any], cell: str) -> tuple[bool, Any]:
    """`2y 0.5682 0.3066–0.8542, over 0.2846–0.5682`: estimate and range, then the range over the unknowns.

    `no over`: there is none, because nothing is unknown.
    """
    got = answer.get("risk", {})
    if cell == "none":
        return not got, got
    seen = []
    for part in (p.strip() for p in cell.split(",")):
        if part == "no over":
            seen.append("range_over_unknowns" not in answer)
            continue
        year, *numbers = re.split(r"[ –]", part)
        if year == "over":
            over = answer["range_over_unknowns"]["2y"]
            pairs = zip(numbers, (over["lowest"], over["highest"]), strict=True)
        else:
            risk = got[year]
            pairs = zip(numbers, (risk["estimate"], risk["low"], risk["high"]), strict=False)
        seen += [abs(float(want) - have) < 10 ** -len(want.partition(".")[2]) for want, have in pairs]
    return all(seen), (got, answer.get("range_over_unknowns"))


def _contributions(answer: dict[str, Any], cell: str) -> tuple[bool, Any]:
    """`high_drr 2.5078 0.2846`: hazard ratio and the 2-year risk without it."""
    got = answer.get("contributions", {})
    if cell == "none":
        return not got, got
    wanted = {name: (ratio, without) for name, ratio, without in (w.split() for w in cell.split(","))}
    same = set(got) == set(wanted) and all(
        abs(got[n]["hazard_ratio"] - float(r)) < 1e-4 and abs(got[n]["risk_2y_without"] - float(w)) < 1e-4
        for n, (r, w) in wanted.items()
    )
    return same, got


def _next_test(answer: dict[str, Any], cell: str) -> tuple[bool, Any]:
    """`high_drr 1920-8 1742-6`: the predictor, and the codes to order."""
    got = answer.get("next_best_test")
    if cell == "none" or got is None:
        return got is None and cell == "none", got
    codes = [got["order"]["code"], *(c["code"] for c in got.get("also", []))]
    return [got["predictor"], *codes][: len(cell.split())] == cell.split(), got


def _card(answer: dict[str, Any], cell: str) -> tuple[bool, Any]:
    """`warning "words in it"`: the indicator of the one card, and what it says; `none`: silence."""
    cards = answer["cards"]
    if cell == "none":
        return cards == [], cards
    indicator, _, words = cell.partition(" ")
    if len(cards) != 1:
        return False, cards
    text = f"{cards[0]['summary']}\n{cards[0]['detail']}"
    said = all(quoted in text for quoted in re.findall(r'"([^"]*)"', words))
    unsaid = not any(quoted in text for quoted in re.findall(r"not '([^']*)'", words))
    return cards[0]["indicator"] == indicator and said and unsaid, (cards[0]["indicator"], text)


def _suggestions(answer: dict[str, Any], cell: str) -> tuple[bool, Any]:
    """`5048-4, urgent 2157-6 1920-8 by +7d, appointment 182`: the codes of each suggestion in order, one for each action.

    Whether it is `urgent` or `routine`, and its last day, only where that is written.
    """
    got = [
        [action["resource"] for action in each["actions"]]
        for card in answer["cards"]
        for each in card.get("suggestions", [])
    ]
    want = [] if cell == "none" else [c.strip() for c in cell.split(",")]
    seen = [_is_suggested(orders, wanted) for orders, wanted in zip(got, want, strict=False)]
    return len(got) == len(want) and all(seen), [" ".join(map(_ordered, orders)) for orders in got]


def _is_suggested(orders: list[dict[str, Any]], wanted: str) -> bool:
    codes, _, day = wanted.partition(" by ")
    priority, _, rest = codes.partition(" ")
    if priority in {"urgent", "routine"}:
        codes = rest
        if {order["priority"] for order in orders} != {priority}:
            return False
    periods = [order.get("occurrencePeriod") or order["requestedPeriod"][0] for order in orders]
    last_days = {(when(day) or "")[:10]} if day else set()
    return " ".join(map(_ordered, orders)) == codes and last_days >= {p["end"] for p in periods if day}


def _ordered(resource: dict[str, Any]) -> str:
    if resource["resourceType"] == "Appointment":
        return f"appointment {resource['serviceType'][0]['coding'][0]['code']}"
    return " ".join(coding["code"] for coding in resource["code"]["coding"])


def _label(answer: Any, cell: str) -> tuple[bool, Any]:
    """`relapse -30d`, `biochemical -30d` or `none`: the first of its kind, by its day (R3)."""
    kind, _, time = cell.partition(" ")
    return answer.relapse_label == f"{kind} {(when(time) or '')[:10]}".strip(), answer.relapse_label


def _landmark(answer: dict[str, Any], cell: str) -> tuple[bool, Any]:
    """`365 after 512`: the landmark and the days since time zero; `0 unknown`; `none`: the model has none."""
    got = answer.get("landmark", {})
    days, _, since = cell.partition(" ")
    want = {} if cell == "none" else {"days": int(days)}
    if since.startswith("after "):
        want["since_time_zero"] = int(since.removeprefix("after "))
    return got == want, got


_CHECKS = {
    "label": _label,
    **{p: lambda a, c, p=p: _feature(p, a, c) for p in PREDICTORS},
    **{f"{p} from": lambda a, c, p=p: _from(a["features"][p], c) for p in PREDICTORS},
    "eligibility from": lambda a, c: _from(a["eligibility"], c),
    "eligibility": lambda a, c: _colon(a["eligibility"]["state"], a["eligibility"]["reason"], c),
    "subtype": lambda a, c: _colon(a["eligibility"]["subtype"], "", c),
    "outcome": lambda a, c: _colon(a["outcome"], a.get("abstention", {}), c),
    "band": lambda a, c: _colon(a.get("band", "none"), "", c),
    "refused": _refused,
    "doubts": _doubts,
    "bars": _bars,
    "notes": _notes,
    "context": lambda a, c: _words({f["finding"] for f in a.get("context", [])}, c),
    "activity": _activity,
    "follow-up": _follow_up,
    "parts": _parts,
    "risk": _risk,
    "landmark": _landmark,
    "contributions": _contributions,
    "next test": _next_test,
    "srp refractory": lambda a, c: _words({f"{k} {v}" for k, v in a.get("srp_refractory", {}).items()}, c),
    "card": _card,
    "suggestions": _suggestions,
}
