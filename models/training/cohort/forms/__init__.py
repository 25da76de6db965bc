"""The forms of a table: how a file is written, and how it writes its numbers and dates."""
