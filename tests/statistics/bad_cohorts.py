"""Cohorts that cannot be used, each with the one sentence that says why: for the reading, and for the command line.

`write(folder)` makes the files and gives the path to hand over; `says` is found in the sentence. `stage` is `read`
where reading refuses it, `fit` where only a fit can see it. Folders of records are read with `LANDMARK` and `UNTIL`.
"""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from models.training.cohort.column_map import ColumnMap
from tests.spec.language import read

SECRET = "Doe-1970"  # the id of patients: no sentence may hold it
TIME_ZERO = "180 days after the start of treatment"
LANDMARK = ("eligible", 180)
UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
HEADER = ("id", "time_years", "status", "cardiac", "ana_high", "refractory", "drr_high")


@dataclass(frozen=True)
class Bad:
    """One kind of cohort that cannot be used."""

    name: str
    write: Callable[[Path], Path]
    says: str
    stage: Literal["read", "fit"] = "read"
    options: tuple[tuple[str, Any], ...] = ()  # of `load_cohort`, beside time zero or landmark

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of records, which needs a landmark in place of time zero."""
        return self.name.startswith("folder")


def good_rows(count: int = 60) -> list[dict[str, str]]:
    """A cohort that is all right: half of it recurs, the predictors are in every combination."""
    return [
        {
            "id": f"{SECRET}-{number}",
            "time_years": f"{0.5 + number / 20:.2f}",
            "status": "1" if number % 2 else "0",
            **{name: str(number >> bit & 1) for bit, name in enumerate(HEADER[3:], start=1)},
        }
        for number in range(count)
    ]


def as_csv(rows: list[dict[str, str]], **options: Any) -> str:
    """Rows as the text of a CSV file."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n", **options)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def changed(number: int, **cells: str | None) -> list[dict[str, str]]:
    """Good rows, of which one (by its line in the file) has other cells; a new column is empty elsewhere."""
    rows = good_rows()
    for name, value in cells.items():
        for row in rows:
            row.setdefault(name, "")
        rows[number - 2][name] = value or ""
    return rows


def renamed(**names: str) -> list[dict[str, str]]:
    """Good rows with other names of columns; an empty name takes the column out."""
    named = [{names.get(k, k): v for k, v in row.items()} for row in good_rows()]
    return [{k: v for k, v in row.items() if k} for row in named]


def with_columns(**columns: Callable[[int], str]) -> list[dict[str, str]]:
    """Good rows with columns put in or over, each cell from the number of the row."""
    return [row | {name: of(n) for name, of in columns.items()} for n, row in enumerate(good_rows())]


def dated(**columns: Callable[[int], str]) -> list[dict[str, str]]:
    """Good rows with dates in place of time."""
    dates = {
        "time_zero": lambda n: "2020-01-01",
        "end_date": lambda n: date(2021 + n % 4, 1 + n % 12, 1).isoformat(),
    }
    rows = with_columns(**dates | columns)
    return [{k: v for k, v in row.items() if k != "time_years"} for row in rows]


def text(content: str | bytes | list[dict[str, str]], name: str = "cohort.csv") -> Callable[[Path], Path]:
    """Write one file."""

    def write(folder: Path) -> Path:
        data = as_csv(content) if isinstance(content, list) else content
        (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
        return folder / name

    return write


def parquet(columns: dict[str, list[Any]], **typed: tuple[str, Any]) -> Callable[[Path], Path]:
    """Write a Parquet file; `typed` are further columns of one value each, by the name of its type in Arrow."""

    def write(folder: Path) -> Path:
        import pyarrow as pa
        from pyarrow import parquet as files

        kinds = {
            "date32": (pa.int32(), pa.date32()),
            "duration": (pa.int64(), pa.duration("s")),
            "moment": (pa.int64(), pa.timestamp("ms", tz="Mars/Phobos")),
            "utf8": (pa.binary(), pa.utf8()),
        }
        table = pa.table(columns)
        for name, (kind, value) in typed.items():
            written, meant = kinds[kind]
            array = pa.array([value] * table.num_rows, written)
            table = table.append_column(name, array.view(meant))
        files.write_table(table, folder / "cohort.parquet")
        return folder / "cohort.parquet"

    return write


def renamed_bytes(write: Callable[[Path], Path], old: bytes, new: bytes) -> Callable[[Path], Path]:
    """Write a file and put other bytes of the same length in it."""

    def write_changed(folder: Path) -> Path:
        path = write(folder)
        path.write_bytes(path.read_bytes().replace(old, new))
        return path

    return write_changed


def files(**contents: str | bytes) -> Callable[[Path], Path]:
    """Write a folder of files; `__` in a name stands for its dot."""

    def write(folder: Path) -> Path:
        place = folder / "records"
        place.mkdir()
        for name, content in contents.items():
            data = content.encode() if isinstance(content, str) else content
            (place / name.replace("__", ".")).write_bytes(data)
        return place

    return write


def resources(record: str, patient: str = SECRET) -> list[dict[str, Any]]:
    """The resources of a record in the language of the specification, under another patient's id."""
    found = json.dumps(read(record).resources).replace("Patient/p1", f"Patient/{patient}")
    return json.loads(
        found.replace('"id": "p1"', f'"id": "{patient}"').replace('"id": "r', f'"id": "{patient}-r')
    )


def bundle(*of_patients: list[dict[str, Any]]) -> str:
    """A Bundle of these resources."""
    entries = [{"resource": one} for found in of_patients for one in found]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})


def ndjson(found: list[dict[str, Any]]) -> str:
    """One resource a line."""
    return "".join(json.dumps(one) + "\n" for one in found)


def as_parquet(rows: list[dict[str, str]], **columns: list[Any]) -> dict[str, list[Any]]:
    """Rows as columns of Parquet, some put over."""
    return {name: [row[name] for row in rows] for name in rows[0]} | columns


PLAIN = "imnm; encounter AMB visit @-10d"
RELAPSED_DEAD = (
    "imnm; patient died=-130d; ck 5000 @-990d; ck 200 @-900d; ck 600 @-140d; ck 600 @-135d;"
    " request azathioprine from=-110d"
)
HEADER_LINE = ",".join(HEADER) + "\n"

READ = [
    Bad("no file", lambda folder: folder / "nowhere.csv", "cannot be read: No such file"),
    Bad("an empty file", text(""), "the file is empty"),
    Bad("blank lines only", text("\n\n  \n"), "the file is empty"),
    Bad("a header and nothing else", text(HEADER_LINE), "no patients"),
    Bad("no header", text(as_csv(good_rows()).split("\n", 1)[1]), "the first line holds numbers"),
    Bad("a missing id column", text(renamed(id="")), "columns are missing: id"),
    Bad("a missing time", text(renamed(time_years="")), "columns are missing: time_years"),
    Bad("a misspelt time", text(renamed(time_years="time_yers")), "is it the column time_yers?"),
    Bad("a missing status", text(renamed(status="")), r"columns are missing: status \(or event\)"),
    Bad("a missing predictor", text(renamed(cardiac="")), "columns are missing: cardiac_involvement"),
    Bad("several missing columns", text(renamed(cardiac="", drr_high="")), "cardiac_involvement, high_drr"),
    Bad(
        "a column named twice",
        text(as_csv(good_rows()).replace("drr_high", "cardiac", 1)),
        "two columns are called",
    ),
    Bad("one column under two names", text(with_columns(high_ana=lambda n: "1")), "both high_ana: keep one"),
    Bad("a column without a name", text(as_csv(good_rows()).replace("id,", ",", 1)), "column 1 has no name"),
    Bad("two time units", text(with_columns(time_days=lambda n: "9")), "follow-up is given twice"),
    Bad(
        "time and dates",
        text(with_columns(time_zero=lambda n: "2020-01-01", end_date=lambda n: "2021-01-01")),
        "twice",
    ),
    Bad(
        "one date of two",
        text([r | {"time_zero": "2020-01-01"} for r in renamed(time_years="")]),
        "needs end_date",
    ),
    Bad(
        "a time in words", text(changed(7, time_years="two years")), "line 7, column time_years: not a number"
    ),
    Bad(
        "a time with its unit",
        text(changed(7, time_years="12 months")),
        "line 7, column time_years: not a number",
    ),
    Bad(
        "a negative time", text(changed(7, time_years="-0.5")), "line 7, column time_years: before time zero"
    ),
    Bad("no time", text(changed(7, time_years="")), "line 7, column time_years: empty"),
    Bad("time is NaN", text(changed(7, time_years="NaN")), "line 7, column time_years: empty"),
    Bad("time is infinite", text(changed(7, time_years="inf")), "line 7, column time_years: infinite"),
    Bad("time overflows", text(changed(7, time_years="1e999")), "line 7, column time_years: too large"),
    Bad(
        "months called years",
        text(with_columns(time_years=lambda n: f"{1 + n:d}")),
        r"10 lines \(52, 53, 54, 55, 56, …\), column time_years: more than 50 years: is it in another unit",
    ),
    Bad("days called years", text(changed(7, time_years="924")), "line 7, .*in another unit"),
    Bad(
        "a recurrence at time zero",
        text(changed(7, time_years="0")),
        "line 7, column time_years: a recurrence at time",
    ),
    Bad(
        "a death at time zero",
        text(changed(8, time_years="0.0", status="2")),
        "line 8, column time_years: a death at",
    ),
    Bad(
        "all censored at time zero",
        text(with_columns(time_years=lambda n: "0", status=lambda n: "0")),
        "nobody was fol",
    ),
    Bad("status 3", text(changed(7, status="3")), "line 7, column status: not one of 0 .*; there stands 3$"),
    Bad("status in words", text(changed(7, status="worse")), r"column status: not one of 0 .*\(death\)$"),
    Bad("no status", text(changed(7, status="")), "line 7, column status: empty"),
    Bad(
        "status and event differ",
        text(with_columns(event=lambda n: str(n % 2 if n else 1))),
        "line 2, column event",
    ),
    Bad(
        "a predictor of 2",
        text(changed(7, cardiac="2")),
        "line 7, column cardiac: not one of 0/1.*; there stands 2$",
    ),
    Bad(
        "a predictor of one half",
        text(changed(7, drr_high="0.5")),
        "line 7, column drr_high: not one of .*; there stands 0.5$",
    ),
    Bad(
        "a predictor in other words",
        text(changed(7, refractory="perhaps")),
        "line 7, column refractory: not one of .*empty$",
    ),
    Bad(
        "several problems",
        text(changed(7, cardiac="2", status="9")),
        "line 7, column status: .*9; line 7, column cardiac: .*2$",
    ),
    Bad(
        "an implausible ratio",
        text(changed(7, drr="60")),
        "line 7, column drr: outside the plausible range of 0.05",
    ),
    Bad(
        "an implausible titre",
        text(changed(7, ana_titre="0.5")),
        "line 7, column ana_titre: outside the plausible",
    ),
    Bad(
        "raw contradicts coded",
        text(changed(2, drr="2.5")),
        "line 2, column drr_high: de_ritis_ratio says otherwise",
    ),
    Bad(
        "a negative LDH",
        text(changed(7, ldh="-9")),
        "line 7, column ldh: below 0: leave empty what is not known; there stands -9$",
    ),
    Bad(
        "negative lymphocytes and an LDH that is all right",
        text(changed(7, ldh="300", lymphocytes="-99")),
        "line 7, column lymphocytes: below 0.*-99$",
    ),
    Bad(
        "an id twice, its accent apart",
        text(with_columns(id=lambda n: {3: "U\u0308-1", 5: "\u00dc-1"}.get(n, str(n)))),
        "line 7, column id: the same patient as line 5",
    ),
    Bad("a titre in words", text(changed(7, ana_titre="high")), "line 7, column ana_titre: neither a titre"),
    Bad(
        "another subtype",
        text(changed(7, subtype="anti-Jo-1")),
        "line 7, column subtype: not one of anti-SRP",
    ),
    Bad("an id twice", text(changed(7, id=f"{SECRET}-0")), "line 7, column id: the same patient as line 2"),
    Bad("no id", text(changed(7, id="")), "line 7, column id: empty"),
    Bad(
        "dates written otherwise",
        text(dated(end_date=lambda n: "31 Dec 2021")),
        r"60 lines \(2, 3, 4, 5, 6, …\), column end_date: not a date",
    ),
    Bad(
        "a date that is none",
        text(dated(end_date=lambda n: "2021-02-30" if n == 5 else "2021-02-03")),
        "line 7, column end_date: not a date",
    ),
    Bad(
        "an end before time zero",
        text(dated(end_date=lambda n: "2019-12-31")),
        "column end_date: before time zero",
    ),
    Bad(
        "an event after death",
        text(dated(death_date=lambda n: "2020-06-01")),
        r"30 lines \(2, 4, 6, 8, 10, …\), column end_date: follow-up after death",
    ),
    Bad(
        "death on another day",
        text(dated(death_date=lambda n: "2030-06-01", status=lambda n: "2")),
        "is another day",
    ),
    Bad(
        "a date of death without dates",
        text(changed(7, death_date="2021-01-01")),
        "death_date needs time_zero",
    ),
    Bad(
        "a candidate that is not there",
        text(good_rows()),
        "no column lvef",
        options=(("candidates", ("lvef",)),),
    ),
    Bad(
        "a candidate in words",
        text(changed(7, lvef="low")),
        "column lvef: one word alone",
        options=(("candidates", ("lvef",)),),
    ),
    Bad(
        "a renamed column not there",
        text(good_rows()),
        "no column out",
        options=(("column_map", ColumnMap().with_columns({"status": "out"})),),
    ),
    Bad("more than max_rows", text(good_rows()), "more than 59 rows", options=(("max_rows", 59),)),
    Bad(
        "too many columns", text(with_columns(**{f"c{i}": lambda n: "1" for i in range(500)})), "507 columns"
    ),
    Bad("no time zero", text(good_rows()), "say in words what time zero is", options=(("time_zero", " "),)),
    Bad(
        "too few cells",
        text(as_csv(good_rows()).replace(",1,0,", ",1,", 1)),
        "line 3 has 6 cells under a header of 7",
    ),
    Bad("a bare decimal comma", text(as_csv(good_rows()).replace("0.75", "0,75")), "line 7 has 8 cells"),
    Bad(
        "a line break in a cell, then a bad one",
        text(changed(7, note="a\nb", cardiac="2")),
        "line 7, column cardiac",
    ),
    Bad(
        "a quote that never ends",
        text(as_csv(good_rows()) + f'"{SECRET},1,1,0,0,0,0\n'),
        "line 62 is not CSV",
    ),
    Bad("a NUL byte", text(as_csv(good_rows()).replace("0.75", "0\x0075")), "line 7 holds a NUL byte"),
    Bad("an Excel workbook that is none", text(b"PK\x03\x04" + bytes(30)), "no Excel workbook"),
    Bad("a compressed file", text(b"\x1f\x8b" + bytes(30)), "is compressed"),
    Bad("a Parquet file that is none", text(as_csv(good_rows()), "cohort.parquet"), "no Parquet file"),
    Bad("a Parquet file cut short", text(b"PAR1" + bytes(90), "cohort.parquet"), "no Parquet file"),
    Bad("Parquet called CSV", text(b"PAR1" + bytes(90)), "is a Parquet file"),
    Bad(
        "Parquet with infinity",
        parquet(as_parquet(good_rows(), time_years=[1.0] * 59 + [float("inf")])),
        "row 60",
    ),
    Bad(
        "Parquet with a gap in time",
        parquet(as_parquet(good_rows(), time_years=[None] + [1.0] * 59)),
        "row 1, column",
    ),
    Bad(
        "Parquet with a day of no calendar",
        parquet(as_parquet(good_rows()), end=("date32", 2**31 - 1)),
        "column end holds a value of no calendar, time zone or encoding: write it as text",
    ),
    Bad(
        "Parquet with a length of time that nobody can hold",
        parquet(as_parquet(good_rows()), length=("duration", 2**62)),
        "column length holds a value of no calendar",
    ),
    Bad(
        "Parquet with a moment of no time zone",
        parquet(as_parquet(good_rows()), moment=("moment", 1)),
        "column moment holds a value of no calendar, time zone",
    ),
    Bad(
        "Parquet with a text of no encoding",
        parquet(as_parquet(good_rows()), note=("utf8", b"\xff")),
        "column note holds a value of no .* encoding",
    ),
    Bad(
        "Parquet with a column whose name is of no encoding",
        renamed_bytes(parquet(as_parquet(good_rows(), zzzz=["1"] * 60)), b"zzzz", b"z\xffzz"),
        "no Parquet file",
    ),
    Bad(
        "Parquet with lists",
        parquet(as_parquet(good_rows(), cardiac=[[1]] * 60)),
        r"60 rows \(1, .*\), column cardiac: not one of",
    ),
    Bad("folder without records", files(readme__txt="nothing"), "neither FHIR Bundles"),
    Bad("folder of both kinds", files(a__json=bundle(resources(PLAIN)), b__ndjson="{}"), "keep one kind"),
    Bad("folder with a file that is no JSON", files(a__json="nothing"), "file 1 of 1 .*not a FHIR Bundle"),
    Bad("folder with a single resource", files(a__json=json.dumps(resources(PLAIN)[0])), "a single Patient"),
    Bad(
        "folder with a Bundle of two",
        files(a__json=bundle(resources(PLAIN), resources(PLAIN, "p2"))),
        "2 Patients",
    ),
    Bad(
        "folder with a Bundle of nobody",
        files(a__json=bundle(resources(PLAIN)[1:])),
        "no Patient in the Bundle",
    ),
    Bad(
        "folder with a patient twice",
        files(a__json=bundle(resources(PLAIN)), b__json=bundle(resources(PLAIN))),
        "file 2 of 2 .*the same patient as file 1",
    ),
    Bad(
        "folder without an IMNM patient", files(a__json=bundle(resources("ck 100"))), "nobody is left; 1 of 1"
    ),
    Bad(
        "folder with a relapse after death",
        files(a__json=bundle(resources(RELAPSED_DEAD))),
        "file 1: a relapse is dat",
    ),
    Bad(
        "folder with NDJSON that is none",
        files(a__ndjson=ndjson(resources(PLAIN)) + "{\n"),
        "line 4: this is not one",
    ),
    Bad(
        "folder with NDJSON without Patient",
        files(a__ndjson=ndjson(resources(PLAIN)[1:])),
        "no Patient in these",
    ),
    Bad(
        "folder with NDJSON of strangers",
        files(a__ndjson=ndjson(resources(PLAIN)), b__ndjson="\n" + ndjson(resources(PLAIN, "p2")[1:])),
        "file 2 in order of name, line 2: this Condition is of a patient of whom",
    ),
]

FIT = [
    Bad("no events", text(with_columns(status=lambda n: "0")), "recurrence", "fit"),
    Bad("deaths only", text(with_columns(status=lambda n: "2")), "recurrence", "fit"),
    Bad("a constant predictor", text(with_columns(cardiac=lambda n: "1")), "cardiac_involvement", "fit"),
    Bad(
        "two predictors that are one", text([r | {"drr_high": r["cardiac"]} for r in good_rows()]), "", "fit"
    ),
    Bad("separation", text(with_columns(drr_high=lambda n: str(n % 2))), "no finite estimate", "fit"),
    Bad("one patient", text(good_rows(2)[1:]), "recurrence", "fit"),
    Bad("too few recurrences", text(good_rows(30)), "recurrence", "fit"),
    Bad(
        "a predictor known of nobody",
        text(with_columns(refractory=lambda n: "NA")),
        "treatment_refractory",
        "fit",
    ),
]

ALL = (*READ, *FIT)
