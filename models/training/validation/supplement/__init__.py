"""What is asked beyond a validation: centres, groups of patients, death, effects over time, other models."""
