"""Values that are not known: drawn from what is, several times, and the results pooled."""
