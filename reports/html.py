"""One self-contained page: the answer, the table, and for each instance its figures and its map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports import tables, words
from reports.pages import dump, joined, plain_figure, plotly, template

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from reports.comparison import Case, Comparison

__all__ = ["html"]

#: Users shown on a map at most, and in all views of the page together: some 130 bytes each.
MAP_USERS = 2000
PAGE_USERS = 20_000
#: Instances with figures; the table has them all.
MOST_INSTANCES = 40


@dataclass(frozen=True)
class _Figure:
    """A figure as the template takes it: JSON that is safe inside a script element."""

    key: str
    json: str


@dataclass(frozen=True)
class _Map:
    figure: _Figure
    views: tuple[tuple[str, str], ...]
    note: str
    description: str


@dataclass(frozen=True)
class _Section:
    label: str
    facts: str
    beyond: str
    bars: _Figure | None
    traces: _Figure | None
    map: _Map | None
    no_map: str


def html(comparison: Comparison) -> str:
    """Return the page; it loads nothing from anywhere and stays below 8 MB."""
    from markupsafe import Markup

    shown = comparison.cases[:MOST_INSTANCES]
    most = _map_users(comparison, shown)
    sections = [_section(comparison, case, f"i{i}", most) for i, case in enumerate(shown)]
    return template("report.html.j2").render(
        headline=joined(words.headline(comparison)),
        settings=words.settings(comparison),
        verdicts=[(case.label, joined(words.verdict(comparison, case.label))) for case in comparison.cases],
        headings=tables.headings(comparison),
        text_columns=tables.TEXT_COLUMNS,
        rows=tables.display_rows(comparison),
        notes=comparison.notes,
        sections=sections,
        left_out=len(comparison.cases) - len(shown),
        versions=", ".join(f"{name} {version}" for name, version in sorted(comparison.versions.items())),
        # The library and the figures' JSON are ours; everything else is escaped.
        plotly=plotly() if any(s.bars for s in sections) else "",
        safe=Markup,
    )


def _map_users(comparison: Comparison, cases: tuple[Case, ...]) -> int:
    """Return how many users each map may show, so that the page keeps its size."""
    views = sum(1 for case in cases for s in comparison.summaries(case.label) if s.found)
    return max(50, min(MAP_USERS, PAGE_USERS // max(views, 1)))


def _section(comparison: Comparison, case: Case, key: str, most_users: int) -> _Section:
    from reports import figures

    problem = case.problem
    rows = [s.best for s in comparison.summaries(case.label) if s.found]
    goal = f"{'maximises' if problem.maximise else 'minimises'} {case.objective_name}"
    facts = (
        f"{problem.n_users:,} users, {problem.n_stations:,} stations, "
        f"{'P2 migration' if problem.maximise else 'P1 placement'}, {goal}, {problem.sharing} CPU sharing"
    )
    # Without this line the solver with the shortest bar seems to be the best one.
    beyond = {"system cost": "The system cost adds open servers and energy to the latency.", "latency": ""}.get(
        case.objective_name, "The utility falls with each user's own latency and with energy, not with the mean."
    )
    drawn, why = _map(comparison, case, key, most_users) if rows else (None, "There is no solution to draw.")
    return _Section(
        case.label,
        facts,
        beyond,
        _figure(f"{key}-bars", figures.latency_bars(comparison, case.label)) if rows else None,
        _figure(f"{key}-traces", figures.trace_lines(comparison, case.label)) if any(r.trace for r in rows) else None,
        drawn,
        why,
    )


def _map(comparison: Comparison, case: Case, key: str, most_users: int) -> tuple[_Map | None, str]:
    from reports.maps import map_base, map_view

    base = map_base(case.problem, most_users)
    if base is None:
        return None, "There is no map: the instance gives no positions for its users or its stations."
    views, names = {}, []
    for i, summary in enumerate(s for s in comparison.summaries(case.label) if s.found):
        name = f"{key}-view{i}"
        views[name] = plain_figure(map_view(case.problem, base, summary.best))["data"]
        objective = words.number(summary.best.objective)
        names.append((name, f"{summary.best.solver} ({case.objective_name} {objective}{case.unit})"))
    content = {"base": plain_figure(base.figure), "views": views, "ratio": base.ratio}
    description = (
        f"Map of {case.label}: users as dots, closed base stations as hollow triangles, open servers as squares, "
        "a line from each user to the server of its twin and a dotted one to its access station."
    )
    return _Map(_Figure(f"{key}-map", dump(content)), tuple(names), base.note, description), ""


def _figure(key: str, figure: go.Figure) -> _Figure:
    return _Figure(key, dump(plain_figure(figure)))
