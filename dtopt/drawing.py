"""The map of a solution as a Matplotlib figure: users, stations, open servers, and who is kept where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dtopt.problem import Problem
    from dtopt.solution import Solution

__all__ = ["draw"]

#: Okabe and Ito (2008): told apart without colour vision.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999933", "#882255")
CLOSED = "#888888"


def draw(problem: Problem, solution: Solution | None = None, *, ax: Axes | None = None, links: bool = True) -> Axes:
    """Draw a problem, and a solution where one is given.

    Parameters
    ----------
    problem : Problem
    solution : Solution, optional
    ax : Axes, optional
        Where to draw; a new figure where not given.
    links : bool
        Whether each user is joined to its server.

    Returns
    -------
    Axes
        Its ``figure.savefig("map.svg")`` writes it.

    Raises
    ------
    InputError
        If users or stations have no positions.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    users, stations = problem.network.users.position_m, problem.network.stations.position_m
    if users is None or stations is None:
        raise InputError("users and stations need positions", where="plot", mend="give x_m and y_m of all of them")
    if ax is None:
        # Not through pyplot, which would keep the figure and need a display's backend.
        figure = Figure(figsize=(6.4, 6.0), layout="constrained")
        ax = figure.add_subplot()
    server = np.full(problem.n_users, -1) if solution is None else solution.association
    is_open = np.zeros(problem.n_stations, dtype=bool)
    if solution is not None:
        is_open[solution.open_servers] = True
    number = np.full(problem.n_stations, -1)
    number[is_open] = np.arange(int(is_open.sum()))
    colours = np.array([*COLOURS, CLOSED])
    station_colour = colours[np.where(is_open, number % len(COLOURS), len(COLOURS))]
    user_colour = np.where(server >= 0, station_colour[np.maximum(server, 0)], CLOSED)
    if links and (server >= 0).any():
        placed = server >= 0
        segments = np.stack([users[placed], stations[server[placed]]], axis=1)
        ax.add_collection(
            LineCollection(list(segments), colors=user_colour[placed].tolist(), linewidths=0.6, alpha=0.5)
        )
    ax.scatter(users[:, 0], users[:, 1], s=12, c=user_colour.tolist(), linewidths=0, label="users", zorder=2)
    if (~is_open).any():
        label = "stations" if solution is None else "stations without twins"
        ax.scatter(
            stations[~is_open, 0],
            stations[~is_open, 1],
            s=70,
            marker="^",
            facecolors="none",
            edgecolors=CLOSED,
            label=label,
            zorder=3,
        )
    if is_open.any():
        colour = station_colour[is_open].tolist()
        ax.scatter(
            stations[is_open, 0],
            stations[is_open, 1],
            s=150,
            marker="^",
            c=colour,
            edgecolors="k",
            label="twin servers",
            zorder=4,
        )
    ax.set(xlabel="east, m", ylabel="north, m", title=problem.name or problem.kind)
    ax.set_aspect("equal")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=3, frameon=False)
    return ax
