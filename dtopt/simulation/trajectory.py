"""A trajectory: what was decided in all slots, judged slot by slot by the one evaluator."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.errors import InputError
from dtopt.evaluation import MigrationTerms, evaluate
from dtopt.simulation.coverage import covered, covered_problem
from dtopt.solution import Solution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Migration
    from dtopt.scenario import Scenario

__all__ = ["SlotOutcome", "Trajectory", "evaluate_trajectory", "outcome_of"]


@dataclass(frozen=True)
class SlotOutcome:
    """What came of one slot.

    Users without coverage exchange nothing: they add nothing to utility, latency and energy, and are counted. With
    nobody covered, latencies are NaN.

    Parameters
    ----------
    slot, users, uncovered_users, arrivals : int
        Which slot, who is there, who of them has no coverage, and who of the others has no twin yet.
    objective : float
        Σ U_i of (20), less what soft deadlines cost.
    utility : float
        Σ U_i of (20).
    latency_s, latency_p95_s, latency_p99_s : float
        Mean and quantiles of T_i over the users who have coverage.
    late_users : int
        Users past their deadline, hard or soft.
    lateness_s : float
        By how much, all together.
    migrations : int
        Twins that changed their server.
    moved_bytes : float
        Historical data carried by them, byte.
    n_open : int
        Servers in use.
    feasible : bool
        Whether all constraints hold and everyone has coverage. A slot may have no association for which they do:
        with hard deadlines, too few places, or CPU demands above what servers have.
    violated : str
        What is broken: names of `dtopt.evaluation.Violation`, each once, and ``coverage``; empty where feasible.
    decision_s : float
        Wall time of the decision, s.
    """

    slot: int
    users: int
    uncovered_users: int
    arrivals: int
    objective: float
    utility: float
    latency_s: float
    latency_p95_s: float
    latency_p99_s: float
    late_users: int
    lateness_s: float
    migrations: int
    moved_bytes: float
    n_open: int
    feasible: bool
    violated: str
    decision_s: float


@dataclass(frozen=True, eq=False)
class Trajectory:
    """All slots of one policy on one scenario.

    Parameters
    ----------
    policy : str
        Its name, as it was asked for.
    seed : int
    scenario_name, scenario_hash : str
    slots : tuple of SlotOutcome
    associations : tuple of ndarray of int, shape (N,)
        The server of every user of the scenario in each slot, -1 for those absent, and for those who came without
        coverage and have no twin yet.
    servers : tuple of ndarray of int or None
        The stations that might keep twins in each slot; None for all.
    latency_s : tuple of ndarray
        T_i of the users who had coverage in each slot.
    options, versions : mapping
        Of the policy; of dtopt, Python and NumPy.
    """

    policy: str
    seed: int
    scenario_name: str
    scenario_hash: str
    slots: tuple[SlotOutcome, ...]
    associations: tuple[IntArray, ...]
    servers: tuple[IntArray | None, ...]
    latency_s: tuple[FloatArray, ...]
    options: Mapping[str, Any]
    versions: Mapping[str, str]

    @property
    def objective(self) -> float:
        """Σ over slots of utility less the penalties of soft deadlines: what policies and the clairvoyant maximise."""
        return float(sum(s.objective for s in self.slots))

    @property
    def utility(self) -> float:
        """Σ over slots of the utility (20)."""
        return float(sum(s.utility for s in self.slots))

    @property
    def user_slots(self) -> int:
        """Σ over slots of the users who were there."""
        return sum(s.users for s in self.slots)

    @property
    def feasible(self) -> bool:
        """Whether every slot is."""
        return all(s.feasible for s in self.slots)

    def summary(self) -> dict[str, float]:
        """Return the trajectory's figures; latencies are over all users of all slots."""
        return dict(self._figures)

    @cached_property
    def _figures(self) -> dict[str, float]:
        latency = np.concatenate(self.latency_s) if self.latency_s else np.zeros(0)
        times = np.array([s.decision_s for s in self.slots])
        mean, p95, p99 = (np.nan,) * 3 if not latency.size else (latency.mean(), *_quantiles(latency))
        return {
            "objective": self.objective,
            "utility": self.utility,
            "latency_s": float(mean),
            "latency_p95_s": float(p95),
            "latency_p99_s": float(p99),
            "late_users": float(sum(s.late_users for s in self.slots)),
            "lateness_s": float(sum(s.lateness_s for s in self.slots)),
            "migrations": float(sum(s.migrations for s in self.slots)),
            "moved_bytes": float(sum(s.moved_bytes for s in self.slots)),
            "user_slots": float(self.user_slots),
            "uncovered_users": float(sum(s.uncovered_users for s in self.slots)),
            "infeasible_slots": float(sum(not s.feasible for s in self.slots)),
            "decision_s": float(times.mean()) if times.size else np.nan,
            "decision_max_s": float(times.max()) if times.size else np.nan,
        }

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each slot."""
        import pandas as pd

        frame = pd.DataFrame([asdict(outcome) for outcome in self.slots])
        frame.insert(0, "seed", self.seed)
        frame.insert(0, "policy", self.policy)
        return frame


def _quantiles(latency: FloatArray) -> tuple[float, float]:
    """Return the 95th and 99th percentile, the least latencies that so many users do not exceed."""
    high, higher = np.quantile(latency, (0.95, 0.99), method="inverted_cdf")
    return float(high), float(higher)


def outcome_of(
    slot: int, problem: Migration | None, association: IntArray, rows: BoolArray, decision_s: float
) -> tuple[SlotOutcome, FloatArray]:
    """Return what the evaluator says of one slot, and T_i of the users who have coverage.

    Parameters
    ----------
    slot : int
    problem : Migration or None
        The P2 of those who have coverage, with what was decided before as `previous`; None where nobody has.
    association : ndarray of int, shape (n,)
        Of all who are there.
    rows : ndarray of bool, shape (n,)
        Who of them has coverage.
    decision_s : float
    """
    uncovered = int((~rows).sum())
    if problem is None:
        nothing = MigrationTerms(0.0, 0.0, 0.0, np.nan, np.nan, np.nan, np.nan, np.nan, 0, 0, 0.0, 0.0, 0, 0.0)
        return _outcome(slot, uncovered, uncovered, 0, 0.0, nothing, np.zeros(0), ["coverage"], decision_s)
    evaluation = evaluate(problem, Solution(association[rows]))
    assert isinstance(evaluation.terms, MigrationTerms)  # noqa: S101 - what P2 has
    names = [violation.name for violation in evaluation.violations] + ["coverage"] * (uncovered > 0)
    arrivals = int((problem.previous < 0).sum())
    latency, objective = evaluation.latency_s, evaluation.objective
    return _outcome(slot, rows.size, uncovered, arrivals, objective, evaluation.terms, latency, names, decision_s)


def _outcome(
    slot: int,
    users: int,
    uncovered: int,
    arrivals: int,
    objective: float,
    terms: MigrationTerms,
    latency_s: FloatArray,
    violated: Sequence[str],
    decision_s: float,
) -> tuple[SlotOutcome, FloatArray]:
    high, higher = _quantiles(latency_s) if latency_s.size else (np.nan, np.nan)
    outcome = SlotOutcome(
        slot=slot,
        users=users,
        uncovered_users=uncovered,
        arrivals=arrivals,
        objective=objective,
        utility=terms.utility,
        latency_s=terms.latency,
        latency_p95_s=high,
        latency_p99_s=higher,
        late_users=terms.late_users,
        lateness_s=terms.lateness,
        migrations=terms.migrations,
        moved_bytes=terms.moved_bits / 8.0,
        n_open=terms.n_open,
        feasible=not violated,
        violated=" ".join(dict.fromkeys(violated)),
        decision_s=decision_s,
    )
    return outcome, latency_s


def evaluate_trajectory(
    scenario: Scenario, associations: Sequence[IntArray], servers: Sequence[IntArray | None] | None = None
) -> Trajectory:
    """Judge a trajectory that comes from anywhere, for example a clairvoyant's.

    Parameters
    ----------
    scenario : Scenario
    associations : sequence of ndarray of int, shape (N,)
        The server of every user in each slot, from the first on; -1 for those absent.
    servers : sequence of ndarray of int or None, optional
        The stations that may keep twins in each slot; those of the scenario where not given.

    Raises
    ------
    InputError
        If there are more slots than the scenario has, or an association does not fit its slot.
    """
    if len(associations) > scenario.n_slots:
        raise InputError(f"has {len(associations)} slots, the scenario has {scenario.n_slots}", where="associations")
    outcomes, latencies, before = [], [], None
    used = [scenario.base.servers] * len(associations) if servers is None else list(servers)
    for slot, association in enumerate(associations):
        rows = covered(scenario, slot)
        problem = replace(covered_problem(scenario, slot, before), servers=used[slot]) if rows.any() else None
        outcome, latency_s = outcome_of(slot, problem, association[scenario.present_users(slot)], rows, 0.0)
        outcomes.append(outcome)
        latencies.append(latency_s)
        before = association
    return Trajectory(
        "given",
        0,
        scenario.name,
        scenario.content_hash,
        tuple(outcomes),
        tuple(associations),
        tuple(used),
        tuple(latencies),
        {},
        {},
    )
