"""What the operator decides for the service and for each client, and what we bound."""
