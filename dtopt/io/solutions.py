"""Solutions to and from files, tied to their instance by its content hash."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.errors import InputError
from dtopt.io import schema
from dtopt.io.files import load_json, load_npz, save_json, save_npz
from dtopt.result import Result
from dtopt.solution import Solution

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from dtopt.problem import Problem

__all__ = ["SolutionInfo", "read_info", "write_info"]

#: The arrays of an npz file and the kinds of number they may be made of; floats must be whole where "i" is meant.
_ARRAYS = {"association": "if", "open_servers": "if", "cpu_share_hz": "f"}
#: What of a result goes into the file beside the solution itself.
_RESULT_FIELDS = (
    *("solver", "seed", "status", "objective", "bound", "gap", "uncontrollable_objective", "controllable_gap"),
    *("wall_s", "cpu_s", "iterations", "versions"),
)


@dataclass(frozen=True, eq=False)
class SolutionInfo:
    """A solution file.

    Parameters
    ----------
    solution : Solution
    instance_name : str
        What it solves; empty where the file does not say.
    instance_hash : str or None
        The content hash of the instance; None where the file does not say which instance it solves.
    result : mapping
        What the file says of the run that found it; empty where it says nothing.
    """

    solution: Solution
    instance_name: str
    instance_hash: str | None
    result: Mapping[str, Any]


def read_info(path: Path, problem: Problem | None, *, binary: bool) -> SolutionInfo:
    """Return the solution in a file, checked against its problem where that is given.

    A file without the instance's hash is read: its sizes and station numbers are checked, whether it is a solution of
    this instance cannot be. A wrong hash is an error.
    """
    settings: schema.SolutionSettings
    arrays: dict[str, npt.NDArray[Any]]
    if binary:
        header, arrays = load_npz(path, bare=True)
        settings = schema.check(schema.SolutionSettings, header, schema.SOLUTION_FORMAT)
        for name, array in arrays.items():
            if name not in _ARRAYS:
                raise InputError("is not a known array", where=name)
            if array.dtype.kind not in _ARRAYS[name]:
                raise InputError(f"has type {array.dtype}", where=name)
        if "association" not in arrays:
            raise InputError("is missing", where="association")
    else:
        document = schema.check(schema.SolutionDocument, load_json(path), schema.SOLUTION_FORMAT)
        settings = document
        for i, k in enumerate(document.association):
            if k is not None and k < 0:
                raise InputError(f"must be >= 0, got {k}", where=f"association[{i}]", mend="null stands for no server")
        try:
            arrays = {
                "association": np.array([-1 if k is None else k for k in document.association], dtype=np.int64),
            }
            if document.open_servers is not None:
                arrays["open_servers"] = np.array(document.open_servers, dtype=np.int64)
        except OverflowError:
            raise InputError("holds a number that is no station", where="association or open_servers") from None
        if document.cpu_share_hz is not None:
            arrays["cpu_share_hz"] = np.array(document.cpu_share_hz)
    instance = settings.instance or schema.InstanceRef()
    if problem is not None and instance.hash is not None and instance.hash != problem.content_hash:
        ours, theirs = problem.content_hash[:12], " ".join(instance.hash[:12].split())
        raise InputError(
            f"is {theirs}..., the instance has {ours}...",
            where="instance.hash",
            mend="the solution is of another instance, or the instance was changed",
        )
    solution = Solution(arrays["association"], arrays.get("open_servers"))  # type: ignore[arg-type] # those in use where not given
    if problem is not None:
        solution.check(problem)
    if "cpu_share_hz" in arrays:
        solution = replace(solution, cpu_share_hz=arrays["cpu_share_hz"])
    return SolutionInfo(solution, instance.name, instance.hash, settings.result or {})


def write_info(found: Result | Solution, path: Path, problem: Problem, *, binary: bool) -> None:
    """Write a solution, or that of a result with what the run tells."""
    if isinstance(found, Result):
        if found.solution is None:
            raise InputError(f"{found.solver} found no solution to write")
        solution = found.solution
        whole = found.to_dict()
        result = {field: whole[field] for field in _RESULT_FIELDS}
    else:
        solution, result = found, None
    solution.check(problem)
    settings = {
        "format": schema.SOLUTION_FORMAT,
        "version": schema.VERSION,
        "instance": {"name": problem.name, "hash": problem.content_hash},
        "result": result,
    }
    shares = solution.cpu_share_hz
    if binary:
        arrays = {"association": solution.association, "open_servers": solution.open_servers}
        if shares is not None:
            arrays["cpu_share_hz"] = shares  # type: ignore[assignment]
        save_npz(settings, arrays, path)
        return
    save_json(
        {
            **settings,
            "open_servers": solution.open_servers.tolist(),
            "association": [None if k < 0 else k for k in solution.association.tolist()],
            "cpu_share_hz": None if shares is None else shares.tolist(),
        },
        path,
    )
