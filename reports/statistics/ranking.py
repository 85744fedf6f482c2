"""Solvers ranked on the same tasks: by how close they end to the best known, then by how soon they come there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dtopt.result import Status
from reports.gap import CLOSE
from reports.statistics.means import GAP_SHIFT, TIME_SHIFT_S, bootstrap_interval, shifted_geometric_mean
from reports.statistics.profiles import Profile, performance_profile
from reports.statistics.scores import TARGETS, target_column
from reports.statistics.significance import Paired, paired_wilcoxon
from reports.statistics.tasks import late, one_for_all_seeds, taking_part, under_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from reports.statistics.scores import Scores

__all__ = ["CLOCK_S", "LEVEL", "Group", "Ranking", "rank"]

#: Below this p, after Holm's correction, two solvers are told apart.
LEVEL = 0.05
#: Times below this say nothing of solvers, s.
CLOCK_S = 0.001


@dataclass(frozen=True)
class Group:
    """Runs that may be compared: of one kind of problem, under one time limit.

    Parameters
    ----------
    kind : str
    time_limit : float
        s; nan where there was none.
    """

    kind: str
    time_limit: float

    @property
    def name(self) -> str:
        """``P1 placement, 10 s``."""
        kind = {"placement": "P1 placement", "migration": "P2 migration"}.get(self.kind, self.kind)
        return f"{kind}, {'no time limit' if math.isnan(self.time_limit) else f'{self.time_limit:g} s'}"


@dataclass(frozen=True, eq=False)
class Ranking:
    """The solvers of one group, best first, on the tasks (instance and seed) that all of them ran.

    Parameters
    ----------
    group : Group
    frame : DataFrame
        The rows of `Scores.frame` that count; an index that repeats is one run that stands for several seeds.
    table : DataFrame
        One row a solver, best first. Means are over instances of the mean over seeds: ``primal_gap`` with ``gap_low``
        and ``gap_high``, ``primal_integral`` with ``integral_low`` and ``integral_high``; shares of runs:
        ``solved``, ``at_best`` (of the best known), ``proved`` (optimal by the solver itself), ``reached_…`` for each
        of `TARGETS`; ``gap_to_bound`` (median; infinite where half the runs have none); shifted geometric means
        ``gap_sgm`` and ``wall_sgm_s``; ``runs``. ``controllable_primal_gap`` and ``controllable_gap_to_bound`` are the
        mean and the median of the gaps as parts of what decisions change; nan where that is not known of an instance.
    left_out : tuple of str
        Solvers and tasks that are not ranked and why, and solvers that were late; one line each.
    """

    group: Group
    frame: pd.DataFrame
    table: pd.DataFrame
    left_out: tuple[str, ...]

    @property
    def solvers(self) -> tuple[str, ...]:
        """Names, best first."""
        return tuple(self.table["solver"])

    @property
    def winner(self) -> str:
        """The best solver."""
        return self.solvers[0]

    @property
    def instances(self) -> int:
        """How many instances count."""
        return int(self.frame["instance"].nunique())

    @property
    def tasks(self) -> int:
        """How many pairs of instance and seed count."""
        return len(self.frame[["instance", "seed"]].drop_duplicates())

    @cached_property
    def by_gap(self) -> tuple[Paired, ...]:
        """Every other solver against the winner, by the primal gap at the end."""
        return paired_wilcoxon(self.frame, "primal_gap", self.winner, self.solvers[1:])

    @cached_property
    def by_integral(self) -> tuple[Paired, ...]:
        """Every other solver against the winner, by the primal integral."""
        return paired_wilcoxon(self.frame, "primal_integral", self.winner, self.solvers[1:])

    @property
    def level(self) -> tuple[str, ...]:
        """The solvers that end exactly as well as the winner on every instance, with it, best first."""
        return (self.winner, *(one.solver for one in self.by_gap if not one.better and not one.worse))

    @property
    def not_told_apart(self) -> tuple[str, ...]:
        """Solvers that end otherwise than the winner, but by the test may be as good."""
        return tuple(one.solver for one in self.by_gap if (one.better or one.worse) and not one.p_holm < LEVEL)

    def time_profile(self, target: float = TARGETS[1]) -> Profile:
        """Return the performance profile of the time to a target; failures have an infinite ratio."""
        return performance_profile(self._wide(target_column(target)), floor=CLOCK_S)

    def gap_profile(self) -> Profile:
        """Return the performance profile of the final gap, as (1 + gap to best known): for costs, of the objective.

        A gap itself may be 0, and ratios to 0 say nothing; a run without a solution has an infinite ratio.
        """
        return performance_profile(1.0 + self._wide("above_best"))

    def _wide(self, column: str) -> pd.DataFrame:
        wide = self.frame.pivot_table(
            index=["instance", "seed"], columns="solver", values=column, aggfunc="min", dropna=False
        )
        return wide[list(self.solvers)]

    def by_suite(self, measure: str = "primal_gap") -> pd.DataFrame:
        """Return the mean primal gap of each solver (rows, best first) on each suite (columns).

        With ``controllable_primal_gap`` as the measure, the mean of that.
        """
        means = self.frame.groupby(["suite", "instance", "solver"])[measure].mean().reset_index()
        wide = means.pivot_table(index="solver", columns="suite", values=measure, aggfunc="mean", dropna=False)
        return wide.loc[list(self.solvers)]


def rank(scores: Scores) -> tuple[Ranking, ...]:
    """Return one ranking for each kind of problem and time limit, the largest group first.

    A solver takes part that ran at least half of a group's tasks and takes that kind of problem; one that was run
    without a limit only takes part under each limit, and one that ran one seed only stands with it for all.
    A task counts where all of them ran it and some solution is known. A run without a valid solution counts as the
    worst: primal gap 1.
    """
    found = []
    for kind, runs in scores.frame.groupby("kind"):
        limits = sorted({limit for limit in runs["time_limit"] if not math.isnan(limit)}) or [math.nan]
        for limit in limits:
            ranking = _rank(Group(str(kind), limit), under_limit(scores, str(kind), limit))
            if ranking is not None:
                found.append(ranking)
    return tuple(
        sorted(found, key=lambda r: (r.group.kind != "placement", -np.nan_to_num(r.group.time_limit, nan=np.inf)))
    )


def _rank(group: Group, frame: pd.DataFrame) -> Ranking | None:
    left_out: list[str] = []
    known = frame["best_known"].notna()
    if unknown := sorted(set(frame.loc[~known, "instance"])):
        shown = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        left_out.append(f"{len(unknown)} instances of which no solution is known: {shown}")
    frame = frame[known]
    if frame.empty:
        return None
    frame = one_for_all_seeds(frame)
    tasks = len(frame[["instance", "seed"]].drop_duplicates())
    names, absent = taking_part(frame)
    left_out += absent
    if not names:
        return None
    frame = frame[frame["solver"].isin(names)]
    present = frame.groupby(["instance", "seed"])["solver"].transform("nunique")
    if missing := int((~frame.loc[present < len(names), ["instance", "seed"]].duplicated()).sum()):
        left_out.append(f"{missing} of {tasks} tasks that not every solver ran")
    frame = frame[present == len(names)]
    if frame.empty:
        return None
    return Ranking(group, frame, _table(frame, names), (*left_out, *late(frame, names)))


def _table(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for name in names:
        runs = frame[frame["solver"] == name]
        measures = ["primal_gap", "controllable_primal_gap", "primal_integral"]
        means = runs.groupby("instance")[measures].mean()
        gaps, integrals = means["primal_gap"].to_numpy(), means["primal_integral"].to_numpy()
        gap_low, gap_high = bootstrap_interval(gaps)
        integral_low, integral_high = bootstrap_interval(integrals)
        rows.append(
            {
                "solver": name,
                "runs": int(runs["key"].nunique()),
                "solved": float(runs["objective"].notna().mean()),
                "at_best": float((runs["primal_gap"] <= CLOSE).mean()),
                "proved": float((runs["status"] == Status.OPTIMAL).mean()),
                "primal_gap": float(gaps.mean()),
                "gap_low": gap_low,
                "gap_high": gap_high,
                "controllable_primal_gap": float(means["controllable_primal_gap"].to_numpy().mean()),
                "gap_sgm": shifted_geometric_mean(runs["primal_gap"].to_numpy(), GAP_SHIFT),
                "gap_to_bound": float(runs["gap"].median()),
                "controllable_gap_to_bound": float(runs["controllable_gap"].median()),
                "primal_integral": float(integrals.mean()),
                "integral_low": integral_low,
                "integral_high": integral_high,
                **{f"reached_{t:g}": float(np.isfinite(runs[target_column(t)]).mean()) for t in TARGETS},
                "wall_sgm_s": shifted_geometric_mean(runs["wall_s"].dropna().to_numpy(), TIME_SHIFT_S),
            }
        )
    table = pd.DataFrame(rows)
    # Gaps that cannot be told apart are equal, so that who is sooner goes first.
    table["_gap"] = (table["primal_gap"] / CLOSE).round()
    table = table.sort_values(["_gap", "primal_integral", "solver"], ignore_index=True)
    return table.drop(columns="_gap")
