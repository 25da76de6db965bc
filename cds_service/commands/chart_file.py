"""A file with one patient's record → `Gathered`: what `imnm-cds explain FILE` reads.

Any type of FHIR Bundle, or a JSON object of prefetch key → resource. A Bundle file counts as fully read (V2), unless
it says itself that something is missing, as a search set of a server may (F9).
"""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from cds_service.errors import UnusableInput
from cds_service.fhir.bundle import ANY_TYPE, SearchSet, UnreadableError, read_page
from cds_service.fhir.queries import BY_KEY
from cds_service.json_text import check_utf_8, leniently
from fhir_mapping.record import Entry, Gathered, MappingSettings, Source, SourceKey
from fhir_mapping.versions import found_version

_BYTE = re.compile(r"byte (\d+)")
_NO_ANSWER = frozenset({"", "OperationOutcome"})  # types
KEY: SourceKey = "record"  # the one source under which everything of the file stands


class _Head(msgspec.Struct, rename="camel"):
    resource_type: str = ""
    id: str = ""


@dataclass(slots=True)
class _Content:
    """What stands in a file, and which queries it does not answer in full."""

    entries: list[Entry] = field(default_factory=list)
    failures: dict[SourceKey, str] = field(default_factory=dict)


def read_bundle(data: bytes, mapping: MappingSettings) -> Gathered:
    """The record of the one Patient in `data`.

    Raises `UnusableInput` in one sentence: not JSON, a single resource, no Patient, two Patients, a FHIR version
    that is not read.
    """
    content = _content(data)
    heads = ((_head(entry.json), entry) for entry in content.entries)
    copies = [(head.id, entry.full_url) for head, entry in heads if head.resource_type == "Patient"]
    patients = {patient_id for patient_id, _ in copies}
    if not patients:
        raise UnusableInput("there is no Patient in the Bundle")
    if len(patients) > 1:
        raise UnusableInput(f"there are {len(patients)} Patients in the Bundle; give the record of one")
    (patient_id,) = patients
    if not patient_id:
        raise UnusableInput("the Patient has no id")
    # A batch brings the Patient with an address and without one: where any copy stands changes nothing
    own = f"/Patient/{patient_id}"
    bases = sorted({address.removesuffix(own) for _, address in copies if address.endswith(own)})
    known = (*mapping.also_known_as, *bases[1:])
    failed = {key: Source("failed", (), failure) for key, failure in content.failures.items()}
    gathered = Gathered(
        patient_id=patient_id,
        base=bases[0] if bases else "",
        sources={KEY: Source("read", tuple(content.entries)), **failed},
        mapping=replace(mapping, also_known_as=known),
    )
    if version := found_version(gathered):
        raise UnusableInput(f"the content is FHIR {version}; only {mapping.fhir_version} is read")
    return gathered


def _content(data: bytes) -> _Content:
    text = data.removeprefix(BOM_UTF8)
    content = _Content()
    try:
        head = _head(text)
        if head.resource_type == "Bundle":
            _open(content, text, tuple(BY_KEY))
        elif head.resource_type:
            kind = head.resource_type if head.resource_type.isalpha() else "resource"
            raise UnusableInput(f"this is a single {kind}; give a Bundle with the whole record")
        else:
            for key, value in msgspec.json.decode(text, type=dict[str, msgspec.Raw]).items():
                keys = tuple(known for known in BY_KEY if known == key)
                _take(content, Entry(bytes(value)), keys or tuple(BY_KEY))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, UnreadableError) as error:
        raise UnusableInput(f"this is not a FHIR Bundle in JSON: {_why(data)}") from error
    return content


def _take(content: _Content, entry: Entry, keys: tuple[SourceKey, ...]) -> None:
    """Take in one resource; a Bundle inside (a batch response, a prefetch value) is opened; `null` is nothing.

    What stands in the place of an answer, an OperationOutcome or no resource at all, is none: the query is not answered.
    """
    if entry.json == b"null":
        return
    kind = _head(entry.json).resource_type
    if kind == "Bundle":
        _open(content, entry.json, keys)
    elif kind in _NO_ANSWER:
        content.failures.update(dict.fromkeys(keys, "not supplied"))
    else:
        content.entries.append(entry)


def _open(content: _Content, bundle: bytes, keys: tuple[SourceKey, ...]) -> None:
    """Take in a Bundle, which answers the queries of `keys`."""
    page = read_page(bundle, ANY_TYPE)
    for entry in page.entries:
        _take(content, entry, keys)
    # Whether it is whole: only a search set has pages and counts what it found
    search_set = SearchSet()
    search_set.add(page)
    failure = search_set.failure
    if not failure and page.bundle_type == "searchset":
        search_set.close()
        failure = "the file holds the first page only" if page.next_link else search_set.failure
    if failure:
        content.failures.update(dict.fromkeys(keys, failure))


def _why(data: bytes) -> str:
    """What is wrong with a file that could not be read, as far as that is plain to see."""
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or b"\0" in data[:4]:
        return "it is UTF-16 or UTF-32, save it as UTF-8"
    text = data.removeprefix(BOM_UTF8)
    if not text.strip():
        return "it is empty"
    try:
        check_utf_8(data)
        # Only looked through: all of a large file as objects is gigabytes
        msgspec.json.decode(text, type=msgspec.Raw)
    except UnicodeDecodeError as error:
        return f"byte {error.start + 1} is not UTF-8"
    except RecursionError:
        return "it is nested too deeply"
    except msgspec.DecodeError as error:
        first, line_end, _ = text.lstrip().partition(b"\n")
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if line_end and _head(first.strip()).resource_type:
                return "it is NDJSON, one resource a line; give a Bundle"
        if "truncated" in str(error):
            return "it ends in the middle"
        byte = _BYTE.search(str(error))
        before = len(data) - len(text)
        return f"byte {before + int(byte[1]) + 1} does not belong there" if byte else "it is malformed"
    return "its parts are not those of a Bundle"


def _head(json: bytes) -> _Head:
    return leniently(json, _Head)
