"""The page of a study: the table, time series, and an animated map; self-contained."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from reports import simulation_tables as tables
from reports import style
from reports.maps import map_layout, spread_colours
from reports.pages import dump, joined, plain_figure, plotly, template
from reports.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    import plotly.graph_objects as go

    from dtopt.arrays import FloatArray
    from dtopt.simulation import SlotOutcome
    from reports.simulation import Study

__all__ = ["simulation_html"]

#: Users and frames of the map at most, and points of a time series.
MAP_USERS, MAP_FRAMES, POINTS = 250, 300, 1000

_METRICS: tuple[tuple[str, str, Callable[[SlotOutcome], float], bool], ...] = (
    ("utility", "utility for each user", lambda s: s.objective / s.users, False),
    ("latency", "mean latency, ms", lambda s: 1e3 * s.latency_s, False),
    ("p95", "95th percentile of latency, ms", lambda s: 1e3 * s.latency_p95_s, False),
    ("p99", "99th percentile of latency, ms", lambda s: 1e3 * s.latency_p99_s, False),
    ("late", "users past their deadline, so far", lambda s: s.late_users, True),
    ("migrations", "migrations, so far", lambda s: s.migrations, True),
    ("moved", "data moved, so far, MB", lambda s: s.moved_bytes / 1e6, True),
    ("decision", "decision time, ms", lambda s: 1e3 * s.decision_s, False),
)


def simulation_html(study: Study) -> str:
    """Return the page; it loads nothing from anywhere."""
    from markupsafe import Markup

    series = {key: plain_figure(_series(study, key)) for key, *_ in _METRICS} if study.labels else {}
    animated = _map(study)
    return template("simulation.html.j2").render(
        headline=joined(tables.headline(study)),
        notes=tables.notes(study),
        headings=tables.headings(study),
        text_columns=tables.TEXT_COLUMNS,
        rows=tables.rows(study),
        metrics=[(key, title) for key, title, *_ in _METRICS],
        series=Markup(dump(series)) if series else "",  # noqa: S704 - our own JSON, made safe by dump
        map=Markup(dump(animated)) if animated else "",  # noqa: S704
        map_note=animated["note"] if animated else "There is no map: the stations have no positions.",
        scenario=study.scenarios[0].name,
        policies=animated["names"] if animated else [],
        frames=len(animated["slots"]) if animated else 0,
        plotly=plotly() if series or animated else "",
    )


def _series(study: Study, key: str) -> go.Figure:
    """Return a figure's course over slots, a line for each policy, the mean over scenarios."""
    import plotly.graph_objects as go

    _, title, value, cumulated = next(metric for metric in _METRICS if metric[0] == key)
    figure = go.Figure(layout=style.layout(380))
    for i, label in enumerate(study.labels):
        runs = [np.array([value(s) for s in t.slots], dtype=np.float64) for t in study.of(label)]
        shortest = min(len(run) for run in runs)
        course: FloatArray = np.mean([np.cumsum(r)[:shortest] if cumulated else r[:shortest] for r in runs], axis=0)
        step = max(1, -(-shortest // POINTS))
        figure.add_scatter(
            name=shown(label),
            x=np.arange(shortest, dtype=np.float32)[::step],
            y=course[::step].astype(np.float32),
            mode="lines",
            line={"color": style.PALETTE[i % 6], "dash": style.DASHES[i % 6], "width": 1.8},
            hovertemplate="%{y:.5g} in slot %{x}<extra>" + shown(label) + "</extra>",
        )
    figure.update_layout(showlegend=True, xaxis={"title": {"text": "slot"}}, yaxis={"title": {"text": title}})
    if key == "decision":
        figure.update_layout(yaxis={"type": "log"})
    return figure


def _map(study: Study) -> dict[str, Any] | None:
    """Return the first scenario's slots as plain lists of short numbers: positions once, associations by policy."""
    import plotly.graph_objects as go

    scenario = study.scenarios[0]
    station_m = scenario.base.network.stations.position_m
    labels = [label for label in study.labels if (label, 0) in study.trajectories]
    if station_m is None or not labels:
        return None
    slots = np.unique(np.linspace(0, scenario.n_slots - 1, min(scenario.n_slots, MAP_FRAMES)).round().astype(int))
    n = scenario.n_users
    users = np.unique(np.linspace(0, n - 1, min(n, MAP_USERS)).round().astype(int))
    present, position = [], []
    for slot in slots.tolist():
        there = np.isin(users, scenario.present_users(slot))
        present.append(there)
        position.append(np.where(there[:, None], scenario.position_m[slot, users].round(), 0).astype(int))
    stations = scenario.base.network.stations
    trajectories = [study.trajectories[label, 0] for label in labels]
    note = []
    if users.size < n:
        note.append(f"{users.size:,} of {n:,} users are shown")
    if slots.size < scenario.n_slots:
        note.append(f"{slots.size:,} of {scenario.n_slots:,} slots")
    # Colours for all stations that ever keep a twin, so that those of one colour are far apart.
    used = np.unique(np.concatenate([np.concatenate(t.associations) for t in trajectories]))
    used = used[used >= 0]
    colour = np.zeros(scenario.n_stations, dtype=np.int64)
    colour[used] = spread_colours(station_m[used])
    corner = np.concatenate([station_m, *(p[there] for p, there in zip(position, present, strict=True))])
    return {
        "note": f"{', '.join(note)}." if note else "",
        "names": labels,
        "slots": slots.tolist(),
        "seconds": scenario.slot_s,
        "stations": [[round(float(x)), round(float(y))] for x, y in station_m],
        "stationNames": [shown(stations.name(k)) for k in range(scenario.n_stations)],
        "low": corner.min(axis=0).tolist(),
        "high": corner.max(axis=0).tolist(),
        "colours": [style.PALETTE[c] for c in colour.tolist()],
        "closed": style.CLOSED,
        # Of each frame: x, y for all users shown, and −1 in the association for who is absent.
        "position": [p.ravel().tolist() for p in position],
        "association": [[t.associations[s][users].tolist() for s in slots.tolist()] for t in trajectories],
        "servers": [
            [None if t.servers[s] is None else np.asarray(t.servers[s]).tolist() for s in slots.tolist()]
            for t in trajectories
        ],
        "latency": [[_milliseconds(t.slots[s].latency_s) for s in slots.tolist()] for t in trajectories],
        "moves": [[t.slots[s].migrations for s in slots.tolist()] for t in trajectories],
        "layout": plain_figure(go.Figure(layout=map_layout()))["layout"],
    }


def _milliseconds(seconds: float) -> float | None:
    """Return s as ms for the page, None where nobody had coverage."""
    return round(1e3 * seconds, 1) if math.isfinite(seconds) else None
