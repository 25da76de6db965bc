"""What a cohort is made of: one row a patient, every column declared with its meaning, unit and allowed values.

`CohortRow` is the schema; `dictionary.py` makes the data dictionary from it, `cohort.py` checks every row with it.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from models.training.cohort.table import as_compared
from models.training.cohort.words import words_by_meaning

PREDICTORS = ("cardiac_involvement", "high_ana", "treatment_refractory", "high_drr")
"""The predictors under the model's names, in the order of the model."""
SUBTYPES = ("anti-SRP", "anti-HMGCR", "seronegative")
SEXES = ("female", "male", "other")
_LONGEST_GROUP = 60  # letters of the name of a centre or of another group
DAYS_PER_YEAR = 365.25
MONTHS_PER_YEAR = 12.0
LONGEST_FOLLOW_UP_YEARS = 50.0
"""Nobody is followed for longer, as anti-SRP is known since 1986: a larger number is in another unit. Months read as years
divide every risk by about twelve; those of a patient who was followed for 50 months tell."""
CENSORED, RECURRENCE, DEATH = 0, 1, 2

_WORDS = words_by_meaning()
_MISSING = frozenset({"", *_WORDS["missing"]})
_YES, _NO = _WORDS["present"], _WORDS["absent"]
_STATUS = {
    word: number
    for number, meaning in enumerate(("censored", "recurrence", "death"))
    for word in _WORDS[meaning]
}
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_ERROR = re.compile(r"#[A-Z0/]+[!?]")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in one cell, or in the row where `column` is empty; the sentence shows nothing of the cell."""

    place: int
    column: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Cutoff:
    """How a raw value is coded: `predictor` is present where `raw` is > threshold (≥ where `inclusive`).

    `low` and `high` are the plausible range, inclusive. All in `unit`; `source` says where the number comes from.
    """

    raw: str
    predictor: str
    threshold: Decimal
    inclusive: bool
    low: Decimal
    high: Decimal
    unit: str
    source: str

    def is_present(self, value: float) -> bool:
        """Code one value."""
        return value >= float(self.threshold) if self.inclusive else value > float(self.threshold)


def _refuse(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("cohort", "{sentence}", {"sentence": sentence})


def is_missing(text: str) -> bool:
    """Whether a cell says that nothing is known."""
    return as_compared(text) in _MISSING


def is_error(text: str) -> bool:
    """Whether a cell is what a spreadsheet writes in place of a value: #DIV/0!, #NAME?."""
    return bool(_ERROR.fullmatch(text))


def read_number(value: Any) -> float | None:
    """A finite number with a decimal point; None: missing. Raises PydanticCustomError."""
    text = str(value).strip()
    if is_missing(text):
        return None
    if text.lower().lstrip("+-") in {"inf", "infinity"}:
        raise _refuse("infinite: give a finite number")
    if not _NUMBER.fullmatch(text):
        raise _refuse("not a number")
    if not isfinite(float(text)):
        raise _refuse("too large a number")
    return float(text)


def _read_presence(value: Any) -> bool | None:
    """Present or absent; None: missing. Raises PydanticCustomError."""
    text = as_compared(str(value))
    if text in _MISSING:
        return None
    if text not in _YES | _NO:
        raise _refuse("not one of 0/1, false/true, no/yes, absent/present, or empty")
    return text in _YES


def presence(text: str) -> bool | None:
    """Present or absent by one of the words for it; None: anything else."""
    said = as_compared(text)
    return said in _YES if said in _YES | _NO else None


def _status(value: Any) -> int | None:
    text = as_compared(str(value))
    if text in _MISSING:
        return None
    if text not in _STATUS:
        raise _refuse("not one of 0 (censored), 1 (recurrence), 2 (death)")
    return _STATUS[text]


def _day(value: Any) -> date | None:
    text = str(value).strip()
    if is_missing(text):
        return None
    with suppress(ValueError):
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    raise _refuse("not a date like 2024-03-31 or 31.03.2024")


def _one_of(names: Sequence[str], refusal: str, value: Any) -> str:
    """The one of these names that a word stands for; empty: missing."""
    text = as_compared(str(value))
    if text in _MISSING:
        return ""
    named = {word: name for name in names for word in _WORDS[name]}
    if text not in named:
        raise _refuse(refusal)
    return named[text]


def read_group(value: Any) -> str:
    """The name of the group that a patient belongs to; empty: not known. Raises PydanticCustomError."""
    text = str(value).strip()
    if is_missing(text):
        return ""
    if len(text) > _LONGEST_GROUP or not text.isprintable() or is_error(text):
        raise _refuse(f"not the name of a group: write at most {_LONGEST_GROUP} letters on one line")
    return text


def _identifier(value: Any) -> str:
    text = str(value).strip()
    if is_missing(text):
        raise _refuse("empty: every patient needs an id of its own")
    return text


def _column(
    kind: str,
    meaning: str,
    unit: str,
    values: str,
    needed: str,
    *names: str,
    raw: bool = False,
    beside: bool = False,
) -> Any:
    """Declare a column: its type, what it means, its unit, what may stand in it, whether it must be there, its other names."""
    more: dict[str, Any] = {
        "unit": unit,
        "values": values,
        "needed": needed,
        "names": list(names),
        "raw": raw,
        "beside": beside,
        "type": kind,
    }
    return Field(None, description=meaning, json_schema_extra=more)


Number = Annotated[float | None, BeforeValidator(read_number)]
Presence = Annotated[bool | None, BeforeValidator(_read_presence)]
Day = Annotated[date | None, BeforeValidator(_day)]
Status = Annotated[Literal[0, 1, 2] | None, BeforeValidator(_status)]
_NO_SUBTYPE = f"not one of {', '.join(SUBTYPES)}; leave it empty where it is unknown or both"
_NO_SEX = "not one of female (f), male (m), other; leave it empty where it is unknown"
Subtype = Annotated[str, BeforeValidator(partial(_one_of, SUBTYPES, _NO_SUBTYPE))]
Sex = Annotated[str, BeforeValidator(partial(_one_of, SEXES, _NO_SEX))]
GroupName = Annotated[str, BeforeValidator(read_group)]
Identifier = Annotated[str, BeforeValidator(_identifier)]

_A_TIME = "exactly one of time_years, time_months, time_days, or time_zero with end_date"
_PRESENCE = "0/1, or a word for absent and present; empty or a word for missing"
_DATE_VALUES = "a date like 2024-03-31 or 31.03.2024; 31/03/2024 where the column says which comes first"
_CODED = "required, values may be missing"


class CohortRow(BaseModel):
    """One patient of a cohort."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Identifier = _column(
        "text", "The patient, by a pseudonym; never shown", "", "any text, each once", "required"
    )
    time_years: Number = _column(
        "number", "Follow-up since time zero", "years", "≥ 0, at most 50 years", _A_TIME
    )
    time_months: Number = _column(
        "number", "Follow-up since time zero", "months of 1/12 year", "≥ 0, at most 50 years", _A_TIME
    )
    time_days: Number = _column(
        "number", "Follow-up since time zero", "days, 365.25 a year", "≥ 0, at most 50 years", _A_TIME
    )
    time_zero: Day = _column("date", "The date of time zero", "", _DATE_VALUES, _A_TIME)
    end_date: Day = _column(
        "date",
        "The date of recurrence, death or end of follow-up, the first of them",
        "",
        _DATE_VALUES,
        _A_TIME,
    )
    death_date: Day = _column(
        "date",
        "The date of death: who had no recurrence and died on end_date, died; it also checks the others",
        "",
        _DATE_VALUES,
        "optional, only with dates",
    )
    status: Status = _column(
        "whole number",
        "How follow-up ended",
        "",
        "0 censored, 1 recurrence, 2 death; or a word for it",
        "required, or else event",
    )
    event: Presence = _column(
        "yes or no",
        "Whether follow-up ended with a recurrence; status says the same and knows of death",
        "",
        "0/1, or a word for absent and present",
        "required where there is no status",
    )
    cardiac_involvement: Presence = _column(
        "yes or no", "Cardiac involvement at time zero", "", _PRESENCE, _CODED, "cardiac"
    )
    high_ana: Presence = _column(
        "yes or no", "High ANA titre at time zero", "", _PRESENCE, f"{_CODED}; or ana_titre", "ana_high"
    )
    treatment_refractory: Presence = _column(
        "yes or no", "Treatment refractory at time zero", "", _PRESENCE, _CODED, "refractory"
    )
    high_drr: Presence = _column(
        "yes or no",
        "High De Ritis ratio at time zero",
        "",
        _PRESENCE,
        f"{_CODED}; or de_ritis_ratio",
        "drr_high",
    )
    ana_titre: Number = _column(
        "number",
        "ANA titre at time zero",
        "reciprocal titre",
        "320, 1:320, or as the laboratory writes it: <1:80, negative; may be missing",
        "optional",
        raw=True,
    )
    de_ritis_ratio: Number = _column(
        "number",
        "De Ritis ratio, AST/ALT of one sample, at time zero",
        "1",
        "a number; may be missing",
        "optional",
        "drr",
        raw=True,
    )
    myalgia: Presence = _column(
        "yes or no", "Myalgia at time zero", "", _PRESENCE, "optional", "muscle_pain", beside=True
    )
    dysphagia: Presence = _column(
        "yes or no", "Dysphagia at time zero", "", _PRESENCE, "optional", beside=True
    )
    ild: Presence = _column(
        "yes or no", "Interstitial lung disease at time zero", "", _PRESENCE, "optional", beside=True
    )
    ldh: Number = _column(
        "number", "LDH at time zero", "U/L", "a number; may be missing", "optional", beside=True
    )
    hbdh: Number = _column(
        "number", "HBDH at time zero", "U/L", "a number; may be missing", "optional", beside=True
    )
    nlr: Number = _column(
        "number",
        "Neutrophil to lymphocyte ratio, both of one sample, at time zero",
        "1",
        "a number; may be missing",
        "optional",
        beside=True,
    )
    lymphocytes: Number = _column(
        "number", "Lymphocytes at time zero", "10*9/L", "a number; may be missing", "optional", beside=True
    )
    subtype: Subtype = _column(
        "word", "Antibody subtype", "", f"{', '.join(SUBTYPES)}; empty: not known, or both", "optional"
    )
    centre: GroupName = _column(
        "text",
        "The hospital that treated the patient; internal-external validation leaves out one after the other",
        "",
        f"a name of at most {_LONGEST_GROUP} letters; empty: not known",
        "optional",
        "center",
        "hospital",
    )
    sex: Sex = _column(
        "word", "Sex", "", "female or f, male or m, other; empty: not known", "optional", "gender"
    )
    age: Number = _column(
        "number", "Age at time zero", "years", "a number; may be missing", "optional", beside=True
    )


def extra(name: str) -> Mapping[str, Any]:
    """What is declared of a column beside its meaning: unit, values, needed, names, raw, beside."""
    more = CohortRow.model_fields[name].json_schema_extra
    assert isinstance(more, dict)
    return more


def can_read(name: str, cell: str) -> bool:
    """Whether the schema can read a cell as it stands in one of its columns."""
    try:
        CohortRow.model_validate({"id": "x", name: cell})
    except ValidationError:
        return False
    return True


COLUMNS = tuple(CohortRow.model_fields)
GROUPS = ("centre", "sex")
"""The columns that say which group a patient belongs to, beside the subtype."""
RAW = tuple(name for name in COLUMNS if extra(name)["raw"])
"""The measured values that predictors are coded from."""
BESIDE = tuple(name for name in COLUMNS if extra(name)["beside"])
"""What is described beside the predictors."""
NAMES = {other: name for name in COLUMNS for other in (name, *extra(name)["names"])}
"""Every name under which a column is accepted → its name in the schema."""
