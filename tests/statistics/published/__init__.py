"""Numbers that others have printed, beside ours: `python -m tests.statistics.published`."""
