"""For whom a card is made, and what a client has decided about its cards."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace


class CardSettings(Struct, frozen=True):
    """For whom a card is made. The defaults are those of `explain`: a fixed secret and instance, so reproducible."""

    secret: bytes = b"imnm-cds explain"
    client: str = "explain"
    server: str = ""  # its FHIR base, of a client that has several: each has patients and users of its own
    service: str = "imnm-recurrence"
    instance: str = "explain"  # hookInstance
    user: str = ""  # context.userId; without one no memory (V8), and nobody who asks for an order (V7)
    encounter: str = ""  # "Encounter/1", where the hook's context names one
    show_possible: bool = True  # E3: the card that asks "is this IMNM?"
    quiet_low: bool = True  # V6
    accepted: bool = True  # the client's block says who accepted a model that is no local fit
    about_model: str = ""  # address of the page about the served model, where others can reach it
    use_instead: str = ""  # FHIR base to name where this one cannot be read
    order_codes: Mapping[str, Mapping[str, str]] = {}  # V7: part → the client's Coding
    one_action: bool = False  # V7: a suggestion for each thing to order
    visit_as: Literal["referral", "appointment"] = "referral"  # V7

    def of_call(self, service: str, instance: str, user: str, encounter: str) -> "CardSettings":
        """The same for the card of one call."""
        return replace(self, service=service, instance=instance, user=user, encounter=encounter)
