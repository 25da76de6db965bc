"""Finds what no answer may hold: null, and empty strings, lists and objects."""

from collections.abc import Iterator

ALLOWED = {"$.cards", "$.services"}  # empty lists that CDS Hooks allows


def hollow_elements(content: object, path: str = "$") -> Iterator[str]:
    """Yield the path of every null or empty element."""
    if content is None or (content in ("", [], {}) and path not in ALLOWED):
        yield path
    elif isinstance(content, dict):
        for name, value in content.items():
            yield from hollow_elements(value, f"{path}.{name}")
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from hollow_elements(value, f"{path}[{number}]")
