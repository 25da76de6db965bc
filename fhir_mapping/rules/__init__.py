"""The clinical rules: from facts to findings, a module for each family of rules."""

from typing import Final

VERSION: Final = "2"  # U, F, E, D, A, C, T, S of version 2; the disease and the advice of version 1
