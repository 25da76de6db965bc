"""Centres, groups, death, effects over time and other models: what is said, and what is not."""

from dataclasses import replace
from functools import cache

from models.inputs import Horizon
from models.registry import default_folder, load_model
from models.training.cohort.cohort import Cohort

TWO_YEARS = Horizon("2y")


@cache
def shipped():
    return load_model(default_folder())


def grouped(people: Cohort, **groups) -> Cohort:
    """The cohort with words by name, one after the other."""
    words = {name: tuple(of[i % len(of)] for i in range(len(people))) for name, of in groups.items()}
    return replace(people, groups=words)
