"""The map of an instance: users, stations, open servers and links, one view for each solver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from dtopt.problem import Migration
from reports import style
from reports.text import shown

if TYPE_CHECKING:
    import numpy.typing as npt

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Problem
    from reports.comparison import Row

    Short = npt.NDArray[np.float32]

__all__ = ["MapBase", "map_base", "map_layout", "map_view", "spread_colours"]


@dataclass(frozen=True, eq=False)
class MapBase:
    """What all views of one instance's map share.

    Parameters
    ----------
    figure : go.Figure
        The access links and the layout.
    users : ndarray of int
        The users that are shown.
    note : str
        What is left out; empty where nothing is.
    ratio : float
        Height of the area over its width, within what a page can show.
    """

    figure: go.Figure
    users: IntArray
    note: str
    ratio: float


def map_base(problem: Problem, most_users: int) -> MapBase | None:
    """Return the part of the map that no solver changes, None where users or stations have no positions."""
    users_m, stations_m = problem.network.users.position_m, problem.network.stations.position_m
    if users_m is None or stations_m is None:
        return None
    n = problem.n_users
    users = np.unique(np.linspace(0, n - 1, min(n, most_users)).round().astype(np.int64))
    note = f"{users.size:,} of {n:,} users are shown, evenly over their list." if users.size < n else ""
    figure = go.Figure(layout=map_layout())
    access = problem.network.access_station[users]
    if (access >= 0).all():
        x, y = _segments(users_m[users], stations_m[access])
        figure.add_scatter(
            name="access link",
            x=x,
            y=y,
            mode="lines",
            line={"color": style.FAINT, "width": 1, "dash": "dot"},
            hoverinfo="skip",
        )
    width, height = np.ptp(np.concatenate([users_m[users], stations_m]), axis=0)
    ratio = float(np.clip(height / width, 0.3, 1.3)) if width > 0 else 1.0
    return MapBase(figure, users, note, ratio)


def map_layout() -> go.Layout:
    """Return the layout of all maps: one scale for both axes, and no ground beyond the instance."""
    return style.layout(
        600,
        showlegend=True,
        hovermode="closest",
        dragmode="pan",
        xaxis={"title": {"text": "x, m"}, "zeroline": False, "constrain": "domain"},
        yaxis={"title": {"text": "y, m"}, "zeroline": False, "constrain": "domain", "scaleanchor": "x"},
        legend={"itemsizing": "constant"},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": style.CLOSED, "activecolor": style.PALETTE[0]},
    )


def map_view(problem: Problem, base: MapBase, row: Row) -> go.Figure:
    """Return the view of one solution: links to the servers, users, closed stations, open servers."""
    assert row.solution is not None  # noqa: S101 - rows without a solution have no view
    assert row.evaluation is not None  # noqa: S101
    users_m, stations_m = problem.network.users.position_m, problem.network.stations.position_m
    assert users_m is not None  # noqa: S101 - a base was made of them
    assert stations_m is not None  # noqa: S101
    figure = go.Figure()
    association = row.solution.association[base.users]
    servers = row.solution.open_servers
    colour = np.zeros(problem.n_stations, dtype=np.int64)
    colour[servers] = spread_colours(stations_m[servers])
    moved = np.zeros(base.users.size, dtype=bool)
    if isinstance(problem, Migration):
        before = problem.previous[base.users]
        moved = (before >= 0) & (before != association)
    for kind, chosen, dash in (("link to server", ~moved, "solid"), ("link of a twin that moves", moved, "dash")):
        for index, paint in enumerate(style.PALETTE):
            part = chosen & (colour[association] == index)
            if part.any():
                x, y = _segments(users_m[base.users[part]], stations_m[association[part]])
                line = {"color": paint, "width": 1.3, "dash": dash}
                first = not any(trace.name == kind for trace in figure.data)
                figure.add_scatter(
                    name=kind,
                    legendgroup=kind,
                    showlegend=first,
                    x=x,
                    y=y,
                    mode="lines",
                    line=line,
                    opacity=0.7,
                    hoverinfo="skip",
                )
    figure.add_scatter(
        name="user, in the colour of its server",
        **_points(users_m[base.users]),
        mode="markers",
        marker={"symbol": "circle", "size": 6, "color": [style.PALETTE[c] for c in colour[association]]},
        text=_user_texts(problem, base.users, association, row.evaluation.latency_s),
        hovertemplate="%{text}<extra></extra>",
    )
    stations = problem.network.stations
    closed = np.setdiff1d(np.arange(problem.n_stations), servers)
    figure.add_scatter(
        name="base station",
        **_points(stations_m[closed]),
        mode="markers",
        marker={"symbol": "triangle-up-open", "size": 11, "color": style.CLOSED, "line": {"width": 2}},
        text=[shown(stations.name(k)) for k in closed.tolist()],
        hovertemplate="%{text}, closed<extra></extra>",
    )
    counts = row.solution.counts(problem.n_stations)[servers]
    figure.add_scatter(
        name="open server",
        **_points(stations_m[servers]),
        mode="markers",
        marker={
            "symbol": "square",
            "opacity": 1,
            "size": (11 + 12 * np.sqrt(counts / max(1, counts.max(initial=1)))).round(1).tolist(),
            "color": [style.PALETTE[c] for c in colour[servers]],
            "line": {"width": 2, "color": "rgba(128,128,128,1)"},
        },
        text=[f"{shown(stations.name(k))}: {c} twins" for k, c in zip(servers.tolist(), counts.tolist(), strict=True)],
        hovertemplate="%{text}<extra></extra>",
    )
    return figure


def _points(position_m: FloatArray) -> dict[str, Short]:
    """Return x and y as the short floats that figures need: a tenth of a metre is far below a pixel."""
    return {"x": position_m[:, 0].astype(np.float32), "y": position_m[:, 1].astype(np.float32)}


def _segments(start: FloatArray, end: FloatArray) -> tuple[Short, Short]:
    """Return the coordinates of lines with a gap after each."""
    lines = np.full((start.shape[0], 3, 2), np.nan, dtype=np.float32)
    lines[:, 0], lines[:, 1] = start, end
    return lines[:, :, 0].ravel(), lines[:, :, 1].ravel()


def spread_colours(position_m: FloatArray) -> IntArray:
    """Return a colour index for each server, so that servers of one colour are far apart."""
    chosen = np.zeros(position_m.shape[0], dtype=np.int64)
    for i in range(position_m.shape[0]):
        distance = np.hypot(*(position_m[:i] - position_m[i]).T)
        nearest = [distance[chosen[:i] == c].min(initial=np.inf) for c in range(len(style.PALETTE))]
        chosen[i] = int(np.argmax(nearest))
    return chosen


def _user_texts(problem: Problem, users: IntArray, association: IntArray, latency_s: FloatArray) -> list[str]:
    names, stations = problem.network.users, problem.network.stations
    return [
        f"{shown(names.name(i))} on {shown(stations.name(k))}, {1e3 * latency_s[i]:.4g} ms"
        for i, k in zip(users.tolist(), association.tolist(), strict=True)
    ]
