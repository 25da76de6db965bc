"""Load on the real service: generator on one core, service on another; a lost call is a failure, a time is a report."""
