"""The tables of a report, the same for HTML, Markdown, LaTeX and the README."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reports.publish.answer import interval, p_value
from reports.statistics.ranking import LEVEL
from reports.statistics.scores import TARGETS, target_column
from reports.words import DASH, percent, seconds

if TYPE_CHECKING:
    import pandas as pd

    from reports.publish.source import Source
    from reports.statistics.ranking import Ranking

__all__ = ["Cell", "Table", "pairs", "rows_frame", "suites", "summary", "summary_frame"]


@dataclass(frozen=True)
class Cell:
    """What is shown, and the number that it is sorted by (nan for text)."""

    text: str
    value: float = math.nan


@dataclass(frozen=True, eq=False)
class Table:
    """A table of which the first column names the row.

    Parameters
    ----------
    caption : str
    headings : tuple of str
    rows : tuple of tuple of Cell
    best : tuple of bool
        Whether a row is marked as (one of) the best.
    """

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    best: tuple[bool, ...]


def summary(ranking: Ranking) -> Table:
    """Return one row for each solver, best first."""
    tests = {one.solver: one for one in ranking.by_gap}
    headings = (
        "solver",
        "gap to best known",
        "95 % interval",
        "controllable gap to best known",
        "p",
        "at best known",
        "proved optimal",
        "gap to bound",
        "controllable gap to bound",
        "primal integral",
        *(f"within {100 * target:g} %" for target in TARGETS),
        "time to 0.1 %, s",
        "time, s",
        "solved",
    )
    rows = []
    middle = ranking.frame.groupby("solver")[target_column(TARGETS[1])].median()
    for row in ranking.table.to_dict("records"):
        name = row["solver"]
        p = tests[name].p_holm if name in tests else math.nan
        rows.append(
            (
                Cell(name),
                _part(row["primal_gap"]),
                Cell(interval(row["gap_low"], row["gap_high"]), row["gap_low"]),
                _part(row["controllable_primal_gap"]),
                Cell("best" if name == ranking.winner else "level" if name in ranking.level else _p(p), p),
                _share(row["at_best"]),
                _share(row["proved"]),
                _part(row["gap_to_bound"]),
                _part(row["controllable_gap_to_bound"]),
                _part(row["primal_integral"]),
                *(_share(row[f"reached_{target:g}"]) for target in TARGETS),
                Cell(seconds(float(middle[name])), float(middle[name])),
                Cell(seconds(row["wall_sgm_s"]), row["wall_sgm_s"]),
                _share(row["solved"]),
            )
        )
    told = ranking.level
    return Table(ranking.group.name, headings, tuple(rows), tuple(name in told for name in ranking.solvers))


def pairs(ranking: Ranking) -> Table:
    """Return every solver against the winner: difference of gaps with its interval, instances won and lost, p."""
    headings = (
        "solver",
        "mean difference",
        "95 % interval",
        "better on",
        "worse on",
        "p",
        "p, all pairs",
        "p of primal integral",
    )
    times = {one.solver: one for one in ranking.by_integral}
    rows = tuple(
        (
            Cell(one.solver),
            Cell(_signed(one.difference), one.difference),
            Cell(interval(one.low, one.high), one.low),
            Cell(f"{one.better}", one.better),
            Cell(f"{one.worse}", one.worse),
            Cell(_p(one.p_holm), one.p_holm),
            Cell(_p(one.p_runs_holm), one.p_runs_holm),
            Cell(_p(times[one.solver].p_holm), times[one.solver].p_holm),
        )
        for one in ranking.by_gap
    )
    return Table(
        f"Against {ranking.winner}, {ranking.group.name}",
        headings,
        rows,
        tuple(not one.p_holm < LEVEL for one in ranking.by_gap),
    )


def suites(ranking: Ranking, *, controllable: bool = False) -> Table | None:
    """Return the mean gap of each solver on each suite; None where there is only one.

    With `controllable`, the gap as a part of what decisions change; None also where that is not known.
    """
    means = ranking.by_suite("controllable_primal_gap" if controllable else "primal_gap")
    if controllable and not np.isfinite(means.to_numpy()).any():
        return None
    if means.shape[1] < 2:
        return None
    least = means.min(axis=0)
    rows = tuple(
        (Cell(str(name)), *(_part(float(value)) for value in values))
        for name, values in zip(means.index, means.to_numpy(), strict=True)
    )
    best = tuple(bool((row <= least + 1e-6).all()) for row in means.to_numpy())
    return Table(
        f"{'Controllable gap' if controllable else 'Gap'} to best known by suite, {ranking.group.name}",
        ("solver", *(str(s) or "files" for s in means.columns)),
        rows,
        best,
    )


def rows_frame(source: Source) -> pd.DataFrame:
    """Return all runs with all digits, for CSV and Parquet: infinite gaps and times are left empty."""
    frame = source.scores.frame
    # As the runner named them, beside the options: the rows are data, the names with options are for people.
    frame = frame.assign(solver=source.results.runs["solver"].to_numpy())
    numbers = frame.select_dtypes("float64").columns
    frame[numbers] = frame[numbers].replace([np.inf, -np.inf], np.nan)
    return frame


def summary_frame(source: Source) -> pd.DataFrame:
    """Return the rankings with all digits, one row for each group and solver."""
    import pandas as pd

    found = []
    for ranking in source.rankings:
        table = ranking.table.copy()
        table.insert(0, "time_limit", ranking.group.time_limit)
        table.insert(0, "kind", ranking.group.kind)
        tests = {one.solver: one for one in ranking.by_gap}
        table["instances"], table["tasks"] = ranking.instances, ranking.tasks
        table["difference_to_best"] = [tests[s].difference if s in tests else 0.0 for s in table["solver"]]
        table["p_holm"] = [tests[s].p_holm if s in tests else math.nan for s in table["solver"]]
        table["p_runs_holm"] = [tests[s].p_runs_holm if s in tests else math.nan for s in table["solver"]]
        found.append(table)
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def _part(value: float) -> Cell:
    return Cell(percent(value), value)


def _share(value: float) -> Cell:
    return Cell(DASH if math.isnan(value) else f"{100 * value:.3g} %", value)


def _signed(value: float) -> str:
    text = percent(abs(value))
    return text if text in {DASH, "0 %"} else f"{'+' if value > 0 else '−'}{text}"


def _p(value: float) -> str:
    return DASH if math.isnan(value) else p_value(value).removeprefix("p ").removeprefix("= ")
