"""The figures of a ranking for print, by Matplotlib: told apart in black and white too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from reports import style
from reports.publish.curves import LEAST_GAP, gap_over_time, gaps, profile_curves, reach_curves
from reports.publish.figures import GAP_TICKS
from reports.statistics.scores import TARGETS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from reports.publish.curves import Curve
    from reports.publish.source import Source
    from reports.statistics.ranking import Ranking

__all__ = ["draw", "save"]

_LINES = ("-", "--", ":", "-.", (0, (8, 2)), (0, (8, 2, 2, 2)))
_PLAIN = FuncFormatter(lambda value, _: f"{value:.4g}")
_MARKS = ("o", "s", "D", "^", "P", "X")


def draw(source: Source, ranking: Ranking, order: Mapping[str, int]) -> dict[str, Figure]:
    """Return the figures by name: profiles of time and quality, runs near the best, mean gap, boxes of both gaps."""
    target = TARGETS[1]
    curves, end = profile_curves(ranking, ranking.time_profile(target))
    found = {"profile-time": _steps(curves, order, f"factor of the least time to {100 * target:g} %", (1.0, end))}
    curves, end = profile_curves(ranking, ranking.gap_profile())
    found["profile-quality"] = _steps(curves, order, "factor of the best 1 + gap", (1.0, end))
    curves = reach_curves(ranking, target)
    found["reach"] = _steps(curves, order, "wall time, s", (float(curves[0].x[0]), float(curves[0].x[-1])))
    found["reach"].axes[0].set_ylabel(f"share of runs within {100 * target:g} %")
    figure, axes = _figure(4.0)
    for curve in gap_over_time(ranking, source.scores):
        axes.plot(curve.x, np.maximum(curve.y, LEAST_GAP), **_look(order[curve.solver], curve, mark_every=0.12))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(_PLAIN)
    axes.set_xlabel("wall time, s")
    _gap_axis(axes, "y")
    axes.set_ylabel("mean gap to the best known")
    _legend(axes)
    found["integral"] = figure
    found["gaps"] = _boxes(ranking, order)
    found["controllable-gaps"] = _boxes(ranking, order, controllable=True)
    return found


def save(source: Source, folder: Path) -> list[Path]:
    """Write the figures of all rankings as PNG, PDF and SVG; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    order = {name: i for i, name in enumerate(sorted(set(source.scores.frame["solver"])))}
    written = []
    for ranking in source.rankings:
        limit = ranking.group.time_limit
        slug = ranking.group.kind + ("" if np.isnan(limit) else f"-{limit:g}s")
        for name, figure in draw(source, ranking, order).items():
            for kind in ("png", "pdf", "svg"):
                path = folder / f"{name}-{slug}.{kind}"
                # No date: the same figure for the same results.
                metadata = {"png": None, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
                figure.savefig(path, dpi=150, metadata=metadata)
                written.append(path)
    return written


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.grid(alpha=0.3)
    return figure, axes


def _look(index: int, curve: Curve, *, mark_every: float) -> dict[str, Any]:
    return {
        "label": curve.solver,
        "color": style.PALETTE[index % 6],
        "linestyle": _LINES[index // 6 % 6],
        "marker": _MARKS[(index + index // 6) % 6],
        "markersize": 4.5,
        # Marks at other places for each line, so that lines that lie on each other are seen.
        "markevery": (0.011 * (index % 8), mark_every),
        "linewidth": 1.4,
    }


def _steps(curves: Sequence[Curve], order: Mapping[str, int], label: str, ends: tuple[float, float]) -> Figure:
    figure, axes = _figure(4.0)
    for curve in curves:
        axes.step(curve.x, curve.y, where="post", **_look(order[curve.solver], curve, mark_every=0.12))
    axes.set_xscale("log")
    axes.set_xlim(*ends)
    axes.set_ylim(-0.02, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.xaxis.set_major_formatter(_PLAIN)
    axes.set_xlabel(label)
    axes.set_ylabel("share of tasks")
    if ends[1] < 10 * ends[0]:
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.xaxis.set_minor_locator(NullLocator())
    _legend(axes)
    return figure


def _boxes(ranking: Ranking, order: Mapping[str, int], *, controllable: bool = False) -> Figure:
    values = gaps(ranking, "controllable_primal_gap" if controllable else "primal_gap")
    figure, axes = _figure(1.2 + 0.32 * len(values))
    names = list(values)[::-1]
    boxes = axes.boxplot(
        [np.maximum(values[name], LEAST_GAP) for name in names],
        orientation="horizontal",
        tick_labels=names,
        patch_artist=True,
        medianprops={"color": "black"},
        flierprops={"markersize": 3},
    )
    for name, box in zip(names, boxes["boxes"], strict=True):
        box.set_facecolor(style.PALETTE[order[name] % 6])
        box.set_hatch(("", "//", "..", "xx", "\\\\", "++")[order[name] // 6 % 6])
    _gap_axis(axes, "x")
    axes.set_xlabel(f"{'controllable ' * controllable}gap to the best known at the end (no solution: 100 %)")
    return figure


def _gap_axis(axes: Axes, which: str) -> None:
    if which == "x":
        axes.set_xscale("log")
        axes.set_xticks(list(GAP_TICKS), list(GAP_TICKS.values()))
        axes.set_xlim(LEAST_GAP / 1.5, 1.5)
    else:
        axes.set_yscale("log")
        axes.set_yticks(list(GAP_TICKS), list(GAP_TICKS.values()))
        axes.set_ylim(LEAST_GAP / 1.5, 1.5)
    axes.minorticks_off()


def _legend(axes: Axes) -> None:
    axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))
