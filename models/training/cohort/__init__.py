"""The cohort: what may stand in it, how it is read and described."""
