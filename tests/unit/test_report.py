"""`check --report`: counts and rates by client and mode, feedback by outcome, reason and band, errors in one line."""

import io
import json
import re
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from cds_service.commands.usage_report import FEWEST, read_audit, show_report
from cds_service.errors import UnusableInput
from cds_service.events import Event, Events
from cds_service.settings.service import Settings, SettingsError
from cds_service.terminal import open_console
from cds_service.web.store import Feedback, Store
from tests.support.charts import AS_OF, clock

FEEDBACK = "Feedback: "
OURS = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
QUIET = {"outcome": "not-eligible", "reason": "nothing to say", "band": "none", "cards": 0, "status": 200}


def uuid(number: int) -> str:
    return f"00000000-0000-8000-8000-{number:012d}"


def card(number: int, band: str = "high", reason: str = "", **more: object) -> dict:
    """The fields of a call that ended with a card, or would have."""
    said = {"outcome": "scored", "reason": reason or f"{band} band", "band": band, "cards": 1, "status": 200}
    return said | {"card": uuid(number)} | more


@pytest.fixture
def written(tmp_path):
    """Writes hook calls to a file of events, as `serve` does, a minute after one another; gives the file."""

    def write(*calls: dict, client: str = "hospital", mode: str = "live", name: str = "audit.jsonl"):
        lines: list[str] = []
        for number, call in enumerate(calls):
            moment = AS_OF + timedelta(minutes=number)
            known = {"client": client, "mode": mode} if client else {}
            Events(lines.append, lambda moment=moment: moment).emit(Event.HOOK_CALL, **known, **call)
        file = tmp_path / name
        with file.open("a") as audit:
            audit.writelines(f"{line}\n" for line in lines)
        return file

    return write


@pytest.fixture
def kept(tmp_path):
    """Puts feedback into a store; gives the settings that name it."""

    def keep(*items: Feedback) -> Settings:
        store = Store(tmp_path / "feedback.sqlite", 1, clock)
        store.add(items)
        store.close()
        return Settings(store=tmp_path / "feedback.sqlite")

    return keep


def said(number: int, outcome: str = "overridden", *codes: str, minutes: int = 0, **more: object) -> Feedback:
    """Feedback on a card, with reasons of the code system that our cards offer."""
    reasons = tuple((OURS, code) for code in codes)
    moment = AS_OF + timedelta(minutes=minutes)
    return Feedback("imnm-recurrence", uuid(number), outcome, moment, **{"reasons": reasons} | more)


def report(settings: Settings, *files) -> str:
    """What is printed where the output is no terminal, without the blanks at the ends of lines."""
    output = io.StringIO()
    show_report(open_console(output), settings, files)
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())


def rows(text: str, heading: str) -> dict[str, list[str]]:
    """The rows of the table after a heading, by name: from below the names of its columns to a blank line."""
    table = re.split(r" {20}.*\n", text.partition(heading)[2], maxsplit=1)[1].partition("\n\n")[0]
    found = [re.fullmatch(r" *(.+?)(?: {2,}(.*))?", line).groups("") for line in table.splitlines()]
    return {name: re.split(" {2,}", counts) if counts else [] for name, counts in found}


class TestCharts:
    def test_are_counted_by_reason_and_band_with_rates_per_1000(self, written):
        file = written(
            *(card(n) for n in range(3)),
            card(3, "low", "statin"),
            *[QUIET] * 34,
            QUIET | {"outcome": "eligibility-unknown", "reason": "eligibility unknown", "status": 412},
            card(4, "none", "eligibility unknown", outcome="eligibility-unknown"),
        )
        text = report(Settings(), file)
        assert "hospital, live: 40 charts opened, 40 looked at\n" in text
        assert rows(text, "hospital, live") == {
            "cards shown": ["5", "125.0"],
            "by reason": [],
            "high band": ["3", "75.0"],
            "eligibility unknown": ["1", "25.0"],
            "statin": ["1", "25.0"],
            "by band": [],
            "high": ["3", "75.0"],
            "low": ["1", "25.0"],
            "none": ["1", "25.0"],
            "nothing to say": ["34", "850.0"],
            "eligibility unknown, no card": ["1", "25.0"],
            "refused or failed": ["0"],
        }

    def test_that_stayed_away_by_memory_are_a_row_of_their_own_and_never_nothing_to_say(self, written):
        away = card(1) | {"cards": 0, "reason": "overridden before", "memory": "overridden"}
        del away["card"]
        found = rows(report(Settings(), written(away, card(2), *[QUIET] * 18)), "hospital, live")
        assert found["overridden before, no card"] == ["1", "50.0"]
        assert found["nothing to say"] == ["18", "900.0"]
        assert found["cards shown"] == ["1", "50.0"]

    def test_of_a_silent_client_say_what_would_have_been_shown(self, written):
        unknown = {
            "outcome": "eligibility-unknown",
            "reason": "eligibility unknown",
            "status": 200,
            "cards": 0,
        }
        text = report(Settings(), written(card(1), unknown, *[QUIET] * 18, mode="silent"))
        found = rows(text, "hospital, silent")
        assert found["cards would have been shown"] == ["1", "50.0"]
        assert found["high band"] == ["1", "50.0"]
        assert found["eligibility unknown, no card"] == ["1", "50.0"]

    def test_that_were_left_alone_or_went_wrong_are_no_part_of_a_rate_and_never_look_like_silence(
        self, written
    ):
        crash = {"outcome": "crashed", "status": 500}
        file = written(
            card(1),
            *[QUIET] * 19,
            *[{"outcome": "patients-view", "status": 200}] * 5,
            *[crash] * 3,
            {"outcome": "scored", "cards": 1, "card": uuid(2), "status": 500},
            {"outcome": "refused", "status": 503},
            {"outcome": "refused", "status": 0},
        )
        found = rows(report(Settings(), file), "hospital, live: 31 charts opened, 20 looked at")
        assert found["cards shown"] == ["1", "50.0"]
        assert found["nothing to say"] == ["19", "950.0"]
        assert found["not looked at: patient's own view"] == ["5"]
        assert found["refused or failed"] == ["6"]
        assert (found["status 500"], found["status 503"]) == (["4"], ["1"])
        assert found["ended by the caller"] == ["1"]

    def test_of_a_client_that_is_off_are_counted_and_nothing_else_is_said(self, written):
        file = written(*[{"outcome": "off", "status": 200}] * 3, mode="off")
        assert rows(report(Settings(), file), "hospital, off: 3 charts opened, 0 looked at") == {
            "not looked at: the client is off": ["3"],
            "refused or failed": ["0"],
        }

    def test_of_callers_that_could_not_be_told_stand_apart(self, written):
        file = written(
            {"outcome": "refused", "status": 400}, {"outcome": "refused", "status": 403}, client=""
        )
        found = rows(report(Settings(), file), "Caller not known: 2 charts opened, 0 looked at")
        assert found == {"refused or failed": ["2"], "status 400": ["1"], "status 403": ["1"]}

    def test_below_20_are_too_few_for_a_rate(self, written):
        few = report(Settings(), written(card(1), *[QUIET] * (FEWEST - 2), name="few"))
        assert few.count("too few") == 6  # the line that says so, and five rates
        assert rows(few, "hospital, live")["cards shown"] == ["1", "too few"]
        enough = report(Settings(), written(card(1), *[QUIET] * (FEWEST - 1), name="enough"))
        assert rows(enough, "hospital, live")["cards shown"] == ["1", "50.0"]

    def test_are_told_apart_by_client_and_mode_over_several_files(self, written):
        first = written(QUIET, client="west")
        written(QUIET, QUIET, mode="silent")
        second = written(card(1), client="west", name="later.jsonl")
        text = report(Settings(), first, second)
        heads = [line.partition(":")[0] for line in text.splitlines() if " opened" in line]
        assert heads == ["hospital, silent", "west, live"]
        assert "hospital, silent: 2 charts opened" in text
        assert "west, live: 2 charts opened" in text

    def test_add_up(self, written):
        """Every opened chart stands in exactly one of the rows that are no part of another."""
        outcomes = ("scored", "abstained", "not-eligible", "eligibility-unknown", "off", "patients-view")
        calls = [
            {"outcome": outcome, "status": status, "cards": cards}
            for outcome in (*outcomes, "refused", "crashed", "new word")
            for status in (0, 200, 400, 412, 500)
            for cards in (0, 1)
        ]
        text = report(Settings(), written(*calls))
        found = rows(text, "hospital, live")
        parts = [
            name
            for name in found
            if name.startswith(("cards", "nothing", "eligibility", "not looked", "refused"))
        ]
        assert sum(int(found[name][0]) for name in parts) == len(calls)
        assert f"hospital, live: {len(calls)} charts opened" in text

    def test_name_the_time_that_they_span(self, written):
        file = written(*[QUIET] * 61)
        assert "Charts: 61 hook calls, 2026-03-01 09:00 to 2026-03-01 10:00 UTC\n" in report(Settings(), file)

    def test_are_counted_and_the_same_input_gives_the_same_words(self, written):
        first = written(
            card(1, "low", "b"), card(2, "high", "a"), card(3, "high", "c"), card(4, "low", "c"), name="1"
        )
        other = written(
            card(4, "low", "c"), card(3, "high", "c"), card(2, "high", "a"), card(1, "low", "b"), name="2"
        )
        text = report(Settings(), first)
        assert text == report(Settings(), other)
        names = [name for name in rows(text, "hospital, live") if name in {"a", "b", "c", "high", "low"}]
        assert names == ["c", "a", "b", "high", "low"]  # the most frequent first, then by name


class TestLines:
    def test_that_are_no_hook_calls_are_counted_and_skipped(self, written):
        file = written(QUIET)
        with file.open("ab") as audit:
            audit.write(b'{"at": "2026-03-01T09:00:00.000+00:00", "event": "started", "clients": 1}\n\n')
            for line in (
                b"imnm-cds: not reloaded",
                b"\xff\xfe",
                b"[" * 10_000,
                b"{}",
                b"7",
                b'{"event": "hook-call"}',
            ):
                audit.write(line + b"\n")
            audit.write(b'{"event": "hook-call", "at": "2026-03-01T09:00:00"}\n')  # no zone: not ours
            audit.write(b'{"event": "hook-call", "at": "2026-03-01T09:00:00Z", "cards": "many"}')
        text = report(Settings(), file)
        assert "Charts: 1 hook call," in text
        assert "Not counted: 1 other event; 8 lines that are no event.\n" in text

    def test_of_an_empty_file_are_no_charts(self, tmp_path):
        (tmp_path / "empty").touch()
        text = report(Settings(), tmp_path / "empty")
        assert text.startswith(
            "Charts: 0 hook calls\nNot counted: 0 other events; 0 lines that are no event.\n"
        )

    def test_cannot_make_a_terminal_obey(self, tmp_path):
        file = tmp_path / "audit"
        call = {
            "event": "hook-call",
            "at": "2026-03-01T09:00:00Z",
            "client": "\x1b]0;title\x07[red]",
            "mode": "live",
        }
        file.write_text(json.dumps(call | QUIET))
        text = report(Settings(), file)
        assert "\x1b" not in text
        assert "[red], live: 1 chart opened" in text

    def test_are_read_one_by_one_so_that_memory_holds_the_cards_only(self, written):
        audit = read_audit([written(*[QUIET] * 500, *(card(n) for n in range(5)))])
        assert (len(audit.charts), len(audit.cards)) == (2, 5)


class TestFeedback:
    def test_is_counted_by_outcome_reason_and_band(self, written, kept):
        settings = kept(
            said(1, "accepted"),
            said(2, "overridden", "patient-refuses"),
            said(3, "overridden", "action-completed", "patient-refuses", commented=True),
            said(4, "overridden"),
            said(9, "overridden", minutes=90),
        )
        file = written(card(1), card(2), card(3, "low"), card(4, "none"), card(5), *[QUIET] * 20)
        text = report(settings, file)
        assert "Feedback: 5 items on 5 cards, 2026-03-01 09:00 to 2026-03-01 10:30 UTC\n" in text
        assert list(rows(text, FEEDBACK).items()) == [  # most cards first, then by name
            ("cards", ["1", "4", "5"]),
            ("by band", []),
            ("high", ["1", "1", "2"]),
            ("low", ["0", "1", "1"]),
            ("none", ["0", "1", "1"]),
            ("not known, no event of this card", ["0", "1", "1"]),
            ("by reason", []),
            ("none given", ["0", "2", "2"]),
            ("patient-refuses", ["0", "2", "2"]),
            ("action-completed", ["0", "1", "1"]),
            ("with a comment", ["0", "1", "1"]),
        ]
        assert text.endswith("Shown, and no feedback: 1 card. What became of them is not known.")

    def test_on_the_same_card_counts_once_per_outcome_beside_the_number_of_items(self, written, kept):
        often = [said(1, "accepted", minutes=n) for n in range(3)] + [said(1, minutes=n) for n in range(2)]
        text = report(kept(*often), written(card(1)))
        assert "Feedback: 5 items on 1 card," in text
        assert rows(text, FEEDBACK)["cards"] == ["1", "1", "5"]

    def test_of_other_code_systems_names_the_system(self, kept):
        other = (("com.epic.cdshooks.feedback.overrideReason", "2"), ("", "other"))
        text = report(kept(said(1, "overridden", reasons=other)))
        assert "other (no system)" in text
        assert re.search(
            r"^    2 +0 +1 +1\n\(com.epic.cdshooks.feedback.overrideReason\)$", text, re.MULTILINE
        )

    def test_that_is_missing_is_said_of_cards_that_went_out_only(self, written, kept):
        file = written(card(1), card(2))
        written(card(3), mode="silent")
        written(card(4, status=500))
        assert "Shown, and no feedback: 1 card." in report(kept(said(1)), file)

    def test_without_a_file_of_events_has_no_band(self, kept):
        text = report(kept(said(1)))
        assert text.startswith("Charts: no file of events was named (--audit).\n")
        assert "not known, no file of events was named" in text
        assert "no feedback" not in text

    def test_is_not_kept_unless_a_store_is_set(self, written):
        assert report(Settings(), written(QUIET)).endswith(
            "Feedback: none is kept, because store is not set in the configuration."
        )

    def test_may_be_none_so_far(self, written, kept):
        text = report(kept(), written(card(1)))
        assert "Feedback: 0 items on 0 cards\n" in text
        assert "Shown, and no feedback: 1 card." in text


class TestWhatCannotBeReported:
    def test_nothing_to_report_on_is_one_sentence(self):
        with pytest.raises(ValueError, match=r"--report: nothing to report on; .* --audit, or set store"):
            report(Settings())

    def test_a_file_that_is_not_there_is_named(self, tmp_path):
        with pytest.raises(ValueError, match=r"--audit: .*absent cannot be read: No such file"):
            report(Settings(), tmp_path / "absent")

    def test_a_folder_is_named(self, tmp_path):
        with pytest.raises(ValueError, match=r"--audit: .* cannot be read: Is a directory"):
            report(Settings(), tmp_path)

    def test_a_file_that_is_named_twice_would_count_twice(self, written):
        file = written(QUIET)
        with pytest.raises(ValueError, match="is named twice"):
            report(Settings(), file, file)

    def test_a_store_that_is_not_there_is_not_made(self, tmp_path):
        with pytest.raises(ValueError, match=r"store: .*absent does not exist"):
            report(Settings(store=tmp_path / "absent"))
        assert list(tmp_path.iterdir()) == []

    def test_a_silent_trial_is_reported_on_before_the_service_has_made_its_store(self, written, tmp_path):
        text = report(Settings(store=tmp_path / "absent"), written(card(1), mode="silent"))
        assert "1 hook call" in text
        assert "cards would have been shown" in text
        assert "Feedback: none yet" in text
        assert not (tmp_path / "absent").exists()

    def test_a_store_that_is_none_is_named(self, tmp_path):
        (tmp_path / "store").write_text("this is not a database, and long enough to be seen as such" * 20)
        with pytest.raises(SettingsError, match=r"store: .* cannot be used"):
            report(Settings(store=tmp_path / "store"))


def test_a_file_of_events_that_is_named_in_two_ways_is_not_counted_twice(written, tmp_path):
    file = written(card(1))
    link, indirect = tmp_path / "link.jsonl", tmp_path / "more" / ".." / file.name
    link.symlink_to(file)
    (tmp_path / "more").mkdir()
    for other in (file, link, indirect):
        with pytest.raises(UnusableInput, match="named twice and would count twice"):
            read_audit([file, other])


@pytest.mark.parametrize(
    ("column", "value"),
    [("reasons", "none"), ("reasons", "[1]"), ("suggestions", "5"), ("at", "2026"), ("at", "yesterday")],
)
def test_a_row_that_somebody_changed_is_said_to_be_damaged(kept, column, value):
    settings = kept(said(1))
    with closing(sqlite3.connect(settings.store)) as file, file:
        file.execute(f"UPDATE feedback SET {column} = ?", (value,))
    with pytest.raises(SettingsError, match=r"feedback\.sqlite cannot be read: a row is damaged"):
        report(settings)


def test_a_time_without_offset_that_somebody_wrote_into_the_store_does_not_end_the_report(kept):
    settings = kept(said(1), said(2))
    with closing(sqlite3.connect(settings.store)) as file, file:
        file.execute("UPDATE feedback SET at = '2026-03-01T09:00:00' WHERE card = ?", (uuid(1),))
    assert "2 items on 2 cards" in report(settings)
