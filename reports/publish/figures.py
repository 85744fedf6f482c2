"""The figures of a ranking for the page, by Plotly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from reports import style
from reports.publish.curves import LEAST_GAP, gap_over_time, gaps, profile_curves, reach_curves
from reports.statistics.scores import TARGETS
from reports.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.publish.curves import Curve
    from reports.publish.source import Source
    from reports.statistics.ranking import Ranking

__all__ = ["GAP_AXIS", "GAP_TICKS", "figures", "styles"]

#: Ticks of logarithmic gap axes.
GAP_TICKS = {LEAST_GAP: "0", 1e-5: "0.001 %", 1e-4: "0.01 %", 1e-3: "0.1 %", 1e-2: "1 %", 0.1: "10 %", 1.0: "100 %"}
GAP_AXIS = {
    "type": "log",
    "tickvals": list(GAP_TICKS),
    "ticktext": list(GAP_TICKS.values()),
    "range": [float(np.log10(LEAST_GAP)) - 0.15, 0.1],
}
_TIME_AXIS = {"title": {"text": "wall time, s"}, "type": "log", "dtick": 1, "minor": {"showgrid": False}}
_SHARE_AXIS = {"range": [-0.02, 1.03], "tickformat": ".0%"}


def styles(solvers: Sequence[str]) -> dict[str, int]:
    """Return the place of each solver in palette, dashes and symbols: by name, the same in all figures."""
    return {name: i for i, name in enumerate(sorted(solvers))}


def figures(source: Source, ranking: Ranking, order: Mapping[str, int]) -> dict[str, tuple[str, go.Figure]]:
    """Return the figures of a ranking with their titles, by key."""
    found: dict[str, tuple[str, go.Figure]] = {}
    for target in TARGETS:
        curves, end = profile_curves(ranking, ranking.time_profile(target))
        axis = f"factor τ of the least time to {100 * target:g} %"
        figure = _lines(curves, order, "share of tasks within the factor", hover="%{y:.0%} within a factor %{x:.4g}")
        figure.update_layout(xaxis={"title": {"text": axis}, **_factor_axis(end)}, yaxis=_SHARE_AXIS)
        found[f"profile-{target:g}"] = f"time to {100 * target:g} % of the best known", figure
    curves, end = profile_curves(ranking, ranking.gap_profile())
    figure = _lines(curves, order, "share of tasks within the factor", hover="%{y:.0%} within a factor %{x:.6g}")
    figure.update_layout(
        xaxis={"title": {"text": "factor τ of the best 1 + gap"}, **_factor_axis(end)}, yaxis=_SHARE_AXIS
    )
    found["profile-gap"] = "solution quality at the end", figure
    for target in TARGETS:
        figure = _lines(reach_curves(ranking, target), order, "share of runs there", hover="%{y:.0%} after %{x:.3g} s")
        figure.update_layout(xaxis=_TIME_AXIS, yaxis=_SHARE_AXIS)
        found[f"reach-{target:g}"] = f"within {100 * target:g} % of the best known", figure
    curves = gap_over_time(ranking, source.scores)
    figure = _lines(curves, order, "mean gap to the best known", hover="%{y:.3%} after %{x:.3g} s", marks=False)
    for trace in figure.data:
        trace.y = np.maximum(np.asarray(trace.y), LEAST_GAP)
    figure.update_layout(xaxis=_TIME_AXIS, yaxis=GAP_AXIS)
    found["integral"] = "mean gap over time", figure
    found["box"] = "gap at the end", _box(ranking, order)
    found["controllable-box"] = "controllable gap at the end", _box(ranking, order, controllable=True)
    return found


def _factor_axis(end: float) -> dict[str, Any]:
    """Return the axis of τ: logarithmic, with decades only where it spans several."""
    axis: dict[str, Any] = {
        "type": "log",
        "minor": {"showgrid": False},
        "range": [-0.01 * np.log10(end), np.log10(end)],
    }
    return {**axis, "dtick": max(1, round(float(np.log10(end)) / 6))} if end >= 100 else {**axis, "nticks": 6}


def _lines(
    curves: Sequence[Curve], order: Mapping[str, int], title: str, *, hover: str, marks: bool = True
) -> go.Figure:
    figure = go.Figure(layout=style.layout(420))
    for curve in curves:
        look = style.line(order[curve.solver])
        # All steps of a short curve are marked, a few places of a long one.
        most = 0 if marks and curve.x.size < 40 else 8
        figure.add_scatter(
            name=shown(curve.solver),
            x=curve.x.astype(np.float32),
            y=curve.y.astype(np.float32),
            mode="lines+markers",
            line={**look["line"], "shape": "hv" if marks else "linear"},
            marker={**look["marker"], "maxdisplayed": most},
            hovertemplate=f"{hover}<extra>{shown(curve.solver)}</extra>",
        )
    figure.update_layout(showlegend=True, yaxis={"title": {"text": title}})
    return figure


def _box(ranking: Ranking, order: Mapping[str, int], *, controllable: bool = False) -> go.Figure:
    values = gaps(ranking, "controllable_primal_gap" if controllable else "primal_gap")
    figure = go.Figure(layout=style.layout(110 + 34 * len(values)))
    for name, found in values.items():
        look = style.line(order[name])
        figure.add_box(
            name=shown(name),
            x=np.maximum(found, LEAST_GAP).astype(np.float32),
            orientation="h",
            boxpoints="outliers",
            line={"color": look["line"]["color"], "width": 1.6},
            marker={**look["marker"], "size": 5},
            hovertemplate="%{x:.3%}<extra>" + shown(name) + "</extra>",
        )
    figure.update_layout(
        showlegend=False,
        xaxis={"title": {"text": f"{'controllable ' * controllable}gap at the end (no solution: 100 %)"}, **GAP_AXIS},
        yaxis={"autorange": "reversed"},
    )
    return figure
