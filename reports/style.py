"""Colours, dashes and shapes of the figures: told apart without colour vision, on light and on dark ground."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

__all__ = ["CLOSED", "DASHES", "FAINT", "PALETTE", "PART_STYLE", "SYMBOLS", "layout", "line"]

#: Okabe and Ito (2008), without black and yellow, which vanish on dark and on light ground.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
#: Parts of the latency: colour and pattern.
PART_STYLE = {
    "wireless": ("#56B4E9", ""),
    "wired": ("#E69F00", "/"),
    "compute": ("#009E73", "."),
    "moving": ("#CC79A7", "x"),
    "given": ("#56B4E9", ""),
}
CLOSED = "#888888"
FAINT = "rgba(128,128,128,0.55)"
_GRID = "rgba(128,128,128,0.25)"


def line(index: int) -> dict[str, Any]:
    """Return line and marker of the solver at a place: colour and symbol first, then other dashes."""
    colour = PALETTE[index % 6]
    return {
        "line": {"color": colour, "dash": DASHES[index // 6 % 6], "width": 2},
        # Another symbol in the second round, so that no two of 36 look the same.
        "marker": {"color": colour, "symbol": SYMBOLS[(index + index // 6) % 6], "size": 8},
    }


def layout(height: int, **settings: Any) -> go.Layout:
    """Return the layout that all figures share; the page sets the colour of their text."""
    figure = go.Figure()
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        height=height,
        font={"family": "system-ui, sans-serif", "size": 13},
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": -0.15, "yanchor": "top"},
        hoverlabel={"align": "left"},
    )
    axis = {"gridcolor": _GRID, "zerolinecolor": _GRID, "automargin": True, "title": {"standoff": 8}}
    figure.update_xaxes(axis)
    figure.update_yaxes(axis)
    figure.update_layout(**settings)
    return figure.layout
