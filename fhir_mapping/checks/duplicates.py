"""The same fact in two resources counts once, under the lower id (F7)."""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from itertools import chain, groupby

from msgspec.structs import replace

from fhir_mapping.checks.starts import began
from fhir_mapping.laboratory.results import LAST, at_different_times
from fhir_mapping.record import NO_PERIOD, Moment, Result, Treatment


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
        if len(together) == 1:
            distinct += together
            continue
        same: defaultdict[Hashable, list[Result]] = defaultdict(list)
        for result in sorted(together, key=lambda result: (result.when.first, result.resource)):
            said = (result.interpretation, result.interpretation_text)
            value: Hashable = (result.value, said, result.components, result.members)
            if result.amount:
                value = (result.amount.value, result.amount.comparator, result.amount.upto)
            same[result.analyte, result.codes, result.when.first, result.specimen, value].append(result)
        for first, *others in same.values():
            reports = first.reports.union(*(result.reports for result in others))
            distinct.append(replace(first, reports=reports) if others else first)
    return tuple(distinct)


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
        if len(together) == 1:
            distinct += together
            continue
        same: defaultdict[Hashable, list[Treatment]] = defaultdict(list)
        for treatment in sorted(together, key=lambda treatment: treatment.id):
            dosages = [
                (replace(part, bounds=NO_PERIOD), _instants(part.bounds.start), _instants(part.bounds.end))
                for part in treatment.dosages
            ]
            same[_end(treatment), tuple(dosages)].append(treatment)
        for first, *others in same.values():
            reasons = chain(*(treatment.status_reasons for treatment in (first, *others)))
            distinct.append(replace(first, status_reasons=tuple(dict.fromkeys(reasons))) if others else first)
    return tuple(distinct)


def _end(treatment: Treatment) -> Hashable:
    """Tell what the end follows from (T3), which its type says it by.

    That of a request is what is written where it is written, else the supply, the next order or the status.
    """
    if treatment.kind == "MedicationDispense":
        return treatment.supply_days
    if treatment.kind != "MedicationRequest":
        return treatment.effective.end.last if treatment.effective.end else treatment.active
    bounds = [dosage.bounds for dosage in treatment.dosages if dosage.bounds != NO_PERIOD]
    ends = [bound.end.last for bound in bounds if bound.end]
    if ends and len(ends) == len(bounds):
        return (max(ends),)
    if treatment.validity.end:
        return *ends, treatment.validity.end.last
    if treatment.supply_days is not None:
        return *ends, treatment.supply_days * (1 + treatment.repeats)
    return *ends, treatment.until or treatment.active


def _instants(when: Moment | None) -> Hashable:
    return (when.first, when.last) if when else None
