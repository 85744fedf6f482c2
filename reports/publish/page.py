"""The page of a benchmark: the answer first, then tables, figures and a view of each instance; self-contained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reports import style
from reports.maps import map_layout
from reports.pages import joined, packed, packed_plotly, plain_figure, template
from reports.publish import answer, details, tables
from reports.publish.figures import GAP_AXIS, figures, styles

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.problem import Problem
    from reports.publish.source import Source
    from reports.results import Instance
    from reports.statistics.ranking import Ranking

__all__ = ["page"]


def page(source: Source, problem_of: Callable[[Instance], Problem] | None = None) -> str:
    """Return the page; it loads nothing from anywhere.

    Parameters
    ----------
    source : Source
    problem_of : callable, optional
        Makes the problem of an instance again, for its map; without it there are no maps.
    """
    import plotly.graph_objects as go

    frame = source.scores.frame
    solvers = sorted(set(frame["solver"]))
    labels = sorted(source.results.instances)
    order = styles(solvers)
    names, blocks = [], []
    for i, ranking in enumerate(source.rankings):
        drawn = figures(source, ranking, order)
        names.append([(key, title) for key, (title, _) in drawn.items()])
        blocks.append((f"g{i}", packed({key: plain_figure(figure) for key, (_, figure) in drawn.items()})))
    empty = frame.iloc[:0]
    by_instance = dict(iter(frame.groupby("instance")))
    most = details.most_map_users(source)
    for i, label in enumerate(labels):
        blocks.append((f"i{i}", packed(_instance(source, label, by_instance.get(label, empty), problem_of, most))))
    data = {
        "solvers": solvers,
        "styles": [style.line(order[name]) for name in solvers],
        "layout": plain_figure(go.Figure(layout=style.layout(400)))["layout"],
        "mapLayout": plain_figure(go.Figure(layout=map_layout()))["layout"],
        "gapAxis": GAP_AXIS,
        "bound": style.CLOSED,
        "instances": details.instance_columns(source, labels),
        "runs": details.run_columns(source, solvers, labels),
    }
    return template("benchmark.html.j2").render(
        title=source.title,
        headline=joined(answer.headline(source)),
        verdicts=[(r.group.name, joined(" ".join(answer.verdict(r)))) for r in source.rankings],
        facts=answer.facts(source),
        groups=[_group(ranking, keys) for ranking, keys in zip(source.rankings, names, strict=True)],
        left_out=answer.left_out(source),
        rejected=len(source.results.rejected),
        definitions=[(term, joined(meaning)) for term, meaning in answer.definitions()],
        counts=(len(frame), len(labels)),
        data=packed(data),
        blocks=blocks,
        plotly=packed_plotly(),
    )


def _group(ranking: Ranking, keys: list[tuple[str, str]]) -> dict[str, Any]:
    found = [tables.summary(ranking), tables.suites(ranking), tables.suites(ranking, controllable=True)]
    return {
        "name": ranking.group.name,
        "tables": [table for table in found if table is not None],
        "pairs": tables.pairs(ranking) if len(ranking.solvers) > 1 else None,
        "profiles": [(key, title) for key, title in keys if key.startswith("profile-")],
        "reaches": [(key, title) for key, title in keys if key.startswith("reach-")],
    }


def _instance(
    source: Source, label: str, runs: Any, problem_of: Callable[[Instance], Problem] | None, most: int
) -> dict[str, Any]:
    instance = source.results.instances[label]
    drawn, why = None, "This report was made without maps."
    if problem_of is not None:
        drawn, why = details.map_of(source, instance, runs, problem_of, most)
    return {"traces": details.traces_of(source, runs), "map": drawn, "noMap": why}
