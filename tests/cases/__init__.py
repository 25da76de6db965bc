"""The cases from the field in `tests/data/cases`, put to the command line and to the service over HTTP."""
