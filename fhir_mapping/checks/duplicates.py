"""The same fact in two resources counts once, under the lower id (F7)."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from itertools import chain, groupby

from msgspec.structs import replace

from fhir_mapping.checks.starts import began
from fhir_mapping.laboratory.results import LAST, at_different_times
from fhir_mapping.record import NO_PERIOD, Moment, Period, Result, Treatment


def distinct_results(results: Iterable[Result]) -> tuple[Result, ...]:
    """Count results with the same of our codes, time, value and specimen once; what stays is in the reports of all.

    They come in order of time, those of one time by name. Results without a magnitude must agree in everything that
    could be their answer.
    """
    results = sorted(results, key=LAST)
    if at_different_times(results):
        return tuple(results)
    distinct: list[Result] = []
    for _, at_once in groupby(results, LAST):
        together = list(at_once)
        distinct += together if len(together) == 1 else _distinct(together)
    return tuple(distinct)


def _distinct(together: Iterable[Result]) -> Iterator[Result]:
    same: defaultdict[Hashable, list[Result]] = defaultdict(list)
    for result in sorted(together, key=lambda result: (result.when.first, result.resource)):
        key = (result.analyte, result.codes, result.when.first, result.specimen, _value(result))
        same[key].append(result)
    for first, *others in same.values():
        reports = first.reports.union(*(result.reports for result in others))
        yield replace(first, reports=reports) if others else first


def distinct_treatments(treatments: Iterable[Treatment]) -> tuple[Treatment, ...]:
    """Count medication resources of one type with the same ingredient, period and dosage once.

    What stays was stopped for the reasons of all of them.
    """
    begun: defaultdict[Hashable, list[Treatment]] = defaultdict(list)
    for treatment in treatments:
        start = began(treatment)
        begun[treatment.kind, treatment.ingredient, start and start.first].append(treatment)
    distinct: list[Treatment] = []
    for together in begun.values():
        distinct += together if len(together) == 1 else _distinct_of_one_start(together)
    return tuple(distinct)


def _distinct_of_one_start(together: Iterable[Treatment]) -> Iterator[Treatment]:
    same: defaultdict[Hashable, list[Treatment]] = defaultdict(list)
    for treatment in sorted(together, key=lambda treatment: treatment.id):
        same[_ends(treatment), _dosages(treatment)].append(treatment)
    for first, *others in same.values():
        reasons = chain(*(treatment.status_reasons for treatment in (first, *others)))
        yield replace(first, status_reasons=tuple(dict.fromkeys(reasons))) if others else first


def _value(result: Result) -> Hashable:
    if result.amount:
        return result.amount.value, result.amount.comparator, result.amount.upto
    said = (result.interpretation, result.interpretation_text)
    return result.value, said, result.components, result.members


def _ends(treatment: Treatment) -> Hashable:
    """Tell what the end follows from (T3), which its type says it by."""
    match treatment.kind:
        case "MedicationRequest":
            return _end_of_request(treatment)
        case "MedicationDispense":
            return treatment.supply_days
        case _:
            return treatment.effective.end.last if treatment.effective.end else treatment.active


def _end_of_request(request: Treatment) -> Hashable:
    """What is written where it is written, else the supply, the next order or the status."""
    bounds = [dosage.bounds for dosage in request.dosages if dosage.bounds != NO_PERIOD]
    ends = [bound.end.last for bound in bounds if bound.end]
    if ends and len(ends) == len(bounds):
        return (max(ends),)
    if request.validity.end:
        return *ends, request.validity.end.last
    if request.supply_days is not None:
        return *ends, request.supply_days * (1 + request.repeats)
    return *ends, request.until or request.active


def _dosages(treatment: Treatment) -> Hashable:
    return tuple([(replace(dosage, bounds=NO_PERIOD), _span(dosage.bounds)) for dosage in treatment.dosages])


def _span(period: Period) -> Hashable:
    return _instants(period.start), _instants(period.end)


def _instants(when: Moment | None) -> Hashable:
    return (when.first, when.last) if when else None
