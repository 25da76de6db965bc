"""What is kept on disk: feedback, in one SQLite file that all workers share. No patient, no free text.

An item that was acknowledged is on disk (WAL, synchronous=FULL) and stands there once, however often it is sent.
"""

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from cds_service.errors import StoreError
from cds_service.settings import SettingsError

_VERSION = 1
_TABLE = """
CREATE TABLE IF NOT EXISTS feedback (
    digest      BLOB PRIMARY KEY,  -- of all that the item says: the same item is the same row
    service     TEXT NOT NULL,
    card        TEXT NOT NULL,     -- card.uuid: client, patient, band and states are behind an HMAC
    outcome     TEXT NOT NULL,     -- accepted | overridden
    at          TEXT NOT NULL,     -- outcomeTimestamp, UTC
    suggestions TEXT NOT NULL,     -- JSON list of suggestion uuids
    reasons     TEXT NOT NULL,     -- JSON list of [system, code]
    commented   INTEGER NOT NULL,  -- whether a comment was given; it may name the patient, so it is not kept
    received    TEXT NOT NULL      -- UTC
) WITHOUT ROWID
"""
_INSERT = "INSERT OR IGNORE INTO feedback VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


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
        """Open the file, or make it. Raises SettingsError if it cannot be used."""
        self._path = path
        self._wait = wait
        self._clock = clock
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = self._connect()
        except OSError as error:
            raise SettingsError(f"store: {path} cannot be opened: {error.strerror}") from None
        except sqlite3.Error as error:
            raise SettingsError(f"store: {path} cannot be used: {error}") from None

    def add(self, items: Sequence[Feedback]) -> int:
        """Store all items, or none; returns how many were new. Raises StoreError: sending again is safe."""
        rows = [self._row(item) for item in items]
        if not self._turn.acquire(timeout=self._wait):
            raise StoreError("the feedback could not be stored in time")
        try:
            self._connection = self._connection or self._connect()
            return self._insert(self._connection, rows)
        except sqlite3.Error:
            self.close()  # after a fault of the disk only a new connection is sure to see what is there
            raise StoreError("the feedback could not be stored") from None
        finally:
            self._turn.release()

    def all(self) -> Iterator[Feedback]:
        """Give everything that is stored, oldest first."""
        query = "SELECT service, card, outcome, at, suggestions, reasons, commented FROM feedback ORDER BY at, digest"
        self._connection = self._connection or self._connect()
        for service, card, outcome, at, suggestions, reasons, commented in self._connection.execute(query):
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
        connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
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
        if version not in {0, _VERSION}:
            raise SettingsError(f"store: {self._path} was written by another version of imnm-cds")
        if version == 0:
            connection.execute(_TABLE)
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
