"""The results of a benchmark in one SQLite file: every finished run is committed at once, and a kill loses none.

`Store` is written to by one process or several; `load` merges files into the `Results` that reports read, and leaves
out, by name, what is damaged or what the evaluator rejects.
"""

from __future__ import annotations

import math
import os
import sqlite3
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from dtopt.errors import InputError
from dtopt.io.locks import WriteLock
from reports.records import COLUMNS, canonical, checksum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from dtopt.problem import Problem
    from reports.records import Run
    from reports.results import Instance, Results

__all__ = ["FORMAT", "INSTANCE_COLUMNS", "MACHINE_COLUMNS", "VERSION", "Store", "load", "open_to_read", "problem_of"]

FORMAT, VERSION = "dtopt-results", 2
INSTANCE_COLUMNS = (
    "label",
    "hash",
    "suite",
    "kind",
    "objective",
    "maximise",
    "n_users",
    "n_stations",
    "best_known",
    "proven_bound",
    "recipe",
    "uncontrollable_objective",
)
#: Columns that files of version 1 do not have. Such a file keeps its version when it is written to.
_SINCE_2 = {"instances": ("uncontrollable_objective",)}
MACHINE_COLUMNS = ("id", "hash", "cpu", "cores", "memory_gb", "os", "python", "versions")
#: How long a writer waits for another, s.
BUSY_SECONDS = 60.0
#: What to do where several machines are to write.
MERGE = "give each machine a file of its own; `dtopt report` takes several and merges them"
_TABLES = {
    "instances": (INSTANCE_COLUMNS, "label"),
    "machines": (MACHINE_COLUMNS, "id"),
    "runs": (COLUMNS, "key"),
}


def load(
    paths: Sequence[str | os.PathLike[str]],
    *,
    check: bool = True,
    data: str | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Results:
    """Merge results files; see `reports.merge.load`."""
    from reports import merge

    return merge.load(paths, check=check, data=data, on_note=on_note)


def problem_of(instance: Instance, *, data: str | None = None) -> Problem:
    """Make the problem of an instance again.

    Parameters
    ----------
    instance : Instance
    data : str, optional
        Folder with real data, for presets that read some.

    Raises
    ------
    InputError
        If its recipe cannot be followed here, or makes another problem.
    """
    from instances.suites.recipes import checked

    return checked(instance.recipe, instance.hash, data=data)


class Store:
    """A results file that is open for writing; it is made where it does not exist.

    Several processes of one machine may write to it, each the runs that it has got by `claim`.

    Parameters
    ----------
    path : path
    title : str
        What reports call the results; kept from the first time that one is given.

    Raises
    ------
    InputError
        If the file is no results file, is damaged, cannot be written, or is being written on another machine.
    """

    def __init__(self, path: str | os.PathLike[str], title: str = "") -> None:
        self.path = Path(path)
        # SQLite's write-ahead log is shared memory: processes of two machines would damage the file.
        self._lock = WriteLock(self.path, shared=True, merge=MERGE)
        try:
            with self._faults("opened"):
                # Threads that hand out runs ask what is there already; SQLite itself keeps them apart.
                self._database = sqlite3.connect(
                    self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
                )
                try:
                    self._prepare(title)
                except BaseException:
                    self._database.close()
                    raise
        except BaseException:
            self._lock.close()
            raise

    def _prepare(self, title: str) -> None:
        database = self._database
        # A foreign file is recognised before anything is written to it.
        known = _format(database, self.path)
        self._version = known or VERSION
        _to_wal(database)
        # Each commit is on disk before the next run begins, so that not even a power cut loses a row.
        database.execute("PRAGMA synchronous = FULL")
        if known is None:
            database.execute("BEGIN IMMEDIATE")
            database.execute("CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
            for table, (_, key) in _TABLES.items():
                columns = columns_of(table, VERSION)
                listed = ", ".join(f'"{c}"' + (" PRIMARY KEY NOT NULL" if c == key else "") for c in columns)
                database.execute(f'CREATE TABLE IF NOT EXISTS "{table}" ({listed}, checksum TEXT NOT NULL)')
            about = [("format", FORMAT), ("version", str(VERSION))]
            database.executemany("INSERT OR IGNORE INTO about VALUES (?, ?)", about)
            database.execute("COMMIT")
        if title:
            database.execute("INSERT OR IGNORE INTO about VALUES ('title', ?)", (title,))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()
        self._lock.close()

    # --- who does what --------------------------------------------------------------------------------------------

    def claim(self, key: str) -> bool:
        """Return whether a run is this process's to do: it is not there, and no other process that lives has it."""
        if not self._lock.claim(key):
            return False
        # Whoever had it may have finished it just now.
        if self.has(key):
            self._lock.release(key)
            return False
        return True

    def release(self, key: str) -> None:
        """Give a run back that was claimed, finished or not."""
        self._lock.release(key)

    # --- writing --------------------------------------------------------------------------------------------------

    def add_instance(self, instance: Instance) -> None:
        """Record an instance, or what is newly known of its best value and bound.

        Raises
        ------
        InputError
            If another instance of the same label is there.
        """
        values = instance_values(instance)
        with self._faults("written"):
            found = self._database.execute("SELECT hash FROM instances WHERE label = ?", (instance.label,)).fetchone()
            if found is not None and found[0] != instance.hash:
                raise InputError(
                    f"holds another instance called {instance.label} ({found[0][:12]}..., now {instance.hash[:12]}...)",
                    where=str(self.path),
                    mend="the instance or its suite has changed; write to another file",
                )
            self._insert("instances", values, replace=True)

    def add_machine(self, machine: Mapping[str, Any]) -> None:
        """Record a machine, once."""
        with self._faults("written"):
            self._insert("machines", tuple(machine[c] for c in MACHINE_COLUMNS))

    def commit(self, run: Run) -> bool:
        """Write a finished run; when this returns, a kill cannot lose it.

        Returns
        -------
        bool
            False where the run was there already, which then stays as it is.
        """
        with self._faults("written"):
            return self._insert("runs", run.values())

    def forget(self, statuses: Iterable[str]) -> int:
        """Take out the runs that ended with one of the statuses, so that they are done again; return how many."""
        with self._faults("written"):
            return sum(
                self._database.execute("DELETE FROM runs WHERE status = ?", (status,)).rowcount for status in statuses
            )

    def _insert(self, table: str, values: tuple[object, ...], *, replace: bool = False) -> bool:
        verb = "REPLACE" if replace else "IGNORE"
        columns = columns_of(table, self._version)
        kept = tuple(value for name, value in zip(_TABLES[table][0], values, strict=True) if name in columns)
        marks = ", ".join("?" * (len(kept) + 1))
        cursor = self._database.execute(
            f'INSERT OR {verb} INTO "{table}" VALUES ({marks})',  # noqa: S608 - names of this module
            (*kept, checksum(kept)),
        )
        return cursor.rowcount == 1

    # --- reading --------------------------------------------------------------------------------------------------

    def keys(self) -> set[str]:
        """Return the keys of all runs that are there, in one reading with their checksums: a damaged one is not."""
        return {key for key, whole in self._states() if whole}

    def drop_damaged(self) -> list[str]:
        """Take out runs whose checksum is wrong, so that they are done again; return their keys."""
        damaged = [key for key, whole in self._states() if not whole]
        with self._faults("written"):
            for key in damaged:
                self._database.execute("DELETE FROM runs WHERE key = ?", (key,))
        return damaged

    def has(self, key: str) -> bool:
        """Return whether a run is there."""
        with self._faults("read"):
            return self._database.execute("SELECT 1 FROM runs WHERE key = ?", (key,)).fetchone() is not None

    def statuses(self) -> dict[str, int]:
        """Return the number of runs by how they ended."""
        with self._faults("read"):
            return dict(self._database.execute("SELECT status, count(*) FROM runs GROUP BY status ORDER BY status"))

    def machines(self) -> set[str]:
        """Return the machines that have a run."""
        with self._faults("read"):
            return {row[0] for row in self._database.execute("SELECT DISTINCT machine FROM runs")}

    def _states(self) -> list[tuple[str, bool]]:
        with self._faults("read"):
            statement = f"SELECT {_listed(COLUMNS)}, checksum FROM runs"  # noqa: S608 - names of this module
            rows = self._database.execute(statement)
            return [(row[0], checksum(row[:-1]) == row[-1]) for row in rows]

    @contextmanager
    def _faults(self, verb: str) -> Iterator[None]:
        with faults(self.path, verb):
            yield


def instance_values(instance: Instance) -> tuple[object, ...]:
    """Return the values of `INSTANCE_COLUMNS`, of SQLite's types."""
    row = [getattr(instance, c) for c in INSTANCE_COLUMNS]
    row[INSTANCE_COLUMNS.index("maximise")] = int(instance.maximise)
    row[INSTANCE_COLUMNS.index("recipe")] = canonical(dict(instance.recipe))
    return tuple(None if isinstance(value, float) and math.isnan(value) else value for value in row)


@contextmanager
def open_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a results file for reading only; a folder that cannot be written is no hindrance.

    Raises
    ------
    InputError
        If there is none, or it is damaged or something else.
    """
    if not path.is_file():
        raise InputError("there is no such file", where=str(path), mend="`dtopt bench` writes one")
    place = f"file:{quote(str(path.absolute()))}?mode=ro"
    # A file that nobody writes to is read without the files beside it, which a read-only folder cannot take.
    alone = not path.with_name(path.name + "-wal").exists() and not os.access(path.absolute().parent, os.W_OK)
    with (
        faults(path, "read"),
        closing(sqlite3.connect(place + "&immutable=1" * alone, uri=True, timeout=BUSY_SECONDS)) as database,
    ):
        if _format(database, path) is None:
            raise InputError("is empty", where=str(path), mend="`dtopt bench` writes results files")
        yield database


def rows(database: sqlite3.Connection, table: str) -> Iterator[tuple[tuple[Any, ...], bool]]:
    """Yield the values of each row of a table, and whether its checksum is theirs.

    A column that the file does not have is None.
    """
    version = dict(database.execute("SELECT * FROM about"))["version"]
    columns = columns_of(table, int(version))
    # Bytes that are no text must not stop the reading: they are one damaged row.
    database.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    statement = f'SELECT {_listed(columns)}, checksum FROM "{table}" ORDER BY rowid'  # noqa: S608 - names of this module
    for row in database.execute(statement):
        given = dict(zip(columns, row, strict=False))
        yield tuple(given.get(name) for name in _TABLES[table][0]), checksum(row[:-1]) == row[-1]


def columns_of(table: str, version: int) -> tuple[str, ...]:
    """Return the columns of a table in files of a version, without the checksum."""
    columns, _ = _TABLES[table]
    return tuple(c for c in columns if version >= 2 or c not in _SINCE_2.get(table, ()))


@contextmanager
def faults(path: Path, verb: str) -> Iterator[None]:
    """Turn what SQLite says of a file into one line."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        what = {
            "file is not a database": "is no results file of dtopt",
            "database disk image is malformed": "is damaged",
        }.get(text, f"cannot be {verb}: {text}")
        raise InputError(what, where=str(path)) from None


def _to_wal(database: sqlite3.Connection) -> None:
    """Turn on the write-ahead log; SQLite does not itself wait for another process that is just doing so."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.05)


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(f'"{c}"' for c in columns)


def _format(database: sqlite3.Connection, path: Path) -> int | None:
    """Return the version of a results file, None where there is nothing yet."""
    tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return None
    about = dict(database.execute("SELECT * FROM about")) if "about" in tables else {}
    if about.get("format") != FORMAT:
        raise InputError("is no results file of dtopt", where=str(path))
    if about.get("version") not in {str(version) for version in range(1, VERSION + 1)}:
        raise InputError(
            f"has version {about.get('version')} of the format",
            where=str(path),
            mend=f"this version reads 1 to {VERSION}",
        )
    version = int(about["version"])
    for table in _TABLES:
        columns = columns_of(table, version)
        there = {row[1] for row in database.execute(f'PRAGMA table_info("{table}")')}
        if lacking := [c for c in (*columns, "checksum") if c not in there]:
            raise InputError(f"lacks the column {lacking[0]} of {table}", where=str(path))
    return version
