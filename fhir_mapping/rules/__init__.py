"""The clinical rules: from facts to findings, a module for each family of rules."""
