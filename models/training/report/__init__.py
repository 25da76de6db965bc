"""The report of a validation: `write` writes it, `numbers` is its JSON, `page` its HTML."""
