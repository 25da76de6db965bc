"""A cohort for the command line: a table, or a folder of records read by the same mapping as at the bedside.

`python -m cds_service.commands.cohort --write` writes `docs/data-dictionary.md`.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

from cds_service.commands.folder import Folder, PlacedRecord, open_folder
from fhir_mapping.cohort.tabulate import IMPROVED, Landmark, LeftOut, TabulatedPatient, cutoffs, tabulate
from fhir_mapping.cohort.titre_text import titre_reader
from fhir_mapping.record import MappingSettings
from fhir_mapping.terms import load_tables
from models.artefact import TimeZero
from models.inputs import Anchor
from models.registry import LATEST_OFFSET
from models.training.cohort.cohort import Cohort, FlowStep, from_rows, read_cohort
from models.training.cohort.column_map import ColumnMap, read_map
from models.training.cohort.dictionary import page
from models.training.cohort.table import MAX_ROWS
from models.training.errors import TrainingError
from models.training.statistics.progress import Progress

DICTIONARY = Path(__file__).parents[2] / "docs" / "data-dictionary.md"

_LANDMARK = re.compile(r"(eligible|treated)\+(\d{1,4})", re.ASCII)
_ANCHOR = re.compile(r"(onset|first-agent)\+(\d{1,4})", re.ASCII)
_FURTHEST_ON = timedelta(hours=14)  # UTC+14, Kiribati: no zone is further
_LEFT = MappingProxyType(
    {
        LeftOut.NOT_KNOWN: "known to be IMNM or not",
        LeftOut.NOT_IMNM: "definite or probable IMNM",
        LeftOut.NO_START: "with a start on record",
        LeftOut.DIED_UNDATED: "alive, or with a date of death",
        LeftOut.DIED_BEFORE: "alive at the landmark",
        LeftOut.NOT_FOLLOWED: "seen after the landmark",
        LeftOut.NOT_YET: "definite or probable IMNM at the landmark",
        LeftOut.EXCLUDED: "adult at the landmark",
        LeftOut.RELAPSED_BEFORE: "without a relapse up to the landmark",
        LeftOut.RELAPSING: "without a possible relapse at the landmark",
    }
)
"""What is true of those who are left once the reason has taken its own out."""

_Track = Callable[[Iterable[PlacedRecord]], Iterable[PlacedRecord]]


@dataclass(frozen=True, slots=True)
class CohortSource:
    """Where a cohort is and how it is read: a table with its time zero, or a folder with landmark and extract date."""

    path: Path
    time_zero: str = ""
    columns: Sequence[str] = ()  # "cardiac_involvement=heart"
    candidates: Sequence[str] = ()
    landmark: str = ""  # "treated+180"
    until: str = ""
    max_rows: int | None = None  # as many as a cohort may have
    map: Path | None = None  # how a table is written; `columns` are further lines of it
    anchor: str = ""  # "onset+180"; of a folder it follows from the landmark
    groups: Sequence[str] = ()  # further columns by which patients are grouped

    def read(self, progress: Progress) -> Cohort:
        """Read it. Raises TrainingError."""
        anchored = self.anchored
        progress("reading the cohort", 0, 1)
        column_map = self.column_map()
        landmark = _landmark(self.landmark) if self.landmark else None
        until = _end_of_extract(self.until) if self.until else None
        cohort = load_cohort(
            self.path,
            time_zero=self.time_zero,
            column_map=column_map,
            candidates=self.candidates,
            landmark=landmark,
            until=until,
            max_rows=self.max_rows or MAX_ROWS,
            groups=self.groups,
            today=latest_day(),
        )
        progress("reading the cohort", 1, 1)
        return replace(cohort, anchored=anchored)

    @property
    def anchored(self) -> TimeZero | None:
        """Where time zero lies in a record (S11); of records with the landmark `treated` it follows. Raises TrainingError."""
        if not self.landmark:
            if not self.anchor:
                return None
            match = _ANCHOR.fullmatch(self.anchor)
            if not match or int(match[2]) > LATEST_OFFSET:
                raise TrainingError(
                    f"--anchor: give an anchor and 0 to {LATEST_OFFSET} days, like onset+180 or first-agent+180"
                )
            return TimeZero(cast(Anchor, match[1]), int(match[2]))
        if self.anchor:
            raise TrainingError("--anchor is for tables: of a folder of records the landmark says it")
        landmark = _landmark(self.landmark)
        return TimeZero("first-agent", landmark.days) if landmark.after == "treated" else None

    def column_map(self) -> ColumnMap | None:
        """How a table is written, where anything is said of it. Raises TrainingError."""
        if not (self.map or self.columns):
            return None
        column_map = read_map(self.map) if self.map else ColumnMap()
        columns: dict[str, str] = {}
        for text in self.columns:
            name, given, column = text.partition("=")
            if not (name and given and column):
                raise TrainingError(f"--columns: {text!r} is not NAME=COLUMN")
            if name in columns:
                raise TrainingError("--columns: a name is given twice")
            columns[name] = column
        return column_map.with_columns(columns)


def _landmark(text: str) -> Landmark:
    match = _LANDMARK.fullmatch(text)
    if not match:
        raise TrainingError("--landmark: give a start and days, like treated+180 or eligible+180")
    return Landmark(cast(Literal["eligible", "treated"], match[1]), int(match[2]))


def _end_of_extract(text: str) -> datetime:
    try:
        extracted = date.fromisoformat(text)
    except ValueError:
        raise TrainingError("--until: give the date of the extract, like 2026-03-01") from None
    if extracted > latest_day():
        raise TrainingError("--until: the date of the extract is after today")
    return datetime.combine(extracted, time.max, UTC)


def latest_day() -> date:
    """The day that it is now where the day is furthest on: what is later has not happened anywhere."""
    return (datetime.now(UTC) + _FURTHEST_ON).date()


def load_cohort(
    path: Path,
    *,
    time_zero: str = "",
    column_map: ColumnMap | None = None,
    candidates: Sequence[str] = (),
    groups: Sequence[str] = (),
    max_rows: int = MAX_ROWS,
    landmark: Landmark | None = None,
    until: datetime | None = None,
    mapping: MappingSettings | None = None,
    track: _Track = iter,
    today: date | None = None,
) -> Cohort:
    """Read a cohort from a text, Excel or Parquet file, or from a folder of FHIR Bundles or NDJSON.

    A file needs `time_zero`, in words, and may have a `column_map`; none of its dates may be after `today`. A folder
    needs `landmark`, which is its time zero, and `until`, the moment of the extract with its zone; `mapping` says how
    its records are read (none: the packaged tables, UTC). `track` may show progress over the patients of a folder.
    Raises TrainingError in one sentence.
    """
    mapping = mapping or MappingSettings(load_tables())
    if path.is_dir():
        if landmark is None or until is None:
            raise TrainingError(
                f"{path.name} is a folder of records: give a landmark and the date of the extract"
            )
        if time_zero or column_map:
            raise TrainingError(
                f"{path.name} is a folder of records: time zero and columns follow from the landmark"
            )
        if groups:
            raise TrainingError(f"{path.name} is a folder of records: it has no column to group patients by")
        return _from_folder(open_folder(path), landmark, until, mapping, candidates, track, max_rows)
    if landmark or until:
        raise TrainingError(
            f"{path.name} is a table: a landmark is for folders of records; say what time zero is"
        )
    return read_cohort(
        path,
        time_zero=time_zero,
        column_map=column_map,
        candidates=candidates,
        groups=groups,
        cutoffs=cutoffs(mapping.tables),
        read_titre=titre_reader(mapping.tables),
        max_rows=max_rows,
        today=today,
    )


def _from_folder(
    folder: Folder,
    landmark: Landmark,
    until: datetime,
    mapping: MappingSettings,
    candidates: Sequence[str],
    track: _Track,
    max_rows: int,
) -> Cohort:
    if until.tzinfo is None:
        raise TrainingError("the date of the extract needs a time zone")
    tabulated: list[tuple[int, TabulatedPatient]] = []
    left_out: Counter[LeftOut] = Counter()
    for record in track(folder.records(mapping)):
        try:
            patient = tabulate(record.gathered, landmark, until)
        except TrainingError as error:
            raise TrainingError(f"{folder.path.name}, {folder.unit} {record.place}: {error}") from None
        if isinstance(patient, LeftOut):
            left_out[patient] += 1
        else:
            tabulated.append((record.place, patient))
        if len(tabulated) > max_rows:
            raise TrainingError(
                f"{folder.path.name}: more than {max_rows} patients; raise max_rows (--max-rows)"
            )
    return from_rows(
        [patient.cells() for _, patient in tabulated],
        name=folder.path.name,
        unit=folder.unit,
        places=[place for place, _ in tabulated],
        time_zero=landmark.words,
        candidates=tuple(dict.fromkeys((IMPROVED, *candidates))),
        cutoffs=cutoffs(mapping.tables),
        flow=_flow([patient for _, patient in tabulated], left_out),
        sha256=folder.sha256(),
    )


def _flow(patients: Sequence[TabulatedPatient], left_out: Counter[LeftOut]) -> tuple[FlowStep, ...]:
    """Screened, then every reason in its order; last, what is counted as no recurrence."""
    left = len(patients) + left_out.total()
    steps = [FlowStep("patients in the folder", left)]
    for reason in LeftOut:
        if count := left_out[reason]:
            left -= count
            steps.append(FlowStep(_LEFT[reason], left, count, reason.value))
    if count := sum(patient.biochemical for patient in patients):
        steps.append(FlowStep(f"of these {count} with a possible relapse by CK alone, counted as none", left))
    return tuple(steps)


if __name__ == "__main__" and "--write" in sys.argv:
    DICTIONARY.write_text(page(cutoffs(load_tables())), encoding="utf-8")
