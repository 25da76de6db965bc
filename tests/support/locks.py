"""A package index without a network: a folder of empty wheels for what a lock lists, each in a newer version as well.

The wheels carry the real requirements, extras included, of what is installed here in the listed version.
"""

import io
import re
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from packaging.markers import Marker

NEWER = "9999"
_ENTRY = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>.+?))? \\\n(?: {4}--hash.*\n)+",
    re.MULTILINE,
)
# The fake setuptools packs nothing: a source distribution brings the wheel that it is built into.
_BACKEND = """
import pathlib, shutil
def build_wheel(folder, settings=None, metadata=None):
    (built,) = pathlib.Path().glob("*.whl")
    return pathlib.Path(shutil.copy(built, folder)).name
"""


@dataclass(frozen=True)
class Pinned:
    """One entry of a lock."""

    name: str
    version: str
    marker: str = ""

    @property
    def wanted(self) -> bool:
        """Whether it is for this machine."""
        return not self.marker or Marker(self.marker).evaluate()


def read_lock(lock: Path) -> list[Pinned]:
    """Every entry of a lock file, with those for other machines."""
    text = lock.read_text(encoding="utf-8")
    found = [
        Pinned(entry["name"], entry["version"], entry["marker"] or "") for entry in _ENTRY.finditer(text)
    ]
    assert len(found) == len(re.findall(r"^\S+==", text, re.MULTILINE))
    return found


def offer(folder: Path, packages: list[Pinned], source_only: set[str] | frozenset[str] = frozenset()) -> str:
    """Put packages and their newer versions into a folder; returns the lock of what was asked for."""
    lines = []
    for each in packages:
        file = source(folder, each) if each.name in source_only else wheel(folder, each)
        wheel(folder, Pinned(each.name, NEWER))
        marker = f" ; {each.marker}" if each.marker else ""
        digest = sha256(file.read_bytes()).hexdigest()
        lines.append(f"{each.name}=={each.version}{marker} \\\n    --hash=sha256:{digest}\n")
    return "".join(lines)


def wheel(folder: Path, package: Pinned) -> Path:
    """An empty wheel; only the listed setuptools can build."""
    stem = f"{package.name.replace('-', '_')}-{package.version}"
    about = f"{stem}.dist-info"
    files = {
        f"{about}/METADATA": _metadata(package),
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    if package.name == "setuptools" and package.version != NEWER:
        files["setuptools/build_meta.py"] = _BACKEND
    file = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(
                zipfile.ZipInfo(name), content
            )  # without a time: a package of two locks has one hash
    return file


def source(folder: Path, package: Pinned) -> Path:
    """A source distribution, built by setuptools."""
    stem = f"{package.name.replace('-', '_')}-{package.version}"
    file, built = folder / f"{stem}.tar.gz", wheel(folder, package)
    project = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    with tarfile.open(file, "w:gz") as archive:
        for name, content in (
            ("PKG-INFO", _metadata(package).encode()),
            ("pyproject.toml", project.encode()),
            (built.name, built.read_bytes()),
        ):
            member = tarfile.TarInfo(f"{stem}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    built.unlink()
    return file


def _metadata(package: Pinned) -> str:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {package.name}",
        f"Version: {package.version}",
        *_needs(package),
    ]
    return "\n".join(lines) + "\n"


def _needs(package: Pinned) -> Iterator[str]:
    """The lines about requirements, as the installed package of this version has them."""
    try:
        installed = metadata(package.name)
    except PackageNotFoundError:
        return
    if installed["Version"] == package.version:
        for field in ("Provides-Extra", "Requires-Dist"):
            yield from (f"{field}: {value}" for value in installed.get_all(field) or ())
