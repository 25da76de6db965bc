"""Changing a given model as far as the patients of one cohort ask for it."""
