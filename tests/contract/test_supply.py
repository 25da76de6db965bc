"""What we take from others: audits that looked at everything, bills that leave nothing out, licences that we may pass on."""

import re
from datetime import UTC, datetime
from importlib.metadata import metadata
from pathlib import Path

import pytest

from tests.supply.audit import LOCKS, locked, verdict
from tests.supply.sbom import flaws
from tests.supply.sbom import locked as hashes
from tests.support.locks import read_lock

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 29, tzinfo=UTC)
A, B = ("a", "1"), ("b", "2")
MAY_BE_PASSED_ON = {
    *(
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
    ),
}
OF_OTHER_WORDS = {
    "BSD license": "BSD-3-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
}  # by their license files


def answer(*packages, skipped=(), bad=()):
    looked_up = [{"name": n, "version": v, "vulns": [{"id": b} for b in bad]} for n, v in packages]
    return {"dependencies": looked_up + [{"name": n, "skip_reason": "not found"} for n, _ in skipped]}


class TestAnAudit:
    @pytest.mark.parametrize(
        ("answers", "strict", "said", "status"),
        [
            ([answer(A, B)], False, "2 of 2 .*; advisories as of 2026-11-29; no weakness is known", 0),
            ([answer(A), answer(B)], True, "2 of 2 .*; no weakness is known", 0),
            ([answer(A, skipped=[B])], False, "1 of 2 .*; unknown to the source: b 2", 1),
            ([answer(("a", "0"), B)], False, "1 of 2 .*; unknown to the source: a 1", 1),
            ([answer(skipped=[A, B])], False, "no source of advisories answers here: 0 of 2", 0),
            ([answer(skipped=[A, B])], True, "no source of advisories answers here: 0 of 2", 1),
            ([answer()], True, "no source of advisories answers here: 0 of 2", 1),
            (
                [answer(A, B, bad=["PYSEC-1"])],
                False,
                "2 of 2 .*known weaknesses:\na 1: PYSEC-1\nb 2: PYSEC-1",
                1,
            ),
            ([answer(A, skipped=[B], bad=["PYSEC-1"])], False, "1 of 2 .*known weaknesses:\na 1: PYSEC-1", 1),
        ],
    )
    def test_is_clean_only_where_everything_was_looked_up(self, answers, strict, said, status):
        found = verdict({A, B}, answers, NOW, strict=strict)
        assert re.fullmatch(f"audit: {said}.*", found.text)
        assert found.status == status

    def test_is_of_every_package_of_every_lock(self):
        pins = {(each.name, each.version) for lock in LOCKS for each in read_lock(ROOT / lock)}
        assert locked() == pins
        assert len(pins) > 150


class TestABill:
    LOCK = "a==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nb==2 ; python_version < '3' \\\n    --hash=sha256:cc\n"

    @staticmethod
    def part(name, version, *digests):
        kept = [{"alg": "SHA-256", "content": digest} for digest in digests]
        return {"name": name, "version": version, "externalReferences": [{"hashes": kept}]}

    def bill(self, *parts):
        return {"specVersion": "1.6", "components": list(parts)}

    def test_of_every_package_with_version_and_hashes_has_no_flaw(self):
        whole = self.bill(self.part("a", "1", "bb", "aa"), self.part("b", "2", "cc"))
        assert flaws(hashes(self.LOCK), whole) == []

    @pytest.mark.parametrize(
        ("parts", "flaw"),
        [
            ([("a", "1", "aa", "bb")], ["b 2"]),
            ([("a", "1", "aa"), ("b", "2", "cc")], ["a 1"]),
            ([("a", "1", "aa", "bb"), ("b", "3", "cc")], ["b 2", "b 3"]),
            ([("a", "1", "aa", "bb"), ("b", "2", "cc"), ("c", "3", "dd")], ["c 3"]),
            ([("a", "1", "aa", "bb"), ("b", "2", "cc"), ("b", "2", "cc")], ["a package stands there twice"]),
        ],
    )
    def test_that_leaves_out_adds_or_changes_is_seen(self, parts, flaw):
        assert flaws(hashes(self.LOCK), self.bill(*(self.part(*part) for part in parts))) == flaw

    def test_of_another_form_is_seen(self):
        whole = self.bill(self.part("a", "1", "aa", "bb"), self.part("b", "2", "cc"))
        assert flaws(hashes(self.LOCK), whole | {"specVersion": "1.5"}) == ["it is not CycloneDX 1.6"]

    def test_is_made_of_the_lock_of_the_image(self):
        pins = {(each.name, each.version) for each in read_lock(ROOT / "serve.lock")}
        assert hashes((ROOT / "serve.lock").read_text(encoding="utf-8")).keys() == pins


def licence(name):
    """The licences of an installed package, as SPDX names; all of them must be such as may be passed on."""
    about = metadata(name)
    if expression := about["License-Expression"]:
        return set(re.findall(r"[\w.+-]+", expression)) - {"AND", "OR", "WITH"}
    classified = [
        c.rsplit(" :: ", 1)[-1] for c in about.get_all("Classifier", []) if c.startswith("License :: OSI")
    ]
    words = (
        {(about["License"] or "").strip()}
        if about["License"] and len(about["License"]) < 60
        else set(classified)
    )
    return {OF_OTHER_WORDS.get(word, word) for word in words}


def test_every_package_of_the_image_has_a_licence_that_we_may_pass_on():
    licences = {each.name: licence(each.name) for each in read_lock(ROOT / "serve.lock") if each.wanted}
    assert len(licences) > 30
    assert {name: found for name, found in licences.items() if not found or found - MAY_BE_PASSED_ON} == {}
