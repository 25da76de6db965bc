"""The demonstration: an embedded, read-only EHR with synthetic sample patients, and one chart opened for real."""
