"""Figures of one instance: the parts of the latency of each solver, and the incumbents over time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from reports import style, words
from reports.comparison import parts
from reports.text import shown

if TYPE_CHECKING:
    from reports.comparison import Comparison

__all__ = ["latency_bars", "trace_lines"]

#: The trace axis is logarithmic; nothing is shown before this time, s.
EARLIEST_S = 1e-3
#: A trace with more steps is thinned to so many.
MOST_STEPS = 500


def latency_bars(comparison: Comparison, label: str) -> go.Figure:
    """Return stacked bars of the mean latency by where it passes, one for each solver, best on top."""
    problem = comparison.case(label).problem
    rows = [s.best for s in comparison.summaries(label) if s.best.evaluation is not None]
    names = [shown(row.solver) for row in rows]
    split = [parts(problem, row.evaluation) for row in rows if row.evaluation is not None]
    figure = go.Figure(layout=style.layout(90 + 34 * max(len(rows), 2)))
    for part in split[0] if split else ():
        colour, pattern = style.PART_STYLE[part]
        figure.add_bar(
            name=part,
            y=names,
            x=[round(1e3 * values[part], 4) for values in split],
            orientation="h",
            marker={
                "color": colour,
                "pattern": {"shape": pattern, "fillmode": "overlay", "fgcolor": "rgba(0,0,0,0.6)", "size": 6},
            },
            hovertemplate=f"%{{y}}: {part} %{{x:.4g}} ms<extra></extra>",
        )
    figure.update_layout(
        barmode="stack",
        bargap=0.35,
        xaxis={"title": {"text": "mean latency of a user, ms"}},
        yaxis={"autorange": "reversed"},
        legend={"y": 1.0, "yanchor": "bottom", "traceorder": "normal"},
    )
    return figure


def trace_lines(comparison: Comparison, label: str) -> go.Figure:
    """Return the best objective over time of each solver's best run, and the best proven bound."""
    case = comparison.case(label)
    figure = go.Figure(layout=style.layout(340))
    ends = [EARLIEST_S]
    summaries = [s for s in comparison.summaries(label) if s.best.trace]
    # Colours by name, so that a solver looks the same on every instance.
    order = {name: i for i, name in enumerate(sorted({row.solver for row in comparison.rows}))}
    for summary in summaries:
        row, i = summary.best, order[summary.best.solver]
        steps = row.trace[:: max(1, math.ceil(len(row.trace) / MOST_STEPS))]
        if steps[-1] is not row.trace[-1]:
            steps = (*steps, row.trace[-1])
        times = [max(step.time_s, EARLIEST_S) for step in steps]
        end = max(row.wall_s if math.isfinite(row.wall_s) else 0.0, times[-1])
        ends.append(end)
        figure.add_scatter(
            name=shown(row.solver),
            x=[*times, end],
            y=[*(step.objective for step in steps), steps[-1].objective],
            mode="lines+markers" if len(steps) < 40 else "lines",
            line={**style.line(i)["line"], "shape": "hv"},
            marker=style.line(i)["marker"],
            hovertemplate="%{y:.6g} after %{x:.3g} s<extra>" + shown(row.solver) + "</extra>",
        )
    bound = comparison.bound(label)
    if bound is not None:
        figure.add_scatter(
            name=f"proven bound {words.number(bound.value)}",
            x=[EARLIEST_S, max(ends)],
            y=[bound.value, bound.value],
            mode="lines",
            line={"color": style.CLOSED, "dash": "dash", "width": 2},
            hovertemplate=f"proven bound %{{y:.6g}} ({shown(bound.source)})<extra></extra>",
        )
    figure.update_layout(
        showlegend=True,
        xaxis={"title": {"text": "wall time, s"}, "type": "log", "minor": {"showgrid": False}, "dtick": 1},
        yaxis={"title": {"text": f"{case.objective_name}{', s' if case.unit else ''}"}},
    )
    return figure
