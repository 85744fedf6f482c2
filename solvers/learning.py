"""What trainers share: the folder of a run, with checkpoints that a kill cannot spoil and logs that go on after it.

A trainer is a module of the entry-point group `dtopt.trainers`. It has a pydantic model ``Config`` and a function
``train(config, directory, *, resume=False, on_step=None)``:

config : Config
    The same one gives the same result.
directory : Path
    Everything is written there, see `TrainingFolder`.
resume : bool
    Go on from what is there, to the same result as if there had been no break.
on_step : OnStep, optional
    Called with the step, the number of all steps, and the figures of the log.

It raises InputError on a directory that has a run already, or none to go on with, or one of another configuration.
"""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dtopt.errors import DtoptError, InputError
from dtopt.io.files import load_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from pydantic import BaseModel

__all__ = ["CHECKPOINT", "CONFIG", "OnStep", "TrainingFolder", "load_checkpoint", "one_thread", "save_checkpoint"]

#: The file a run goes on from, that of its settings, and its log.
CHECKPOINT, CONFIG, LOG = "checkpoint.pt", "config.json", "log.csv"

OnStep = Callable[[int, int, Mapping[str, Any]], None]


class TrainingFolder:
    """The folder of a run: settings, log in CSV and for TensorBoard, checkpoint. While it is entered, one thread.

    Parameters
    ----------
    directory : Path
    config : BaseModel
    columns : sequence of str
        Of the log; the first is the step, and ``seconds`` is filled in.
    resume : bool
    work : str, optional
        What the trainer makes there before its first checkpoint, a file or a folder: a run that has it has begun.

    Attributes
    ----------
    path : Path
    state : dict
        What the last checkpoint has, see `save`; empty where there is none yet, and once it is taken over.

    Raises
    ------
    InputError
        If there is a run already, or none to resume, or it is of another configuration.
    """

    def __init__(
        self, directory: Path | str, config: BaseModel, columns: Sequence[str], *, resume: bool, work: str | None = None
    ) -> None:
        self.path, self.columns = Path(directory), tuple(columns)
        self.state: dict[str, Any] = {}
        self._described = config.model_dump_json()
        checkpoint, settings = self.path / CHECKPOINT, self.path / CONFIG
        begun = checkpoint.exists() or (work is not None and (self.path / work).exists())
        if resume and not begun:
            raise InputError("there is no run to go on with", where=str(directory), mend="leave out --resume")
        if begun and not resume:
            mend = "go on with --resume, or name another folder by -o"
            raise InputError("there is a run already", where=str(directory), mend=mend)
        if checkpoint.exists():
            state = load_checkpoint(checkpoint)
            with restoring(checkpoint):
                self._same(state["config"] == self._described, checkpoint)
            self.state = state
        elif resume and settings.exists():
            self._same(config.__class__.model_validate(load_json(settings)) == config, settings)
        self.path.mkdir(parents=True, exist_ok=True)
        if not (resume and settings.exists()):
            write_text(config.model_dump_json(indent=1) + "\n", settings)

    @staticmethod
    def _same(same: bool, path: Path) -> None:
        if not same:
            mend = "resume with the same one, or train into another folder"
            raise InputError("is of another configuration", where=str(path), mend=mend)

    def __enter__(self) -> TrainingFolder:
        self._before, self._began = self.state.get("seconds", 0.0), time.perf_counter()
        with ExitStack() as stack:
            stack.enter_context(one_thread())
            self._logs = stack.enter_context(closing(Logs(self.path, self.columns, after=self.state.get("step", 0))))
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exit.__exit__(kind, error, traceback)

    @property
    def seconds(self) -> float:
        """Wall time of the training, breaks left out, s."""
        return float(self._before + time.perf_counter() - self._began)

    @contextmanager
    def restoring(self) -> Iterator[dict[str, Any]]:
        """Give what the last checkpoint has, for once; whatever goes wrong with it is told as one InputError."""
        with restoring(self.path / CHECKPOINT):
            yield self.state
        # Replay memories and answers may be large.
        self.state = {}

    def log(self, step: int, values: Mapping[str, Any]) -> dict[str, Any]:
        """Write a row of the log, and return it."""
        row = {self.columns[0]: step, **values, "seconds": self.seconds}
        self._logs.row(row)
        return row

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Write a checkpoint of all that decides how training goes on, and make sure that the log survives a kill."""
        self._logs.flush()
        beside = {"config": self._described, "step": step, "seconds": self.seconds}
        save_checkpoint({**beside, **state}, self.path / CHECKPOINT)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep PyTorch to one thread: the networks are small, and the machine belongs to others too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


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
        path = directory / LOG
        rows: list[dict[str, str]] = []
        if after > 0 and path.exists():
            with path.open(newline="") as file:
                # A kill can cut the last row short.
                rows = [r for r in csv.DictReader(file) if None not in r.values() and int(r[self.columns[0]]) <= after]
        # Rows that are kept are never without a file, should another kill come now.
        part = path.with_name(path.name + ".part")
        with part.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(rows)
        part.replace(path)
        self._file = path.open("a", newline="")
        self._csv = csv.DictWriter(self._file, self.columns)
        self._board = SummaryWriter(directory / "tensorboard", purge_step=after + 1 if after else None)

    def close(self) -> None:
        """Close both."""
        self._file.close()
        self._board.close()

    def row(self, values: Mapping[str, Any]) -> None:
        """Write the values of one step, itself among them."""
        self._csv.writerow({key: repr(float(v)) if isinstance(v, float) else v for key, v in values.items()})
        for key, value in values.items():
            if isinstance(value, float) and math.isfinite(value):
                self._board.add_scalar(key, value, values[self.columns[0]])

    def flush(self) -> None:
        """Make sure that what was written survives a kill."""
        self._file.flush()
        self._board.flush()
