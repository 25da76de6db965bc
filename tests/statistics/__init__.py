"""The statistics of models/training: against R, against lifelines, and on cases that can be worked out by hand."""
