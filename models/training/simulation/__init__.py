"""Synthetic cohorts, and how the shipped model was reconstructed."""
