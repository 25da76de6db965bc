"""The commands of `imnm-cds`, and what only they need."""
