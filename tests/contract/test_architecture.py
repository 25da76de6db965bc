"""The rules of docs/architecture.md that import-linter cannot say."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("cds_service", "fhir_mapping", "models")
CPT_OWNER = "ama-assn." + "org"  # in two parts, or this file would find itself
MODULES = [p for package in PACKAGES for p in sorted((ROOT / package).rglob("*.py"))]


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository that match, without what a build or a virtual environment left."""
    hidden = {".git", ".venv", ".pytest_cache", "build", "dist", "node_modules", "__pycache__"}
    found = [p for pattern in patterns for p in ROOT.rglob(pattern)]
    return [p for p in found if p.is_file() and not hidden & set(p.relative_to(ROOT).parts)]


def test_the_service_starts_without_the_statistics_libraries():
    heavy = "{'lifelines', 'pandas', 'matplotlib', 'scipy', 'numpy'}"
    program = f"import sys, cds_service.web.app; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_the_path_of_a_request_fits_on_a_screen():
    assert len((ROOT / "cds_service" / "web" / "pipeline.py").read_text().splitlines()) <= 125
    tree = ast.parse((ROOT / "cds_service" / "cards" / "assessment.py").read_text())
    (assess,) = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "assess"]
    assert assess.end_lineno - assess.lineno + 1 <= 40


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        (
            "httpx",
            {
                f"cds_service/{name}.py"
                for name in ("fhir/client", "fhir/network", "fhir/sockets", "cds_client")
            },
        ),
        ("sqlite3", {"cds_service/web/store.py"}),
        ("jwt", {"cds_service/security/tokens.py"}),
        ("fhir", {"cds_service/cards/orders.py"}),
    ],
)
def test_a_library_appears_only_where_it_belongs(library, homes):
    users = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            if any(name.split(".")[0] == library for name in names):
                users.add(str(path.relative_to(ROOT)))
    assert users <= homes


def test_every_server_names_the_protocols_that_are_shipped():
    """Left alone, uvicorn takes what it finds, and the tools of development bring more than the wheel."""
    shipped = {"http": {"'h11'", "IncomingConnection"}, "loop": {"'asyncio'"}, "ws": {"'none'"}}
    servers = {}
    for path in tracked("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"uvicorn.Config", "uvicorn.run"}:
                named = {k.arg: ast.unparse(k.value) for k in node.keywords if k.arg in shipped}
                servers[f"{path.relative_to(ROOT)}:{node.lineno}"] = named
    assert len(servers) >= 4
    assert {named.keys() == shipped.keys() for named in servers.values()} == {True}
    assert {where: n for where, n in servers.items() if any(n[key] not in shipped[key] for key in n)} == {}


@pytest.mark.parametrize("package", ["fhir_mapping", "models"])
def test_the_inner_rings_never_ask_the_clock(package):
    for path in (ROOT / package).rglob("*.py"):
        assert not re.search(r"\b(now|utcnow|today)\(\)", path.read_text(encoding="utf-8")), path


def test_no_lock_or_data_file_carries_a_download_address():
    for path in tracked("*.lock", "*.toml", "*.csv", "*.json", "*.xml"):
        if path.suffix == ".json" and "data" in path.parts:
            continue  # clinical sample data: its addresses are identifiers of code systems
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"https?://[^\s\"']+\.(whl|tar\.gz|tgz|jar)\b", text), path
        assert not re.search(r"--(extra-)?index-url|\"resolved\":", text), path


def test_no_file_names_a_path_of_one_machine_or_holds_a_cpt_code():
    machine = re.compile(r"/(root|home|work|tmp/pip)/[a-z]")
    for path in tracked("*.py", "*.md", "*.toml", "*.csv", "*.json", "Makefile", "*.cff"):
        if "data" in path.relative_to(ROOT).parts:
            continue
        text = path.read_text(encoding="utf-8")
        assert not machine.search(text.replace(machine.pattern, "")), path
        assert CPT_OWNER not in text, path


def test_a_foreign_package_of_our_name_is_refused(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("")
    program = "import sys; sys.path.insert(0, sys.argv[1]); sys.path.append(sys.argv[2]); import cds_service.web.app"
    command = [sys.executable, "-c", program, str(tmp_path), str(ROOT)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "models" in result.stderr.splitlines()[-1]
