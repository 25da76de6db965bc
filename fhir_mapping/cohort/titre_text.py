"""An ANA result as a hospital's own table writes it, read by the rules of the bedside (A1 to A4)."""

from datetime import UTC, datetime

from fhir_mapping.laboratory.answers import says_no_result
from fhir_mapping.laboratory.staining import read_ana_result
from fhir_mapping.record import Moment, Result, Value
from fhir_mapping.rules.predictors.ana import decide
from fhir_mapping.terms import Tables
from fhir_mapping.terms.words import LONGEST_TEXT
from models.inputs import State
from models.training.cohort.translate import TitreReader, WrittenTitre

_ONCE = datetime.min.replace(tzinfo=UTC)
_WHEN = Moment("", _ONCE, _ONCE, "time")  # a cell has no time, and by itself needs none


def titre_reader(tables: Tables) -> TitreReader:
    """Make the reader of a column of titres: "1:1.280", "<1:80", "negativ", "1:640 fein gesprenkelt", 320."""

    def read(text: str) -> WrittenTitre | None:
        if len(text) > LONGEST_TEXT:
            return None
        if says_no_result(text, tables):
            return WrittenTitre(None)
        result = Result(
            resource="", roles=frozenset({"ana", "titre"}), analyte="ana", when=_WHEN, value=Value(text=text)
        )
        staining = read_ana_result(result, tables)
        decision = decide((staining,), tables.rules)
        if decision is None:
            return None
        high = decision.state is State.PRESENT if decision.state.known else None
        titre = decision.titre
        is_number = titre is not None and not titre.comparator and titre.upto is None
        return WrittenTitre(float(titre.reciprocal) if titre and is_number else None, high)

    return read
