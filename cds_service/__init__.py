"""The outer ring: the only code that touches network, disk, clock or chance. Read `pipeline.py` first."""

from importlib.util import find_spec
from pathlib import Path

_HOME = Path(__file__).resolve().parents[1]

for _name in (
    "fhir_mapping",
    "models",
):  # common names: another package of that name must not be taken for ours
    _found = find_spec(_name)
    if not _found or not _found.origin or Path(_found.origin).resolve().parents[1] != _HOME:
        raise ImportError(
            f"the package {_name} that Python finds is not the one of imnm-cds: start it where no other is found"
        )
