"""What doubts do to an answer (U5): nobody is absent or missing against one, and what is present stays."""

from collections.abc import Sequence

from msgspec.structs import replace

from fhir_mapping.evidence import Feature, Note
from fhir_mapping.record import Doubt
from models.inputs import State


def doubted(feature: Feature, rule: str, reason: str, doubts: Sequence[Doubt]) -> Feature:
    """Make an absent or missing predictor indeterminate where there are doubts; beside a present one they are noted."""
    if not doubts or feature.state is State.INDETERMINATE:
        return feature
    if feature.state is State.PRESENT:
        noted = (Note("U5", f"{doubt.resource} could not be used ({doubt.reason})") for doubt in doubts)
        return replace(feature, notes=(*feature.notes, *noted))
    return replace(
        feature,
        state=State.INDETERMINATE,
        rule=rule,
        reason=reason,
        value=None,
        unit="",
        barred_by=tuple(doubts),
    )
