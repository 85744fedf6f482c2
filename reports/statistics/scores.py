"""What each run is worth: best known and best bound of its instance, gaps, primal integral, times to a gap."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dtopt.result import Status
from reports.gap import contradicts, to_best, to_bound
from reports.statistics.primal import incumbents, primal_gap, primal_integral, time_to_gap

if TYPE_CHECKING:
    import pandas as pd

    from reports.results import Instance, Results

__all__ = ["TABLE", "TARGETS", "Reference", "Scores", "measures", "score", "target_column"]

#: Distances from the best known whose times are told.
TARGETS = (0.01, 0.001, 0.0001)
#: Columns that `score` adds.
DERIVED = (
    "best_known",
    "best_bound",
    "uncontrollable_objective",
    "gap",
    "controllable_gap",
    "above_best",
    "primal_gap",
    "controllable_primal_gap",
    "primal_integral",
    "horizon_s",
    *(f"time_to_{t:g}" for t in TARGETS),
)
#: The source of best-known values and bounds that no run gave.
TABLE = "suite"


def target_column(target: float) -> str:
    """Return the column of the time to a target."""
    return f"time_to_{target:g}"


@dataclass(frozen=True)
class Reference:
    """What the runs of one instance are measured against.

    Parameters
    ----------
    best, bound : float
        The best objective known and the tightest bound that it does not contradict; nan where there is none.
    best_by, bound_by : str
        A solver, or ``suite`` where the table of the suite has a better one.
    uncontrollable : float
        `Problem.uncontrollable_objective`, nan where it is not known.
    """

    best: float
    best_by: str
    bound: float
    bound_by: str
    uncontrollable: float = math.nan


@dataclass(frozen=True, eq=False)
class Scores:
    """Runs with their derived columns, in the order of `Results.runs`.

    Parameters
    ----------
    results : Results
    frame : DataFrame
        The runs without traces and associations, and ``best_known``, ``best_bound``, ``gap`` (to the best bound),
        ``above_best`` (to the best known, as a part of it; infinite without a solution), ``primal_gap`` (0 to 1; 1
        without a solution), ``primal_integral``, ``horizon_s`` and one ``time_to_…`` for each of `TARGETS`.
        ``controllable_gap`` and ``controllable_primal_gap`` are the same gaps as parts of what decisions change, that
        is without ``uncontrollable_objective``; see `dtopt.result.controllable_gap`.
    references : mapping
        By label of the instance.
    steps : tuple
        The incumbents of each run.
    notes : tuple of str
        Claims that a feasible solution contradicts, one line each.
    """

    results: Results
    frame: pd.DataFrame
    references: dict[str, Reference]
    steps: tuple[tuple[tuple[float, float], ...], ...]
    notes: tuple[str, ...]


def score(results: Results) -> Scores:
    """Return every run measured against the best known and the best bound of its instance.

    The best known is the better of the suite's table and all runs; the best bound the tightest of the suite's and the
    runs' own. The horizon of primal integrals is the time limit of the run; without one, the longest wall time that
    any run without a limit took on the instance.
    """
    import pandas as pd

    runs = _named(results.runs.reset_index(drop=True))
    references: dict[str, Reference] = {}
    notes: list[str] = []
    for label, group in runs.groupby("instance", sort=False):
        references[str(label)] = _reference(results.instances[str(label)], group, notes)
    for label, instance in results.instances.items():
        if label not in references:
            references[label] = _reference(instance, runs.iloc[:0], notes)
    unlimited = runs[runs["time_limit"].isna()].groupby("instance")["wall_s"].max().to_dict()
    found, all_steps = [], []
    columns = ["instance", "objective", "wall_s", "time_limit", "trace", "bound"]
    for label, objective, wall, limit, trace, _ in runs[columns].itertuples(index=False, name=None):
        reference, maximise = references[label], results.instances[label].maximise
        steps = incumbents(trace, objective, wall, maximise=maximise)
        horizon = limit if math.isfinite(limit) else float(unlimited.get(label, math.nan))
        all_steps.append(steps)
        found.append(
            {
                "best_known": reference.best,
                "best_bound": reference.bound,
                "uncontrollable_objective": reference.uncontrollable,
                **measures(steps, objective, reference, horizon, maximise=maximise),
            }
        )
    derived = pd.DataFrame(found, index=runs.index, columns=list(DERIVED), dtype=np.float64)
    frame = pd.concat([runs.drop(columns=["trace", "association"]), derived], axis=1)
    return Scores(results, frame, references, tuple(all_steps), tuple(notes))


def measures(
    steps: tuple[tuple[float, float], ...], objective: float, reference: Reference, horizon_s: float, *, maximise: bool
) -> dict[str, float]:
    """Return what a run is worth against its instance's best known and best bound; see `Scores.frame`.

    Parameters
    ----------
    steps : tuple of (time in s, objective)
        Its incumbents.
    objective : float
        At the end, nan where there is none.
    reference : Reference
    horizon_s : float
        The time that it had; a target reached later is not reached.
    maximise : bool
    """
    best, end = reference.best, horizon_s if math.isfinite(horizon_s) else math.inf
    times = {t: time_to_gap(steps, best, t, maximise=maximise) for t in TARGETS}
    return {
        "gap": to_bound(objective, reference.bound, maximise=maximise),
        "controllable_gap": to_bound(
            objective, reference.bound, maximise=maximise, uncontrollable=reference.uncontrollable
        ),
        "above_best": to_best(objective, best, maximise=maximise),
        "primal_gap": primal_gap(objective, best),
        "controllable_primal_gap": primal_gap(objective, best, reference.uncontrollable),
        "primal_integral": primal_integral(steps, best, horizon_s),
        "horizon_s": horizon_s,
        **{
            target_column(t): math.nan if math.isnan(best) else time if time <= end else math.inf
            for t, time in times.items()
        },
    }


def _named(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with a name of its own for each set of options of a solver that has several."""
    several = runs.groupby("solver")["options"].transform("nunique") > 1
    if not several.any():
        return runs
    settings = runs["options"].map(lambda text: ", ".join(f"{k}={v}" for k, v in json.loads(text or "{}").items()))
    named = runs["solver"].where(~several | (settings == ""), runs["solver"] + " (" + settings + ")")
    return runs.assign(solver=named)


def _reference(instance: Instance, runs: pd.DataFrame, notes: list[str]) -> Reference:
    sign = -1.0 if instance.maximise else 1.0
    offers = [(sign * value, solver) for value, solver in zip(runs["objective"], runs["solver"], strict=True)]
    if instance.best_known is not None:
        # Equal values are the table's: it had them first.
        offers.insert(0, (sign * instance.best_known, TABLE))
    offers = [offer for offer in offers if math.isfinite(offer[0])]
    best, best_by = min(offers, key=lambda offer: offer[0], default=(math.nan, ""))
    best *= sign
    bound, bound_by = -math.inf, ""
    table = [] if instance.proven_bound is None else [(instance.proven_bound, TABLE)]
    for value, who in [*table, *zip(runs["bound"], runs["solver"], strict=True)]:
        if not math.isfinite(value):
            continue
        if math.isfinite(best) and contradicts(value, best, maximise=instance.maximise):
            note = (
                f"{instance.label}: the bound {value:.8g} of {who} is left out, "
                f"a solution of {best:.8g} ({best_by}) contradicts it"
            )
            if note not in notes:
                notes.append(note)
        elif sign * value > bound:
            bound, bound_by = sign * value, who
    claims = sorted(set(runs.loc[runs["status"] == Status.INFEASIBLE, "solver"])) if math.isfinite(best) else ()
    notes += [
        f"{instance.label}: {solver} calls it infeasible, a solution of {best:.8g} ({best_by}) contradicts it"
        for solver in claims
    ]
    constant = instance.uncontrollable_objective
    return Reference(
        best, best_by, sign * bound if bound_by else math.nan, bound_by, math.nan if constant is None else constant
    )
