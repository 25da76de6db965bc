"""The web service: one call of a hook or its feedback, from bytes to bytes."""
