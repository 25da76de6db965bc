"""Options that several commands share, each said once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Config = Annotated[Path | None, typer.Option(help="Configuration in TOML; see docs/configuration.md.")]

AcceptUnknownStatus = Annotated[
    bool,
    typer.Option(
        "--accept-unknown-status", help="Also read results of status unknown, as some archives give them."
    ),
]

# How a cohort is named and read: the same for every command that takes one.
CohortPath = Annotated[
    Path, typer.Argument(help="CSV, Excel, Parquet, or a folder of FHIR Bundles or NDJSON.")
]
TimeZero = Annotated[str, typer.Option(help="What time zero is, in words; required for a table.")]
Columns = Annotated[
    list[str] | None, typer.Option(help="NAME=COLUMN: our name, the file's name; repeatable.")
]
Map = Annotated[
    Path | None,
    typer.Option(
        help="How a table is written and what its columns are, as `describe --draft-map` drafts it."
    ),
]
DraftMap = Annotated[
    Path | None, typer.Option(help="Only write a draft of the map of its columns, for --map, to this file.")
]
StartOfFollowUp = Annotated[
    str, typer.Option(help="For a folder: time zero, like treated+180 or eligible+180 (days).")
]
Until = Annotated[str, typer.Option(help="For a folder: the date of the extract.")]
TimeZeroInRecords = Annotated[
    str,
    typer.Option(help="For a table: where that is in a record, like onset+180 or first-agent+180 (days)."),
]
Groups = Annotated[list[str] | None, typer.Option("--group", help="A column to compare patients by.")]
AgeGroups = Annotated[str, typer.Option(help="Limits of age groups in years; 50,65 if left out.")]
MaxRows = Annotated[int | None, typer.Option(min=1, help="Most patients that a cohort may have.")]

# How a model is fitted.
Candidates = Annotated[
    list[str] | None, typer.Option(help="A further column of the file to look at; repeatable.")
]
ShrinkageOption = Annotated[
    Literal["bootstrap", "none"] | None,
    typer.Option(help="Of the log hazard ratios; bootstrap unless a penalty is given."),
]
Ridge = Annotated[
    float, typer.Option(min=0, max=1e6, help="Ridge penalty THETA/2 · sum of squares; 0: none.")
]
Imputations = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Completed sets where predictors are unknown, 0: complete cases alone; 20 where these are below 95 %.",
    ),
]
BaselineTies = Annotated[Literal["efron", "breslow"], typer.Option(help="Estimate of the baseline hazard.")]
