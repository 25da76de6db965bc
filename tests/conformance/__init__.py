"""What CDS Hooks asks of a service, and the tests that hold it."""
