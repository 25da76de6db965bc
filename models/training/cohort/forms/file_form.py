"""How a file is written, as far as somebody must say so: the section `file` of a column map."""

from typing import Literal

import msgspec

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

Encoding = Literal[
    "", "utf-8", "utf-16", "windows-1252", "windows-1250", "iso-8859-15", "mac-roman", "gb18030", "shift-jis"
]


class FileForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a file is written; empty: as it is found. `decimal` is the sign before the decimals of its numbers."""

    separator: Literal["", ",", ";", "\t", "|"] = ""
    encoding: Encoding = ""
    sheet: str = ""
    decimal: Literal["", ".", ","] = ""
