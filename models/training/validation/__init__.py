"""How well a model does, in its own cohort and in others."""
