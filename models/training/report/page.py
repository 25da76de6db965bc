"""The report as one HTML page: no scripts, nothing from elsewhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.training.report import markup as m
from models.training.report import results
from models.training.report.development import development
from models.training.report.figures.forest import forest_figure
from models.training.report.figures.nomogram import nomogram_figure
from models.training.report.first_page import characteristics, first_page, flow

_STYLE = Path(__file__).with_name("style.css")
_PARTS = (
    ("flow", "Flow of patients"),
    ("characteristics", "Characteristics"),
    ("observed", "Observed recurrence by group"),
    ("discrimination", "Discrimination and accuracy"),
    ("calibration", "Calibration"),
    ("benefit", "Net benefit"),
    ("model", "The model"),
    ("development", "How the model was fitted"),
    ("stability", "Stability of single risks"),
    ("subgroups", "Subgroups"),
    ("missing", "Missing predictors"),
    ("tripod", "TRIPOD+AI checklist"),
    ("hti", "HTI-1 source attributes"),
    ("methods", "Methods and conventions"),
)


def page(content: Mapping[str, Any]) -> tuple[str, dict[str, dict[str, Any]]]:
    """The page, and for each figure its title, its description, and the numbers that it shows."""
    gallery = results.Gallery()
    body = [
        f'<section class="first">{first_page(content)}\n{_contents(content)}</section>',
        flow(content),
        characteristics(content),
        results.observed(content, gallery),
        results.discrimination(content, gallery),
        results.calibration(content, gallery),
        results.benefit(content, gallery),
        _model(content, gallery),
        development(content),
        results.stability(content, gallery),
        results.subgroups(content),
        results.missingness(content, gallery),
        _checklist("tripod", "TRIPOD+AI checklist", content["checklists"]["tripod_ai"]),
        _checklist("hti", "HTI-1 source attributes", content["checklists"]["hti_1"]),
        _methods(content),
    ]
    style = _STYLE.read_text(encoding="utf-8")
    html = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{m.words(content['title'])}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main>\n</body>\n</html>\n"
    )
    return html, gallery.shown


def _contents(content: Mapping[str, Any]) -> str:
    absent = set() if content["validation"]["internal"] else {"stability"}
    absent |= set() if content["fit"] else {"development"}
    there = [(name, title) for name, title in _PARTS if name not in absent]
    items = m.listed([f'<a href="#{name}">{m.words(title)}</a>' for name, title in there])
    return f'<nav aria-label="Contents">{items}</nav>'


def _model(content: Mapping[str, Any], gallery: results.Gallery) -> str:
    model = content["model"]
    forest = gallery.show(
        forest_figure(content["hazard_ratios"]),
        "As served, after any shrinkage, and refitted in the complete patients of this cohort without it.",
    )
    nomogram = gallery.show(
        nomogram_figure(content["nomogram"]),
        "Drawn from the model file: the risks are those that are served.",
    )
    ratios = [
        [
            m.words(row["label"]),
            m.words(row["threshold"]),
            m.number(row["log_hazard_ratio"], 4),
            m.measure(ratio["served"]),
            m.measure(ratio["refitted"]),
        ]
        for row, ratio in zip(model["predictors"], content["hazard_ratios"], strict=True)
    ]
    hazards = [
        [
            results.years(row),
            m.number(row["baseline_cumulative_hazard"], 5),
            m.number(row["baseline_risk"], 1, percent=True),
        ]
        for row in model["horizons"]
    ]
    heads = ["Predictor", "Present if", "Log hazard ratio", "Hazard ratio as served", "Refitted here"]
    sources = [
        [m.words(name), m.words(p["mark"]), m.words(p["source"])] for name, p in model["provenance"].items()
    ]
    return m.section(
        "model",
        "The model",
        f"<p>{m.words(model['description'].get('kind', ''))}. Risk at t = 1 \N{MINUS SIGN} exp(\N{MINUS SIGN}H(t) · exp(sum of the log hazard ratios present)).</p>",
        m.table("Predictors and their weights (95 % limits)", heads, ratios),
        m.table(
            "Baseline: nobody’s predictors present", ["Horizon", "Cumulative hazard H", "Risk, %"], hazards
        ),
        "<h3>Hazard ratios</h3>",
        forest,
        "<h3>Nomogram</h3>",
        nomogram,
        m.table("Where its numbers come from", ["Numbers", "Mark", "Source"], sources),
    )


def _checklist(name: str, title: str, found: Mapping[str, Any]) -> str:
    rows = [
        [
            m.words(row["id"]),
            m.words(row["section"]),
            m.words(row["topic"]),
            m.words(row["answer"])
            if row["filled"]
            else f'<span class="author">{m.words(row["answer"])}</span>',
        ]
        for row in found["items"]
    ]
    return m.section(
        name,
        title,
        m.table(found["source"], ["Item", "Section", "Topic", "In this report"], rows, kind="checklist"),
    )


def _methods(content: Mapping[str, Any]) -> str:
    found, model = content["validation"], content["model"]
    sentences = [
        "Event: recurrence. Death counts as censoring unless a line says competing. At equal times events precede censorings.",
        "Score: the served risk, averaged over unknown predictors by the model’s joint table. Equal scores count one half.",
        "AUC(t): cases have T ≤ t; weights 1/G(T\N{MINUS SIGN}) for cases and 1/G(t) for controls (as riskRegression). Uno’s C: 1/G²(T\N{MINUS SIGN}).",
        "Observed risk: Kaplan-Meier with log-log limits. Competing death: Aalen-Johansen.",
        "Calibration curve: Cox model on a restricted cubic spline with three knots of log(\N{MINUS SIGN}log(1 \N{MINUS SIGN} risk)); its band from bootstrap resamples of the patients.",
        "Optimism: mean over resamples of performance in the resample less performance in the whole cohort, models refitted by maximum likelihood (Efron ties).",
        "Net benefit: positive is a risk of at least the threshold; true positives by Kaplan-Meier among the positive.",
    ]
    rows = [
        ["Model file, SHA-256", f"<code>{m.words(model['sha256'])}</code>"],
        ["Cohort file, SHA-256", f"<code>{m.words(found['cohort_sha256'])}</code>"],
        ["Seed", m.number(found["seed"])],
        ["Confidence level", m.number(content["level"], 2)],
        ["Person-years", m.number(found["person_years"], 1)],
    ]
    return m.section(
        "methods",
        "Methods and conventions",
        m.listed([m.words(sentence) for sentence in sentences]),
        m.table("To repeat it", ["What", "Value"], rows),
    )
