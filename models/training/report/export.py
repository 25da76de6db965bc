"""What of a report goes into a paper: Table 1 and the model as CSV, each figure as an SVG file; and writing it all.

CSV is UTF-8 with a byte order mark, as spreadsheets want it. A text that a spreadsheet would take for a formula gets an
apostrophe in front: names and values of a cohort's columns come from elsewhere.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from models.training.cohort.describe import TableOne
from models.training.errors import TrainingError
from models.training.report.describe_text import tables
from models.training.report.report import Report, ReportedRatio

TABLE, FIGURE = "report-table-{}.csv", "report-figure-{}.svg"
OURS = ("report-table-*.csv", "report-figure-*.svg")
_BYTE_ORDER_MARK = "\ufeff"
_FONT = "system-ui, 'Liberation Sans', Arial, sans-serif"
_FIGURE = re.compile(r'<svg id="figure-(?P<name>[\w-]+)".*?</svg>', re.DOTALL)
_FORMULA = re.compile(r"[=+@\t\r-]")
_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE)

Cell = str | float | None


def table_files(described: TableOne | None) -> dict[str, str]:
    """Table 1 and the follow-up as CSV; nothing where a cohort was not described."""
    files = {}
    for table in tables(described) if described else ():
        slug = re.sub(r"[^a-z0-9]+", "-", table.title.lower()).strip("-")
        files[TABLE.format(slug)] = as_csv([table.columns, *table.rows])
    return files


def model_files(report: Report) -> dict[str, str]:
    """The weights of the model with their 95 % limits, and its baseline, in full precision."""
    weights: list[list[Cell]] = [
        [row.label, row.threshold, row.log_hazard_ratio, *_limits(ratio.served), *_limits(ratio.refitted)]
        for row, ratio in zip(report.model.predictors, report.hazard_ratios, strict=True)
    ]
    baseline: list[list[Cell]] = [
        [at.years, at.baseline_cumulative_hazard, at.baseline_risk] for at in report.model.horizons
    ]
    ends = ["hazard ratio", "lower 95 %", "upper 95 %"]
    heads = ["predictor", "present if", "log hazard ratio as served"]
    heads += [f"{end} {which}" for which in ("as served", "refitted") for end in ends]
    return {
        TABLE.format("model"): as_csv([heads, *weights]),
        TABLE.format("baseline"): as_csv([["years", "cumulative hazard", "risk"], *baseline]),
    }


def _limits(ratio: ReportedRatio) -> tuple[Cell, Cell, Cell]:
    return ratio.value, ratio.low, ratio.high


def figure_files(html: str) -> dict[str, str]:
    """Each figure of a page as a file that needs nothing else."""
    files = {}
    for match in _FIGURE.finditer(html):
        box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', match[0])
        size = f' width="{box[1]}" height="{box[2]}" style="background:#ffffff"' if box else ""
        svg = match[0].replace("<svg ", f"""<svg font-family="{_FONT}"{size} """, 1)
        files[FIGURE.format(match["name"])] = f'<?xml version="1.0" encoding="UTF-8"?>\n{svg}\n'
    return files


def as_csv(rows: Iterable[Sequence[Cell]]) -> str:
    """Rows as CSV; numbers in full, nothing for None, no text that a spreadsheet would calculate."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    for row in rows:
        texts = []
        for cell in row:
            if not isinstance(cell, str):
                text = "" if cell is None else repr(cell)
            elif _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
                text = f"'{cell}"
            else:
                text = cell
            texts.append(text)
        lines.writerow(texts)
    return _BYTE_ORDER_MARK + out.getvalue()


def write_files(folder: Path, texts: Mapping[str, str], instead_of: Sequence[str] = ()) -> None:
    """Write files into a folder, all or none; files named like `instead_of` that are not among them are removed.

    Raises TrainingError.
    """
    parts = {folder / f"{name}.part": text for name, text in texts.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part, text in parts.items():
            part.write_text(text, encoding="utf-8", newline="\n")
        for part in parts:
            part.replace(part.with_suffix(""))
        for old in (
            path for pattern in instead_of for path in folder.glob(pattern) if path.name not in texts
        ):
            old.unlink()
    except OSError as error:
        for part in parts:
            if part.is_file():
                part.unlink()
        raise TrainingError(
            f"{folder}: the report cannot be written ({error.strerror}); name another folder"
        ) from error
