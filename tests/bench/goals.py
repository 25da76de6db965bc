"""Goals as the page of `make bench` says them."""


def verdict(value: float, goal: float | None, *, at_least: bool = False) -> str:
    """A goal, and whether it is met."""
    if goal is None:
        return ""
    met = value >= goal if at_least else value <= goal
    return f"{'≥' if at_least else '≤'} {goal:g}, {'met' if met else '**missed**'}"
