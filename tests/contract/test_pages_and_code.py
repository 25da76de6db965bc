"""What the pages say of commands, events, statuses, tables and numbers is what the code has, and nothing else."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest
import typer
from typer.core import TyperGroup

from cds_service import errors
from cds_service.cli import app
from cds_service.commands.usage_report import FEWEST
from cds_service.demo.patients import samples
from cds_service.events import Event
from cds_service.fhir.queries import QUERIES
from cds_service.security.tokens import SKEW_SECONDS, TOKEN_CHARACTERS
from cds_service.settings.client import ACCEPTED_BY_AT_MOST, Client
from cds_service.settings.limits import Limits
from cds_service.settings.service import ENVIRONMENT_PREFIX, SECRET_AT_LEAST, Settings
from cds_service.web.audit import TokenUse
from cds_service.web.ingress.door import SAY_S
from cds_service.web.ingress.event_queue import LINES
from cds_service.web.ingress.supervisor import LAST_S, PAUSES_S
from cds_service.web.memory import Memory
from cds_service.web.serving import BEYOND_S
from fhir_mapping.evidence import EligibilityState
from fhir_mapping.terms.roles import WORD_ROLES
from models.advice import Band
from models.inputs import PartName
from models.registry import LANDMARKS, default_folder, load_model
from models.training.fitting.landmarks import FEWEST_AT_LANDMARK, FEWEST_RECURRENCES_AFTER
from models.training.fitting.updating.update import FEWEST_FOR_SLOPE
from models.training.simulation.planning import LARGE
from models.training.validation.internal import INNER_RESAMPLES
from models.training.validation.subgroups import FEWEST_EVENTS
from models.training.validation.supplement.parts import FEWEST_SHOWN
from tests.support.pages import PAGES

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "fhir_mapping" / "tables"
HEAD_TOO_LONG = 431  # of the protocol, before there is a request that could be an error of ours
MAIN = typer.main.get_command(app)
assert isinstance(MAIN, TyperGroup)
COMMANDS = {
    name: {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for name, command in MAIN.commands.items()
}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SUITES = re.findall(r"\w+", MAKEFILE.partition("SUITES := ")[2].partition("\n")[0])
TARGETS = {*re.findall(r"^([\w./-]+):", MAKEFILE, re.MULTILINE), *(f"test-{suite}" for suite in SUITES)}
WRITTEN = "\n".join(
    path.read_text(encoding="utf-8")
    for path in (ROOT / "Makefile", ROOT / ".ci" / "run", *sorted((ROOT / "tests").rglob("*.py")))
)  # where variables of the repository itself are read or set


def said(page):
    return (ROOT / page).read_text(encoding="utf-8")


def section(page, heading):
    return said(page).partition(f"{heading}\n")[2].partition("\n#")[0]


def rows(text):
    """The cells of each row of the tables of a text, but for their heads."""
    cells = [
        [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line[:1] == "|"
    ]
    heads = {n - 1 for n, row in enumerate(cells) if set("".join(row)) == {"-"}}
    return [row for n, row in enumerate(cells) if n not in heads and n - 1 not in heads]


def words(text):
    return re.findall(r"`([^`]+)`", text)


def code_of(page):
    """The lines of the blocks of a page, and what stands between backticks."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    spans = words(re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    return [line.partition(" #")[0] for block in blocks for line in block.splitlines()] + spans


def not_there(line):
    """What a line of code on a page names and nobody would find: a command, an option, a target, a module."""
    for command, rest in re.findall(r"(?:^|\bimnm-cds )(?!imnm-cds)([a-z]+)((?: [^|&;]*)?)", line):
        if command in COMMANDS:
            yield from (o for o in re.findall(r"(?<=\s)--[a-z-]+", rest) if o not in COMMANDS[command])
        elif f"imnm-cds {command}" in line:
            yield f"imnm-cds {command}"
    for target in re.findall(r"(?:^|&& )make ((?:[a-z.][\w./-]*)(?: [a-z][\w-]*)*)", line):
        yield from (f"make {name}" for name in target.split() if name not in TARGETS)
    for module in re.findall(r"python3? -m ([\w.]+)", line):
        if importlib.util.find_spec(module) is None:
            yield f"python -m {module}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_option_target_and_module_that_a_page_names_is_there(page):
    assert {line: missing for line in code_of(page) if (missing := list(not_there(line)))} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_variable_of_the_environment_that_a_page_names_is_read(page):
    named = set(re.findall(r"\bIMNM_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")))
    settings = {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in (*Settings.model_fields, "fhir_token")}
    assert [
        name for name in named - settings if name not in WRITTEN or name.startswith(ENVIRONMENT_PREFIX)
    ] == []


@pytest.mark.parametrize(
    ("field", "known"),
    [
        ("mode", get_args(Client.model_fields["mode"].annotation)),
        ("eligibility", get_args(EligibilityState)),
        ("band", (*get_args(Band), "none")),
        ("memory", [word for word in get_args(Memory) if word != "not asked"]),
        ("token", get_args(TokenUse)),
    ],
)
def test_the_operations_page_has_each_word_of_a_field_of_the_audit(field, known):
    (meaning,) = [
        cell for name, cell in rows(section("docs/operations.md", "### `hook-call`")) if name == f"`{field}`"
    ]
    assert sorted(words(meaning)) == sorted(known)


def literals(folder):
    for path in (ROOT / folder).rglob("*.py"):
        yield from (
            node.value
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Constant)
        )


def test_an_outcome_that_the_operations_page_names_is_one_of_the_code():
    known = set(literals("cds_service")) | set(literals("models"))
    for event in (Event.REQUEST, Event.HOOK_CALL, Event.FEEDBACK):
        (meaning,) = [
            c for n, c in rows(section("docs/operations.md", f"### `{event.label}`")) if n == "`outcome`"
        ]
        assert words(meaning)
        assert set(words(meaning)) <= known


def calls(tree, *functions):
    return [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) in functions]


def test_the_operations_page_has_each_reason_why_a_caller_is_not_proved():
    reasons = {"used before"}  # of the store
    for name in ("tokens", "clients", "keys"):
        tree = ast.parse(said(f"cds_service/security/{name}.py"))
        given = [argument for call in calls(tree, "Rejected", "_text", "_moment") for argument in call.args]
        reasons |= {n.value for a in given for n in ast.walk(a) if isinstance(n, ast.Constant)}
    table = rows(section("docs/operations.md", "### Why a caller was not proved"))
    assert {word for row in table for word in words(row[0])} == reasons


NAME_METRICS = """
from cds_service.web.ingress.metrics import Metrics
for metric in vars(Metrics()).values():
    for each in metric.describe():
        print(f"{each.name}_total" if each.type == "counter" else each.name)
"""  # in a process of its own: the library decides when it is imported whether it counts into files


def test_the_operations_page_names_the_metrics_that_there_are():
    named = words(section("docs/operations.md", "## Metrics"))
    made = subprocess.run([sys.executable, "-c", NAME_METRICS], capture_output=True, text=True, check=True)
    assert sorted(word for word in named if word.startswith("imnm_")) == sorted(made.stdout.split())


def test_the_operations_page_has_each_http_status_and_when_to_try_again():
    kinds = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.ServiceError)]
    leaves = [kind for kind in kinds if not kind.__subclasses__()]
    later = {leaf.status: "–" for leaf in leaves} | {HEAD_TOO_LONG: "–"}
    later |= {leaf.status: f"{leaf.retry_after_s} s" for leaf in leaves if leaf.retry_helps}
    assert {
        int(status): again for status, again, _ in rows(section("docs/operations.md", "## HTTP status"))
    } == later


def test_the_operations_page_has_each_exit_status():
    ends = set()
    for path in (ROOT / "cds_service").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        ends |= {
            int(ast.unparse(call.args[0])) for call in calls(tree, "sys.exit", "SystemExit", "typer.Exit")
        }
    table = rows(section("docs/operations.md", "## Exit status"))
    assert {int(status) for status, _, _ in table} == ends | {0}
    named = [word.split() for _, of, _ in table for word in words(of)]
    assert [word for word in named if word[0] not in COMMANDS] == []


def test_the_page_of_the_tables_names_each_table_with_its_columns_and_each_role_of_words():
    page = said("fhir_mapping/tables/README.md")
    for table in sorted(TABLES.glob("*.csv")):
        assert table.name in page
        assert f"`{', '.join(table.read_text('utf-8').splitlines()[0].split(','))}`" in page.replace(
            "\n", " "
        ), table.name
    roles = {role for row in rows(page) for role in words(row[0])} - {"agents.csv"}
    assert roles == set(WORD_ROLES)


def test_every_part_that_can_be_ordered_is_named():
    parts = (
        said("docs/configuration.md").partition("The parts of `order_codes` are")[2].partition("any other")[0]
    )
    assert sorted(words(parts)) == sorted(get_args(PartName))


def test_every_folder_of_tests_is_named():
    there = {f"tests/{p.name}" for p in (ROOT / "tests").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert {words(row[0])[0] for row in rows(section("docs/contributing.md", "## The test folders"))} == there


def test_what_runs_at_each_push_and_each_night_is_what_the_page_says():
    steps = [line.partition("#")[0] for line in said(".ci/run").splitlines() if line.startswith("budget ")]
    pushed = {word for step in steps for word in step.partition(" make ")[2].split() if word.isalpha()}
    nightly = MAKEFILE.partition("\nnightly:")[2].partition("\n\n")[0]
    table = rows(section("docs/contributing.md", "## What else can be run"))
    when = {name: row[-1] for row in table for name in re.findall(r"(?:make|-m) ([\w.-]+)", row[0])}
    assert {name for name in when if "each push" in when[name]} == pushed - {"test"}
    at_night = [name for name in when if "nightly" in when[name]]
    assert [name for name in at_night if name not in {"nightly", *re.findall(r"[\w.]+", nightly)}] == []


LIMITS, TABLE_OF_FOLLOW_UP = Limits(), load_model(default_folder()).policy
VERSION = tomllib.loads(said("pyproject.toml"))["project"]["version"]
UNFILTERED = [q for q in QUERIES if q.key != "patient" and not q.roles and not q.status]
NUMBERS = {
    "docs/configuration.md": [
        f"have {TOKEN_CHARACTERS:,} characters, and be {SKEW_SECONDS} s off our clock",
        f"grows from {PAUSES_S[0]} to {PAUSES_S[1]:g} s",
        f"it takes {BEYOND_S + LAST_S} s more than the longest `answer_seconds`",
        f"name and role on one line, at most {ACCEPTED_BY_AT_MOST} characters",
        f"at least {SECRET_AT_LEAST} characters",
        f"asks for all {len(QUERIES)} keys",
    ],
    "docs/operations.md": [
        f"At most one in {SAY_S} s",
        f"a queue of {LINES:,} lines",
        f"after `answer_seconds` less {LIMITS.render_seconds} s",
        f"failed {LIMITS.failures_in_a_row} times in a row, it rests for {LIMITS.rest_seconds:g} s",
        f"more than {LIMITS.client_calls} calls at once",
        f"looked for every {LIMITS.keys_pause_seconds:g} s at most",
        f"Below {FEWEST} charts",
        f"on that chart for {TABLE_OF_FOLLOW_UP.remembered.days} days",
        f"`feedback_days`, {LIMITS.forgotten_rows} with each",
    ],
    "docs/architecture.md": [f"One deadline of {LIMITS.answer_seconds} s"],
    "docs/integration/hapi.md": [
        f"Each of the {len(samples().patients)} synthetic charts",
        f"written as of {samples().base_day}",
        f"all {len(QUERIES)} keys on every chart, {len(UNFILTERED)} of them whole histories",
    ],
    "docs/adr/0013-a-token-proves-the-caller.md": [
        f"Rotating a key takes effect within {LIMITS.keys_pause_seconds:g} s",
        f"withdrawing one within {LIMITS.keys_fresh_seconds:g} s",
    ],
    "docs/deploy/README.md": [f"dist/imnm_cds-{VERSION}-py3-none-any.whl"],
    "docs/deploy/nginx.conf": [
        f"the service ends an idle connection after {LIMITS.idle_seconds:g} s",
        f"client_max_body_size {LIMITS.body_bytes // 2**20}m;",
        f"large_client_header_buffers 4 {LIMITS.head_bytes // 2**10}k;",
    ],
    "docs/safety/hazards.md": [
        f"at most {TABLE_OF_FOLLOW_UP.remembered.days} days",
        f"shown after {LIMITS.memory_seconds} s at the latest",
    ],
    "CITATION.cff": [f"version: {VERSION} license"],
    "docs/statistics.md": [
        f"A landmark of {LANDMARKS[0]}, {LANDMARKS[1]} or {LANDMARKS[2]:,} days",
        f"at least {FEWEST_AT_LANDMARK} patients are still followed",
        f"at least {FEWEST_RECURRENCES_AFTER} of them have one",
        f"With fewer than {FEWEST_FOR_SLOPE} recurrences only",
        f"a shrinkage factor from {INNER_RESAMPLES} resamples of the resample",
        f"one cohort of {LARGE:,}",
        f"fewer than {FEWEST_EVENTS} recurrences has no estimate; one with fewer than {FEWEST_SHOWN} patients",
    ],
}


@pytest.mark.parametrize(("page", "numbers"), NUMBERS.items(), ids=NUMBERS)
def test_a_number_of_the_code_stands_on_the_page_that_explains_it(page, numbers):
    text = re.sub(r"\s+", " ", said(page))
    assert [number for number in numbers if number not in text] == []
