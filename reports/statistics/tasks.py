"""Runs made comparable: solvers that ran one seed only, solvers without a limit, and who takes part."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.statistics.scores import measures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.statistics.scores import Scores

__all__ = ["LATE", "NOT_FOR_IT", "late", "one_for_all_seeds", "taking_part", "under_limit"]

#: A row of such a status says that the solver does not take the problem at all.
NOT_FOR_IT = ("unsupported", "unavailable")
#: A run that took more than this many times its limit, and a second, is told.
LATE = 1.5


def under_limit(scores: Scores, kind: str, limit: float) -> pd.DataFrame:
    """Return the runs of a kind under a limit, and those of solvers that were run without one only.

    A run without a limit counts as what it had found by then; its primal integral is over that limit.
    """
    frame = scores.frame[scores.frame["kind"] == kind]
    if math.isnan(limit):
        return frame[frame["time_limit"].isna()]
    chosen = frame[frame["time_limit"] == limit]
    limited = set(frame.loc[frame["time_limit"].notna(), "solver"])
    free = frame[frame["time_limit"].isna() & ~frame["solver"].isin(limited)].copy()
    if free.empty:
        return chosen
    for index in free.index.tolist():
        label = str(free.loc[index, "instance"])
        steps = tuple(step for step in scores.steps[index] if step[0] <= limit)
        objective = steps[-1][1] if steps else math.nan
        found = measures(
            steps, objective, scores.references[label], limit, maximise=scores.results.instances[label].maximise
        )
        for name, value in {"objective": objective, **found}.items():
            free.loc[index, name] = value
    return pd.concat([chosen, free]).sort_index()


def one_for_all_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with those of a solver that was run with one seed only standing for all seeds of the others.

    One seed will do for a solver that draws nothing; its run is paired with each of another's. Indices repeat.
    """
    seeds = frame.groupby("instance")["seed"].agg(lambda values: sorted(set(values)))
    single = frame.groupby("solver")["seed"].transform("nunique") == 1
    several = frame["instance"].map(seeds.map(len)) > 1
    alone = frame[single & several]
    if alone.empty:
        return frame
    repeated = alone.drop(columns="seed").assign(seed=alone["instance"].map(seeds)).explode("seed")
    return pd.concat([frame[~(single & several)], repeated.astype({"seed": np.int64})[frame.columns]])


def taking_part(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the solvers that are ranked, and a line for each that is not: it ran less than half of the tasks."""
    tasks = len(frame[["instance", "seed"]].drop_duplicates())
    names, left_out = [], []
    for name, runs in frame.groupby("solver", sort=True):
        done = len(runs[["instance", "seed"]].drop_duplicates())
        if runs["status"].isin(NOT_FOR_IT).all():
            left_out.append(f"{name}: {runs['status'].iloc[0]} on all {done} tasks")
        elif done * 2 < tasks:
            left_out.append(f"{name}: ran only {done} of {tasks} tasks")
        else:
            names.append(str(name))
    return names, left_out


def late(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return a line for each solver that did not keep to its limit."""
    over = frame[frame["wall_s"] > LATE * frame["time_limit"] + 1.0]
    return [
        f"{name}: took longer than the limit in {runs['key'].nunique()} of its runs, up to {runs['wall_s'].max():.3g} s"
        "; what came late counts at the end, but not in the primal integral"
        for name, runs in over.groupby("solver")
        if name in names
    ]
