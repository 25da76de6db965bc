"""Inner ring: from predictors to risk and advice. The modules of this folder use the standard library only.

They know no FHIR, no network and no clock. `training/` is another matter: it fits and validates such models with numpy,
scipy and lifelines, for the command line alone; nothing here imports it.
"""
