"""What the tables answered once: units and codes are the same in every chart, and so is what they mean."""

from typing import TypeVar

Answer = TypeVar("Answer")

# Several times what the charts of one hospital spell; with the length below 2 MB at the very most
MOST_KEPT = 2048
LONGEST_KEPT = 120  # characters: hardly a code or a unit is longer with its system


class Memory(dict[tuple[str, ...], Answer]):
    """Answers for all charts, by what was asked: units and codes alone, never a name or a text of a chart.

    One that is full begins anew, so that no chart fills it for good.
    """

    def keep(self, asked: tuple[str, ...], answer: Answer) -> Answer:
        """Keep an answer, unless what was asked is too long to be met again; gives the answer back."""
        if sum(map(len, asked)) <= LONGEST_KEPT:
            if len(self) >= MOST_KEPT:
                self.clear()
            self[asked] = answer
        return answer
