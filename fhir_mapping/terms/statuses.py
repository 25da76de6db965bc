"""The status of a Condition, whichever code system it is written in (M1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fhir_mapping.terms.systems import CodeSystems
from fhir_mapping.terms.table_files import read_rows

# Elements of Condition, and the German extension of its code, which may speak for either of them.
StatusElement = Literal["clinicalStatus", "verificationStatus", "diagnosesicherheit"]

# The value sets of FHIR R4, which bind the two elements.
VALUE_SETS: Mapping[str, frozenset[str]] = {
    "clinicalStatus": frozenset({"active", "recurrence", "relapse", "inactive", "remission", "resolved"}),
    "verificationStatus": frozenset(
        {"unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"}
    ),
}


@dataclass(frozen=True, slots=True)
class Statuses:
    """The rows of `statuses.csv`: codes of other systems that stand for one of FHIR's own."""

    by_code: Mapping[tuple[str, str, str], str]  # (element, canonical system, folded code) → status
    systems: frozenset[str]
    in_extension: Mapping[str, str]  # folded code → status of either element

    def status(self, element: StatusElement, system: str, code: str) -> str:
        """Give the code of the element's own value set; empty: none is known. `system` is canonical.

        A code of the value set counts under any system but those of the table, for servers write their own address
        there. The extension's codes mean the same under every address that it ever had.
        """
        folded = code.strip().casefold()
        if element == "diagnosesicherheit":
            return self.in_extension.get(folded, "")
        if system in self.systems:
            return self.by_code.get((element, system, folded), "")
        return folded if folded in VALUE_SETS[element] else ""


def load_statuses(file: Path, systems: CodeSystems) -> Statuses:
    """Read and check `statuses.csv`; raises TableError."""
    by_code: dict[tuple[str, str, str], str] = {}
    for row in read_rows(file, ("element", "system", "code", "display", "status", "source")):
        element, system, code = row["element"], row["system"], row["code"].casefold()
        own = VALUE_SETS.get(element)
        if own is None:
            raise row.error(f"element {element} is unknown: use {' or '.join(VALUE_SETS)}")
        if row["status"] not in own:
            raise row.error(f"status {row['status']} is no {element}: use one of {', '.join(sorted(own))}")
        if system not in systems.systems:
            raise row.error(f"system {system} is unknown: use one of code_systems.csv or add it there")
        if (element, system, code) in by_code:
            raise row.error(f"{system}|{row['code']} stands twice for {element}: delete one row")
        by_code[element, system, code] = row["status"]
    return Statuses(
        by_code,
        frozenset(system for _, system, _ in by_code),
        {code: status for (_, _, code), status in by_code.items()},
    )
