"""The documents say what is: pictures and pages are current, links lead somewhere, make speaks plainly."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.support.picture import PICTURE, digest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_picture_of_the_card_is_current():
    with Image.open(PICTURE) as picture:
        stale = "docs/card.png shows an older card or style: run `make docs`, with Chromium"
        assert picture.text.get("Source") == digest(), stale


def test_the_first_screen_of_the_readme_is_a_sentence_the_command_and_a_small_picture():
    title, sentence, command, picture, *_ = (ROOT / "README.md").read_text(encoding="utf-8").split("\n\n")
    assert title == "# imnm-cds"
    assert len(re.findall(r"\.(\s|$)", sentence)) == 1
    assert command == "```\nmake demo\n```"
    shown = re.fullmatch(r'<img src="docs/card.png" width="(\d+)" alt="[^"]{40,}">', picture)
    with Image.open(PICTURE) as kept:
        assert kept.height * int(shown[1]) / kept.width <= 450  # pixels: half of a small screen
    assert PICTURE.stat().st_size < 150_000


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_within_the_repository_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith("http") and not (page.parent / link).exists()] == []


def test_the_files_that_the_architecture_names_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:cds_service|fhir_mapping|models)/[\w/.]+)`", text):
        assert (ROOT / name).exists(), name


@pytest.fixture
def empty(tmp_path):
    """A folder with the Makefile and nothing installed."""
    for name in ("Makefile", "serve.lock", "build.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    return tmp_path


def make(folder, *arguments):
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def said(result):
    return [line for line in result.stdout.splitlines() if line.startswith("imnm-cds:")]


def test_make_alone_lists_the_targets(empty):
    listed = make(empty).stdout
    for target in ("install", "demo", "check", "test", "test-system", "bench", "docs", "lock", "test-SUITE"):
        assert target in listed


def test_a_missing_python_is_one_clear_line(empty):
    result = make(empty, "demo", "PYTHON=/nowhere/python3")
    assert result.returncode != 0
    assert len(said(result)) == 1
    assert "PYTHON=" in said(result)[0]


def test_an_old_python_is_one_clear_line(empty):
    old = empty / "python3"
    old.write_text('#!/bin/sh\ncase "$*" in *version_info*) exit 1;; -V) echo "Python 3.9.1";; esac\n')
    old.chmod(0o755)
    result = make(empty, "demo", f"PYTHON={old}")
    assert result.returncode != 0
    assert said(result) == [
        f"imnm-cds: needs Python 3.11 or newer, {old} is Python 3.9.1. " + said(result)[0].split(". ", 1)[1]
    ]


def test_a_python_without_venv_is_one_clear_line(empty):
    bare = empty / "python3"
    bare.write_text('#!/bin/sh\ncase "$*" in *venv*) exit 1;; esac\n')
    bare.chmod(0o755)
    result = make(empty, "demo", f"PYTHON={bare}")
    assert result.returncode != 0
    assert "venv" in said(result)[0]
