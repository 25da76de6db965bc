"""A file with one patient's record → `Gathered`: what `imnm-cds explain FILE` reads.

Any type of FHIR Bundle, or a JSON object of prefetch key → resource. A Bundle file counts as fully read (V2).
"""

from collections.abc import Iterator

import msgspec

from cds_service.errors import UnusableInput
from fhir_mapping.record import Entry, Gathered, MappingSettings, Source, SourceKey
from fhir_mapping.versions import found_version

KEY: SourceKey = "record"  # the one source under which everything of the file stands


class _EntrySearch(msgspec.Struct):
    mode: str = ""


class _BundleEntry(msgspec.Struct, rename="camel"):
    full_url: str = ""
    resource: msgspec.Raw = msgspec.Raw(b"null")
    search: _EntrySearch | None = None


class _Head(msgspec.Struct, rename="camel"):
    resource_type: str = ""
    id: str = ""
    entry: list[_BundleEntry] | None = None


def read_bundle(data: bytes, mapping: MappingSettings) -> Gathered:
    """The record of the one Patient in `data`.

    Raises `UnusableInput` in one sentence: not JSON, a single resource, no Patient, two Patients, a FHIR version
    that is not read.
    """
    entries = tuple(_entries(data))
    patients = {head.id: entry for entry in entries if (head := _head(entry.json)).resource_type == "Patient"}
    if not patients:
        raise UnusableInput("there is no Patient in the Bundle")
    if len(patients) > 1:
        raise UnusableInput(f"there are {len(patients)} Patients in the Bundle; give the record of one")
    ((patient_id, patient),) = patients.items()
    if not patient_id:
        raise UnusableInput("the Patient has no id")
    base = patient.full_url.removesuffix(f"/Patient/{patient_id}")
    gathered = Gathered(
        patient_id=patient_id,
        base=base if base != patient.full_url else "",
        sources={KEY: Source("read", entries)},
        mapping=mapping,
    )
    if version := found_version(gathered):
        raise UnusableInput(f"the content is FHIR {version}; only {mapping.fhir_version} is read")
    return gathered


def _entries(data: bytes) -> Iterator[Entry]:
    try:
        head = _head(data)
        if head.resource_type == "Bundle":
            yield from _bundle(head)
        elif head.resource_type:
            raise UnusableInput(f"this is a single {_name(head)}; give a Bundle with the whole record")
        else:
            for value in msgspec.json.decode(data, type=dict[str, msgspec.Raw]).values():
                yield from _resource(bytes(value), "")
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UnusableInput("this is not a FHIR Bundle in JSON") from error


def _name(head: _Head) -> str:
    return head.resource_type if head.resource_type.isalpha() else "resource"


def _bundle(head: _Head) -> Iterator[Entry]:
    for entry in head.entry or ():
        if entry.search is None or entry.search.mode != "outcome":
            yield from _resource(bytes(entry.resource), entry.full_url)


def _resource(json: bytes, full_url: str) -> Iterator[Entry]:
    """One resource; a Bundle inside (a batch response, a prefetch value) is opened; `null` is nothing."""
    if json.strip() == b"null":
        return
    head = _head(json)
    if head.resource_type == "Bundle":
        yield from _bundle(head)
    else:
        yield Entry(json, full_url)


def _head(json: bytes) -> _Head:
    return msgspec.json.decode(json, type=_Head)
