"""The report as one HTML page: no scripts, nothing from elsewhere."""

from collections.abc import Mapping
from pathlib import Path

from models.training.report import markup as m
from models.training.report import results
from models.training.report.development import development
from models.training.report.figures.gallery import Gallery
from models.training.report.first_page import characteristics, first_page, flow
from models.training.report.form import form
from models.training.report.imputed import imputed
from models.training.report.model import model
from models.training.report.report import Checklist, FigureNumbers, Report
from models.training.report.sections.further import further

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
    ("imputed", "Unknown predictors in the fit"),
    ("form", "Form of measured values"),
    ("stability", "Stability of single risks"),
    ("subgroups", "Subgroups"),
    ("fairness", "Groups of patients"),
    ("centres", "Centres"),
    ("competing", "Death as a competing event"),
    ("effects", "Effects over time"),
    ("comparison", "Against other models"),
    ("missing", "Missing predictors"),
    ("tripod", "TRIPOD+AI checklist"),
    ("hti", "HTI-1 source attributes"),
    ("methods", "Methods and conventions"),
)


def page(report: Report) -> tuple[str, Mapping[str, FigureNumbers]]:
    """The page, and for each figure its title, its description, and the numbers that it shows."""
    gallery = Gallery()
    body = [
        f'<section class="first">{first_page(report)}\n{_contents(report)}</section>',
        flow(report),
        characteristics(report),
        results.observed(report, gallery),
        results.discrimination(report, gallery),
        results.calibration(report, gallery),
        results.benefit(report, gallery),
        model(report, gallery),
        development(report),
        imputed(report),
        form(report, gallery),
        results.stability(report, gallery),
        results.subgroups(report),
        *further(report, gallery),
        results.missingness(report, gallery),
        _checklist("tripod", "TRIPOD+AI checklist", report.checklists.tripod_ai),
        _checklist("hti", "HTI-1 source attributes", report.checklists.hti_1),
        _methods(report),
    ]
    style = _STYLE.read_text(encoding="utf-8")
    html = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{m.words(report.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main>\n</body>\n</html>\n"
    )
    return html, gallery.shown


def _contents(report: Report) -> str:
    """Links to the sections that are on this page."""
    record, more = report.fit_record, report.supplement
    given = {
        "stability": report.validation.internal,
        "development": record,
        "imputed": record and record.missingness,
        "form": record and record.forms,
        "fairness": more and more.fairness,
        "centres": more and more.centres,
        "competing": more and more.competing.deaths,
        "effects": more and more.time_varying.effects,
        "comparison": more and more.comparisons,
    }
    items = [f'<a href="#{name}">{m.words(title)}</a>' for name, title in _PARTS if given.get(name, True)]
    return f'<nav aria-label="Contents">{m.listed(items)}</nav>'


def _checklist(name: str, title: str, checklist: Checklist) -> str:
    rows = [
        [
            m.words(item.id),
            m.words(item.section),
            m.words(item.topic),
            m.words(item.answer) if item.filled else f'<span class="author">{m.words(item.answer)}</span>',
        ]
        for item in checklist.items
    ]
    heads = ["Item", "Section", "Topic", "In this report"]
    table = m.table(checklist.source, heads, rows, kind="checklist")
    summary = "<summary>Every item, and what this report says to it</summary>"
    return m.section(name, title, f"<details>\n{summary}\n{table}\n</details>")


def _methods(report: Report) -> str:
    validation = report.validation
    sentences = [
        "Event: recurrence. Death counts as censoring unless a line says competing. At equal times events precede censorings.",
        "Score: the served risk, averaged over unknown predictors by the model’s joint table. Equal scores count one half.",
        "AUC(t): cases have T ≤ t; weights 1/G(T\N{MINUS SIGN}) for cases and 1/G(t) for controls (as riskRegression). Uno’s C: 1/G²(T\N{MINUS SIGN}).",
        "Observed risk: Kaplan-Meier with log-log limits. Competing death: Aalen-Johansen.",
        "Calibration curve: Cox model on a restricted cubic spline with three knots of log(\N{MINUS SIGN}log(1 \N{MINUS SIGN} risk)); its band from bootstrap resamples of the patients.",
        "Optimism: mean over resamples of performance in the resample less performance in the whole cohort, of a model for which every step was taken anew: fit, shrinkage factor, baseline.",
        "Corrected net benefit: the optimism is that beyond acting for all; where everybody, or nobody, is above the threshold, there is none.",
        "Net benefit: positive is a risk of at least the threshold; true positives by Kaplan-Meier among the positive.",
    ]
    rows = [
        ["Model file, SHA-256", f"<code>{m.words(report.model.sha256)}</code>"],
        ["Cohort file, SHA-256", f"<code>{m.words(validation.cohort_sha256)}</code>"],
        ["Seed", m.number(validation.seed)],
        ["Confidence level", m.number(report.level, 2)],
        ["Person-years", m.number(validation.person_years, 1)],
    ]
    return m.section(
        "methods",
        "Methods and conventions",
        m.listed([m.words(sentence) for sentence in sentences]),
        m.table("To repeat it", ["What", "Value"], rows),
    )
