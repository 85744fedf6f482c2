"""Conflicts: users that cannot be served together, and the words in which people are told so.

`Limits` are the necessary conditions of a feasible association, from which conflicts are proven. They are a little
looser than the evaluator, so that rounding never proves a feasible instance infeasible.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Problem

__all__ = ["KINDS", "Conflict", "Limits", "needed_kinds"]

#: The kinds of constraint that a conflict may be due to, by the evaluator's names.
KINDS = ("capacity", "deadline", "cpu", "max-servers")
#: The order in which proofs try to do without them: the simplest to tell come last.
DROPPED = ("max-servers", "cpu", "deadline", "capacity")
#: Relative slack on deadlines and CPU; twice the evaluator's tolerance.
LOOSE = 2e-9
#: So many users or stations are named in a message; the rest are counted.
NAMED = 8


@dataclass(frozen=True, eq=False)
class Limits:
    """What every feasible association of some users keeps to.

    Parameters
    ----------
    allowed : ndarray of bool, shape (n, M)
        The servers that each user could be on alone.
    part : ndarray, shape (n, M)
        The least part of the server's CPU that goes to each pair; 0 where it is not allowed. On a server the parts
        sum to at most 1.
    most : ndarray of int, shape (n, M)
        The most twins, itself included, with which each user may share the server.
    room : ndarray of int, shape (M,)
        The most twins on each server.
    max_open : int
        The most servers in use.
    """

    allowed: BoolArray
    part: FloatArray
    most: IntArray
    room: IntArray
    max_open: int

    @classmethod
    def of(cls, problem: Problem, users: IntArray | None = None, kinds: Collection[str] = KINDS) -> Limits:
        """Return the limits on some users, all where not given, by some kinds of constraint.

        Coverage, and the servers that a problem allows at all, always count.
        """
        users = np.arange(problem.n_users) if users is None else users
        rows, columns = users[:, None], np.arange(problem.n_stations)[None, :]
        stations = problem.network.stations
        cpu = stations.cpu_hz * (1.0 + LOOSE)
        room = np.full(problem.n_stations, users.size, dtype=np.int64)
        if "capacity" in kinds:
            room = np.minimum(room, stations.capacity)
        allowed = problem.server_allowed & (room > 0) & np.isfinite(problem.transfer_latency(rows, columns))
        floor = _floor(problem, rows, columns) if "deadline" in kinds else np.zeros(allowed.shape)
        if problem.sharing == "fixed":
            demand = problem.demand(rows, columns)
            allowed = allowed & (floor <= demand * (1.0 + LOOSE))
            need = demand
        else:
            allowed = allowed & np.isfinite(floor)
            need = np.where(allowed, floor, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.where(need > 0, need / cpu, 0.0)
        if "cpu" not in kinds:
            part = np.zeros_like(part)
        allowed = allowed & (part <= 1.0)
        part = np.where(allowed, part, 0.0)
        most = np.broadcast_to(room, allowed.shape)
        if problem.sharing == "equal":
            # n twins get 1/n each, so n · part <= 1 for all of them, and a twin takes 1/most in effect.
            with np.errstate(divide="ignore"):
                most = np.minimum(most, np.floor(1.0 / part).clip(max=users.size)).astype(np.int64)
            # Loosened too, since nine times 1/9 may round to more than 1.
            part = np.where(allowed & (part > 0), 1.0 / (np.maximum(most, 1) * (1.0 + LOOSE)), 0.0)
        return cls(np.asarray(allowed), part, most, room, problem.max_open if "max-servers" in kinds else room.size)

    def rows(self, rows: IntArray) -> Limits:
        """Return the limits on some of the users only."""
        return replace(self, allowed=self.allowed[rows], part=self.part[rows], most=self.most[rows])

    def together(self) -> IntArray:
        """Return the most of these users that each server can keep at once, shape (M,)."""
        part = np.sort(np.where(self.allowed, self.part, np.inf), axis=0)
        by_cpu = (np.cumsum(part, axis=0) <= 1.0).sum(axis=0)
        most = np.sort(np.where(self.allowed, self.most, 0), axis=0)[::-1]
        by_count = (most >= np.arange(1, most.shape[0] + 1)[:, None]).sum(axis=0)
        return np.asarray(np.minimum(np.minimum(by_cpu, by_count), self.room))

    def largest(self, of_server: FloatArray | IntArray) -> float:
        """Return the largest sum of what servers give over as many as may be open."""
        return float(np.sort(of_server)[::-1][: self.max_open].sum())


def _floor(problem: Problem, users: IntArray, servers: IntArray) -> FloatArray:
    """Return `Problem.compute_floor` at a looser deadline."""
    shape = np.broadcast_shapes(users.shape, servers.shape)
    if not problem.deadlines_bind:
        return np.zeros(shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        slack = problem.network.users.deadline_s[users] * (1.0 + LOOSE)
        slack = slack - problem.deadline_transfer_latency(users, servers)
        cycles = np.broadcast_to(problem.deadline_cycles[users], shape)
        return np.where(cycles > 0, np.where(slack > 0, cycles / slack, np.inf), np.where(slack >= 0, 0.0, np.inf))


def needed_kinds(problem: Problem, users: IntArray, proven: Callable[[Limits], bool]) -> tuple[str, ...]:
    """Return kinds of constraint under which some users conflict, leaving out one after the other where possible.

    Parameters
    ----------
    problem : Problem
    users : ndarray of int
        They conflict under all kinds together.
    proven : callable
        Whether limits on these users are proven to conflict.
    """
    matters = {
        "capacity": bool((problem.network.stations.capacity < problem.n_users).any()),
        "deadline": problem.deadlines_bind,
        "cpu": problem.deadlines_bind or problem.sharing == "fixed",
        "max-servers": problem.max_open < int(problem.server_allowed.sum()),
    }
    kept = tuple(kind for kind in KINDS if matters[kind])
    for kind in DROPPED:
        fewer = tuple(other for other in kept if other != kind)
        if fewer != kept and proven(Limits.of(problem, users, fewer)):
            kept = fewer
    return kept


@dataclass(frozen=True)
class Conflict:
    """Users that cannot be served together, proven.

    Parameters
    ----------
    users : tuple of int
    servers : tuple of int
        Those that could serve at least one of them.
    constraints : tuple of str
        The kinds of constraint that suffice for the proof, out of `KINDS`; none where there is no coverage.
    irreducible : bool
        Whether without any one of the users, or any one of the kinds, the others can be met.
    text : str
        One line for people.
    """

    users: tuple[int, ...]
    servers: tuple[int, ...]
    constraints: tuple[str, ...]
    irreducible: bool
    text: str

    @classmethod
    def of(cls, problem: Problem, users: IntArray, constraints: Collection[str], *, irreducible: bool) -> Conflict:
        """Return the conflict of some users under some kinds of constraint, which the caller has proven."""
        users = np.sort(users)
        constraints = tuple(kind for kind in KINDS if kind in constraints)
        limits = Limits.of(problem, users, constraints)
        servers = np.flatnonzero(limits.allowed.any(axis=0))
        who = _listed(users, problem.network.users.name, "user", problem.network.users.names)
        reason = _reason(problem, users, constraints, limits, servers)
        together = " together" if users.size > 1 else ""
        text = f"{who} cannot be served{together}: {reason}"
        if not irreducible:
            text += "; fewer of them may conflict already"
        return cls(tuple(users.tolist()), tuple(servers.tolist()), constraints, irreducible, text)

    def __str__(self) -> str:
        return self.text


# --- words ------------------------------------------------------------------------------------------------------------


def _listed(items: IntArray, name: Callable[[int], str], word: str, names: Sequence[str] | None) -> str:
    """Return users or stations by name, or as in ``users 3, 8 and 11``; of many only the first."""
    shown = [name(i) if names else str(i) for i in items[:NAMED].tolist()]
    more = items.size - len(shown)
    if more:
        text = f"{', '.join(shown)}, … and {more} more"
    else:
        text = f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else shown[0]
    return text if names else f"{word}{'s' if items.size > 1 else ''} {text}"


def _reason(problem: Problem, users: IntArray, kinds: tuple[str, ...], limits: Limits, servers: IntArray) -> str:
    """Return why users cannot be served together: where they could be, and what those servers lack."""
    stranded = ~limits.allowed.any(axis=1)
    if stranded.any():
        return _why_stranded(users[stranded], kinds)
    capacity = problem.network.stations.capacity
    usable = np.flatnonzero(problem.server_allowed & ((capacity > 0) | ("capacity" not in kinds)))
    subject, among = f"the {usable.size} servers", f"the {usable.size} servers"
    name, names = problem.network.stations.name, problem.network.stations.names
    where = ""
    if servers.size < usable.size:
        where = f"{_cause(problem, users, kinds, servers)} {_listed(servers, name, 'station', names)} only"
        subject, among = f"{where}, which", "these"
    elif servers.size == 1:
        subject = among = name(int(servers[0]))
    what = _shortage(problem, users, kinds, limits, servers)
    if what:
        text = f"{subject}{what}"
    else:
        # No count shows it: it took a search, or prices.
        text = f"{where}, and " if where else ""
        if limits.max_open < servers.size:
            text += f"no {limits.max_open} of {among} can take all of them"
        else:
            text += f"no division of them among {among} fits"
    # Deadlines are named in words, if at all.
    tag = ", ".join(kind for kind in kinds if kind != "deadline" or "deadline" not in text)
    return f"{text} ({tag})" if tag else text


def _shortage(
    problem: Problem, users: IntArray, kinds: tuple[str, ...], limits: Limits, servers: IntArray
) -> str | None:
    """Return what servers have too little of, as a predicate of them; None where no count shows it."""
    has = " have" if servers.size > 1 else " has"
    opened = f" with at most {limits.max_open} open" if limits.max_open < servers.size else ""
    rooms = np.zeros_like(limits.room)
    rooms[servers] = limits.room[servers]
    places = int(limits.largest(rooms))
    if places < users.size:
        return f"{has} {places} {'places' if places != 1 else 'place'}{opened}"
    if problem.sharing != "equal" and "cpu" in kinds:
        cpu = problem.network.stations.cpu_hz
        least = float(np.where(limits.allowed, limits.part * cpu, np.inf).min(axis=1).sum())
        supply = limits.largest(np.where(limits.allowed.any(axis=0), cpu, 0.0))
        if least > supply:
            return f"{has} {supply:.4g} Hz of CPU{opened}, and these users need at least {least:.4g} Hz"
    together = int(limits.largest(limits.together()))
    if together >= users.size:
        needed = float(np.where(limits.allowed, limits.part, np.inf).min(axis=1).sum())
        if problem.sharing == "equal" and needed > min(servers.size, limits.max_open):
            return f"{opened}, with CPU shared equally, are fewer than the {needed:.4g} that their deadlines need"
        return None
    can = " can take"
    if "cpu" in kinds and problem.sharing == "fixed":
        can = " can run"
    elif "cpu" in kinds:
        can = " can keep the deadlines of"
        if problem.sharing == "equal":
            can = f", with CPU shared equally,{can}"
    return f"{can} at most {together} of them{opened}"


def _why_stranded(users: IntArray, kinds: tuple[str, ...]) -> str:
    """Return why users cannot be on any server."""
    who = "it" if users.size == 1 else "any of them"
    if not kinds:
        return f"no station that may be a server covers {who}"
    if kinds == ("capacity",):
        return f"no server has a place for {who} (capacity)"
    if "deadline" in kinds:
        whose = "its deadline" if users.size == 1 else "any of their deadlines"
        extra = ", ".join(kind for kind in kinds if kind != "deadline")
        return f"no server keeps {whose}, not even alone" + (f" ({extra})" if extra else "")
    return f"no server has enough CPU for {who}, not even alone ({', '.join(kinds)})"


def _cause(problem: Problem, users: IntArray, kinds: tuple[str, ...], servers: IntArray) -> str:
    """Return what leaves users only some servers."""
    for kind, words in (("deadline", "hard deadlines leave them"), ("cpu", "CPU demands leave them")):
        if kind in kinds:
            without = Limits.of(problem, users, [k for k in kinds if k != kind])
            if without.allowed.any(axis=0).sum() > servers.size:
                return words
    return "coverage leaves them"
