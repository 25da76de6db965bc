"""A typed value of Parquet or Excel as the text that a cohort's columns are read from."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

_GROUP = 3  # digits after a separator that may be one of thousands


def as_text(value: Any) -> str:
    """The value as text; what is neither text, number nor date is nothing we can read."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case str():
            return value.strip()
        case int():
            return str(value)
        case datetime() | date():
            return value.isoformat()
        case time() | timedelta():
            return "(a time of day)"
        case Decimal():
            text = format(value, "f")
        case float():
            text = str(int(value)) if value.is_integer() else repr(value)
        case _:
            return "(neither text, number nor date)"
    # With a decimal point, and never so that it could be read as thousands
    return f"{text}0" if len(text.rpartition(".")[2]) == _GROUP and "." in text else text
