"""The clinical rules: from facts to findings, a module for each family of rules."""

from typing import Final

VERSION: Final = "2"  # of the clinical rules; `explain`, the model and the audit name it
