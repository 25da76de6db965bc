"""The first page: what it is, how sure it is, the main numbers, what it cannot tell; then where patients came from."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.training.report import markup as m

_DECISION = "2y"


def first_page(content: Mapping[str, Any]) -> str:
    """Title, evidence, main numbers, limits."""
    model, found = content["model"], content["validation"]
    date = f", {m.words(content['date'])}" if content["date"] else ""
    warnings = [f"Warning: {m.words(text)}." for text in content["fit"].get("warnings", ())]
    notes = m.listed(warnings) if warnings else ""
    limits = m.listed([m.words(sentence) for sentence in content["cannot_tell"]])
    return (
        f'<header>\n<p class="evidence">Evidence: {m.words(content["evidence"])}</p>\n'
        f"<h1>{m.words(content['title'])}</h1>\n"
        f'<p class="sub">Model {m.words(model["id"])} {m.words(model["version"])}; cohort {m.words(found["cohort"])}{date}</p>\n'
        f'</header>\n<dl class="cards">\n{_cards(found)}\n</dl>\n{notes}\n'
        f'<div class="warning"><h2>What this cannot tell</h2>\n{limits}\n</div>'
    )


def _cards(found: Mapping[str, Any]) -> str:
    at = next(row for row in found["horizons"] if row["horizon"] == _DECISION)
    follow_up = found["follow_up"]
    followed = (
        f"median follow-up {m.number(follow_up['value'], 1)} years"
        if follow_up["value"] is not None
        else "median follow-up not reached"
    )
    patients = f"{m.number(found['n'])}<small>{m.number(found['events'])} recurrences, {m.number(found['deaths'])} died before; {followed}</small>"
    cards = [
        ("Patients", patients),
        ("Time zero", m.words(found["time_zero"])),
        *_concordance(found),
        (
            "Observed over expected, 2 years",
            _with_limits(at["observed_over_expected"]),
        ),
        ("Calibration slope", _slope(found)),
        ("Mean distance from calibration (ICI), 2 years", _ici(at)),
    ]
    return "\n".join(_card(name, text) for name, text in cards)


def _card(name: str, text: str) -> str:
    kind = ' class="text"' if name == "Time zero" else ""
    return f"<div><dt>{name}</dt><dd{kind}>{text}</dd></div>"


def _concordance(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    internal = found["internal"]
    if not internal:
        return [("Harrell’s C in this cohort", _with_limits(found["harrell"]))]
    shifted, figures = internal["shifted"], internal["concordance"]
    text = (
        f"{m.number(figures['corrected'])}<small>{m.number(shifted['low'])} to {m.number(shifted['high'])}; "
        f"before correction {m.number(figures['apparent'])}</small>"
    )
    return [("Harrell’s C, corrected for optimism", text)]


def _slope(found: Mapping[str, Any]) -> str:
    internal = found["internal"]
    if internal and internal["slope"]["value"] is not None:
        before = m.number(found["slope"]["value"])
        return (
            f"{m.number(internal['slope']['value'])}<small>corrected; before {before}; 1 is perfect</small>"
        )
    return _with_limits(found["slope"])


def _ici(at: Mapping[str, Any]) -> str:
    corrected, plain = at["ici_corrected"], at["ici"]
    if corrected["value"] is not None:
        before = m.number(plain["value"], 1, percent=True)
        return (
            f"{m.number(corrected['value'], 1, percent=True)} points<small>corrected; before {before}</small>"
        )
    return _with_limits(plain, percent=True)


def _with_limits(found: Mapping[str, Any], *, percent: bool = False) -> str:
    if found["value"] is None:
        return f"<small>not estimable: {m.words(found['reason'])}</small>"
    text = m.number(found["value"], 1 if percent else 2, percent=percent) + (" points" if percent else "")
    if found["low"] is None or found["high"] is None:
        return text
    return f"{text}<small>{m.number(found['low'])} to {m.number(found['high'])}</small>"


def flow(content: Mapping[str, Any]) -> str:
    """From screened to analysed."""
    rows = [
        [m.words(s["step"]), m.number(s["left"]), m.number(s["taken_out"]), m.words(s["reason"])]
        for s in content["validation"]["flow"]
    ]
    return m.section(
        "flow",
        "Flow of patients",
        m.table("From the data to the analysis", ["Step", "Left", "Taken out", "Why"], rows),
    )


def characteristics(content: Mapping[str, Any]) -> str:
    """Table 1: that of `describe`, or else the predictors alone."""
    tables = [
        m.table(
            one["title"],
            [m.words(head) for head in one["columns"]],
            [_row(row) for row in one["rows"]],
            note=m.words(one.get("note", "")),
        )
        for one in content["tables"]
    ]
    return m.section("characteristics", "Characteristics", *(tables or [_predictors(content)]))


def _row(cells: Sequence[str]) -> list[str]:
    """A row of texts; a level of the row above is set in."""
    head = cells[0]
    level = head.removeprefix("– ")
    first = m.words(head) if level == head else f'<span class="level">{m.words(level)}</span>'
    return [first, *(m.words(cell) for cell in cells[1:])]


def _predictors(content: Mapping[str, Any]) -> str:
    rows = [
        [m.words(row["label"]), m.number(row["present"]), m.number(row["absent"]), m.number(row["unknown"])]
        for row in content["validation"]["missing"]
    ]
    return m.table("Predictors at time zero", ["Predictor", "Present", "Absent", "Not known"], rows)
