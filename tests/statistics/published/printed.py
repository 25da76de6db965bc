"""The folder of published numbers: each number as printed, where it is printed, and the data it was computed from."""

import csv
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

from tests.statistics.datasets import Dataset, Row, read_dataset

DEFAULT = Path(__file__).parents[2] / "data" / "published"
_SLACK = 1e-9  # of a half unit: a decimal number is no binary one


@dataclass(frozen=True)
class Printed:
    """One number: the key of its source, the page, section or file, its text, and what it is the answer to.

    `otherwise` says why ours is printed otherwise, where the source is known to have gone another way.
    """

    source: str
    where: str
    text: str
    row: Row
    otherwise: str

    @property
    def half_unit(self) -> float:
        """Half a unit of the last printed digit: two numbers that are nearer are printed alike."""
        return self.row.tolerance


@dataclass(frozen=True)
class Published:
    """All numbers, what each source is, the data sets that are here, and why the others are not."""

    numbers: tuple[Printed, ...]
    cited: dict[str, str]
    datasets: dict[str, Dataset]
    absent: dict[str, str]


def read_published(data: Path | None = None, folder: Path = DEFAULT) -> Published:
    """Read the folder; `data` is a folder with files that may not be given on."""
    settings = tomllib.loads((folder / "published_data.toml").read_text(encoding="utf-8"))
    sources = tomllib.loads((folder / "sources.toml").read_text(encoding="utf-8"))
    datasets: dict[str, Dataset] = {}
    absent: dict[str, str] = {}
    for name, given in settings.items():
        if "absent" in given:
            file = (data or folder / "data") / given["file"]
            if not file.exists():
                absent[name] = given["absent"]
                continue
            given["file"] = file.resolve()
        if "package" in given:
            given["file"] = Path(find_spec(given["package"]).origin).parent / given["file"]
        datasets[name] = read_dataset(folder, name, given, datasets, seed=0)
    with (folder / "numbers.csv").open(encoding="utf-8", newline="") as lines:
        numbers = tuple(_printed(line) for line in csv.DictReader(lines))
    return Published(numbers, {key: source["cited"] for key, source in sources.items()}, datasets, absent)


def _printed(line: dict[str, str]) -> Printed:
    text = line["printed"]
    half = 0.5 * 10.0 ** Decimal(text).as_tuple().exponent
    row = Row(
        *(line[field] for field in ("dataset", "model", "quantity", "term")),
        time=float(line["time"]) if line["time"] else None,
        at=float(line["at"]) if line["at"] else None,
        value=float(text),
        se=None,
        tolerance=half * (1 + _SLACK),
        se_tolerance=None,
    )
    return Printed(line["source"], line["where"], text, row, line["otherwise"])
