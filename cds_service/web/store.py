"""What is kept on disk: feedback and used tokens, in one SQLite file that all workers share. No patient, no free text.

An item that was acknowledged is on disk (WAL, synchronous=FULL) and stands there once, however often it is sent. A token
that was taken is there before its call goes on: no other worker takes it, and none after a restart.
"""

import asyncio
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TypeVar

from cds_service.errors import QuotaError, StoreError
from cds_service.settings.limits import Limits
from cds_service.settings.service import SettingsError

_Result = TypeVar("_Result")
_STEPS: tuple[tuple[str, ...], ...] = (  # the schema: what each version of the file adds to the one before
    (
        """
CREATE TABLE IF NOT EXISTS feedback (
    digest      BLOB PRIMARY KEY,  -- of all that the item says: the same item is the same row
    service     TEXT NOT NULL,
    card        TEXT NOT NULL,     -- card.uuid: client, patient, user and what is said are behind an HMAC
    outcome     TEXT NOT NULL,     -- accepted | overridden
    at          TEXT NOT NULL,     -- outcomeTimestamp, UTC
    suggestions TEXT NOT NULL,     -- JSON list of suggestion uuids
    reasons     TEXT NOT NULL,     -- JSON list of [system, code]
    commented   INTEGER NOT NULL,  -- whether a comment was given; it may name the patient, so it is not kept
    received    TEXT NOT NULL      -- UTC
) WITHOUT ROWID
""",
    ),
    ("CREATE INDEX IF NOT EXISTS feedback_of_card ON feedback (card)",),
    (
        "ALTER TABLE feedback ADD COLUMN client TEXT NOT NULL DEFAULT ''",  # whose card it is; empty: not known
        "CREATE INDEX feedback_of_client ON feedback (client, received)",
        "CREATE TABLE token (digest BLOB PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID",  # s since 1970
        "CREATE INDEX token_by_age ON token (expires)",
    ),
)
_OVERRIDDEN = """
SELECT reasons, at, received FROM feedback WHERE card BETWEEN ? AND ? AND outcome = 'overridden'
"""
_LAST = "g"  # after every digit of a UUID
_INSERT = """
INSERT INTO feedback
    (digest, service, card, outcome, at, suggestions, reasons, commented, received, client)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING
"""  # columns by name: while another process adds one, SQLite looks again only where it misses a name
_ALL = """
SELECT service, card, outcome, at, suggestions, reasons, commented, client FROM feedback ORDER BY at, digest
"""
_RECEIVED = "SELECT count(*) FROM feedback WHERE client = ? AND received > ?"
_FORGET = """
DELETE FROM feedback WHERE digest IN (SELECT digest FROM feedback WHERE client = ? AND received < ? LIMIT ?)
"""
_TAKE = "INSERT INTO token VALUES (?, ?) ON CONFLICT (digest) DO NOTHING"
_FORGET_TOKENS = "DELETE FROM token WHERE digest IN (SELECT digest FROM token WHERE expires < ? LIMIT ?)"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became of one card. `at` is in UTC; `reasons` are pairs of code system (may be empty) and code."""

    service: str
    card: str
    outcome: str
    at: datetime
    suggestions: tuple[str, ...] = ()
    reasons: tuple[tuple[str, str], ...] = ()
    commented: bool = False
    client: str = ""  # the name of the one whose card it is


@dataclass(frozen=True, slots=True)
class Keeping:
    """How much of a client's feedback is kept: new items in 24 hours, and for how long."""

    a_day: int
    days: int


class Store:
    """One process's way to the file. Safe to use from several threads; `wait` is the longest wait for others (s).

    `keeping` is by the name of the client; what belongs to no name in it is kept for the longest of these times.
    """

    def __init__(
        self,
        path: Path,
        wait: float,
        clock: Callable[[], datetime],
        keeping: Mapping[str, Keeping] | None = None,
        *,
        take_over: bool = True,
    ) -> None:
        """Open the file; one that is not there is made at the first use. Raises SettingsError if it cannot be used.

        One of an earlier version, which that version cannot read afterwards, is taken over at once, or at the first use.
        """
        self._path = path
        self._wait = wait
        self._clock = clock
        self._keeping = keeping or {}
        self._turn = threading.Lock()
        self._thread = ThreadPoolExecutor(1)
        self._connection: sqlite3.Connection | None = None
        try:
            if path.exists() and take_over:
                self._connection = self._connect()
            elif path.exists():
                self._opened().close()
            elif not os.access(path.parent, os.W_OK | os.X_OK):
                raise SettingsError(
                    f"store: {path} cannot be made: its folder is missing or may not be written to"
                )
        except sqlite3.Error as error:
            raise SettingsError(f"store: {path} cannot be used: {error}") from None
        except OSError as error:
            raise SettingsError(f"store: {path} cannot be used: {error.strerror}") from None

    async def aside(self, work: Callable[[], _Result], deadline: float) -> _Result:
        """Do something in the thread of this store, where it holds up no other call; waits until `deadline` (loop time, s)."""
        working = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            async with asyncio.timeout_at(deadline):
                return await working
        except TimeoutError:
            raise StoreError("the store did not answer in time") from None

    def take(self, digest: bytes, until: int) -> bool:
        """Take a token that may be used once; whether it was unused. It is remembered `until` then (s since 1970).

        Raises StoreError: the token was not accepted then, and may not be afterwards.
        """
        with self._writing("the token could not be checked") as connection:
            now = int(self._clock().timestamp())
            connection.execute(_FORGET_TOKENS, (now, Limits().forgotten_rows))
            return connection.execute(_TAKE, (digest, until)).rowcount == 1

    def add(self, items: Sequence[Feedback]) -> int:
        """Store all items, or none; returns how many were new.

        Raises QuotaError where a client has sent too much, StoreError where the file fails: sending again is safe.
        """
        rows = [self._row(item) for item in items]
        with self._writing("the feedback could not be stored") as connection:
            self._forget(connection)
            before = connection.total_changes
            connection.executemany(_INSERT, rows)
            new = connection.total_changes - before
            if new:
                self._check_quotas(connection, {item.client for item in items})
            return new

    def overridden(
        self, beginning: str, reasons: Collection[tuple[str, str]], since: datetime, until: datetime
    ) -> bool:
        """Whether a card whose uuid begins so was overridden for one of the reasons, in a time with both its ends.

        An override is as old as its own time says, and at least as old as its receipt: a late report does not make it
        younger, a wrong clock of the client neither. Raises StoreError if the file cannot be asked.
        """
        with self._held("the store could not be asked"):
            if self._connection is None and not self._path.exists():
                return False
            rows = self._connected().execute(_OVERRIDDEN, (beginning, beginning + _LAST)).fetchall()
            try:
                return any(
                    _is_between(at, received, since, until)
                    and any((system, code) in reasons for system, code in json.loads(given))
                    for given, at, received in rows
                )
            except (TypeError, ValueError):
                raise sqlite3.DataError("a row is damaged") from None

    def all(self) -> Iterator[Feedback]:
        """Give everything that is stored, oldest first. Raises SettingsError if the file cannot be read."""
        try:
            rows = self._connected().execute(_ALL).fetchall()
        except sqlite3.Error as error:
            raise SettingsError(f"store: {self._path} cannot be read: {error}") from None
        try:
            for service, card, outcome, at, suggestions, reasons, commented, client in rows:
                moment = datetime.fromisoformat(at).astimezone(UTC)
                coded = tuple((system, code) for system, code in json.loads(reasons))
                named = tuple(json.loads(suggestions))
                yield Feedback(service, card, outcome, moment, named, coded, bool(commented), client)
        except (TypeError, ValueError):  # this service did not write it
            raise SettingsError(f"store: {self._path} cannot be read: a row is damaged") from None

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._turn:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = self._opened()
        try:
            if self._version(connection) < len(_STEPS):
                connection.execute("BEGIN IMMEDIATE")  # two processes may open the file at once
                for step in chain.from_iterable(_STEPS[self._version(connection) :]):
                    connection.execute(step)
                connection.execute(f"PRAGMA user_version = {len(_STEPS)}")
                connection.execute("COMMIT")
        except (sqlite3.Error, SettingsError):
            connection.close()
            raise
        return connection

    def _opened(self) -> sqlite3.Connection:
        """Open the file as it is; raises SettingsError for one of another version."""
        with suppress(OSError):  # a file of ours is for us alone; what is wrong SQLite says
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = sqlite3.connect(
            self._path, timeout=self._wait, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            self._version(connection)
        except (sqlite3.Error, SettingsError):
            connection.close()
            raise
        return connection

    def _version(self, connection: sqlite3.Connection) -> int:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in range(len(_STEPS) + 1):
            raise SettingsError(f"store: {self._path} was written by another version of imnm-cds")
        return int(version)

    @contextmanager
    def _writing(self, failure: str) -> Iterator[sqlite3.Connection]:
        """Give the connection for one transaction, which is done whole, or not at all; raises StoreError."""
        with self._held(failure):
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def _held(self, failure: str) -> Iterator[None]:
        """Hold the file for this thread alone; raises StoreError where it is not had in time, or fails."""
        if not self._turn.acquire(timeout=self._wait):
            raise StoreError(f"{failure} in time")
        try:
            yield
        except (sqlite3.Error, SettingsError):
            self._drop()  # after a fault of the disk only a new connection is sure to see what is there
            raise StoreError(failure) from None
        except BaseException:
            self._drop()  # and with it what was written
            raise
        finally:
            self._turn.release()

    def _connected(self) -> sqlite3.Connection:
        self._connection = self._connection or self._connect()
        return self._connection

    def _forget(self, connection: sqlite3.Connection) -> None:
        """Delete what is older than its client keeps it, some rows of each client at a time."""
        days = {name: keeping.days for name, keeping in self._keeping.items()}
        if days:
            days[""] = max(days.values())
        for client, kept in days.items():
            oldest = (self._clock() - kept * _DAY).isoformat()
            connection.execute(_FORGET, (client, oldest, Limits().forgotten_rows))

    def _check_quotas(self, connection: sqlite3.Connection, clients: Collection[str]) -> None:
        """Raise QuotaError where one of these clients has more than it may send in a day."""
        for client in sorted(self._keeping.keys() & clients):
            since = (self._clock() - _DAY).isoformat()
            (received,) = connection.execute(_RECEIVED, (client, since)).fetchone()
            if received > self._keeping[client].a_day:
                raise QuotaError(f"more than {self._keeping[client].a_day} items of feedback in 24 hours")

    def _row(self, item: Feedback) -> tuple[object, ...]:
        said = asdict(item) | {"at": item.at.astimezone(UTC).isoformat()}
        client = said.pop("client")  # the card says it, and files before version 3 have none
        text = json.dumps(said, sort_keys=True)
        return (
            hashlib.sha256(text.encode()).digest(),
            item.service,
            item.card,
            item.outcome,
            said["at"],
            json.dumps(item.suggestions),
            json.dumps(item.reasons),
            item.commented,
            self._clock().isoformat(),
            client,
        )


def _is_between(at: str, received: str, since: datetime, until: datetime) -> bool:
    """Whether an override is no older than `since`, by the older of its two times, and was received by `until`."""
    receipt = datetime.fromisoformat(received)
    return since <= min(datetime.fromisoformat(at), receipt) and receipt <= until
