"""What is to be run, as TOML: checked before the first run."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from dtopt.errors import InputError, meant

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BenchConfig", "SolverConfig", "check_config", "read_config", "read_document"]

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SolverConfig(_Strict):
    """A solver with what is its own; what is not given is that of the whole.

    Parameters
    ----------
    name : str
    options : dict
        Passed to the solver.
    seeds, time_limits
        One seed will do for a solver that draws nothing.
    max_iterations : int or None
        Ends a run after so many iterations, in the solver's sense: the same answer on every machine.
    """

    name: str
    options: dict[str, Any] = {}
    seeds: list[Seed] | None = None
    time_limits: list[Seconds] | None = None
    max_iterations: Annotated[int, Field(ge=1)] | None = None


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class BenchConfig(_Strict):
    """Solvers × instances × seeds × time limits.

    Parameters
    ----------
    title : str
    suites : list of str
        ``paper``, ``paper/100x10-*``, ``mine.json``.
    instances : list of str
        Instance files, patterns of them, or presets such as ``paper:users=80,seed=3``.
    format : str
        Of files: ``auto``, ``gap``, ``gap-max``.
    solvers : list or None
        Names, or tables as `SolverConfig`; None for all that are registered.
    seeds : list of int
    time_limits : list of float
        s; none at all for runs that end by themselves or by `max_iterations`.
    max_iterations : int or None
    threads : int
        That each run may use.
    hard_factor, hard_extra_s : float
        A run that has not ended after `hard_factor` times its limit and `hard_extra_s` more is stopped.
    memory_limit : float or None
        GiB of resident memory, interpreter and libraries included, at which a run is stopped.
    """

    title: str = ""
    suites: list[str] = []
    instances: list[str] = []
    format: str = "auto"
    solvers: list[Annotated[SolverConfig, BeforeValidator(_named)]] | None = None
    seeds: list[Seed] = [0]
    time_limits: list[Seconds] = [10.0]
    max_iterations: Annotated[int, Field(ge=1)] | None = None
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    hard_factor: Annotated[float, Field(ge=1, le=1000)] = 2.0
    hard_extra_s: Annotated[float, Field(ge=0, le=1e6)] = 10.0
    memory_limit: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @field_validator("seeds")
    @classmethod
    def _some(cls, value: list[int]) -> list[int]:
        if not value:
            raise ValueError("should hold a seed")
        return value

    def hard_limit(self, time_limit: float | None) -> float | None:
        """Return when a run is stopped that does not end by itself, s; None for never."""
        return None if time_limit is None else self.hard_factor * time_limit + self.hard_extra_s


def read_config(path: Path) -> BenchConfig:
    """Return what a TOML file asks for.

    Raises
    ------
    InputError
        If it cannot be read, is no TOML, or holds what is not known or of a wrong type; one line names the place.
    """
    return check_config(read_document(path), str(path))


def read_document(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds, not checked yet."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"is no TOML: {error}", where=str(path)) from None


def check_config(document: dict[str, Any], where: str) -> BenchConfig:
    """Return a checked configuration of plain values; see `read_config`."""
    try:
        config = BenchConfig.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        known = ""
        if fault["type"] == "extra_forbidden":
            model = SolverConfig if fault["loc"][0] == "solvers" else BenchConfig
            near = meant(str(fault["loc"][-1]), model.model_fields)
            known = f"{near}there are {', '.join(model.model_fields)}"
        what = fault["msg"].removeprefix("Value error, ")
        what = "is not a known setting" if known else what[:1].lower() + what[1:]
        raise InputError(what, where=f"{where}: {place}", mend=known or None) from None
    if not config.suites and not config.instances:
        raise InputError("names no instance", where=where, mend='for example suites = ["paper"]')
    return config
