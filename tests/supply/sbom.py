"""`make sbom`: the packages of the image as CycloneDX 1.6 in dist/, each with version and hashes, none left out."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv" / "audit" / "bin" / "python"
LOCK = ROOT / "serve.lock"
BILL = ROOT / "dist" / "imnm-cds.cdx.json"
Parts = dict[tuple[str, str], set[str]]
_ENTRY = re.compile(r"^([a-z0-9-]+)==([^ ;\\]+)[^\n]*\\\n((?: {4}--hash=sha256:.*\n)+)", re.MULTILINE)


def locked(text: str) -> Parts:
    """Name and version of each package of a lock, with its SHA-256 hashes."""
    found = {
        (name, version): set(re.findall(r"sha256:(\w+)", rest))
        for name, version, rest in _ENTRY.findall(text)
    }
    assert len(found) == len(re.findall(r"^\S+==", text, re.MULTILINE))
    return found


def listed(bill: dict[str, Any]) -> Parts:
    """The same of a bill of materials."""
    return {
        (part["name"], part["version"]): {
            digest["content"]
            for reference in part.get("externalReferences", [])
            for digest in reference.get("hashes", [])
            if digest["alg"] == "SHA-256"
        }
        for part in bill["components"]
    }


def flaws(lock: Parts, bill: dict[str, Any]) -> list[str]:
    """What the bill leaves out, adds or gets wrong."""
    parts = listed(bill)
    names = sorted(lock.keys() | parts.keys())
    wrong = [
        f"{name} {version}"
        for name, version in names
        if lock.get((name, version)) != parts.get((name, version))
    ]
    form = [] if bill.get("specVersion") == "1.6" else ["it is not CycloneDX 1.6"]
    twice = [] if len(bill["components"]) == len(parts) else ["a package stands there twice"]
    return form + twice + wrong


def main() -> int:
    """Write the bill and compare it with the lock; returns the exit status."""
    BILL.parent.mkdir(exist_ok=True)
    form = [
        "--sv",
        "1.6",
        "--of",
        "JSON",
        "--output-reproducible",
        "--pyproject",
        str(ROOT / "pyproject.toml"),
    ]
    command = [
        str(PYTHON),
        "-W",
        "ignore",
        "-m",
        "cyclonedx_py",
        "requirements",
        *form,
        "-o",
        str(BILL),
        str(LOCK),
    ]
    subprocess.run(command, check=True)
    lock = locked(LOCK.read_text(encoding="utf-8"))
    wrong = flaws(lock, json.loads(BILL.read_text(encoding="utf-8")))
    for flaw in wrong:
        print(f"sbom: {flaw} is not in the bill as it is in the lock")
    print(f"sbom: {len(lock)} packages of {LOCK.name} in {BILL.relative_to(ROOT)}")
    return min(len(wrong), 1)


if __name__ == "__main__":
    sys.exit(main())
