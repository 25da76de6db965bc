"""The one error of this package."""


class TrainingError(ValueError):
    """What was given cannot be used; one sentence, which says where and what to do."""
