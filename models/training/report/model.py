"""The section on the model itself: its weights and how sure they are, baseline, nomogram, where its numbers come from."""

from models.training.report import markup as m
from models.training.report.figures.forest import forest_figure
from models.training.report.figures.gallery import Gallery
from models.training.report.figures.nomogram import nomogram_figure
from models.training.report.report import Report
from models.training.report.results import years
from models.training.validation.recorded import FitRecord


def model(report: Report, gallery: Gallery) -> str:
    """The section."""
    served, limits = report.model, limits_note(report.fit_record)
    forest = gallery.show(
        forest_figure(report.hazard_ratios),
        "As served, after any shrinkage, and refitted in the complete patients of this cohort without it. "
        + limits,
    )
    nomogram = gallery.show(
        nomogram_figure(report.nomogram),
        "Drawn from the model file: the risks are those that are served. The lines of total points and of risks reach "
        "from the lowest risk that the predictors can give to the highest.",
    )
    ratios = [
        [
            m.words(predictor.label),
            m.words(predictor.threshold),
            m.number(predictor.log_hazard_ratio, 4),
            m.measure(ratio.served),
            m.measure(ratio.refitted),
        ]
        for predictor, ratio in zip(served.predictors, report.hazard_ratios, strict=True)
    ]
    hazards = [
        [
            years(at.years),
            m.number(at.baseline_cumulative_hazard, 5),
            m.number(at.baseline_risk, 1, percent=True),
        ]
        for at in served.horizons
    ]
    heads = ["Predictor", "Present if", "Log hazard ratio", "Hazard ratio as served", "Refitted here"]
    sources = [[m.words(name), m.words(p.mark), m.words(p.source)] for name, p in served.provenance.items()]
    return m.section(
        "model",
        "The model",
        f"<p>{m.words(served.description.get('kind', ''))}. Risk at t = 1 \N{MINUS SIGN} exp(\N{MINUS SIGN}H(t) · exp(sum of the log hazard ratios present)).</p>",
        m.table("Predictors and their weights (95 % limits)", heads, ratios, note=limits),
        m.table(
            "Baseline: nobody’s predictors present", ["Horizon", "Cumulative hazard H", "Risk, %"], hazards
        ),
        "<h3>Hazard ratios</h3>",
        forest,
        "<h3>Nomogram</h3>",
        nomogram,
        m.table("Where its numbers come from", ["Numbers", "Mark", "Source"], sources),
    )


def limits_note(record: FitRecord | None) -> str:
    """How the 95 % limits of the hazard ratios were made, as HTML: both columns.

    What the covariance in the model file is, from which the served limits are, depends on how it was fitted.
    """
    if record is None:
        served = (
            "Wald, by the covariance of the model file; where that comes from is said under “covariance” in the last "
            "table of this section"
        )
    elif record.shrinkage:
        served = (
            "Wald, round the log hazard ratio that was shrunk by the factor "
            f"{m.number(record.shrinkage.factor, 3)}, by the covariance of the unshrunk fit by maximum likelihood: as wide "
            "on the log scale as before. That the factor was itself estimated is not in them"
        )
    elif record.ridge:
        served = (
            "Wald, round the ridge estimate, by the inverse of the penalised information there; the bias towards a "
            "ratio of one that the penalty brings is not in them"
        )
    elif record.firth:
        served = (
            "Wald, round Firth’s estimate, by the inverse of the information of the unpenalised partial likelihood "
            "there; not from the profile of the penalised likelihood"
        )
    elif record.kind in {"baseline update", "no update"}:
        served = (
            "those of the given model; neither its log hazard ratios nor their covariance were estimated anew"
        )
    elif record.kind == "recalibration":
        served = "those of the given model times the calibration slope, by the delta method"
    else:
        served = "Wald, of the fit by maximum likelihood, not shrunk"
    refitted = "Limits refitted here: Wald, of the fit by maximum likelihood, not shrunk."
    return f"Limits as served: {served}. {refitted}"
