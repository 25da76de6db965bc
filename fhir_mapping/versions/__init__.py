"""One module per FHIR version: resource JSON to neutral readings, typed reading of only the fields we use."""

from fhir_mapping.versions.shape import found_version

__all__ = ["found_version"]
