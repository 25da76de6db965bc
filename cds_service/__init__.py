"""The outer ring: the only code that touches network, disk, clock or chance. Read `pipeline.py` first."""
