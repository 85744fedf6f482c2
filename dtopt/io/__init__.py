"""Instance and solution files: JSON for people, npz for large instances; see docs/files.md.

The format follows the file's suffix. Every fault of a file is one `InputError` whose line names the file and the field.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from dtopt.errors import InputError

if TYPE_CHECKING:
    from os import PathLike

    from dtopt.io.solutions import SolutionInfo
    from dtopt.problem import Problem
    from dtopt.result import Result
    from dtopt.solution import Solution

__all__ = ["NO_HASH", "SUFFIXES", "read", "read_solution", "read_solution_info", "write", "write_solution"]

#: Suffixes of instance and solution files.
SUFFIXES = (".json", ".npz")
#: What a solution file without a hash leaves open.
NO_HASH = "does not say which instance it solves (no instance.hash): only its sizes are checked against this instance"


#: Other kinds of files by suffix, and what reads them.
_OTHER_READERS = {
    (".csv", ".tsv", ".gz"): "lists of stations and users: dtopt generate csv; traces: dtopt scenario --trace",
    (".xml",): "traces: dtopt scenario --trace",
}
#: Files of generalized-assignment problems have any suffix, or none.
_GAP = "generalized assignment: --format gap, or gap-max for profits"


def _suffix(path: Path, *, instance: bool = False) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        mend = f"one of {', '.join(SUFFIXES)}"
        if instance:
            others = [text for suffixes, text in _OTHER_READERS.items() if suffix in suffixes]
            mend = "; ".join([mend, *others, *([] if suffix == ".xml" else [_GAP])])
        raise InputError(f"unknown kind of file {suffix!r}", where=str(path), mend=mend)
    return suffix


def read(path: str | PathLike[str]) -> Problem:
    """Read an instance.

    Raises
    ------
    InputError
        If the file cannot be read or is not a valid instance; the line names the field.
    """
    from dtopt.io import instances

    path = Path(path)
    try:
        return instances.from_json(path) if _suffix(path, instance=True) == ".json" else instances.from_npz(path)
    except InputError as error:
        raise _named(error, path) from None


def write(problem: Problem, path: str | PathLike[str]) -> None:
    """Write an instance; an existing file is replaced in one step or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    from dtopt.io import instances

    path = Path(path)
    if _suffix(path) == ".json":
        instances.to_json(problem, path)
    else:
        instances.to_npz(problem, path)


def read_solution(path: str | PathLike[str], problem: Problem | None = None) -> Solution:
    """Read a solution; with a problem given, check that it is a solution of that problem.

    A file without the hash of its instance, from another program, fits every instance of its size: with a problem given
    it is read with a `UserWarning`.

    Raises
    ------
    InputError
        If the file is not a valid solution, or belongs to another instance.
    """
    info = read_solution_info(path, problem)
    if problem is not None and info.instance_hash is None:
        warnings.warn(f"{path}: {NO_HASH}", stacklevel=2)
    return info.solution


def read_solution_info(path: str | PathLike[str], problem: Problem | None = None) -> SolutionInfo:
    """Read a solution with what the file says of the run that found it; see `read_solution`.

    There is no warning about a file without the hash of its instance; its `instance_hash` is None.
    """
    from dtopt.io import solutions

    path = Path(path)
    try:
        return solutions.read_info(path, problem, binary=_suffix(path) == ".npz")
    except InputError as error:
        raise _named(error, path) from None


def write_solution(found: Result | Solution, path: str | PathLike[str], problem: Problem) -> None:
    """Write a solution, tied to its instance by the content hash.

    Parameters
    ----------
    found : Result or Solution
        From a result, what the run tells (solver, seed, status, bound, versions, times) is kept too.
    path : path
    problem : Problem
        What it solves.

    Raises
    ------
    InputError
        If there is no solution in the result, or the file cannot be written.
    """
    from dtopt.io import solutions

    path = Path(path)
    solutions.write_info(found, path, problem, binary=_suffix(path) == ".npz")


def _named(error: InputError, path: Path) -> InputError:
    """Return the error with the file's name in front, unless it is there already."""
    name = str(path)
    return error if (error.where or "").startswith(name) else error.within(name)
