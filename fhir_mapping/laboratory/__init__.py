"""What a laboratory writes: words, titres, bounds, and which result is the latest."""
