"""The evaluator: the one judge of feasibility and cost, for every solver and every test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dtopt.elementary import exp
from dtopt.problem import Migration, Placement
from dtopt.sharing import compute_latency, cpu_shares
from dtopt.tolerances import within

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Problem
    from dtopt.solution import Solution

__all__ = ["SAME_SHARES", "Evaluation", "MigrationTerms", "PlacementTerms", "Violation", "evaluate"]

#: CPU shares that come with a solution count as those of the sharing policy up to this relative difference.
SAME_SHARES = 1e-6


@dataclass(frozen=True)
class Violation:
    """One constraint that a solution breaks.

    Parameters
    ----------
    constraint : str
        The paper's number, as ``18b``.
    name : str
        ``assignment``, ``closed-server``, ``capacity``, ``cpu``, ``max-servers``, ``coverage`` or ``deadline``.
    amount : float
        By how much: users, twins, cycles/s or seconds.
    message : str
        One line for people.
    user, server : int, optional
        Whom it concerns.
    """

    constraint: str
    name: str
    amount: float
    message: str
    user: int | None = None
    server: int | None = None


@dataclass(frozen=True)
class PlacementTerms:
    """Every term of the cost of a P1 solution; latencies are means over users, in s.

    Parameters
    ----------
    latency : float
        T_sys of (13).
    paper_latency : float
        T(pl, A) of (17), T_sys / M.
    system_cost : float
        α·T_sys + β_c·(ϕ·m + E), minus the reward (26).
    wireless, wired, compute : float
        The parts of T_sys by where time passes; they sum to it. 0 where pair latencies are given.
    construction, synchronisation : float
        The parts of T_sys by phase: mean T_ini (10), and η times mean T_syn (12).
    n_open : int
        m, open servers.
    placement_cost : float
        ϕ·m.
    energy : float
        E of (25), J.
    lateness : float
        Σ max(0, T_ini − τ), s.
    late_users : int
        Users past their deadline.
    penalty : float
        What soft deadlines add to the objective.
    """

    latency: float
    paper_latency: float
    system_cost: float
    wireless: float
    wired: float
    compute: float
    construction: float
    synchronisation: float
    n_open: int
    placement_cost: float
    energy: float
    lateness: float
    late_users: int
    penalty: float


@dataclass(frozen=True)
class MigrationTerms:
    """Every term of the utility of a P2 solution; latencies are means over users, in s.

    Parameters
    ----------
    utility : float
        Σ U_i of (20), before any penalty.
    satisfaction : float
        Σ β e^{τ_i − T_i}.
    energy : float
        Σ E_i of (19), J, without its weight 1 − β.
    latency : float
        Mean T_i(t), with the weighted moving time.
    wireless, wired, compute, moving : float
        The parts of it; they sum to it.
    n_open : int
        Servers in use.
    migrations : int
        Twins that changed their server.
    moved_bits : float
        Historical data carried by them, bit.
    lateness, late_users, penalty
        As in `PlacementTerms`, with T_i(t) in the place of T_ini.
    """

    utility: float
    satisfaction: float
    energy: float
    latency: float
    wireless: float
    wired: float
    compute: float
    moving: float
    n_open: int
    migrations: int
    moved_bits: float
    lateness: float
    late_users: int
    penalty: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What the evaluator says of a solution.

    Parameters
    ----------
    objective : float
        What the problem minimises (P1) or maximises (P2); infinitely bad while a user has no server.
    violations : tuple of Violation
        Empty where the solution is feasible.
    terms : PlacementTerms or MigrationTerms
    latency_s : ndarray, shape (N,)
        T_i of each user.
    deadline_latency_s : ndarray, shape (N,)
        What is held against the user's deadline.
    cpu_share_hz : ndarray, shape (N,)
        The shares that were judged: those of the problem's sharing policy.
    share_difference : float
        The largest relative difference between the shares that came with the solution and those of the policy; 0 where
        none came.
    """

    objective: float
    violations: tuple[Violation, ...]
    terms: PlacementTerms | MigrationTerms
    latency_s: FloatArray
    deadline_latency_s: FloatArray
    cpu_share_hz: FloatArray
    share_difference: float = 0.0

    @property
    def feasible(self) -> bool:
        """Whether no constraint is broken."""
        return not self.violations

    @property
    def note(self) -> str:
        """One line on shares that differ from those of the policy by more than `SAME_SHARES`; empty where none do."""
        if self.share_difference <= SAME_SHARES:
            return ""
        part = f"by up to {100 * self.share_difference:.3g} %"
        return (
            f"the CPU shares differ from those of the sharing policy {part}; CPU shares are a policy, so the policy's "
            "were judged"
        )


def evaluate(problem: Problem, solution: Solution) -> Evaluation:
    """Return cost, terms and violated constraints of a solution.

    Parameters
    ----------
    problem : Placement or Migration
    solution : Solution
        CPU shares are a policy of the servers, not a decision: those of the problem's sharing policy are judged. Where
        the solution brings others, `Evaluation.share_difference` says so.

    Raises
    ------
    InputError
        If the sizes do not fit; a solution that breaks a constraint is no error.
    """
    solution.check(problem)
    association = solution.association
    shares = cpu_shares(problem, association)
    placed = np.flatnonzero(association >= 0)
    server = association[placed]
    latency, late = np.full(problem.n_users, np.inf), np.full(problem.n_users, np.inf)
    transfer = problem.transfer_latency(placed, server)
    compute = compute_latency(problem.load_cycles[placed], shares[placed])
    latency[placed] = transfer + compute
    late[placed] = problem.deadline_transfer_latency(placed, server) + compute_latency(
        problem.deadline_cycles[placed], shares[placed]
    )
    violations = [
        *_association_violations(problem, solution),
        *_cpu_violations(problem, solution, shares),
        *_latency_violations(problem, association, latency, late),
    ]
    missed = late > within(problem.network.users.deadline_s)
    lateness = _lateness(problem, late, missed)
    terms: PlacementTerms | MigrationTerms
    if isinstance(problem, Placement):
        terms, objective = _placement_terms(problem, solution, latency, late, compute, lateness, int(missed.sum()))
    else:
        assert isinstance(problem, Migration)  # noqa: S101 - the two problems there are
        terms, objective = _migration_terms(problem, solution, latency, compute, lateness, int(missed.sum()))
    difference = _share_difference(solution, shares, placed)
    return Evaluation(objective, tuple(violations), terms, latency, late, np.asarray(shares), difference)


def _share_difference(solution: Solution, shares: FloatArray, placed: IntArray) -> float:
    """Return the largest relative difference between given shares and those of the policy; 0 where none are given."""
    if solution.cpu_share_hz is None:
        return 0.0
    given, due = solution.cpu_share_hz[placed], shares[placed]
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = np.where(given == due, 0.0, np.abs(given - due) / due)
    return float(difference.max(initial=0.0))


def _priced(price: float, amount: float) -> float:
    """Return price · amount, 0 at price 0 even where the amount is infinite."""
    return price * amount if price else 0.0


def _lateness(problem: Problem, late: FloatArray, missed: BoolArray) -> FloatArray:
    """Return the seconds past each user's deadline; under hard deadlines 0 where it is met within the tolerance.

    A soft deadline has no tolerance: its price would jump where that ends.
    """
    with np.errstate(invalid="ignore"):
        excess = late - problem.network.users.deadline_s
    return np.where(missed if problem.deadline == "hard" else excess > 0, excess, 0.0)


def _association_violations(problem: Problem, solution: Solution) -> list[Violation]:
    """Check (18a), (18b), open servers, and the limits on which and how many servers."""
    users, stations = problem.network.users, problem.network.stations
    assigned, limited = ("18a", "18b") if problem.kind == "placement" else ("21b", "21a")
    found = [
        Violation(assigned, "assignment", 1.0, f"{users.name(i)} has no server", user=i)
        for i in np.flatnonzero(solution.association < 0).tolist()
    ]
    is_open = np.zeros(problem.n_stations, dtype=bool)
    is_open[solution.open_servers] = True
    placed = np.flatnonzero(solution.association >= 0)
    closed = placed[~is_open[solution.association[placed]]]
    found.extend(
        Violation(assigned, "closed-server", 1.0, f"{users.name(i)} is on {stations.name(k)}, which is not open", i, k)
        for i, k in zip(closed.tolist(), solution.association[closed].tolist(), strict=True)
    )
    found.extend(
        Violation(assigned, "closed-server", 1.0, f"{stations.name(k)} is open but may not be a server", server=k)
        for k in np.flatnonzero(is_open & ~problem.server_allowed).tolist()
    )
    counts = solution.counts(problem.n_stations)
    for k in np.flatnonzero(counts > stations.capacity).tolist():
        message = f"{stations.name(k)} keeps {counts[k]} twins, its capacity is {stations.capacity[k]}"
        found.append(Violation(limited, "capacity", float(counts[k] - stations.capacity[k]), message, server=k))
    n_open = solution.open_servers.size
    if problem.kind == "placement" and n_open > problem.max_open:
        message = f"{n_open} servers are open, at most {problem.max_open} may be"
        found.append(Violation("18", "max-servers", float(n_open - problem.max_open), message))
    return found


def _cpu_violations(problem: Problem, solution: Solution, shares: FloatArray) -> list[Violation]:
    """Check (18c)."""
    stations = problem.network.stations
    placed = np.flatnonzero(solution.association >= 0)
    used = np.bincount(solution.association[placed], weights=shares[placed], minlength=problem.n_stations)
    found = []
    for k in np.flatnonzero(used > within(stations.cpu_hz)).tolist():
        message = f"{stations.name(k)} gives {used[k]:.6g} Hz of CPU, it has {stations.cpu_hz[k]:.6g}"
        found.append(Violation("18c", "cpu", float(used[k] - stations.cpu_hz[k]), message, server=k))
    return found


def _latency_violations(
    problem: Problem, association: IntArray, latency: FloatArray, late: FloatArray
) -> list[Violation]:
    """Check coverage and (18d) or (21c)."""
    users, stations = problem.network.users, problem.network.stations
    constraint = "18d" if problem.kind == "placement" else "21c"
    found = []
    unreached = (association >= 0) & ~np.isfinite(latency)
    for i in np.flatnonzero(unreached).tolist():
        k = int(association[i])
        found.append(
            Violation(constraint, "coverage", np.inf, f"{users.name(i)} cannot reach {stations.name(k)}", i, k)
        )
    if problem.deadline == "hard":
        missed = late > within(users.deadline_s)
        for i in np.flatnonzero(missed & (association >= 0) & ~unreached).tolist():
            k = int(association[i])
            where, limit = f"{users.name(i)} on {stations.name(k)}", users.deadline_s[i]
            message = f"{where} takes {late[i]:.6g} s, its deadline is {limit:.6g} s"
            found.append(Violation(constraint, "deadline", float(late[i] - users.deadline_s[i]), message, i, k))
    return found


def _placement_terms(
    problem: Placement,
    solution: Solution,
    latency: FloatArray,
    late: FloatArray,
    compute: FloatArray,
    lateness: FloatArray,
    late_users: int,
) -> tuple[PlacementTerms, float]:
    n = problem.n_users
    n_open = solution.open_servers.size
    mean = float(latency.sum() / n)
    given = problem.pair_latency_s is not None
    wireless = 0.0 if given else float(problem.wireless_latency.sum() / n)
    compute_mean = float(compute.sum() / n)
    placement_cost = problem.server_cost * n_open
    # latency_weight / N first, so that a weight of N gives the plain sum of pair costs without rounding.
    system_cost = _priced(problem.latency_weight / n, float(latency.sum())) + _priced(
        problem.cost_weight, placement_cost + problem.energy_j
    )
    if not np.isfinite(mean):
        # Whatever latency weighs: somebody has no server, or cannot reach it.
        system_cost = np.inf
    penalty = 0.0
    if problem.deadline == "soft" and lateness.any():
        penalty = _priced(problem.user_weight * problem.deadline_penalty, float(lateness.sum()))
    construction = float(late.sum() / n)
    terms = PlacementTerms(
        latency=mean,
        paper_latency=mean / problem.n_stations,
        system_cost=system_cost,
        wireless=wireless,
        wired=0.0 if given or not np.isfinite(mean) else mean - wireless - compute_mean,
        compute=compute_mean,
        construction=construction,
        synchronisation=mean - construction if np.isfinite(mean) else 0.0,
        n_open=n_open,
        placement_cost=placement_cost,
        energy=problem.energy_j,
        lateness=float(lateness.sum()),
        late_users=late_users,
        penalty=penalty,
    )
    return terms, (system_cost if problem.objective == "system-cost" else mean) + penalty


def _migration_terms(
    problem: Migration,
    solution: Solution,
    latency: FloatArray,
    compute: FloatArray,
    lateness: FloatArray,
    late_users: int,
) -> tuple[MigrationTerms, float]:
    n = problem.n_users
    placed = np.flatnonzero(solution.association >= 0)
    server = solution.association[placed]
    satisfaction = float(problem.beta * exp(problem.network.users.deadline_s - latency).sum())
    energy = float(problem.energy_j.sum())
    utility = satisfaction - (1.0 - problem.beta) * energy
    if placed.size < n:
        utility = -np.inf
    moved = placed[(problem.previous[placed] >= 0) & (problem.previous[placed] != server)]
    moving = problem.migration_weight * float(problem.move_latency(placed, server).sum()) / n
    mean, wireless, compute_mean = (float(x.sum() / n) for x in (latency, problem.wireless_latency, compute))
    penalty = 0.0
    if problem.deadline == "soft" and lateness.any():
        penalty = _priced(problem.deadline_penalty, float(lateness.sum()))
    terms = MigrationTerms(
        utility=utility,
        satisfaction=satisfaction,
        energy=energy,
        latency=mean,
        wireless=wireless,
        wired=mean - wireless - compute_mean - moving if np.isfinite(mean) else 0.0,
        compute=compute_mean,
        moving=moving,
        n_open=solution.open_servers.size,
        migrations=int(moved.size),
        moved_bits=float((problem.network.users.data_bits[moved] + problem.companion_bits).sum()),
        lateness=float(lateness.sum()),
        late_users=late_users,
        penalty=penalty,
    )
    return terms, utility - penalty
