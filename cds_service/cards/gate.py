"""The gate: a model that was not fitted to local patients shows no risk until somebody at the client has accepted it.

A model of other rules is not served at all. The score is taken out before anything is written, so that no word, colour
or silence of a card can come from it.
"""

from dataclasses import replace
from pathlib import Path

from cds_service.cards.assessment import Assessment, NotShown
from cds_service.cards.card_settings import CardSettings
from fhir_mapping.findings import SOURCES
from fhir_mapping.rules import VERSION
from models.artefact import Model, ModelError
from models.risk import Scored

_NEEDS_NOBODY = "local-fit"  # evidence


def by_served_rules(model: Model, folder: Path) -> Model:
    """The model of a folder, whose predictors are those of the rules that are served, in their order. Raises ModelError.

    A pattern is marks in that order, and golden pairs hold patterns: in another one they would hold of other predictors.
    """
    if model.rules != VERSION or model.names != tuple(SOURCES):
        raise ModelError(
            f"{folder} cannot be served: its predictors are not {', '.join(SOURCES)}, in this order, of version {VERSION} of"
            " the clinical rules; write it again with `imnm-cds train`"
        )
    return model


def needs_acceptance(model: Model) -> bool:
    """Whether somebody at the client must accept a model before its risk is shown."""
    return model.evidence != _NEEDS_NOBODY


def gated(assessment: Assessment, settings: CardSettings) -> Assessment:
    """The assessment as this client may be shown it: without band and risk where nobody accepted the model.

    What is to be done stays. The indicator is then that of an intermediate band, and the chart is never quiet: both
    would tell the band.
    """
    advice = assessment.advice
    if settings.accepted or not needs_acceptance(assessment.model) or advice is None:
        return assessment
    if not isinstance(assessment.outcome, Scored):
        return assessment
    unbanded = replace(advice, band=None, ends=None, indicator=advice.indicator_without_band, quiet=False)
    return replace(assessment, outcome=NotShown(), advice=unbanded)
