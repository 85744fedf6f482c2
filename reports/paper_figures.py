"""Figures 7 to 10 redrawn from our own runs: PNG and SVG files, and one page with all of them and what they say."""

from __future__ import annotations

from html import escape
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reports import style
from reports.reproduction import said

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from reports.reproduction import Measured

__all__ = ["TITLES", "draw", "write_page"]

TITLES = {
    "7": "Cumulative system cost over training",
    "8": "System cost over 25 steps",
    "9": "Total time and cost beside the two benchmarks",
    "10": "Training time",
}
_LINES = ("-", "--", ":", "-.")


def draw(measured: Sequence[Measured], number: str) -> Figure:
    """Return one of Figures 7 to 10."""
    figure = Figure(figsize=(6.4, 4.0) if number != "9" else (9.0, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    if number == "9":
        for place, (label, values) in enumerate(_beside(measured).items()):
            _bars(figure.add_subplot(1, 2, place + 1), [one.name for one in measured], label, values)
        return figure
    axes = figure.add_subplot()
    for index, one in enumerate(measured):
        look: dict[str, Any] = {"color": style.PALETTE[index % 6], "linestyle": _LINES[index % 4], "label": one.name}
        heights = {"7": one.cumulative, "8": one.steps, "10": one.seconds}[number]
        marks: dict[str, Any] = {"marker": "o", "markersize": 3} if number == "8" else {}
        axes.plot(np.arange(1, len(heights) + 1), heights, **look, **marks)
    axes.set_xlabel("step" if number == "8" else "iteration")
    axes.set_ylabel({"7": "cumulative system cost", "8": "least system cost so far", "10": "CPU time, s"}[number])
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _beside(measured: Sequence[Measured]) -> dict[str, dict[str, list[float]]]:
    """Return what Figure 9 compares: mean latency and mean cost of the agents and the two benchmarks."""
    methods = ("maddpg", "nearest", "random")
    costs = {"maddpg": "decided", "nearest": "nearest", "random": "random"}
    return {
        "mean latency T_sys, s": {name: [one.latency[name] for one in measured] for name in methods},
        "system cost": {name: [fmean(getattr(one, costs[name])) for one in measured] for name in methods},
    }


def _bars(axes: Axes, names: Sequence[str], label: str, values: dict[str, list[float]]) -> None:
    place = np.arange(len(names))
    for index, (method, heights) in enumerate(values.items()):
        look: dict[str, Any] = {"color": style.PALETTE[index], "hatch": ("", "//", "..")[index], "edgecolor": "black"}
        axes.bar(place + 0.27 * (index - 1), heights, 0.25, label=method, **look)
    axes.set_xticks(place, [name.replace(", ", "\n") for name in names])
    axes.set_ylabel(label)
    axes.grid(alpha=0.3, axis="y")
    axes.legend()


def write_page(measured: Sequence[Measured], folder: Path) -> list[Path]:
    """Write ``figure-7.png``, ``figure-7.svg`` and so on, and ``index.html`` with all of them; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    sentences = said(measured)
    written, parts = [], []
    for number, title in TITLES.items():
        figure = draw(measured, number)
        for kind in ("png", "svg"):
            path = folder / f"figure-{number}.{kind}"
            figure.savefig(path, dpi=150, metadata={"Date": None} if kind == "svg" else None)
            written.append(path)
        parts.append(
            f"<h2>Figure {number}: {escape(title)}</h2>\n"
            f'<img src="figure-{number}.svg" alt="{escape(title)}">\n<p>{escape(sentences[number])}</p>\n'
        )
    page = folder / "index.html"
    page.write_text(
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Figures 7 to 10</title>\n'
        "<style>body{font-family:system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
        "img{width:100%;background:white}</style>\n"
        "<h1>The paper's Figures 7 to 10, from our own training runs</h1>\n" + "".join(parts) + "</html>\n"
    )
    return [*written, page]
