"""Whether a result answers anything, or says that there is no result (U1)."""

from fhir_mapping.laboratory.antibody import read_answer
from fhir_mapping.laboratory.phrases import plain
from fhir_mapping.laboratory.staining import shows_anything
from fhir_mapping.record import Result
from fhir_mapping.terms import Tables


def says_something(result: Result, tables: Tables) -> bool:
    """Whether any rule finds what it knows in the value or the components of a result.

    That is a magnitude; of an ANA result a titre, a pattern or an answer; of an antibody an answer (a number without
    a limit is none). Members are results of their own.
    """
    if result.amount:
        return True
    return (
        shows_anything(result, tables) if result.analyte == "ana" else read_answer(result, tables) is not None
    )


def says_no_result(text: str, tables: Tables) -> bool:
    """Whether a text says that there is no result, as in "haemolysed"; with a number it may hide one."""
    said = plain(text)
    return "no-result" in tables.vocabulary.roles(said) and not any(sign.isdigit() for sign in said)
