"""The container image without a container engine: its steps, read from the Dockerfile, run by an unprivileged user.

Every absolute path of a step (`/opt/venv`, `/data`, …) lies under one folder that stands for the image's root.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from tests.support.needs import need

ROOT = Path(__file__).parents[2]
NOBODY = 65534
_CAN_SERVE = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
_MOVED = re.compile(r"(?<![\w./:-])/(?=(?:opt|src|data|etc)\b)")


@dataclass(frozen=True)
class Step:
    """One instruction of a Dockerfile, its continued lines joined."""

    name: str
    text: str

    @property
    def listed(self) -> list[str]:
        """The JSON list of an ENTRYPOINT, CMD or HEALTHCHECK."""
        return json.loads(self.text[self.text.index("[") :])


def stages(dockerfile: Path) -> list[list[Step]]:
    """Read the steps of each stage."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    steps = [Step(*line.split(None, 1)) for line in lines if line.strip()]
    starts = [n for n, step in enumerate(steps) if step.name == "FROM"]
    return [steps[a:b] for a, b in zip(starts, [*starts[1:], len(steps)], strict=True)]


@dataclass
class Image:
    """What the build made: `root` stands for `/`; `seconds` are the times of its RUN steps."""

    root: Path
    env: dict[str, str]
    seconds: list[float] = field(default_factory=list)
    start: dict[str, Step] = field(default_factory=dict)

    def moved(self, text: str) -> str:
        """The same text with its absolute paths below `root`."""
        return _MOVED.sub(f"{self.root}/", text)

    def popen(self, command: list[str], cwd: str = "empty", **env: str) -> subprocess.Popen:
        """Start a command of the image as the unprivileged user, with the image's environment alone."""
        return subprocess.Popen(
            [self.moved(part) for part in command],
            cwd=self.root / cwd,
            env=self.env | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **_unprivileged(),
        )

    def run(self, *command: str, cwd: str = "empty", **env: str) -> subprocess.CompletedProcess:
        """Run a command of the image to its end."""
        process = self.popen(list(command), cwd, **env)
        try:
            out, err = process.communicate(timeout=120)
        finally:
            kill(process)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def files(self) -> dict[str, tuple[int, int]]:
        """Size and time of change of every file outside of `/data` and `/tmp`."""
        found = (p for p in self.root.rglob("*") if not p.is_symlink() and p.is_file())
        kept = {"data", "tmp"}
        return {
            str(p): (p.stat().st_size, p.stat().st_mtime_ns)
            for p in found
            if p.relative_to(self.root).parts[0] not in kept
        }


def kill(process: subprocess.Popen) -> None:
    """End a process of the image and what it started, if anything of it is left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@contextmanager
def built_image() -> Iterator[Image]:
    """Run the build stage, then take over what the last stage sets; the folder is removed at the end."""
    build, last = stages(ROOT / "Dockerfile")
    root = Path(mkdtemp(prefix="image-"))
    try:
        image = _bare(root)
        for step in build:
            _build(image, step, root)
        for step in last:
            _take_over(image, step)
        yield image
    finally:
        shutil.rmtree(root)


def _unprivileged() -> dict:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _own(folder: Path) -> None:
    """Give a folder to the unprivileged user."""
    for path in (folder, *folder.rglob("*")) if os.geteuid() == 0 else ():
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def _bare(root: Path) -> Image:
    """The base image: a Python, and empty folders."""
    root.chmod(0o755)
    for name in ("bin", "opt", "src", "etc", "tmp", "home", "empty"):
        (root / name).mkdir()
    (root / "bin" / "python").symlink_to(_python())
    _own(root)
    env = {
        "PATH": f"{root}/bin:/usr/bin:/bin",
        "HOME": f"{root}/home",
        "TMPDIR": f"{root}/tmp",
        "LANG": "C.UTF-8",
    }
    return Image(root, env)


def _python() -> str:
    """A Python that the unprivileged user may run; the one of the tests may lie in a closed folder."""
    for candidate in (os.path.realpath(sys.executable), "/usr/local/bin/python3", "/usr/bin/python3"):
        try:
            subprocess.run([candidate, "-c", _CAN_SERVE], check=True, capture_output=True, **_unprivileged())
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    need(present=False, what="a Python 3.11 with venv that an unprivileged user may run")
    raise AssertionError


def _build(image: Image, step: Step, root: Path) -> None:
    match step.name:
        case "FROM":
            assert step.text == "python:3.11-slim AS build"
        case "WORKDIR":
            assert step.text == "/src"
        case "COPY":
            _copy(*shlex.split(step.text), to=root / "src")
        case "RUN":
            _run_step(image, step.text)
        case other:
            raise AssertionError(f"{other} is not understood here")


def _copy(*words: str, to: Path) -> None:
    """Copy as Docker does: files into a folder, of a folder its content."""
    *sources, target = words
    hidden = shutil.ignore_patterns("__pycache__")
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for source in sources:
        assert f"!{source}" in allowed
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, to / target, ignore=hidden)
        else:
            shutil.copy(ROOT / source, to / target)
    _own(to)


def _run_step(image: Image, text: str) -> None:
    """Run a RUN step; the registry's settings come from the machine."""
    machine = {
        k: v for k, v in os.environ.items() if not re.match(r"PYTHON|VIRTUAL_ENV|COV|PYTEST|SOURCE_DATE", k)
    }
    began = time.monotonic()
    process = subprocess.run(
        ["/bin/sh", "-ec", image.moved(text)],
        cwd=image.root / "src",
        env=machine | image.env,
        capture_output=True,
        text=True,
        check=False,
        **_unprivileged(),
    )
    image.seconds.append(time.monotonic() - began)
    assert process.returncode == 0, f"RUN {text}\n{process.stdout[-2000:]}\n{process.stderr[-2000:]}"


def _take_over(image: Image, step: Step) -> None:
    match step.name:
        case "COPY":
            path, same = step.text.split()[-2:]
            assert path == same
            assert Path(image.moved(path)).is_dir()
        case "ENV":
            pairs = (word.split("=", 1) for word in shlex.split(step.text))
            image.env |= {
                name: image.moved(value).replace("$PATH", image.env["PATH"]) for name, value in pairs
            }
        case "FROM" | "USER" | "EXPOSE" | "STOPSIGNAL" | "HEALTHCHECK" | "ENTRYPOINT" | "CMD":
            image.start[step.name] = step
        case other:
            raise AssertionError(f"{other} has no place in the last stage")
