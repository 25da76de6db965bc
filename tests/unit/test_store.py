"""The store: each item once, all of a batch or nothing, no free text, and one sentence for what is wrong with the file."""

import dataclasses
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta, timezone

import pytest

from cds_service.commands.clients import about
from cds_service.errors import QuotaError, StoreError
from cds_service.settings.service import Settings, SettingsError
from cds_service.web.store import _OVERRIDDEN, Feedback, Keeping, Store
from tests.support.charts import AS_OF, clock
from tests.support.feedback import SYSTEM, invented

WAIT = 0.3


@pytest.fixture
def path(tmp_path):
    return tmp_path / "feedback.sqlite"


@contextmanager
def opened(path, wait=WAIT):
    with closing(Store(path, wait, clock)) as store:
        yield store


@contextmanager
def in_use(path, wait=WAIT):
    """A store whose file has been made."""
    with opened(path, wait) as store:
        assert list(store.all()) == []
        yield store


def item(number=0, **members):
    said = {
        "service": "imnm-recurrence",
        "card": invented(number),
        "outcome": "overridden",
        "at": AS_OF + timedelta(minutes=number),
        "reasons": ((SYSTEM, "action-completed"), ("", "other")),
        "commented": True,
    }
    return Feedback(**(said | members))


class TestOnce:
    def test_an_item_stands_there_once_however_often_it_is_sent(self, path):
        with opened(path) as store:
            assert [store.add([item()]) for _ in range(5)] == [1, 0, 0, 0, 0]
            assert store.add([item(), item(), item(1)]) == 1
            assert list(store.all()) == [item(), item(1)]

    def test_also_after_it_was_opened_again(self, path):
        for new in (1, 0, 0):
            with opened(path) as store:
                assert store.add([item()]) == new

    def test_a_moment_written_differently_is_the_same_item(self, path):
        local = AS_OF.astimezone(timezone(timedelta(hours=5, minutes=45)))
        with opened(path) as store:
            assert (store.add([item(at=AS_OF)]), store.add([item(at=local)])) == (1, 0)

    @pytest.mark.parametrize(
        "other",
        [
            {"service": "other"},
            {"card": invented(9)},
            {"outcome": "accepted"},
            {"at": AS_OF + timedelta(microseconds=1)},
            {"suggestions": (invented(1),)},
            {"reasons": ()},
            {"reasons": (("", "other"),)},
            {"commented": False},
        ],
    )
    def test_whatever_differs_makes_another_item(self, path, other):
        assert {*other} <= {field.name for field in dataclasses.fields(Feedback)}
        with opened(path) as store:
            assert store.add([item(), item(**other)]) == 2

    def test_what_was_stored_comes_back_as_it_was_oldest_first(self, path):
        items = [
            item(2),
            item(0, suggestions=(invented(1), invented(2))),
            item(1, outcome="accepted", reasons=()),
        ]
        with opened(path) as store:
            store.add(items)
            assert list(store.all()) == sorted(items, key=lambda item: item.at)

    @pytest.mark.parametrize("year", [1, 9999])
    def test_a_moment_at_the_end_of_time_is_kept(self, path, year):
        with opened(path) as store:
            store.add([item(at=AS_OF.replace(year=year)), item()])
            assert AS_OF.replace(year=year) in [kept.at for kept in store.all()]


class TestAllOrNothing:
    def test_of_a_batch_that_fails_in_the_middle_nothing_is_stored(self, path):
        with opened(path) as store:
            with pytest.raises(StoreError):
                store.add([item(0), item(1, commented=None), item(2)])  # NULL is refused by the table
            assert list(store.all()) == []
            assert store.add([item(0), item(2)]) == 2

    def test_a_process_that_ends_in_the_middle_leaves_nothing(self, path):
        with in_use(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("INSERT INTO feedback VALUES ('d', 's', 'c', 'o', 'a', '[]', '[]', 0, 'r', 'n')")
            other.close()
            assert list(store.all()) == []


class TestSeveralAtOnce:
    def test_threads_of_two_stores_on_one_file_store_each_item_once(self, path):
        with opened(path, 20) as one, opened(path, 20) as two, ThreadPoolExecutor(8) as pool:
            batches = [[item(number), item(number + 1), item(number + 2)] for number in range(60)]
            added = [pool.submit(store.add, batch) for batch in batches for store in (one, two)]
            assert sum(future.result() for future in added) == 62
            assert len(list(one.all())) == len(list(two.all())) == 62

    def test_stores_that_make_the_file_at_the_same_moment_all_succeed(self, path):
        together = threading.Barrier(8)

        def make(number):
            together.wait()
            with opened(path, 20) as store:
                return store.add([item(number)])

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(make, range(8))) == [1] * 8
        with opened(path) as store:
            assert len(list(store.all())) == 8


class TestALockedFile:
    def test_is_an_error_within_the_wait_and_nothing_more_once_it_is_free(self, path):
        with in_use(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for _ in range(2):
                begun = time.monotonic()
                with pytest.raises(StoreError, match="could not be stored"):
                    store.add([item()])
                assert WAIT / 2 < time.monotonic() - begun < WAIT + 1
            other.execute("ROLLBACK")
            assert store.add([item()]) == 1

    def test_is_waited_for(self, path):
        with in_use(path, 20) as store, closing(_locked(path)) as other, ThreadPoolExecutor(1) as pool:
            added = pool.submit(store.add, [item()])
            time.sleep(0.05)
            assert not added.done()
            other.execute("ROLLBACK")
            assert added.result(10) == 1

    def test_does_not_keep_a_store_from_being_opened_and_read(self, path):
        with opened(path) as store:
            store.add([item()])
            with closing(_locked(path)), opened(path) as another:
                assert list(another.all()) == [item()]


def _locked(path):
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return other


class TestTheFile:
    def test_is_for_its_owner_alone(self, path):
        with opened(path) as store:
            store.add([item()])
            files = list(path.parent.iterdir())
            assert len(files) == 3  # with -wal and -shm
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}

    def test_is_written_through_to_the_disk(self, path):
        with in_use(path) as store:
            (journal,) = store._connection.execute("PRAGMA journal_mode").fetchone()
            (synchronous,) = store._connection.execute("PRAGMA synchronous").fetchone()
        assert (journal, synchronous) == ("wal", 2)  # FULL

    @pytest.mark.parametrize("version", [4, -1, 7])
    def test_of_another_version_is_refused(self, path, version):
        with closing(sqlite3.connect(path)) as other:
            other.execute(f"PRAGMA user_version = {version}")
        assert refusal(path) == f"store: {path} was written by another version of imnm-cds"

    def test_that_became_one_of_another_version_is_an_error_of_the_store(self, path):
        with opened(path) as store:
            with closing(sqlite3.connect(path)) as other:
                other.execute("PRAGMA user_version = 4")
            store.close()
            with pytest.raises(StoreError):
                store.add([item()])

    def test_that_is_no_database_is_refused(self, path):
        path.write_bytes(b"zq-no database at all" * 100)
        assert refusal(path) == f"store: {path} cannot be used: file is not a database"
        assert path.read_bytes() == b"zq-no database at all" * 100

    def test_in_a_folder_that_is_not_there_is_refused(self, tmp_path):
        path = tmp_path / "none" / "feedback.sqlite"
        assert (
            refusal(path) == f"store: {path} cannot be made: its folder is missing or may not be written to"
        )

    @pytest.mark.parametrize("name", ["s" * 300, f"{'s' * 300}/x"])
    def test_with_a_name_that_no_file_can_have_is_refused(self, name, tmp_path):
        path = tmp_path / name
        assert refusal(path) == f"store: {path} cannot be used: File name too long"

    def test_that_is_a_folder_is_refused(self, tmp_path):
        assert refusal(tmp_path) == f"store: {tmp_path} cannot be used: unable to open database file"

    def test_in_a_folder_that_cannot_be_written_is_refused(self, path, monkeypatch):
        """As root every folder can be written, so the refusal of the system is put in its mouth."""
        monkeypatch.setattr("cds_service.web.store.os.access", lambda *_: False)
        assert refusal(path).endswith("cannot be made: its folder is missing or may not be written to")

    def test_that_is_damaged_is_an_error_of_one_sentence_also_for_a_reader(self, path):
        with opened(path) as store:
            store.add([item(number) for number in range(500)])
        content = path.read_bytes()
        path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
        with opened(path) as store:
            with pytest.raises(SettingsError, match=rf"^store: {path} cannot be read: \S[^\n]*$"):
                list(store.all())
            with pytest.raises(StoreError):
                store.add([item(number) for number in range(501, 900)])


class TestWhatWasOverridden:
    """V8: the store is asked by the beginning of a card's uuid."""

    REASONS = frozenset({(SYSTEM, "action-completed"), (SYSTEM, "cds-not-applicable")})
    SINCE = AS_OF - timedelta(days=90)
    BEGINNING = invented(7)[:28]

    def asked(self, store, beginning=BEGINNING, until=AS_OF):
        return store.overridden(beginning, self.REASONS, self.SINCE, until)

    @pytest.mark.parametrize("call", [0, 7, 0xFFFFFFFF])
    def test_is_found_whatever_the_call(self, path, call):
        with opened(path) as store:
            store.add([item(card=invented(call), at=AS_OF)])
            assert self.asked(store)

    @pytest.mark.parametrize("number", [1 << 32, 5 << 40, 2**61])
    def test_is_not_found_of_another_user_or_card(self, path, number):
        with opened(path) as store:
            store.add([item(card=invented(number), at=AS_OF)])
            assert not self.asked(store)

    @pytest.mark.parametrize(
        ("reasons", "counts"),
        [
            (((SYSTEM, "action-completed"),), True),
            ((("", "other"), (SYSTEM, "cds-not-applicable")), True),
            (((SYSTEM, "patient-refuses"),), False),
            ((("", "action-completed"),), False),
            ((), False),
        ],
    )
    def test_counts_by_system_and_code(self, path, reasons, counts):
        with opened(path) as store:
            store.add([item(7, at=AS_OF, reasons=reasons)])
            assert self.asked(store) == counts

    def test_is_not_what_was_accepted(self, path):
        with opened(path) as store:
            store.add([item(7, at=AS_OF, outcome="accepted")])
            assert not self.asked(store)

    @pytest.mark.parametrize(
        ("said", "received", "counts"),
        [
            (0, 0, True),
            (90, 90, True),
            (90.01, 0, False),
            (0, 90.01, False),
            (-400, 90, True),
            (-400, 90.01, False),
            (0, -0.01, False),
        ],
    )
    def test_counts_by_its_own_time_and_its_receipt(self, path, said, received, counts):
        with closing(Store(path, WAIT, lambda: AS_OF - timedelta(days=received))) as store:
            store.add([item(7, at=AS_OF - timedelta(days=said))])
            assert self.asked(store) == counts

    def test_is_nothing_where_no_file_is_and_none_is_made(self, path):
        with opened(path) as store:
            assert not self.asked(store)
            assert not path.exists()

    def test_is_found_while_another_process_writes(self, path):
        with opened(path) as store:
            store.add([item(7, at=AS_OF)])
            with closing(_locked(path)):
                assert self.asked(store)

    def test_is_an_error_of_the_store_where_a_row_cannot_be_read(self, path):
        with opened(path) as store:
            store.add([item(7, at=AS_OF)])
            with closing(sqlite3.connect(path)) as other, other:
                other.execute("UPDATE feedback SET reasons = 'zq-'")
            with pytest.raises(StoreError, match=r"^the store could not be asked$"):
                self.asked(store)

    def test_is_an_error_of_the_store_while_another_thread_holds_it(self, path):
        with opened(path, 0.05) as store:
            store.add([item(7, at=AS_OF)])
            with store._turn, pytest.raises(StoreError, match="in time"):
                self.asked(store)
            assert self.asked(store)

    def test_is_looked_up_in_an_index(self, path):
        with opened(path) as store:
            store.add([item(7, at=AS_OF)])
            plan = store._connection.execute(
                f"EXPLAIN QUERY PLAN {_OVERRIDDEN}", (self.BEGINNING, self.BEGINNING)
            )
            assert "feedback_of_card" in str(plan.fetchall())


VERSION_1 = (
    """
CREATE TABLE feedback (
    digest BLOB PRIMARY KEY, service TEXT NOT NULL, card TEXT NOT NULL, outcome TEXT NOT NULL, at TEXT NOT NULL,
    suggestions TEXT NOT NULL, reasons TEXT NOT NULL, commented INTEGER NOT NULL, received TEXT NOT NULL
) WITHOUT ROWID
""",
)
VERSION_2 = (*VERSION_1, "CREATE INDEX feedback_of_card ON feedback (card)")
OLD = {1: VERSION_1, 2: VERSION_2}


def written_by(version, path, items):
    """Make a file as an earlier version left it, by the SQL of that version."""
    with closing(Store(path.with_name("new"), WAIT, clock)) as new:
        new.add(items)
        rows = new._connection.execute("SELECT * FROM feedback").fetchall()
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute("PRAGMA journal_mode = WAL")
        for step in OLD[version]:
            old.execute(step)
        old.executemany("INSERT INTO feedback VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [row[:9] for row in rows])
        old.execute(f"PRAGMA user_version = {version}")


def schema(path):
    with closing(sqlite3.connect(path)) as file:
        tables = [row[0] for row in file.execute("SELECT name FROM sqlite_master ORDER BY name")]
        columns = {name: file.execute(f"PRAGMA table_info({name})").fetchall() for name in tables}
        return columns, file.execute("PRAGMA user_version").fetchone()


@pytest.mark.parametrize("version", OLD)
class TestAFileOfAnEarlierVersion:
    ITEMS = tuple(item(number) for number in range(50))

    def test_is_taken_over_without_loss(self, path, version):
        written_by(version, path, self.ITEMS)
        with opened(path) as store:
            assert list(store.all()) == list(self.ITEMS)
            assert store.add(self.ITEMS) == 0
            assert store.take(b"token", int(AS_OF.timestamp()) + 9)

    def test_becomes_like_one_that_is_new(self, path, version):
        written_by(version, path, self.ITEMS)
        new = path.with_name("another")
        with opened(path), in_use(new):
            assert schema(path) == schema(new)
            assert schema(path)[1] == (3,)

    def test_is_left_as_it_is_by_a_check(self, path, version):
        written_by(version, path, self.ITEMS)
        before = schema(path)
        list(about(Settings(store=path)))
        assert schema(path) == before

    def test_is_taken_over_by_several_at_the_same_moment(self, path, version):
        written_by(version, path, self.ITEMS)
        together = threading.Barrier(8)

        def take(number):
            together.wait()
            with opened(path, 20) as store:
                return store.add([item(100 + number)])

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(take, range(8))) == [1] * 8
        with opened(path) as store:
            assert len(list(store.all())) == 58

    def test_that_another_process_holds_is_refused_in_one_line(self, path, version):
        written_by(version, path, self.ITEMS)
        with closing(_locked(path)):
            assert refusal(path) == f"store: {path} cannot be used: database is locked"
        with opened(path) as store:
            assert len(list(store.all())) == 50


def refusal(path):
    with pytest.raises(SettingsError) as caught:
        Store(path, WAIT, clock)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_one_process_adds_is_seen_by_another_although_the_first_opened_the_file_twice(path):
    """Closing any descriptor of a file drops the locks of the process on it; SQLite would then lose its log."""
    reading = (
        "import sys; from pathlib import Path; from cds_service.web.store import Store;"
        "print(len(list(Store(Path(sys.argv[1]), 1.0, None).all())))"
    )
    seen = []
    with opened(path) as ours, opened(path) as pages:
        for number in range(3):
            ours.add([item(number)])
            assert len(list(pages.all())) == number + 1
            command = [sys.executable, "-c", reading, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seen.append(int(done.stdout))
    assert seen == [1, 2, 3]


def test_the_file_is_made_at_the_first_use_so_that_a_check_by_root_leaves_none(path):
    with opened(path) as store:
        assert not path.exists()
        store.add([item()])
        assert path.exists()


class TestATokenIsTakenOnce:
    NOW = int(AS_OF.timestamp())

    def taken(self, path):
        with closing(sqlite3.connect(path)) as file:
            return file.execute("SELECT count(*) FROM token").fetchone()[0]

    def test_by_one_store_and_after_it_was_opened_again(self, path):
        for new in (True, False, False):
            with opened(path) as store:
                assert store.take(b"one", self.NOW + 60) is new
                assert store.take(b"one", self.NOW + 60) is False

    def test_by_many_threads_of_two_stores(self, path):
        patience = 120  # seconds: each writes to the disk, which other tests use too
        with opened(path, patience) as one, opened(path, patience) as two, ThreadPoolExecutor(8) as pool:
            takes = [
                pool.submit(store.take, bytes([number]), self.NOW + 60)
                for number in range(10)
                for store in (one, two) * 4
            ]
            assert sum(take.result() for take in takes) == 10

    def test_and_is_remembered_until_its_time_and_not_longer(self, path):
        with opened(path) as store:
            store.take(b"over", self.NOW - 1)
            store.take(b"not yet", self.NOW)
            store.take(b"later", self.NOW + 1)
            assert self.taken(path) == 2

    def test_a_write_deletes_a_bounded_number_of_old_ones(self, path):
        with in_use(path) as store:
            with closing(sqlite3.connect(path)) as file, file:
                old = [(number.to_bytes(4), 1) for number in range(1200)]
                file.executemany("INSERT INTO token VALUES (?, ?)", old)
            counts = []
            for number in range(3):
                store.take(bytes([number]), self.NOW + 60)
                counts.append(self.taken(path))
            assert counts == [701, 202, 3]

    def test_where_the_file_is_locked_nothing_is_taken(self, path):
        with in_use(path) as store:
            with closing(_locked(path)), pytest.raises(StoreError, match="could not be checked"):
                store.take(b"one", self.NOW + 60)
            assert store.take(b"one", self.NOW + 60)


class TestWhatAClientMaySend:
    def kept(self, path, now=AS_OF, a_day=5, days=10):
        keeping = {"a": Keeping(a_day, days), "b": Keeping(100, 30)}
        return closing(Store(path, WAIT, lambda: now, keeping))

    def of(self, client, *numbers):
        return [item(number, client=client) for number in numbers]

    def test_is_bounded_by_the_day_and_what_is_beyond_is_refused_whole(self, path):
        with self.kept(path) as store:
            assert store.add(self.of("a", 1, 2, 3)) == 3
            with pytest.raises(QuotaError):
                store.add(self.of("a", 4, 5, 6))
            assert store.add(self.of("a", 4, 5)) == 2
            assert store.add(self.of("a", 1, 2, 3, 4, 5)) == 0  # the same again is always acknowledged
            assert len(list(store.all())) == 5

    def test_is_bounded_for_each_apart(self, path):
        with self.kept(path) as store:
            store.add(self.of("a", *range(5)))
            assert store.add(self.of("b", *range(10, 40))) == 30
            with pytest.raises(QuotaError):
                store.add(self.of("a", 50))

    def test_is_free_again_a_day_later(self, path):
        with self.kept(path) as store:
            store.add(self.of("a", *range(5)))
        with self.kept(path, AS_OF + timedelta(hours=23, minutes=59)) as store, pytest.raises(QuotaError):
            store.add(self.of("a", 9))
        with self.kept(path, AS_OF + timedelta(days=1)) as store:
            assert store.add(self.of("a", 9)) == 1

    def test_is_deleted_when_its_time_is_over_whoever_sends_next(self, path):
        with self.kept(path) as store:
            store.add([*self.of("a", 1), *self.of("b", 2), *self.of("", 3)])
        for days, left in ((10, 4), (11, 4), (31, 3)):  # the one that asks is stored too
            with self.kept(path, AS_OF + timedelta(days=days)) as store:
                store.add(self.of("b", 100 + days))
                assert len(list(store.all())) == left

    def test_is_deleted_some_rows_at_a_time(self, path):
        with self.kept(path, a_day=5000) as store:
            store.add(self.of("a", *range(1200)))
        with self.kept(path, AS_OF + timedelta(days=11), a_day=5000) as store:
            counts = []
            for number in range(3):
                store.add(self.of("b", 5000 + number))
                counts.append(len(list(store.all())))
        assert counts == [701, 202, 3]
