"""A4: every input of the fuzzer's corpus is read, without the fuzzer; what it would call a failure is one."""

import json
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from cds_service.fhir.bundle import UnreadableError
from tests.fuzz.__main__ import CORPUS, FAILURES, ROOT, again, judged, main
from tests.fuzz.mutate import mutated
from tests.fuzz.targets import LONGEST_S, TARGETS, Target, TooSlowError, dictionary, feed

FILES = sorted(file for file in CORPUS.rglob("*") if file.is_file())
NAMES = [file.relative_to(CORPUS).as_posix() for file in FILES]


class TestTheCorpus:
    @pytest.mark.parametrize("file", FILES, ids=NAMES)
    def test_is_read_with_no_error_but_those_that_are_declared(self, file):
        feed(TARGETS[file.parent.name], file.read_bytes())

    def test_has_some_small_files_for_every_target(self):
        count = Counter(file.parent.name for file in FILES)
        assert count.keys() == TARGETS.keys()
        assert min(count.values()) >= 6
        assert len(FILES) < 100
        assert max(file.stat().st_size for file in FILES) < 1000

    def test_is_read_again_by_the_command_without_atheris(self):
        command = [sys.executable, "-m", "tests.fuzz", str(FILES[0]), str(FILES[-1])]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.count("no error that is not declared") == 2


def burn(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def unreadable(_):
    raise UnreadableError("x")


class TestAFailure:
    def test_is_an_error_that_is_not_declared(self):
        with pytest.raises(UnreadableError):
            feed(Target(unreadable, 1), b"")
        feed(Target(unreadable, 1, declared=(UnreadableError,)), b"")

    def test_is_an_input_that_takes_longer_than_a_second(self):
        with pytest.raises(TooSlowError, match=r"3 bytes took 1\.\d s"):
            feed(Target(lambda _: burn(LONGEST_S + 0.01), 1), b"abc")
        feed(Target(lambda _: burn(0.1), 1), b"abc")

    def test_comes_out_of_the_command_as_it_is(self, tmp_path, monkeypatch):
        monkeypatch.setitem(TARGETS, "dates", Target(unreadable, 1))
        file = tmp_path / "dates" / "crash"
        file.parent.mkdir()
        file.write_bytes(b"2026")
        with pytest.raises(UnreadableError):
            main([str(file)])

    def test_is_said_with_the_file_and_how_to_read_it_again(self):
        said = 'INFO: x\nTraceback (most recent call last):\n  File "a"\nValueError: b\n\n==7== ERROR\n'
        verdict = judged("dates", 5, 77, said, [FAILURES / "dates" / "crash-1"])
        assert not verdict.good
        assert "ValueError: b\n" in verdict.text
        assert "==7==" not in verdict.text
        assert verdict.text.endswith(".venv/bin/python -m tests.fuzz tests/fuzz/failures/dates/crash-1")

    def test_is_a_fuzzer_that_sees_nothing(self):
        blind = judged("dates", 5, 0, "#2 INITED cov: 2 ft: 2\nstat::number_of_executed_units: 90000\n", [])
        sees = judged("dates", 5, 0, "#2 INITED cov: 2\n#3 NEW cov: 66 ft: 2\n", [])
        assert (blind.good, sees.good) == (False, True)
        assert blind.text.startswith("90000 inputs in 5 s, 2 places")

    def test_is_no_file_of_an_unknown_target(self, tmp_path, capsys):
        assert again([tmp_path / "x"]) == 2
        assert re.search(r"no target is called .* laboratory or units", capsys.readouterr().out)


class TestAChangeOfJson:
    def test_leaves_json_of_the_length_that_was_asked_for(self):
        start = Path(CORPUS / "resource" / "antibody-bands.json").read_bytes()
        found = [start]
        for seed in range(500):
            found.append(mutated(found[seed // 3], Random(seed), lambda text: text, dictionary(), 2000))
        assert all(len(text) <= 2000 for text in found)
        assert len({json.dumps(json.loads(text)) for text in found}) > 300

    def test_is_the_same_for_the_same_seed(self):
        start = Path(CORPUS / "page" / "two.json").read_bytes()
        once, again_ = (
            [mutated(start, Random(seed), bytes.upper, ["a"], 2000) for seed in range(100)] for _ in range(2)
        )
        assert once == again_

    def test_of_what_is_no_json_changes_the_bytes(self):
        assert mutated(b"{", Random(1), lambda text: text + b"x", ["a"], 9) == b"{x"

    def test_of_half_a_character_changes_it_like_any_other(self):
        start = rb'{"a": "\ud800", "\udfff": "b"}'
        found = {mutated(start, Random(seed), bytes.upper, ["c"], 2000) for seed in range(200)}
        assert len(found) > 20
