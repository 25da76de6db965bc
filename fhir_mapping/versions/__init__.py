"""One module per FHIR version: resource JSON to neutral readings, typed reading of only the fields we use."""
