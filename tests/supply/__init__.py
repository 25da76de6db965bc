"""What is locked: audited against known weaknesses, listed as a bill of materials. The tools live in `.venv/audit`."""
