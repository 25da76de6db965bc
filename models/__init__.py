"""Inner ring: from predictors to risk and advice. Standard library only; no FHIR, no network, no clock."""
