"""Figures 7 to 10 redrawn from our own runs: PNG and SVG files, and one page with all of them and what they say."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reports import style
from reports.reproduction import said

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for index, one in enumerate(measured):
        look: dict[str, Any] = {"color": style.PALETTE[index % 6], "linestyle": _LINES[index % 4], "label": one.name}
        if number == "7":
            axes.plot(np.arange(1, len(one.cumulative) + 1), one.cumulative, **look)
        elif number == "8":
            axes.plot(np.arange(1, len(one.steps) + 1), one.steps, marker="o", markersize=3, **look)
        elif number == "10":
            axes.plot(np.arange(1, len(one.seconds) + 1), one.seconds, **look)
    if number == "9":
        place, names = np.arange(len(measured)), ("maddpg", "nearest", "random")
        for index, name in enumerate(names):
            height = [one.latency[name] for one in measured]
            axes.bar(
                place + 0.27 * (index - 1),
                height,
                0.25,
                color=style.PALETTE[index],
                hatch=("", "//", "..")[index],
                edgecolor="black",
                label=name,
            )
        axes.set_xticks(place, [one.name for one in measured])
    axes.set_xlabel({"7": "iteration", "8": "step", "9": "", "10": "iteration"}[number])
    labels = {"7": "cumulative system cost", "8": "system cost", "9": "mean latency T_sys, s", "10": "CPU time, s"}
    axes.set_ylabel(labels[number])
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


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
