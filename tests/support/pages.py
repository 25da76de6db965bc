"""The pages that people read, for the tests that compare them with the code."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    *(
        page
        for folder in ("docs", "models", "fhir_mapping")
        for page in sorted((ROOT / folder).rglob("*.md"))
    ),
]
