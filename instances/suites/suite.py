"""A suite: named instances with the best values and bounds known, in one JSON file."""

from __future__ import annotations

import fnmatch
import hashlib
import json
from base64 import b64decode, b64encode
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dtopt.errors import InputError, meant
from dtopt.io.files import load_json, save_json
from dtopt.io.packed import pack, unpack
from dtopt.result import controllable_gap
from dtopt.solution import Solution

if TYPE_CHECKING:
    from collections.abc import Iterable


__all__ = ["GROUP", "Entry", "Known", "Suite", "load_suite", "read_suite", "select", "suite_names", "write_suite"]

#: The entry-point group: the entry NAME names a package that holds NAME.json.
GROUP = "dtopt.suites"
FORMAT, VERSION = "dtopt-suite", 1
Number = Annotated[float, Field(allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Known(_Strict):
    """A best-known value or a proven bound.

    Parameters
    ----------
    value : float
    how : str
        Who found or proved it, with version, limit and seed.
    date : str
    association : str or None
        Of a best-known value: the server of each user, packed; None where the file would be too large.
    open_servers : list of int or None
        Where more are open than are in use.
    """

    value: Number
    how: str
    date: str
    association: str | None = None
    open_servers: list[int] | None = None

    @property
    def solution(self) -> Solution | None:
        """The solution, None where it is not kept.

        Raises
        ------
        InputError
            If it is damaged.
        """
        if self.association is None:
            return None
        try:
            association = unpack(b64decode(self.association))
        except ValueError:
            raise InputError("is damaged", where="association") from None
        return Solution(association, None if self.open_servers is None else np.array(self.open_servers))  # type: ignore[arg-type]

    @classmethod
    def of(cls, value: float, how: str, date: str, solution: Solution) -> Known:
        """Return a best-known value with its solution."""
        used = np.unique(solution.association)
        spare = None if np.array_equal(used, solution.open_servers) else solution.open_servers.tolist()
        return cls(
            value=value,
            how=how,
            date=date,
            association=b64encode(pack(solution.association)).decode(),
            open_servers=spare,
        )


class Entry(_Strict):
    """One instance of a suite.

    Parameters
    ----------
    name : str
    hash : str
        `Problem.content_hash`, the same on every machine.
    kind, objective, users, stations
    recipe : dict
        See `instances.suites.recipes`.
    best, bound : Known or None
    uncontrollable_objective : float or None
        `Problem.uncontrollable_objective`.
    """

    name: str
    hash: str
    kind: Literal["placement", "migration"]
    objective: Literal["system cost", "latency", "utility"]
    users: int
    stations: int
    recipe: dict[str, Any]
    best: Known | None = None
    bound: Known | None = None
    uncontrollable_objective: Number | None = None

    @property
    def maximise(self) -> bool:
        """Whether larger is better."""
        return self.objective == "utility"

    @property
    def gap(self) -> float:
        """What is not proven, as a part of the best-known value; infinite where something is missing."""
        if self.best is None or self.bound is None:
            return float("inf")
        room = self.bound.value - self.best.value if self.maximise else self.best.value - self.bound.value
        return max(0.0, room) / abs(self.best.value) if self.best.value else float("inf")

    @property
    def controllable_gap(self) -> float:
        """The same as a part of what decisions change; see `dtopt.result.controllable_gap`."""
        if self.best is None or self.bound is None:
            return float("inf")
        # A bound that is passed within rounding is reached.
        return (
            0.0 if self.gap == 0 else controllable_gap(self.best.value, self.bound.value, self.uncontrollable_objective)
        )


class Suite(_Strict):
    """A set of instances under a name and a number that changes when the set does.

    Parameters
    ----------
    name : str
    release : int
        Raised when instances change; best-known values and bounds change within one.
    summary : str
    checksum : str
        Of name, release and all instances with their hashes, what is known of them left out: what a paper cites.
    instances : list of Entry
    """

    format: Literal["dtopt-suite"] = "dtopt-suite"
    version: Literal[1] = 1
    name: str
    release: int
    summary: str
    checksum: str
    instances: list[Entry]

    def entry(self, name: str) -> Entry:
        """Return the instance of that name.

        Raises
        ------
        InputError
            If there is none.
        """
        for entry in self.instances:
            if entry.name == name:
                return entry
        raise InputError(
            f"suite {self.name!r} has no instance {name!r}",
            mend=f"{meant(name, (e.name for e in self.instances))}it has {', '.join(e.name for e in self.instances)}",
        )

    def with_entry(self, entry: Entry) -> Suite:
        """Return the suite with the entry of that name replaced."""
        return self.model_copy(update={"instances": [entry if e.name == entry.name else e for e in self.instances]})

    def identity(self) -> str:
        """Return the checksum that the suite ought to have."""
        kept = [e.model_dump(exclude={"best", "bound", "uncontrollable_objective"}) for e in self.instances]
        text = json.dumps([self.name, self.release, kept], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def suite_names() -> tuple[str, ...]:
    """Return the names of the suites that are installed."""
    return tuple(sorted(_entries()))


def load_suite(name: str) -> Suite:
    """Return a suite by name, or from a JSON file.

    Raises
    ------
    InputError
        If there is none, or its file is damaged: its checksum is not that of its instances.
    """
    return read_suite(suite_file(name))


def suite_file(name: str) -> Path:
    """Return the file of a suite, given by name or as a path."""
    if name.endswith(".json"):
        return Path(name)
    entry = _entries().get(name)
    if entry is None:
        mend = f"{meant(name, suite_names())}one of {', '.join(suite_names())}, or a .json file"
        raise InputError(f"there is no suite {name!r}", mend=mend)
    try:
        with as_file(files(entry.value) / f"{name}.json") as path:
            return path
    except ImportError as error:
        raise InputError(f"suite {name!r} cannot be loaded: {error}") from None


def read_suite(path: Path) -> Suite:
    """Return the suite in a file; see `load_suite`."""
    try:
        document = load_json(path)
        if document.get("format") != FORMAT or document.get("version") != VERSION:
            raise InputError("is no suite of dtopt", mend=f'its format is "{FORMAT}", its version {VERSION}')
        suite = Suite.model_validate(document)
        names = [entry.name for entry in suite.instances]
        if len(set(names)) < len(names):
            raise InputError("names an instance twice", where="instances")
        if suite.checksum != suite.identity():
            raise InputError(
                "is not that of its instances", where="checksum", mend="the file was changed or is damaged"
            )
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise InputError(f"{where}: {fault['msg'].lower()}", where=str(path)) from None
    except InputError as error:
        raise (error if (error.where or "").startswith(str(path)) else error.within(str(path))) from None
    return suite


def write_suite(suite: Suite, path: Path) -> None:
    """Write a suite, one line for each instance."""
    document = suite.model_dump()
    document["instances"] = [{k: v for k, v in e.items() if v is not None} for e in document["instances"]]
    for entry in document["instances"]:
        for known in ("best", "bound"):
            if known in entry:
                entry[known] = {k: v for k, v in entry[known].items() if v is not None}
    save_json(document, path)


def select(wanted: Iterable[str]) -> list[tuple[Suite, Entry]]:
    """Return the instances that names mean: ``paper``, ``paper/100x10-s1``, ``paper/100x10-*``, ``mine.json``.

    Raises
    ------
    InputError
        If a suite or an instance is not there.
    """
    found: dict[tuple[str, str], tuple[Suite, Entry]] = {}
    for text in wanted:
        whole = text.endswith(".json") or "/" not in text
        name, _, pattern = (text, "", "*") if whole else text.partition("/")
        suite = load_suite(name)
        entries = [e for e in suite.instances if fnmatch.fnmatchcase(e.name, pattern)]
        if not entries:
            suite.entry(pattern)
        for entry in entries:
            found.setdefault((suite.name, entry.name), (suite, entry))
    return list(found.values())
