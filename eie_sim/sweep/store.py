"""The store of a sweep: an SQLite file with one row a point, keyed by the digest of everything that determines it.

It is written in transactions, with a write-ahead log: killed at any moment it holds whole rows and nothing else, and
other processes can read it, and write their own sweep to it, at the same time. It must be on a disk of this computer:
a write-ahead log does not work over a network.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from operator import itemgetter
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from compressor._version import __version__
from compressor.messages import shown
from compressor.storage.files import check_suffix, file_size, replacing
from compressor.storage.strict_json import strict_json
from eie_sim.arch import ArchConfig
from eie_sim.columns import Row
from eie_sim.sweep.columns import INPUTS, METRICS, PRICING, WHOLE, WORK, definition
from eie_sim.text_formats import csv_line

SCHEMA_VERSION = 4

APPLICATION_ID = 0x65696573
"""In the header of the file: "eies"."""

WAIT_S = 60.0
"""How long a writer waits for another one, which holds the file for some milliseconds at a time."""

_PAUSE_S = 0.01

DONE, FAILED = "done", "failed"

PROVENANCE: Mapping[str, str] = {
    "workload_sha256": "SHA-256 of what ran: contents of files, or statistics and seed of what was drawn.",
    "package_version": "Version of eie-sim.",
}
"""Columns that say where a row comes from, the same wherever it is computed."""

ABOUT_THE_RUN: Mapping[str, str] = {
    "host": "Computer that wrote the row.",
    "seconds": "Time it took a worker, a share of what it shared with others.",
}
"""Columns that differ from one run to the next, and are left out of an export."""

STATE: Mapping[str, str] = {
    "key": "Digest of everything that determines the point; a point is computed once.",
    "status": "done, or failed.",
    "error": "Why it failed.",
}
"""Columns that say which point a row is of, and what became of it."""

COLUMNS = ("key", *INPUTS, "status", "error", *METRICS, *PROVENANCE, *ABOUT_THE_RUN)

EXPORTED = tuple(name for name in COLUMNS if name not in ABOUT_THE_RUN)

_TEXTS = frozenset({*WORK, *PRICING, "arithmetic", "rounding", "bias"}) - {"seed", "batch"}

_ROW_GROUP = 10_000
"""Rows that a Parquet file holds together."""

_NEEDS_PARQUET = "pandas and Parquet need pip install 'eie-sim[parquet]'"


def is_begun(path: Path) -> bool:
    """Whether there is anything in a file: not in one that a killed process, or one that runs now, has just made."""
    if not path.exists() or (path.is_file() and not path.stat().st_size):
        return False
    try:
        # Read-only: asking whether there is a store must not make one.
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", timeout=WAIT_S, uri=True)) as connection:
            identity = int(connection.execute("PRAGMA application_id").fetchone()[0])
            return bool(identity or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    except sqlite3.DatabaseError:
        return True  # whatever it is, `Store` says it


class SweepNote(NamedTuple):
    """What a store notes of a sweep that was run: its name, its space and conditions as JSON, and when it began."""

    name: str
    space: str
    conditions: str
    started: str


class StoreError(OSError):
    """The store cannot be used; the message names the file and says why. What was written before is whole."""


def _sql_type(name: str) -> str:
    if name in METRICS:
        return "INTEGER" if name in WHOLE else "REAL"
    if name in INPUTS and name not in _TEXTS:
        field = ArchConfig.model_fields.get(name)
        return "REAL" if field is not None and field.annotation is float else "INTEGER"
    return "REAL" if name == "seconds" else "TEXT"


_CELLS: Mapping[str, str] = {
    "INTEGER": "'integer', 'null'",
    "REAL": "'real', 'integer', 'null'",
    "TEXT": "'text', 'null'",
}
"""Types of SQLite that the cells of a column of a type may have."""


def _fits(name: str, cell: object) -> bool:
    """Whether a cell is of its column's type, and a status is one that is known."""
    if name == "status":
        return cell in (DONE, FAILED)
    types: Mapping[str, tuple[type, ...]] = {"INTEGER": (int,), "REAL": (int, float), "TEXT": (str,)}
    return cell is None or isinstance(cell, types[_sql_type(name)])


_SCHEMA = f"""
CREATE TABLE points (
    key TEXT PRIMARY KEY NOT NULL,
    {", ".join(f'"{name}" {_sql_type(name)}' for name in COLUMNS[1:])}
) WITHOUT ROWID;
CREATE TABLE sweeps (
    name TEXT NOT NULL,
    space TEXT NOT NULL,
    conditions TEXT NOT NULL,
    started TEXT NOT NULL
);
-- Which points each sweep is of, so that those of another one, or of files that have changed since, are told apart.
CREATE TABLE members (
    sweep INTEGER NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (sweep, key)
) WITHOUT ROWID;
"""


_OF_LAST_SWEEP = """(
    key IN (SELECT key FROM members WHERE sweep = (SELECT max(rowid) FROM sweeps))
    OR NOT EXISTS (SELECT 1 FROM members WHERE sweep = (SELECT max(rowid) FROM sweeps))
)"""
"""A condition that holds for the points of the last sweep; for all where nobody noted which they are."""

_UNWRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
"""What SQLite says of a file with a log on a disk that cannot be written to."""

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
"""What SQLite says where another process, or another connection of this one, has the file."""


def _code(error: sqlite3.Error) -> int | None:
    """SQLite's primary code of an error, which the low byte of an extended one is; None for errors of the module."""
    return error.sqlite_errorcode & 0xFF if hasattr(error, "sqlite_errorcode") else None


class Store:
    """Rows of sweeps in a file.

    Parameters
    ----------
    path : str or path
    create : bool
        Whether to make the file where there is none.
    max_pages : int or None
        Most pages of 4 KiB that the file may have; None: what the disk holds.

    Raises
    ------
    StoreError
        If it is not a store, is of another version, or cannot be opened.
    FileNotFoundError
        If the file does not exist, and `create` is false.
    """

    def __init__(self, path: str | PathLike[str], create: bool = False, max_pages: int | None = None) -> None:
        self.path = Path(path)
        if not create:
            file_size(self.path)  # SQLite would make an empty file where there is none
        elif not self.path.exists():
            check_suffix(self.path, ".sqlite", "a sweep's store")
        with self._errors():
            # Absolute: SQLite takes some names, such as ":memory:", for something else than a file.
            uri = self.path.absolute().as_uri()
            try:
                self._connect(uri, create, max_pages)
            except sqlite3.OperationalError as error:
                if create or _code(error) not in _UNWRITABLE or self._has_log():
                    raise
                # A disk that cannot be written to: SQLite's log cannot be made, and nobody changes the file.
                self._connect(uri + "?immutable=1", create, max_pages)

    def _connect(self, uri: str, create: bool, max_pages: int | None) -> None:
        # No isolation level: transactions begin where this class says, not where the module guesses.
        self._connection = sqlite3.connect(uri, timeout=WAIT_S, isolation_level=None, uri=True)
        try:
            self._open(create, max_pages)
        except BaseException:
            self._connection.close()
            raise

    def _has_log(self) -> bool:
        """Whether there are rows in a log beside the file, which a reader of the file alone would not see."""
        log = self.path.with_name(self.path.name + "-wal")
        return log.exists() and log.stat().st_size > 0

    def _open(self, create: bool, max_pages: int | None) -> None:
        # A file that is something else is left as it is: the log's mode would be written into it.
        with self._transaction("DEFERRED"):  # of one moment, while another process may be making it
            tables, identity, version = self._identity()
        if (tables or identity or not create) and (identity != APPLICATION_ID or not {"points", "sweeps"} <= tables):
            raise StoreError(f"{self.path}: is no store of a sweep")
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path}: schema version {version}, but eie-sim {__version__} knows up to {SCHEMA_VERSION}: a "
                "newer version wrote it"
            )
        if tables and version < SCHEMA_VERSION:
            raise StoreError(
                f"{self.path}: schema version {version}, but eie-sim {__version__} reads {SCHEMA_VERSION}; run the "
                "sweep again into a new store"
            )
        self._use_log()
        self._connection.execute("PRAGMA synchronous = NORMAL")  # with the log: nothing breaks when a process is killed
        if max_pages is not None:
            self._connection.execute(f"PRAGMA max_page_count = {int(max_pages)}")
        if tables:
            columns = {name for _, name, *_ in self._connection.execute("PRAGMA table_info(points)")}
            if missing := sorted(set(COLUMNS) - columns):
                raise StoreError(f"{self.path}: has no column {missing[0]!r}: it is damaged")
            return
        with self._transaction():
            tables, identity, _ = self._identity()
            if tables or identity:  # another process has made it in between
                return
            for statement in _SCHEMA.split(";")[:-1]:
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _use_log(self) -> None:
        """Turn the write-ahead log on. SQLite itself does not wait for others who do the same with a new file."""
        until = time.monotonic() + WAIT_S
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if _code(error) not in _BUSY or time.monotonic() > until:
                    raise
                time.sleep(_PAUSE_S)

    def _identity(self) -> tuple[set[str], int, int]:
        """Names of tables, and the numbers that say what a file is and of which version."""
        named = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {name for (name,) in named}
        identity = int(self._connection.execute("PRAGMA application_id").fetchone()[0])
        return tables, identity, int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What SQLite says becomes one line that names the file."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            text = str(error)
            if _code(error) == sqlite3.SQLITE_FULL:
                text += ": no room for more rows; those that are there are whole, and the sweep can go on from them"
            elif _code(error) in _BUSY:
                text += f": another process has been writing to it for {WAIT_S:g} s"
            elif _code(error) in _UNWRITABLE:
                text += ": its folder must be there and writable, for SQLite keeps a log beside the file"
            elif _code(error) == sqlite3.SQLITE_NOTADB:
                text = "is no store of a sweep"
            raise StoreError(f"{self.path}: {text}") from None

    @contextmanager
    def _transaction(self, kind: Literal["IMMEDIATE", "DEFERRED"] = "IMMEDIATE") -> Iterator[None]:
        # IMMEDIATE takes the lock of writers at once: a transaction that reads first could not get it any more later.
        self._connection.execute(f"BEGIN {kind}")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file; the last process to do so folds the log into it."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        with self._errors():
            return int(self._connection.execute("SELECT count(*) FROM points").fetchone()[0])

    def begin(self, name: str, space: str, conditions: str, started: str, keys: Iterable[str] = ()) -> None:
        """Note that a sweep begins, and which points it is of; it is the last sweep from then on.

        Raises
        ------
        StoreError
            When it cannot be written.
        """
        with self._errors(), self._transaction():
            run = self._connection.execute
            # A sweep that is run again has the points of now: without this, members would grow with each run.
            run(
                "DELETE FROM members WHERE sweep IN (SELECT rowid FROM sweeps WHERE name = ? AND space = ?)",
                (name, space),
            )
            number = run("INSERT INTO sweeps VALUES (?, ?, ?, ?)", (name, space, conditions, started)).lastrowid
            self._add_members(number, keys)

    def extend(self, keys: Iterable[str]) -> None:
        """Note more points of the last sweep.

        Raises
        ------
        StoreError
            When it cannot be written.
        """
        with self._errors(), self._transaction():
            (number,) = self._connection.execute("SELECT max(rowid) FROM sweeps").fetchone()
            self._add_members(number, keys)

    def _add_members(self, sweep: int | None, keys: Iterable[str]) -> None:
        pairs = ((sweep, key) for key in keys)
        self._connection.executemany("INSERT OR IGNORE INTO members VALUES (?, ?)", pairs)

    def sweeps(self) -> list[SweepNote]:
        """What is noted of each sweep that was run, in order."""
        columns = ", ".join(SweepNote._fields)
        with self._errors():
            rows = self._connection.execute(f"SELECT rowid, {columns} FROM sweeps ORDER BY rowid").fetchall()
        return [self._note(*row) for row in rows]

    def _note(self, number: int, *cells: object) -> SweepNote:
        """A row of the table ``sweeps``, checked."""
        for column, cell in zip(SweepNote._fields, cells, strict=True):
            if not isinstance(cell, str):
                raise self._damaged("sweeps", number, column, cell)
        note = SweepNote(*map(str, cells))
        for column, made in (("space", dict), ("conditions", list)):
            text = getattr(note, column)
            try:
                found = strict_json(column, text)
            except ValueError:
                raise self._damaged("sweeps", number, column, text) from None
            if not isinstance(found, made) or (made is list and not all(isinstance(one, str) for one in found)):
                raise self._damaged("sweeps", number, column, text)
        return note

    def _damaged(self, table: str, row: object, column: str, cell: object) -> StoreError:
        return StoreError(
            f"{self.path}: table {table}, row {shown(row)}, column {column!r}: {shown(cell)} is not what a sweep "
            "writes: the store is damaged; run the sweep again into a new store"
        )

    def _check_cells(self) -> None:
        """Refuse a store with a cell of another type than its column, which SQLite itself lets pass.

        Raises
        ------
        StoreError
            It names the row and the column.
        """
        odd = {name: f'typeof("{name}") NOT IN ({_CELLS[_sql_type(name)]})' for name in COLUMNS}
        odd["status"] = f"ifnull(status, '') NOT IN ('{DONE}', '{FAILED}')"
        found = self._connection.execute(
            f"SELECT key, * FROM points WHERE {' OR '.join(dict.fromkeys(odd.values()))} LIMIT 1"
        )
        names = [name for name, *_ in found.description]
        if (row := found.fetchone()) is not None:
            cells = dict(zip(names, row, strict=True))
            column = next(name for name in odd if not _fits(name, cells[name]))
            raise self._damaged("points", cells["key"], column, cells[column])

    def keys(self, failed_too: bool = True) -> set[str]:
        """Keys of the rows that are there.

        Parameters
        ----------
        failed_too : bool
            Whether points that failed count.
        """
        query = "SELECT key FROM points" + ("" if failed_too else f" WHERE status = '{DONE}'")
        with self._errors():
            return {key for (key,) in self._connection.execute(query)}

    def failed_keys(self) -> set[str]:
        """Keys of the rows of points that failed."""
        with self._errors():
            return {key for (key,) in self._connection.execute("SELECT key FROM points WHERE status = ?", (FAILED,))}

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows, each with every one of `COLUMNS`, in one transaction: all of them or none.

        A row that is there is replaced only where it had failed.

        Raises
        ------
        StoreError
            When they cannot be written; nothing of them is there then.
        """
        marks = ", ".join("?" * len(COLUMNS))
        changes = ", ".join(f'"{name}" = excluded."{name}"' for name in COLUMNS[1:])
        # Two processes may compute one point; the first answer stays, for both are the same.
        conflict = f"ON CONFLICT (key) DO UPDATE SET {changes} WHERE points.status <> '{DONE}'"
        statement = f"INSERT INTO points VALUES ({marks}) {conflict}"
        with self._errors(), self._transaction():
            self._connection.executemany(statement, map(itemgetter(*COLUMNS), rows))

    def count(self, status: str) -> int:
        """Rows of a status."""
        with self._errors():
            found = self._connection.execute("SELECT count(*) FROM points WHERE status = ?", (status,)).fetchone()
        return int(found[0])

    def rows(
        self, columns: Sequence[str] = COLUMNS, done_only: bool = False, of_last_sweep: bool = False
    ) -> Iterator[Row]:
        """Rows in the order of their inputs, then of their keys: the same wherever they were computed.

        Parameters
        ----------
        columns : sequence of str
        done_only : bool
            Whether to leave out points that failed.
        of_last_sweep : bool
            Whether to leave out points that are not of the sweep that was run last.

        Raises
        ------
        ValueError
            If a column is unknown.
        """
        if unknown := [name for name in columns if name not in COLUMNS]:
            raise ValueError(f"column: {unknown[0]!r}; there are {', '.join(COLUMNS)}")
        picked = ", ".join(f'"{name}"' for name in columns)
        order = ", ".join(f'"{name}"' for name in (*INPUTS, "key"))
        wanted = [f"status = '{DONE}'"] * done_only + [_OF_LAST_SWEEP] * of_last_sweep
        only = f" WHERE {' AND '.join(wanted)}" if wanted else ""
        with self._errors():
            self._check_cells()
            for row in self._connection.execute(f"SELECT {picked} FROM points{only} ORDER BY {order}"):
                yield dict(zip(columns, row, strict=True))

    def of_keys(self, keys: Iterable[str], columns: Sequence[str]) -> dict[str, Row]:
        """Some columns of the rows of some keys, of those that are there."""
        picked = ", ".join(f'"{name}"' for name in columns)
        found: dict[str, Row] = {}
        with self._errors():
            for key in keys:
                row = self._connection.execute(f"SELECT {picked} FROM points WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    found[key] = dict(zip(columns, row, strict=True))
        return found

    def check(self) -> str:
        """What SQLite's own check of the file says; "ok" for a sound one."""
        with self._errors():
            return str(self._connection.execute("PRAGMA integrity_check").fetchone()[0])

    def export_csv(self, path: str | PathLike[str]) -> int:
        """Write all rows as CSV, without the columns of `ABOUT_THE_RUN`; returns how many.

        The same rows give the same bytes, whoever computed them on how many workers.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        count = 0
        with replacing(Path(path)) as file:
            file.write(csv_line(EXPORTED).encode())
            for row in self.rows(EXPORTED):
                file.write(csv_line(row.values()).encode())
                count += 1
        return count

    def frame(self, columns: Sequence[str] = EXPORTED) -> Any:
        """All rows as a `pandas.DataFrame`.

        Raises
        ------
        ImportError
            Without pandas, which comes with the extra ``parquet``.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError(_NEEDS_PARQUET) from None
        return pandas.DataFrame(list(self.rows(columns)), columns=list(columns))

    def export_parquet(self, path: str | PathLike[str]) -> int:
        """As `export_csv`, a Parquet file with units and definitions of the columns in its metadata.

        Raises
        ------
        ImportError
            Without the extra ``parquet``.
        OSError
            When it cannot be written.
        """
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            raise ImportError(_NEEDS_PARQUET) from None
        types = {"INTEGER": pyarrow.int64(), "REAL": pyarrow.float64(), "TEXT": pyarrow.string()}
        schema = pyarrow.schema([pyarrow.field(n, types[_sql_type(n)], metadata=described(n)) for n in EXPORTED])
        count, rows = 0, self.rows(EXPORTED)
        with replacing(Path(path)) as file, parquet.ParquetWriter(file, schema) as writer:
            while batch := list(islice(rows, _ROW_GROUP)):
                writer.write_table(pyarrow.Table.from_pylist(batch, schema))
                count += len(batch)
        return count


def described(name: str) -> Mapping[str, str]:
    """Unit and definition of a column of a store."""
    own = {**STATE, **PROVENANCE, **ABOUT_THE_RUN}
    return {"unit": "", "definition": own[name]} if name in own else definition(name)
