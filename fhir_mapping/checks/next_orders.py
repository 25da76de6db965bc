"""Until when a completed order lasts of which nothing but its day is known: until the next of its kind (T3)."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from fhir_mapping.record import NO_PERIOD, Treatment
from fhir_mapping.terms import Tables

_SHORT_COURSES = "glucocorticoid"  # its orders are courses of their own


def until_next_orders(treatments: Iterable[Treatment], tables: Tables) -> Iterator[Treatment]:
    """Say of each order how long it lasts, if it is until the next; before duplicates go, for each is a next order."""
    longest = tables.rules.days("refractory.completed_order_days")
    orders: defaultdict[str, list[Treatment]] = defaultdict(list)
    for treatment in treatments:
        if treatment.kind == "MedicationRequest" and treatment.authored:
            orders[treatment.ingredient].append(treatment)
        else:
            yield treatment
    for ingredient, of_ingredient in orders.items():
        if len(of_ingredient) == 1 or tables.agent(ingredient).klass == _SHORT_COURSES:
            yield from of_ingredient
            continue
        dated = [(order.authored.first, order) for order in of_ingredient if order.authored]
        written = sorted({when for when, _ in dated})
        for when, order in dated:
            later = bisect_right(written, when)
            lasts_until_it = (
                later < len(written)
                and written[later] - when <= longest
                and order.completed
                and order.validity == NO_PERIOD
                and not order.is_supplied
                and all(dosage.bounds == NO_PERIOD for dosage in order.dosages)
            )
            yield replace(order, until=written[later]) if lasts_until_it else order
