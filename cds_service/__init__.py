"""The outer ring: the only code that touches network, disk, clock or chance. Read `pipeline.py` first."""

from importlib.util import find_spec
from pathlib import Path


def _beside_us(name: str) -> bool:
    """Tell our package from another one that happens to have the same common name."""
    found = find_spec(name)
    return bool(found and found.origin) and Path(str(found and found.origin)).resolve().parents[1] == _HOME


_HOME = Path(__file__).resolve().parents[1]
for _name in ("fhir_mapping", "models"):
    if not _beside_us(_name):
        raise ImportError(f"Python finds another package called {_name}: start imnm-cds without it on the path")
