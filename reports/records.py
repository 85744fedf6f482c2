"""One finished run as it is kept: its key, its columns, its checksum; from and to JSON and the values of a table."""

from __future__ import annotations

import hashlib
import json
import math
from base64 import b64decode, b64encode
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from dtopt.io.packed import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dtopt.arrays import IntArray

__all__ = ["COLUMNS", "Run", "canonical", "checksum", "run_key"]


def canonical(value: object) -> str:
    """Return JSON text that is the same for the same content."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def run_key(instance_hash: str, solver: str, options: str, seed: int, time_limit: float | None) -> str:
    """Return what identifies a run: the same instance, solver, options (canonical JSON), seed and limit."""
    limit = None if time_limit is None or math.isnan(time_limit) else float(time_limit).hex()
    return hashlib.sha256(canonical([instance_hash, solver, options, int(seed), limit]).encode()).hexdigest()[:32]


def checksum(values: Sequence[object]) -> str:
    """Return a checksum of the values of a row, exact to the last bit of a number."""
    digest = hashlib.sha256()
    for value in values:
        if isinstance(value, bytes):
            text = "b" + hashlib.sha256(value).hexdigest()
        elif isinstance(value, float):
            text = "f" + value.hex()
        else:
            text = f"{type(value).__name__[0]}{value!r}"
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()[:32]


@dataclass(frozen=True, eq=False)
class Run:
    """One finished run; see `reports.results.Results` for what the columns are.

    Parameters
    ----------
    key, instance, hash, solver, options, seed, time_limit
        Which run: `run_key`, the instance's label and content hash, the solver, its options as canonical JSON, seed and
        limit (None for none).
    status, objective, bound, latency_s, n_open, terms
        What came of it; None where there is none. `terms` is JSON text.
    wall_s, cpu_s, iterations, message, machine, finished
        How; `finished` is UTC in ISO form.
    trace : tuple of (float, float)
    association : ndarray of int or None
    open_servers : ndarray of int or None
        Only where more servers are open than are in use.
    """

    key: str
    instance: str
    hash: str
    solver: str
    options: str
    seed: int
    time_limit: float | None
    status: str
    objective: float | None = None
    bound: float | None = None
    latency_s: float | None = None
    n_open: int | None = None
    terms: str = "{}"
    wall_s: float | None = None
    cpu_s: float | None = None
    iterations: int = 0
    message: str = ""
    machine: str = ""
    finished: str = ""
    trace: tuple[tuple[float, float], ...] = ()
    association: IntArray | None = None
    open_servers: IntArray | None = None

    # --- the table ------------------------------------------------------------------------------------------------

    def values(self) -> tuple[object, ...]:
        """Return the values of `COLUMNS`, of SQLite's types."""
        row: list[object] = []
        for name in COLUMNS:
            value = getattr(self, name)
            if name == "trace":
                value = canonical([list(step) for step in value])
            elif name in _PACKED:
                value = None if value is None else pack(value)
            row.append(value)
        return tuple(row)

    @classmethod
    def from_values(cls, values: Sequence[Any]) -> Run:
        """Return the run of values of a table.

        Raises
        ------
        ValueError
            If a value is not of its column's type, or the key is not that of the run.
        """
        given: dict[str, Any] = dict(zip(COLUMNS, values, strict=True))
        for name, value in given.items():
            _check(name, value)
        given["trace"] = tuple((float(t), float(y)) for t, y in json.loads(given["trace"]))
        for name in _PACKED:
            given[name] = None if given[name] is None else unpack(given[name])
        run = cls(**given)
        if run.key != run_key(run.hash, run.solver, run.options, run.seed, run.time_limit):
            raise ValueError("its key is of another run")
        return run

    # --- between processes ----------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        found: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        found["trace"] = [list(step) for step in self.trace]
        for name in _PACKED:
            found[name] = None if found[name] is None else b64encode(pack(found[name])).decode()
        return found

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Run:
        """Return the run that `to_json` was asked of."""
        given = dict(document)
        given["trace"] = tuple((float(t), float(y)) for t, y in given["trace"])
        for name in _PACKED:
            given[name] = None if given[name] is None else unpack(b64decode(given[name]))
        return cls(**given)


#: Columns of the table of runs, in their order.
COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(Run))
_PACKED = ("association", "open_servers")
_WHOLE = ("seed", "iterations")
_OPTIONAL: dict[str, type] = {"n_open": int, "association": bytes, "open_servers": bytes}
_OPTIONAL |= dict.fromkeys(("time_limit", "objective", "bound", "latency_s", "wall_s", "cpu_s"), float)


def _check(name: str, value: object) -> None:
    kind: type = int if name in _WHOLE else _OPTIONAL.get(name, str)
    fine = (value is None and name in _OPTIONAL) or isinstance(value, kind)
    if not fine:
        raise ValueError(f"its {name} is no {kind.__name__}")
