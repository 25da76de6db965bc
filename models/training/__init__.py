"""Cohort, description, fit, validation, report. Used by the command line and by tests, never by the service."""
