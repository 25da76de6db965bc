"""Reading the record: what prefetch holds, what a FHIR server has to add."""
