"""An export of 180 made-up patients as a German hospital would send it: one table with every kind of mess, twice.

`as_text` is the file that Excel saves as CSV in Germany, `as_excel` the workbook itself. The kinds of mess:

 1 semicolons          2 decimal commas        3 a byte order mark      4 dates like 31.03.2020
 5 ja and nein         6 k.A., n/a, unbekannt, a dash                   7 titres as text
 8 capitals, umlauts and doubled blanks in the header                   9 empty columns at the right, empty rows
10 points between thousands                   11 dates of death beside a yes-or-no recurrence
12 words: centre, sex 13 remarks in cells     14 a text with separators and line breaks in it
"""

import csv
import io
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from tests.statistics.excel import workbook

N, DEATHS = 180, 10
HEADER = (
    "Pat.-Nr.", "Zentrum", "Geschlecht", "Beginn der  Nachbeobachtung", "ENDE DER NACHBEOBACHTUNG", "Rezidiv",
    "Todesdatum", " Herzbeteiligung ", "ANA-Titer", "Therapierefraktär", "DRR", "Antikörper", "CK max", "LVEF",
    "Bemerkung", "", "",
)  # fmt: skip
_MISSING = ("k.A.", "n/a", "unbekannt", "-", "")
_LOW = ("negativ", "<1:80", "1:80", "1:160", "neg.")
_HIGH = ("1:320", "1:640", "1:1.280", ">1:1280", "1:320 fein gesprenkelt")


@dataclass(frozen=True)
class Patient:
    """What is true of a patient, however it is written; None: not known."""

    begin: date
    end: date
    status: int
    predictors: tuple[int | None, ...]  # cardiac, high ANA, refractory, high De Ritis ratio
    ratio: float | None
    centre: str
    sex: str
    subtype: str
    ck: int
    lvef: float


def patients() -> list[Patient]:
    """The patients: always the same ones. Each predictor multiplies the hazard by 2.5; ten die without recurrence."""
    chance = np.random.default_rng(20240331)
    drawn = [_patient(chance) for _ in range(N)]
    free = [n for n, patient in enumerate(drawn) if patient.status == 0][:DEATHS]
    return [_dead(patient) if n in free else patient for n, patient in enumerate(drawn)]


def _patient(chance: np.random.Generator) -> Patient:
    present = chance.random(4) < (0.35, 0.35, 0.4, 0.35)
    recurs = chance.exponential(18 / 2.5 ** present.sum())
    leaves = chance.uniform(1.5, 5)
    begin = date(2015, 1, 1) + timedelta(days=int(chance.integers(0, 1500)))
    known = chance.random(4) > (0.02, 0.03, 0.02, 0.02)
    return Patient(
        begin=begin,
        end=begin + timedelta(days=max(3, round(min(recurs, leaves) * 365.25))),
        status=int(recurs < leaves),
        predictors=tuple(
            int(is_so) if is_known else None for is_so, is_known in zip(present, known, strict=True)
        ),
        ratio=round(float(chance.uniform(1.8, 3) if present[3] else chance.uniform(0.6, 1.7)), 2)
        if known[3]
        else None,
        centre=str(chance.choice(["Jena", "Leipzig", "München"])),
        sex=str(chance.choice(["m", "w"])),
        subtype=str(chance.choice(["anti-SRP", "HMGCR", "seronegativ", "k.A."])),
        ck=int(chance.integers(1100, 24000)),
        lvef=round(float(chance.normal(58, 6)), 1),
    )


def _dead(patient: Patient) -> Patient:
    return Patient(**{**{f: getattr(patient, f) for f in patient.__dataclass_fields__}, "status": 2})


def as_text() -> bytes:
    """The table as a text file."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(HEADER)
    for number, patient in enumerate(patients()):
        writer.writerow([_german(value) for value in _cells(number, patient)])
        if number == 90:
            writer.writerow([""] * len(HEADER))
    writer.writerows([[""] * len(HEADER)] * 3)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def as_excel() -> bytes:
    """The same table as a workbook, with dates and numbers as Excel holds them, and an empty second sheet."""
    rows = [list(_cells(number, patient)) for number, patient in enumerate(patients())]
    return workbook({"Export": [HEADER, *rows[:90], [], *rows[90:], []], "Tabelle2": []})


def _german(value: Any) -> str:
    match value:
        case date():
            return value.strftime("%d.%m.%Y")
        case int():
            return f"{value:,}".replace(",", ".")
        case float():
            return f"{value:.2f}".replace(".", ",")
        case _:
            return str(value)


def _cells(number: int, patient: Patient) -> tuple[Any, ...]:
    cardiac, ana, refractory, _ = patient.predictors
    return (
        f"JEN-{number:04d}", patient.centre, patient.sex, patient.begin, patient.end,
        "ja" if patient.status == 1 else "NEIN",
        patient.end if patient.status == 2 else "",
        _yes_or_no(cardiac, number, "ja (Echo)", "nein (MRT)"),
        _MISSING[number % 5] if ana is None else (_HIGH if ana else _LOW)[number % 5],
        _yes_or_no(refractory, number, "Ja", "nein"),
        _MISSING[number % 5] if patient.ratio is None else patient.ratio,
        patient.subtype, patient.ck, patient.lvef,
        "Anruf; siehe Brief\nvom 03.02.2020" if number % 7 == 0 else "", "", "",
    )  # fmt: skip


def _yes_or_no(state: int | None, number: int, yes: str, no: str) -> str:
    if state is None:
        return _MISSING[number % 5]
    other = number % 6 == 0
    return (yes if other else "ja") if state else (no if other else "nein")
