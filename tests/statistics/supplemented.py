"""Cohorts with centres, sexes and ages, made up by rule."""

from dataclasses import replace

import numpy as np

from models.training.cohort.cohort import Cohort

CENTRES = ("North", "South", "<East> & West", "North", "South", "North", "")


def in_groups(people: Cohort, **words) -> Cohort:
    """The cohort with centre, sex and age; words by name are taken one after the other."""
    words = {"centre": CENTRES, "sex": ("female", "male", "female", "male", "")} | words
    n = len(people)
    return replace(
        people,
        groups={name: tuple(of[i % len(of)] for i in range(n)) for name, of in words.items()},
        beside=dict(people.beside) | {"age": 25.0 + 7 * np.arange(n) % 60},
    )
