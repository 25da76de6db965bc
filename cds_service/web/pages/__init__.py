"""HTML for people: elements that cannot be broken by what stands in them, one document frame, one stylesheet."""
