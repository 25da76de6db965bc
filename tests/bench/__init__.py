"""Measurements. None is a gate."""
