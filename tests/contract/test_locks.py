"""The lock files are complete lists, and are installed as such: whatever newer versions the index has."""

import re
import subprocess
import venv
from importlib.metadata import distributions, requires
from pathlib import Path

import pip
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.locks import Pinned, offer, read_lock

ROOT = Path(__file__).parents[2]
HEALTHCHAIN = "tests/system/healthchain/requirements.lock"
INSTALL = ROOT / ".ci" / "install"
BUILT = set(re.findall(r'^BUILT = "(.+?)"', INSTALL.read_text(encoding="utf-8"), re.MULTILINE))


def locks_of(target):
    """The lock files that `make` installs for a target, in its order."""
    command = ["make", "--no-print-directory", "-n", "-B", target]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (locks,) = re.findall(r"\.ci/install (.+)", planned)
    return locks.split()


class Machine:
    """A fresh virtual environment, and a folder that stands for the package index."""

    def __init__(self, folder):
        self.index, self._venv = folder / "index", folder / "venv"
        self.index.mkdir()
        venv.create(self._venv, symlinks=True)
        (self._site,) = self._venv.glob("lib/python*/site-packages")
        (self._site / "pip").symlink_to(Path(pip.__file__).parent)

    def install(self, **locks):
        """Run `.ci/install` over locks given as text; returns its status, and its last line."""
        names = [f"{name}.lock" for name in locks]
        for name, text in zip(names, locks.values(), strict=True):
            (self.index / name).write_text(text, encoding="utf-8")
        local = {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": ".",
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_CACHE_DIR": "1",
        }
        ended = subprocess.run(
            [self._venv / "bin" / "python", INSTALL, *names],
            cwd=self.index,
            env=local,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.stderr == ""
        return ended.returncode, ended.stdout.splitlines()[-1]

    def installed(self):
        return {found.name: found.version for found in distributions(path=[str(self._site)])}


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def lock_file(name):
    return HEALTHCHAIN if name == "healthchain" else f"{name}.lock"


@pytest.mark.parametrize("locks", [("serve", "build"), ("build", "all"), ("healthchain",)], ids="-".join)
def test_locks_install_as_listed_where_the_index_has_a_newer_version_of_every_package(machine, locks):
    listed = {name: read_lock(ROOT / lock_file(name)) for name in locks}
    texts = {name: offer(machine.index, packages, BUILT) for name, packages in listed.items()}
    assert machine.install(**texts) == (0, "  done")
    wanted = {each.name: each.version for packages in listed.values() for each in packages if each.wanted}
    assert machine.installed() == wanted


def test_a_lock_with_a_needed_package_taken_out_ends_in_one_line_that_names_it(machine):
    complete = offer(machine.index, read_lock(ROOT / "serve.lock"))
    short = re.sub(r"^h11==.*\n.*\n", "", complete, flags=re.MULTILINE)
    status, said = machine.install(serve=short)
    assert status == 1
    assert re.fullmatch(r"imnm-cds: serve\.lock is not complete: \S+ \S+ requires h11, which is .*", said)
    assert machine.install(serve=complete) == (0, "  done")


def test_what_has_no_wheel_is_built_by_the_listed_setuptools_not_by_the_newest(machine):
    (source,) = BUILT
    build = read_lock(ROOT / "build.lock")
    assert {"setuptools", "wheel"} <= {each.name for each in build}
    lock = offer(machine.index, [Pinned(source, "1.0")], BUILT)
    status, said = machine.install(tools=offer(machine.index, build), sources=lock)
    assert (status, said) == (0, "  done")
    assert machine.installed()[source] == "1.0"


def test_nothing_else_is_built_here(machine):
    lock = offer(machine.index, [Pinned("click", "1.0")], {"click"})
    status, said = machine.install(serve=lock)
    assert status == 1
    assert re.fullmatch(
        r"imnm-cds: could not install the packages of serve\.lock.* found for click==1\.0.*", said
    )
    assert machine.installed() == {}


def test_what_is_built_here_is_needed_for_development_alone():
    assert {each.name for each in read_lock(ROOT / "all.lock")} >= BUILT
    for name in ("serve.lock", "build.lock", ".ci/audit.lock", ".ci/fuzz.lock", HEALTHCHAIN):
        assert BUILT.isdisjoint(each.name for each in read_lock(ROOT / name))


LOCKS = [*ROOT.glob("*.lock"), *(ROOT / ".ci").glob("*.lock"), *(ROOT / "tests").rglob("*.lock")]
OF_A_LOCK = re.compile(
    r"([a-z0-9][a-z0-9._-]*==[a-z0-9.!+]+( ; [(a-z_]+ [^\\:/@#]+)?| {4}--hash=sha256:[0-9a-f]{64})( \\)?"
)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.parent.name + "/" + lock.name)
def test_a_lock_holds_packages_and_their_digests_and_says_nowhere_where_they_come_from(lock):
    lines = lock.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not OF_A_LOCK.fullmatch(line)] == []


@pytest.mark.parametrize(
    "line",
    [
        "--find-links https://mirror.example/simple/",
        "-i https://mirror.example/simple",
        "--trusted-host mirror.example",
        "h11 @ git+https://mirror.example/h11@abc",
        "https://mirror.example/h11.zip",
        "h11==1.0 ; https://mirror.example",
        "h11>=1.0",
        "# from a mirror",
    ],
)
def test_a_line_of_another_kind_is_seen(line):
    assert not OF_A_LOCK.fullmatch(line)


def test_make_installs_these_locks_in_this_order():
    assert locks_of(".venv/serve") == ["serve.lock", "build.lock"]
    assert locks_of(".venv/all") == ["build.lock", "all.lock"]
    assert locks_of(".venv/audit/all") == [".ci/audit.lock"]
    assert locks_of(".venv/fuzz/all") == [".ci/fuzz.lock"]


def test_what_is_fuzzed_reads_with_the_versions_that_serve():
    served = {each.name: each.version for each in read_lock(ROOT / "all.lock")}
    fuzzed = {each.name: each.version for each in read_lock(ROOT / ".ci" / "fuzz.lock")}
    assert fuzzed.keys() - served.keys() == {"atheris"}
    assert fuzzed.items() - served.items() == {("atheris", fuzzed["atheris"])}


@pytest.mark.parametrize("name", ["serve.lock", "build.lock", "all.lock"])
def test_a_lock_lists_all_that_its_packages_need_with_their_extras(name):
    """`pip check` leaves the extras out."""
    listed = {each.name for each in read_lock(ROOT / name) if each.wanted}
    todo, seen = [(each, frozenset()) for each in listed], set()
    while todo:
        package, extras = todo.pop()
        assert package in listed
        for text in requires(package) or ():
            need = Requirement(text)
            chosen = any(
                need.marker is None or need.marker.evaluate({"extra": extra}) for extra in ("", *extras)
            )
            further = (canonicalize_name(need.name), frozenset(need.extras))
            if chosen and further not in seen:
                seen.add(further)
                todo.append(further)
    assert seen


def test_who_installs_a_lock_without_make_installs_the_complete_list_too_and_checks_it():
    pages = (ROOT / "Dockerfile", ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines()]
    installs = {n: line for n, line in enumerate(lines) if re.search(r"\bpip\b.* install .*-r ", line)}
    assert len(installs) == 3
    for number, line in installs.items():
        assert "--no-deps --only-binary :all: --require-hashes" in line
        assert re.search(r"\bpip\b.* check\b", lines[number + 1])
