"""Who may call, and where we may connect."""
