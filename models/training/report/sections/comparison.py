"""The model against others on the same patients: one table and one sentence for each."""

from collections.abc import Sequence

from models.training.report import markup as m
from models.training.validation.groups import in_words
from models.training.validation.supplement.comparison import FigureDifference, ModelComparison

_NAMES = {"C": "Harrell’s C", "AUC": "AUC", "Brier": "Brier score", "net benefit": "Net benefit"}
_FITTED = {
    "model": "This model was fitted to these patients, so it looks better than it is: only the corrected differences allow for that.",
    "other": "The other model was fitted to these patients, so it looks better than it is.",
    "both": "Both models were fitted to these patients, so both look better than they are.",
    "": "",
}


def comparisons(compared: Sequence[ModelComparison], model_id: str, years: float) -> str:
    """The section; nothing where there is nothing to compare with."""
    if not compared:
        return ""
    parts = []
    for comparison in compared:
        name = f"{m.words(comparison.other_id)} {m.words(comparison.other_version)}"
        parts.append(f"<h3>{m.words(model_id)} against {name}</h3>")
        if comparison.reason:
            parts.append(f"<p>Not compared: {m.words(comparison.reason)}.</p>")
            continue
        parts.append(f"<p>{_in_words(comparison, years)} {_FITTED[comparison.fitted_here]}</p>")
        with_corrected = any(row.corrected.given for row in comparison.rows)
        rows = [
            [
                _name(row),
                m.number(row.model, 3),
                m.number(row.other, 3),
                m.measure(row.difference, 3),
                *([m.measure(row.corrected, 3)] if with_corrected else []),
            ]
            for row in comparison.rows
        ]
        heads = ["Figure", "This model", "The other", "Difference"]
        note = (
            f"Limits: the middle 95 % of {m.number(comparison.resamples)} resamples of the patients, both models scored in each. "
            "Higher is better, but of the Brier score lower. Net benefit per patient."
        )
        if with_corrected:
            heads.append("Difference, corrected for optimism")
            note += (
                " Corrected: less this model’s optimism; resamples of the patients give no limits for that."
            )
        parts.append(m.table("On the same patients (95 % limits)", heads, rows, note=note))
    return m.section("comparison", "Against other models", *parts)


def _in_words(comparison: ModelComparison, years: float) -> str:
    """One sentence on C, and on the Brier score at the horizon of decisions."""
    patients = f"In {m.number(comparison.n)} patients, {m.number(comparison.events)} recurrences"
    rows = [
        row for row in comparison.rows if row.figure == "C" or (row.figure == "Brier" and row.at == years)
    ]
    if all(row.corrected.given for row in rows):
        said = " and ".join(f"{m.number(row.corrected.value, 3)} in {_name(row)}" for row in rows)
        return (
            f"{patients}: less its optimism, this model differs from the other by {said} (of which less is better). Whether "
            "that is more than chance, other patients must tell."
        )
    if comparison.fitted_here:
        return f"{patients}: which of the two is better cannot be told here."
    better = [_name(row) for row in rows if _sign(row) > 0]
    worse = [_name(row) for row in rows if _sign(row) < 0]
    verdict = [f"better in {', '.join(better)}"] if better else []
    verdict += [f"worse in {', '.join(worse)}"] if worse else []
    if not verdict:
        return f"{patients}: this model is neither better nor worse in C or Brier score than chance allows."
    return f"{patients}: this model is {', but '.join(verdict)}, beyond chance."


def _sign(row: FigureDifference) -> int:
    """1: this model is better, -1: worse, 0: it cannot be told. A low Brier score is a good one."""
    low, high = row.difference.low, row.difference.high
    if low is None or high is None or low <= 0 <= high:
        return 0
    return (1 if low > 0 else -1) * (-1 if row.figure == "Brier" else 1)


def _name(row: FigureDifference) -> str:
    text = _NAMES[row.figure]
    if row.at is not None:
        text += f" at {in_words(row.at)}"
    if row.threshold is not None:
        text += f", acting from {row.threshold * 100:g}\N{NO-BREAK SPACE}%"
    return text
