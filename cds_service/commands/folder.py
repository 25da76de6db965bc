"""A folder of records → one `Gathered` a patient: FHIR Bundles (*.json, one patient each) or a bulk export (*.ndjson).

Files are named by their place in the order of their names: a file name may be a patient's.
"""

import re
from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from cds_service.commands.chart_file import KEY, read_bundle
from cds_service.errors import UnusableInput
from cds_service.fhir.bundle import failure_told
from cds_service.json_text import leniently
from fhir_mapping.record import Entry, Gathered, MappingSettings, Source
from fhir_mapping.versions import found_version
from fhir_mapping.versions.linked import TYPES as LINKED
from fhir_mapping.versions.r4_resources import R4_STRUCTS
from fhir_mapping.versions.references import comparable
from models.training.errors import TrainingError

MAX_FILES = 20_000  # one patient each: as many as a cohort may have
MAX_BYTES = 4 * 1024**3  # all files together; a bulk export is held in memory while it is sorted by patient
MAX_FILE_BYTES = 512 * 1024**2

# What has a patient wherever it has anybody; an Appointment may be a slot of nobody
_OF_A_PATIENT = R4_STRUCTS.keys() - {"Patient", "Appointment"}
_OF_NO_PATIENT = frozenset(
    {"Group", "Device", "Location", "Organization", "Practitioner", "Procedure"}
)  # its subjects
_REFERENCE = re.compile(rb'"reference"\s*:\s*"([^"]{1,2000})"')


@dataclass(frozen=True, slots=True)
class PlacedRecord:
    """One patient's record and where it stands: the place of its file, or of its Patient's line, from 1."""

    place: int
    gathered: Gathered


class _Reference(msgspec.Struct):
    reference: str = ""


class _Participant(msgspec.Struct):
    actor: _Reference | None = None


class _ExportedLine(NamedTuple):
    """A resource of an export, what is needed of it, and where it stands."""

    head: "_ExportedResource"
    json: bytes
    where: tuple[int, int]  # the place of its file, the number of its line


class _Owned(msgspec.Struct, rename="camel"):
    subject: _Reference | None = None
    patient: _Reference | None = None
    participant: list[_Participant | None] | None = None


class _ExportedResource(_Owned, rename="camel"):
    resource_type: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of a folder in the order of their names; `unit` says what a place counts."""

    path: Path
    files: tuple[Path, ...]
    bulk: bool

    @property
    def unit(self) -> str:
        """What the places of this folder's patients count."""
        return "Patient" if self.bulk else "file"

    def sha256(self) -> str:
        """The hash over the hashes of all files, in the order of their names."""
        digests = (sha256(file.read_bytes()).hexdigest() for file in self.files)
        return sha256("\n".join(digests).encode()).hexdigest()

    def records(self, mapping: MappingSettings) -> Iterator[PlacedRecord]:
        """Every patient's record. Raises TrainingError, which names file and line."""
        if self.bulk:
            yield from _exported(self, mapping)
            return
        seen: dict[str, int] = {}
        for place, file in enumerate(self.files, start=1):
            where = f"{self.path.name}, file {place} of {len(self.files)} in order of name"
            try:
                gathered = read_bundle(file.read_bytes(), mapping)
            except UnusableInput as error:
                raise TrainingError(f"{where}: {error}") from None
            except OSError as error:
                raise TrainingError(f"{where}: {error.strerror}") from None
            if missing := next((source.detail for source in gathered.sources.values() if source.detail), ""):
                raise TrainingError(f"{where}: the record is not whole: {missing}")
            if (first := seen.setdefault(gathered.patient_id, place)) != place:
                raise TrainingError(
                    f"{where}: the same patient as file {first}; put one patient's record in one Bundle"
                )
            yield PlacedRecord(place, gathered)


def open_folder(path: Path) -> Folder:
    """List the files of a folder. Raises TrainingError: neither Bundles nor NDJSON, both, or too many."""
    try:
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
        bundles = tuple(entry for entry in entries if entry.suffix.lower() == ".json")
        export = tuple(entry for entry in entries if entry.suffix.lower() == ".ndjson")
        sizes = [file.stat().st_size for file in (*bundles, *export)]
    except OSError as error:
        raise TrainingError(f"{path.name} cannot be read: {error.strerror}") from None
    if not bundles and not export:
        raise TrainingError(
            f"{path.name}: there are neither FHIR Bundles (*.json) nor NDJSON files in this folder"
        )
    if bundles and export:
        raise TrainingError(
            f"{path.name}: there are both *.json and *.ndjson files; keep one kind in the folder"
        )
    if others := len(entries) - len(sizes):
        raise TrainingError(
            f"{path.name}: {others} of {len(entries)} entries are neither *.json nor *.ndjson, and patients in them"
            " would be missing: unpack them, and keep nothing but the records in this folder"
        )
    if len(sizes) > MAX_FILES or sum(sizes) > MAX_BYTES or max(sizes) > MAX_FILE_BYTES:
        raise TrainingError(
            f"{path.name}: more than {MAX_FILES} files, {MAX_BYTES // 1024**3} GiB in all, or"
            f" {MAX_FILE_BYTES // 1024**2} MiB in one: that is more than is read"
        )
    return Folder(path, bundles or export, bool(export))


def _exported(folder: Folder, mapping: MappingSettings) -> Iterator[PlacedRecord]:
    """A bulk export: resources sorted to their patients, each with the Medications that it names."""
    lines = [line for place, file in enumerate(folder.files, start=1) for line in _lines(folder, place, file)]
    # Copies and versions of one stand as often as they were exported; the last counts (F7)
    patients = dict.fromkeys(line.head.id for line in lines if line.head.resource_type == "Patient")
    if not patients:
        raise TrainingError(f"{folder.path.name}: there is no Patient in these files")
    base = _base(folder, [line.head for line in lines])
    owned: defaultdict[str, list[Entry]] = defaultdict(list)
    shared: defaultdict[str, list[bytes]] = defaultdict(list)
    for head, json, _ in lines:
        if head.resource_type in LINKED:
            shared[f"{head.resource_type}/{head.id}"].append(json)
    links = {name: _linked(b"".join(versions), shared) for name, versions in shared.items()}
    named: defaultdict[str, set[str]] = defaultdict(set)
    for head, json, where in lines:
        for owner in {_named(reference)[1] for reference in _owners(head)}:
            if owner not in patients:
                raise TrainingError(
                    f"{_placed(folder, *where)}: this {head.resource_type} is of a patient of whom there is no Patient resource"
                )
            owned[owner].append(Entry(json))
            named[owner] |= _linked(json, shared)
    for place, patient in enumerate(patients, start=1):
        reached = sorted(_reached(named[patient], links))
        entries = (*owned[patient], *(Entry(json) for name in reached for json in shared[name]))
        gathered = Gathered(patient, base, {KEY: Source("read", entries)}, mapping)
        if other := found_version(gathered):
            raise TrainingError(
                f"{folder.path.name}: the content is FHIR {other}; only {mapping.fhir_version} is read"
            )
        yield PlacedRecord(place, gathered)


def _reached(named: set[str], links: Mapping[str, set[str]]) -> set[str]:
    """What is named and what that leads to, each once: the ingredients of a product."""
    reached, waiting = set[str](), named
    while waiting:
        reached |= waiting
        waiting = {further for name in waiting for further in links[name]} - reached
    return reached


def _placed(folder: Folder, place: int, number: int) -> str:
    return f"{folder.path.name}, file {place} in order of name, line {number}"


def _lines(folder: Folder, place: int, file: Path) -> Iterator[_ExportedLine]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise TrainingError(f"{folder.path.name}, file {place} in order of name: {error.strerror}") from None
    for number, line in enumerate(data.removeprefix(BOM_UTF8).split(b"\n"), start=1):
        if not line.strip():
            continue
        head = _exported_resource(line)
        where = _placed(folder, place, number)
        is_nobody = head.resource_type == "Patient" and not head.id
        if head.resource_type in {"", "Bundle"} or is_nobody:
            raise TrainingError(f"{where}: this is not one FHIR resource in JSON")
        if head.resource_type in _OF_A_PATIENT and _is_lost(head):
            raise TrainingError(
                f"{where}: this {head.resource_type} does not say which patient it is of: mend it, or take it out"
            )
        if head.resource_type == "OperationOutcome" and (missing := failure_told(line)):
            raise TrainingError(f"{where}: the export is not whole: {missing}")
        yield _ExportedLine(head, line, (place, number))


def _is_lost(head: _ExportedResource) -> bool:
    """Whether it names neither a patient nor what else it may be of: an identifier, a `urn:uuid`, a search."""
    owners = [owner.reference for owner in (head.subject, head.patient) if owner]
    return not (_owners(head) or any(o.startswith("#") or _named(o)[0] in _OF_NO_PATIENT for o in owners))


def _exported_resource(line: bytes) -> _ExportedResource:
    """What is needed of a line; empty where it is no resource, or cannot be told whose it is."""
    try:
        return msgspec.json.decode(line, type=_ExportedResource)
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _ExportedResource()
    try:
        head = leniently(line, _ExportedResource)
        if head.resource_type in R4_STRUCTS:  # others may be of several: an Account
            msgspec.json.decode(line, type=_Owned)
    except msgspec.ValidationError:
        return _ExportedResource()
    return head


def _owners(head: _ExportedResource) -> Sequence[str]:
    """References to the patients whose resource this is; a Patient is its own."""
    if head.resource_type == "Patient":
        return (f"Patient/{head.id}",)
    actors = [participant.actor for participant in head.participant or () if participant]
    named = [owner.reference for owner in (head.subject, head.patient, *actors) if owner]
    return [reference for reference in named if _named(reference)[0].casefold() == "patient"]


def _named(reference: str) -> tuple[str, str]:
    """The type and the id that a reference names, without its version; empty where it names none."""
    address = comparable(reference).partition("/_history/")[0]
    kind, _, id_ = "/".join(address.rsplit("/", 2)[-2:]).partition("/")
    return (kind, id_) if kind.isalpha() and not id_.startswith("/") else ("", "")


def _linked(json: bytes, shared: Mapping[str, object]) -> set[str]:
    """The names of the shared resources that a line refers to."""
    written = _REFERENCE.findall(json.replace(rb"\/", b"/")) if shared else ()
    return {"/".join(_named(reference.decode(errors="replace"))) for reference in written} & shared.keys()


def _base(folder: Folder, heads: Sequence[_ExportedResource]) -> str:
    """The FHIR base of absolute references to patients (F1); empty where all are relative."""
    owners = (reference.partition("/_history/")[0] for head in heads for reference in _owners(head))
    written = {owner.rpartition("Patient/")[0].strip("/") for owner in owners} - {""}
    bases = {comparable(base): base for base in written}
    if len(bases) > 1:
        raise TrainingError(
            f"{folder.path.name}: the references name {len(bases)} servers; give the export of one"
        )
    return next(iter(bases.values()), "")
