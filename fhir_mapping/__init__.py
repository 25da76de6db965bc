"""FHIR JSON to findings: pure, without network, clock or logging."""
