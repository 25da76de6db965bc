"""MODEL_CARD.md of a fitted model, from its document and the served arithmetic: every number in it is in model.json."""

from collections.abc import Iterable, Mapping, Sequence
from math import exp, inf
from typing import Any

from models.advice import band_of
from models.artefact import Model
from models.risk import DECISION_HORIZON, Scored, estimate, percent
from models.training.fitting.served import HORIZONS
from models.training.fitting.updating.in_words import in_words
from models.training.statistics.limits import hazard_ratio, with_limits

_LIMITS = {
    "pooled": (
        "The limits are log hazard ratio ± t standard errors by Rubin's rules, with the degrees of freedom of Barnard and "
        "Rubin, of the fit before any shrinkage; those of a served hazard ratio lie round the shrunken one and are as wide "
        "on the log scale, and how uncertain the factor is, is not in them."
    ),
    "as fitted": "The limits are log hazard ratio ± 1.96 standard errors (Wald).",
    "penalised": (
        "The limits are log hazard ratio ± 1.96 standard errors (Wald), of the penalised fit: they do not allow for the "
        "bias that the penalty brings."
    ),
    "shrunk": (
        "The limits are log hazard ratio ± 1.96 standard errors (Wald), of the fit before shrinkage. Those of a served "
        "hazard ratio lie round the shrunken one and are as wide on the log scale; how uncertain the factor is, is not in "
        "them."
    ),
}
"""How the limits of hazard ratios came about, by what was done to the fit."""
_HOW_SERVED = (
    "Set `model` in the configuration to this folder and run `imnm-cds check`. The folder is verified at start-up: "
    "checksum, numbers, provenance, golden pairs, policy."
)


def model_card(document: Mapping[str, Any], model: Model) -> str:
    """The card as Markdown."""
    fit = document["fit"]
    own = _fitted(fit, model) if fit["kind"] == "fit" else [_update(fit)]
    recalibration = fit.get("recalibration")  # where a model was given
    parts = [
        f"# Model card: {model.id} {model.version}",
        f"> {model.limits}",
        "## What it is",
        _identity(document, model),
        "## The cohort",
        _cohort(fit),
        "## How it was fitted",
        *own,
        " ".join(in_words(recalibration)) if recalibration else "",
        "## What is served",
        _served(model),
        "## From which time on",
        _landmarks(fit, model),
        "## Death",
        _death(fit),
        "## Limits",
        _limits(fit, model),
        "## Where every number comes from",
        _table(("numbers", "mark", "source"), [(n, p.mark, p.source) for n, p in model.provenance.items()]),
        "## How it is served",
        _HOW_SERVED,
    ]
    return "\n\n".join(part for part in parts if part)


def _identity(document: Mapping[str, Any], model: Model) -> str:
    fit, description = document["fit"], model.description
    rows = [
        ("kind", description["kind"]),
        ("evidence", f"`{model.evidence}`"),
        ("checksum", f"`{model.sha256}`"),
        ("intended use", description["intended_use"]),
        ("not for", description["not_intended_use"]),
        ("population", description["population"]),
        ("time zero", description["time_zero"]),
        ("outcome", description["outcome"]),
        ("written", f"{fit['day']}, by `imnm-cds train`"),
    ]
    return _table(("", ""), rows)


def _cohort(fit: Mapping[str, Any]) -> str:
    steps = [(s["step"], str(s["left"]), str(s["taken_out"] or ""), s["reason"]) for s in fit["flow"]]
    unknown = ", ".join(f"{_code(name)} {count}" for name, count in fit["missing"].items())
    size = (
        f"{fit['patients']} patients of {fit['centre']}, {fit['recurrences']} recurrences, {fit['deaths']} deaths "
        f"before a recurrence, {fit['person_years']:.0f} person-years. Time zero: {fit['time_zero']}. File: "
        f"{_code(fit['cohort'])}, SHA-256 `{fit['cohort_sha256']}`."
    )
    # How unknown predictors were met, and what complete cases alone would give
    met, alone = "The fit uses complete cases only.", ""
    missing = fit.get("missingness")
    if missing and missing["imputations"]:
        auxiliaries = ", ".join(map(_code, missing["auxiliaries"])) or "none"
        met = (
            f"Unknown predictors were imputed {missing['imputations']} times by chained equations, from the other predictors, "
            "the event and the cumulative hazard at the end of follow-up, and further columns: "
            f"{auxiliaries}. The results were pooled by Rubin's rules."
        )
        alone = " Complete cases alone are too few for a fit."
        if missing["alone"]:
            alone = (
                f" Sensitivity analysis: {missing['complete']} complete cases with "
                f"{missing['complete_recurrences']} recurrences, {missing['others']} others with "
                f"{missing['others_recurrences']}; the 2-year risk with no predictor present is "
                f"{100 * missing['served']['baseline_risk']:.1f} %, from complete cases alone "
                f"{100 * missing['alone']['baseline_risk']:.1f} %."
            )
    lacking = f"Not known: {unknown}. {met}{alone}"
    return "\n\n".join([size, _table(("step", "left", "taken out", "reason"), steps), lacking])


def _fitted(fit: Mapping[str, Any], model: Model) -> list[str]:
    performance = []
    if c := fit["concordance"]:
        performance.append(
            f"Harrell's C: {c['apparent']:.3f} apparent, {c['corrected']:.3f} corrected for optimism by bootstrap."
        )
    if size := fit["sample_size"]:
        performance.append(f"Riley's criteria at this R² and event rate ask for {size['n']} patients.")
    return [
        f"{fit['method']}. Ties: {fit['ties']}; baseline hazard: {fit['baseline_ties']}. {_shrinkage(fit)}",
        _hazard_ratios(fit, model),
        f"{_how_limited(fit)} All together, proportional hazards: p = {_p(fit['proportionality']['p_global'])}.",
        "Each alone (Wald):",
        _univariable(fit["univariable"]),
        " ".join(performance),
        _selection(fit),
    ]


def _how_limited(fit: Mapping[str, Any]) -> str:
    """How the limits of the hazard ratios came about."""
    if _degrees(fit):
        return _LIMITS["pooled"]
    if fit["shrinkage"]:
        return _LIMITS["shrunk"]
    return _LIMITS["penalised" if fit["ridge"] or fit["firth"] else "as fitted"]


def _degrees(fit: Mapping[str, Any]) -> Sequence[float]:
    """Degrees of freedom of pooled hazard ratios; empty where nothing was imputed."""
    missing = fit.get("missingness")
    degrees: Sequence[float] = missing["degrees"] if missing else ()
    return degrees


def _update(fit: Mapping[str, Any]) -> str:
    parent, step = fit["parent"], fit["recalibration"]["step"]
    given = f"{parent['id']} {parent['version']} (`{parent['evidence']}`, checksum `{parent['sha256']}`)"
    if step == "nothing":
        return f"No update was needed: every number that is served is that of {given}."
    if step == "in the large" and "intercept and slope" not in fit["recalibration"]["log_likelihoods"]:
        how = "The baseline hazard is the given one times observed over expected recurrences in this cohort."
    else:
        how = (
            "The baseline hazard was estimated in this cohort under the linear predictor that is served "
            f"({fit['baseline_ties']})."
        )
    ratios = "The hazard ratios, their covariance"
    if step == "intercept and slope":
        ratios = f"The log hazard ratios are multiplied by {fit['recalibration']['slope']:.4f}. They"
    return f"{ratios} and the joint table are those of {given}. {how}"


def _shrinkage(fit: Mapping[str, Any]) -> str:
    shrinkage = fit["shrinkage"]
    if not shrinkage:
        return "No shrinkage after the fit."
    return (
        f"Log hazard ratios were multiplied by {shrinkage['factor']:.4f}: the mean calibration slope of "
        f"{shrinkage['resamples'] - shrinkage['without_fit']} of {shrinkage['resamples']} bootstrap resamples is "
        f"{shrinkage['mean_slope']:.4f} (Monte-Carlo standard error {shrinkage['standard_error']:.4f}, seed "
        f"{fit['seed']}), and the factor is at most 1. The baseline hazard was estimated under them. Their covariance is served as it was before: times the square of the factor, the "
        "plausible range would be too narrow."
    )


def _hazard_ratios(fit: Mapping[str, Any], model: Model) -> str:
    numbers = zip(
        model.names,
        fit["unshrunk_log_hazard_ratios"],
        fit["unshrunk_standard_errors"],
        model.log_hazard_ratios,
        fit["proportionality"]["p"],
        _degrees(fit) or [inf] * len(model.names),
        strict=True,
    )
    rows = [
        (_code(name), with_limits(*hazard_ratio(log_ratio, se, degrees)), f"{exp(served):.2f}", _p(p))
        for name, log_ratio, se, served, p, degrees in numbers
    ]
    return _table(("predictor", "hazard ratio as fitted (95 %)", "served", "p of proportional hazards"), rows)


def _univariable(fits: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for fit in fits:
        ratio, p = fit["reason"], ""
        if fit["hazard_ratio"] is not None:
            ratio, p = with_limits(fit["hazard_ratio"], fit["low"], fit["high"]), _p(fit["p"])
        rows.append((_code(fit["name"]), str(fit["n"]), str(fit["events"]), ratio, p))
    return _table(("predictor", "patients", "recurrences", "hazard ratio", "p"), rows)


def _selection(fit: Mapping[str, Any]) -> str:
    selection = fit["selection"]
    if not selection:
        return ""
    rows = [
        (_code(name), f"{100 * share:.0f} %")
        for name, share in selection["inclusion"].items()
        if share is not None
    ]
    kept = ", ".join(map(_code, selection["kept"])) or "nothing"
    return (
        f"Selection was asked for (backward, Akaike's criterion, {selection['n']} patients): it keeps {kept}. "
        f"**Not served:** {selection['warning']}.\n\n" + _table(("column", "kept in resamples"), rows)
    )


def _served(model: Model) -> str:
    rows = []
    for cell in sorted(model.joint, key=lambda c: (c.count("1"), c)):
        risks = {horizon: estimate(model, cell, horizon) for horizon in model.horizons}
        scored = Scored(cell, cell.count("1"), (), risks, {}, {}, None)
        ranges = (f"{percent(r.estimate)} ({percent(r.low)} to {percent(r.high)})" for r in risks.values())
        rows.append((_code(cell), *ranges, band_of(model.policy, scored).band))
    names = ", ".join(map(_code, model.names))
    return (
        f"Risk of recurrence from today by pattern (1: present; in the order {names}), with the plausible range. "
        f"{model.range_note}\n\n" + _table(("pattern", *model.horizons, "band"), rows)
    )


def _landmarks(fit: Mapping[str, Any], model: Model) -> str:
    """From which anchor time zero is counted in a record, and which baselines there are (S11)."""
    zero = model.time_zero
    if zero is None:
        return (
            "Where the cohort's time zero lies in a record was not said, so there is one baseline for everybody: the risk "
            f"of all is that from time zero ({fit['time_zero']}), however long ago that was."
        )
    anchor = {"onset": "the onset of myositis (E9)", "first-agent": "the first day of any agent (T1)"}
    text = (
        f"In a record time zero is {zero.offset} days after {anchor[zero.anchor]}, in calendar days. The baseline is that "
        "of the latest landmark that the patient has reached (S11); before time zero, or where it is not known, that "
        "from time zero. A later one is the conditional survival of the same fit: it is of patients without a recurrence "
        "since time zero."
    )
    counted = {row["days"]: row for row in fit["landmarks"]}
    rows = []
    for days in sorted({0, *counted, *(later.days for later in model.landmarks)}):
        # Of a baseline that was kept from another model it is not known here who it was estimated from
        row = counted.get(days, {})
        if reason := row.get("reason"):
            risk = f"not given: {reason}"
        else:
            own = estimate(model.from_landmark(days), "0" * len(model.names), DECISION_HORIZON)
            risk = f"{percent(own.estimate)} ({percent(own.low)} to {percent(own.high)})"
        rows.append((str(days), str(row.get("at_risk", "")), str(row.get("recurrences", "")), risk))
    heads = ("landmark, days", "at risk", "recurrences in 3 years", "2-year risk, no predictor present")
    return f"{text}\n\n{_table(heads, rows)}"


def _death(fit: Mapping[str, Any]) -> str:
    death = fit["competing_death"]
    if not death:
        return "Nobody died before a recurrence, or deaths were not recorded."
    lower = max(
        served - absolute
        for pattern, risks in death["served"].items()
        for served, absolute in zip(risks, death["absolute"][pattern], strict=True)
    )
    rows = [
        ("1 - Kaplan-Meier", *(f"{100 * value:.1f} %" for value in death["kaplan_meier"])),
        ("Aalen-Johansen", *(f"{100 * value:.1f} %" for value in death["aalen_johansen"])),
    ]
    return (
        f"{death['deaths']} patients died before a recurrence. **Served** is the risk if nobody died (cause-specific "
        "hazard, death as the end of observation). **Reported** beside it is the absolute risk, which counts that the "
        f"dead have no recurrence (hazard of death: {death['hazard']}): it is lower by at most {100 * lower:.1f} "
        "percentage points over all patterns and horizons; `fit.competing_death` in model.json has both. In the whole "
        "cohort:\n\n" + _table(("recurrence", *HORIZONS), rows)
    )


def _limits(fit: Mapping[str, Any], model: Model) -> str:
    sentences = [f"{text[0].upper()}{text[1:]}." for text in fit["warnings"]]
    sentences += [
        "Not validated in other patients. What a bootstrap in its own patients shows, or why it shows nothing, is in report/.",
        model.range_note,
    ]
    if fit.get("shrinkage"):
        sentences.append("The uncertainty of the shrinkage factor is not in the plausible range.")
    sentences += [
        "Whether a predictor is unknown may itself carry information; the joint table ignores that.",
        model.description["assumptions"],
    ]
    return "\n".join(f"{number}. {text}" for number, text in enumerate(sentences, 1))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _p(p: float | None) -> str:
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004 - as a table shows it


def _code(text: str) -> str:
    return f"`{text}`"
