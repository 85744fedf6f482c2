"""What trainers share: checkpoints that a kill cannot spoil, and logs in CSV and for TensorBoard that go on after it.

A trainer is a module of the entry-point group `dtopt.trainers`. It has a pydantic model ``Config`` and a function
``train(config, directory, *, resume=False, on_step=None)``, which writes into the directory and calls
``on_step(step, steps, metrics)``.
"""

from __future__ import annotations

import csv
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from dtopt.errors import DtoptError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

__all__ = ["CHECKPOINT", "Logs", "check_begun", "load_checkpoint", "restoring", "save_checkpoint"]

#: The file a run goes on from.
CHECKPOINT = "checkpoint.pt"


def check_begun(directory: Path, begun: bool, resume: bool) -> None:
    """Refuse to go on with what was not begun, and to begin what was.

    Raises
    ------
    InputError
    """
    if resume and not begun:
        raise InputError("there is no run to go on with", where=str(directory), mend="leave out --resume")
    if not resume and begun:
        raise InputError("there is a run already", where=str(directory), mend="go on with --resume, or name another")


def save_checkpoint(state: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint whole or not at all: a kill on the way leaves the one before it.

    Parameters
    ----------
    state : mapping
        Tensors, numbers, text, and lists and dictionaries of them; nothing else can be read again.
    path : Path
    """
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return a checkpoint; only data is read, no code is run.

    Raises
    ------
    InputError
        If there is none, or it is no checkpoint.
    """
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
    except FileNotFoundError:
        raise InputError("there is no checkpoint", where=str(path), mend="train without --resume") from None
    except Exception as error:
        first = str(error).partition("\n")[0]
        raise InputError(f"is no checkpoint: {first}", where=str(path)) from error
    if not isinstance(state, dict):
        raise InputError("is no checkpoint: it holds no dictionary", where=str(path))
    return state


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """Tell of whatever goes wrong while a checkpoint's parts are taken over as one InputError."""
    try:
        yield
    except DtoptError:
        raise
    except Exception as error:  # torch, NumPy and pydantic raise some ten kinds for parts that are missing or wrong
        first = str(error).strip().partition("\n")[0]
        what = f"is no checkpoint of this method: {type(error).__name__}: {first}"
        raise InputError(what, where=str(path), mend="train without --resume") from error


class Logs:
    """A CSV file and TensorBoard events of one run.

    Parameters
    ----------
    directory : Path
    columns : sequence of str
        The first is the step.
    after : int
        Rows of later steps, written before a kill, are taken out: the run writes them again.
    """

    def __init__(self, directory: Path, columns: Sequence[str], *, after: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.columns = tuple(columns)
        path = directory / "log.csv"
        rows: list[dict[str, str]] = []
        if after > 0 and path.exists():
            with path.open(newline="") as file:
                # A kill can cut the last row short.
                rows = [r for r in csv.DictReader(file) if None not in r.values() and int(r[self.columns[0]]) <= after]
        self._file = path.open("w", newline="")
        self._csv = csv.DictWriter(self._file, self.columns)
        self._csv.writeheader()
        self._csv.writerows(rows)
        self._board = SummaryWriter(directory / "tensorboard", purge_step=after + 1 if after else None)

    def __enter__(self) -> Logs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        self._board.close()

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values of one step."""
        self._csv.writerow({self.columns[0]: step} | {key: repr(float(v)) for key, v in values.items()})
        for key, value in values.items():
            self._board.add_scalar(key, value, step)

    def flush(self) -> None:
        """Make sure that what was written survives a kill."""
        self._file.flush()
        self._board.flush()
