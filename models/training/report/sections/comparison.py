"""The model against others on the same patients: one table and one sentence for each."""

from collections.abc import Sequence

from models.training.report import markup as m
from models.training.validation.groups import in_words
from models.training.validation.supplement.comparison import Compared, ModelComparison
from models.training.validation.validation import Measure

_NAMES = {"C": "Harrell’s C", "AUC": "AUC", "Brier": "Brier score", "net benefit": "Net benefit"}
_FITTED = {
    "model": "This model was fitted to these patients, so it looks better than it is: only the corrected differences allow for that.",
    "other": "The other model was fitted to these patients, so it looks better than it is.",
    "both": "Both models were fitted to these patients, so both look better than they are.",
    "": "",
}


def comparisons(found: Sequence[ModelComparison], model_id: str) -> str:
    """The section; nothing where there is nothing to compare with."""
    if not found:
        return ""
    parts = []
    for one in found:
        name = f"{m.words(one.other_id)} {m.words(one.other_version)}"
        parts.append(f"<h3>{m.words(model_id)} against {name}</h3>")
        if one.reason:
            parts.append(f"<p>Not compared: {m.words(one.reason)}.</p>")
            continue
        parts.append(f"<p>{_in_words(one)} {_FITTED[one.fitted_here]}</p>")
        parts.append(_table(one))
    return m.section("comparison", "Against other models", *parts)


def _best(row: Compared) -> Measure:
    """The difference that may be read: the corrected one where there is one."""
    return row.corrected if row.corrected.given else row.difference


def _in_words(one: ModelComparison) -> str:
    """One sentence on discrimination and accuracy."""
    rows = [row for row in one.rows if row.figure in {"C", "Brier"}]
    better = [row for row in rows if _sign(row) > 0]
    worse = [row for row in rows if _sign(row) < 0]
    patients = f"{m.number(one.n)} patients, {m.number(one.events)} recurrences"
    if better and worse:
        verdict = f"better in {_listed(better)}, but worse in {_listed(worse)}, beyond chance"
    elif better:
        verdict = f"better in {_listed(better)} beyond chance"
    elif worse:
        verdict = f"worse in {_listed(worse)} beyond chance"
    else:
        verdict = "neither better nor worse in C or Brier score than chance allows"
    return f"In {patients}, this model is {verdict}."


def _sign(row: Compared) -> int:
    """1: this model is better, -1: worse, 0: it cannot be told. A low Brier score is a good one."""
    best = _best(row)
    if best.low is None or best.high is None or best.low <= 0 <= best.high:
        return 0
    return (1 if best.low > 0 else -1) * (-1 if row.figure == "Brier" else 1)


def _listed(rows: Sequence[Compared]) -> str:
    return ", ".join(_name(row) for row in rows)


def _name(row: Compared) -> str:
    text = _NAMES[row.figure]
    if row.at is not None:
        text += f" at {in_words(row.at)}"
    if row.threshold is not None:
        text += f", acting from {row.threshold * 100:g} %"
    return text


def _table(one: ModelComparison) -> str:
    corrected = any(row.corrected.given for row in one.rows)
    rows = [
        [
            _name(row),
            m.number(row.model, 3),
            m.number(row.other, 3),
            m.measure(row.difference, 3),
            *([m.measure(row.corrected, 3)] if corrected else []),
        ]
        for row in one.rows
    ]
    heads = ["Figure", "This model", "The other", "Difference"]
    heads += ["Difference, corrected for optimism"] if corrected else []
    note = (
        f"Limits: 2.5 and 97.5 % points of {m.number(one.resamples)} resamples of the patients, both models scored in each. "
        "Higher is better, but of the Brier score lower. Net benefit per patient."
    )
    if corrected:
        note += " The correction moves difference and limits by this model’s optimism."
    return m.table("On the same patients (95 % limits)", heads, rows, note=note)
