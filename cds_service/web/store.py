"""What is kept on disk: feedback, in one SQLite file that all workers share. No patient, no free text.

An item that was acknowledged is on disk (WAL, synchronous=FULL) and stands there once, however often it is sent.
"""

import asyncio
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cds_service.errors import StoreError
from cds_service.settings.service import SettingsError

_Result = TypeVar("_Result")
_VERSION = 2  # 1: without the index, which is added to such a file
_TABLE = """
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
"""
_INDEX = "CREATE INDEX IF NOT EXISTS feedback_of_card ON feedback (card)"
_OVERRIDDEN = """
SELECT reasons, at, received FROM feedback WHERE card BETWEEN ? AND ? AND outcome = 'overridden'
"""
_LAST = "g"  # after every digit of a UUID
_INSERT = "INSERT INTO feedback VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING"


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


class Store:
    """One process's way to the file. Safe to use from several threads; `wait` is the longest wait for others (s)."""

    def __init__(self, path: Path, wait: float, clock: Callable[[], datetime]) -> None:
        """Open the file; one that is not there is made at the first use. Raises SettingsError if it cannot be used."""
        self._path = path
        self._wait = wait
        self._clock = clock
        self._turn = threading.Lock()
        self._thread = ThreadPoolExecutor(1)
        self._connection: sqlite3.Connection | None = None
        try:
            if path.exists():
                self._connection = self._connect()
            elif not os.access(path.parent, os.W_OK | os.X_OK):
                raise SettingsError(
                    f"store: {path} cannot be made: its folder is missing or may not be written to"
                )
        except sqlite3.Error as error:
            raise SettingsError(f"store: {path} cannot be used: {error}") from None

    async def aside(self, work: Callable[[], _Result], deadline: float) -> _Result:
        """Do something in the thread of this store, where it holds up no other call; waits until `deadline` (loop time, s)."""
        working = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            async with asyncio.timeout_at(deadline):
                return await working
        except TimeoutError:
            raise StoreError("the feedback could not be stored in time") from None

    def add(self, items: Sequence[Feedback]) -> int:
        """Store all items, or none; returns how many were new. Raises StoreError: sending again is safe."""
        rows = [self._row(item) for item in items]
        if not self._turn.acquire(timeout=self._wait):
            raise StoreError("the feedback could not be stored in time")
        try:
            self._connection = self._connection or self._connect()
            return self._insert(self._connection, rows)
        except (sqlite3.Error, SettingsError):
            self._drop()  # after a fault of the disk only a new connection is sure to see what is there
            raise StoreError("the feedback could not be stored") from None
        finally:
            self._turn.release()

    def overridden(
        self, beginning: str, reasons: Collection[tuple[str, str]], since: datetime, until: datetime
    ) -> bool:
        """Whether a card whose uuid begins so was overridden for one of the reasons, in a time with both its ends.

        An override is as old as its own time says, and at least as old as its receipt: a late report does not make it
        younger, a wrong clock of the client neither. Raises StoreError if the file cannot be asked.
        """
        if not self._turn.acquire(timeout=self._wait):
            raise StoreError("the store could not be asked in time")
        try:
            if self._connection is None and not self._path.exists():
                return False
            self._connection = self._connection or self._connect()
            rows = self._connection.execute(_OVERRIDDEN, (beginning, beginning + _LAST)).fetchall()
            return any(
                since <= min(datetime.fromisoformat(at), datetime.fromisoformat(received))
                and datetime.fromisoformat(received) <= until
                and any((system, code) in reasons for system, code in json.loads(given))
                for given, at, received in rows
            )
        except (sqlite3.Error, SettingsError, TypeError, ValueError):
            self._drop()
            raise StoreError("the store could not be asked") from None
        finally:
            self._turn.release()

    def all(self) -> Iterator[Feedback]:
        """Give everything that is stored, oldest first. Raises SettingsError if the file cannot be read."""
        query = "SELECT service, card, outcome, at, suggestions, reasons, commented FROM feedback ORDER BY at, digest"
        try:
            self._connection = self._connection or self._connect()
            rows = self._connection.execute(query).fetchall()
        except sqlite3.Error as error:
            raise SettingsError(f"store: {self._path} cannot be read: {error}") from None
        for service, card, outcome, at, suggestions, reasons, commented in rows:
            yield Feedback(
                service,
                card,
                outcome,
                datetime.fromisoformat(at),
                tuple(json.loads(suggestions)),
                tuple((system, code) for system, code in json.loads(reasons)),
                bool(commented),
            )

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._turn:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        with suppress(OSError):  # a file of ours is for us alone; what is wrong SQLite says
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = sqlite3.connect(
            self._path, timeout=self._wait, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except (sqlite3.Error, SettingsError):
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in range(_VERSION + 1):
            raise SettingsError(f"store: {self._path} was written by another version of imnm-cds")
        if version < _VERSION:  # each step can be taken twice: two processes may open the file at once
            connection.execute(_TABLE)
            connection.execute(_INDEX)
            connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _insert(self, connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> int:
        connection.execute("BEGIN IMMEDIATE")
        try:
            before = connection.total_changes
            connection.executemany(_INSERT, rows)
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return connection.total_changes - before

    def _row(self, item: Feedback) -> tuple[object, ...]:
        said = asdict(item) | {"at": item.at.astimezone(UTC).isoformat()}
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
        )
