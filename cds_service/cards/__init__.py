"""From what was gathered to what is said: the assessment, whether there is a card and why, its words, its shape."""
