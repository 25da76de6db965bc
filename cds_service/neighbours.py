"""Imported first: raises ImportError where Python finds another `fhir_mapping` or `models` than those beside us.

The names are common, and a stranger's package must not be taken for ours.
"""

from importlib.util import find_spec
from pathlib import Path

_HOME = Path(__file__).resolve().parents[1]

for _name in ("fhir_mapping", "models"):
    _spec = find_spec(_name)
    _origin = _spec.origin if _spec else None
    if not _origin or Path(_origin).resolve().parents[1] != _HOME:
        raise ImportError(
            f"the package {_name} that Python finds ({_origin or 'none'}) is not the one of imnm-cds: "
            "start it from another folder, and without that one in PYTHONPATH"
        )
