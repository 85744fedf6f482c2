"""The page: well-formed, self-contained, safe from names in files, and true to the solutions it draws."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dtopt.network import BaseStations, Users
from dtopt.testing.tiny import tiny_problem
from reports.compare import compare
from reports.html import html
from reports.maps import map_base, map_view
from tests.reports.parser import Page

BASELINES = ["random", "nearest", "greedy"]
EVIL = '</script><script>alert("1")</script><img src=x onerror=alert(2)>&amp;'


def tiny(name="tiny", **options):
    return replace(tiny_problem(5, users=5, stations=3, **options), name=name)


@pytest.fixture(scope="module")
def comparison():
    return compare([tiny(), tiny("move", kind="migration")], BASELINES, seed=1)


@pytest.fixture(scope="module")
def page(comparison):
    return Page(html(comparison))


def numbers(values):
    """Return an array as Plotly packs it, or as a list."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
    return np.array(values, dtype=float)


def test_the_page_is_well_formed_and_readable_by_all(page):
    names = [tag for tag, _ in page.tags]
    assert names.count("html") == names.count("h1") == names.count("main") == names.count("title") == 1
    attributes = dict(page.tags)
    assert attributes["html"]["lang"] == "en"
    viewport = next(a for t, a in page.tags if t == "meta" and a.get("name") == "viewport")
    assert "width=device-width" in viewport["content"]
    plots = [a for t, a in page.tags if a.get("class") == "plot"]
    assert len(plots) == 6
    # A map has buttons of its own inside, an image must not.
    assert [a["role"] for a in plots] == ["img", "group", "img"] * 2
    assert all(a["aria-label"] for a in plots)
    scroll = next(a for t, a in page.tags if a.get("class") == "scroll")
    assert scroll["tabindex"] == "0"
    identifiers = [a["id"] for _, a in page.tags if "id" in a]
    assert len(identifiers) == len(set(identifiers))
    for _, a in page.tags:
        if (a.get("href") or "").startswith("#"):
            assert a["href"][1:] in identifiers
        for reference in (a.get("aria-labelledby") or "").split():
            assert reference in identifiers


def test_the_page_loads_nothing(page, comparison):
    for tag, attributes in page.tags:
        for name in ("src", "href", "data", "poster", "action", "srcset"):
            target = attributes.get(name)
            assert target is None or target == "data:," or target.startswith("#"), (tag, name, target)
    text = html(comparison)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "@import" not in style
    assert "url(" not in style
    for own in Path("reports/templates").glob("*.js"):
        assert not re.search(r"https?:|fetch\(|import\(|XMLHttpRequest", own.read_text()), own
    # The library stands in the page once.
    assert len([body for a, body in page.scripts if len(body) > 1_000_000]) == 1


def test_the_page_opens_on_the_answer(page, comparison):
    best = comparison.summaries("tiny")[0].best
    start = page.text.split("All results")[0]
    assert best.solver in start
    assert f"{best.objective:.6g}" in start
    for row in comparison.rows:
        assert f"{row.objective:.6g}" in page.text


def test_names_from_files_do_no_harm():
    problem = tiny(EVIL)
    users = replace(problem.network.users, names=tuple(f"{EVIL}{i}" for i in range(5)))
    stations = replace(problem.network.stations, names=tuple(f"{EVIL}{i}" for i in range(3)))
    problem = replace(problem, network=replace(problem.network, users=users, stations=stations))
    text = html(compare([problem], BASELINES))
    harmless = Page(text)
    assert not [t for t, _ in harmless.tags if t == "img"]
    assert EVIL not in text
    assert EVIL in harmless.text
    plain = html(compare([tiny()], BASELINES))
    assert len(harmless.scripts) == len(Page(plain).scripts)
    labels = [
        t for view in harmless.figures()["i0-map"]["views"].values() for trace in view for t in trace.get("text", ())
    ]
    assert labels
    assert not any("<" in label for label in labels)


def test_bars_and_traces_show_the_numbers(page, comparison):
    figures = page.figures()
    rows = [s.best for s in comparison.summaries("tiny")]
    bars = figures["i0-bars"]["data"]
    assert [trace["name"] for trace in bars] == ["wireless", "wired", "compute"]
    assert list(bars[0]["y"]) == [row.solver for row in rows]
    total = sum(numbers(trace["x"]) for trace in bars)
    assert total == pytest.approx([1e3 * row.evaluation.terms.latency for row in rows], abs=1e-3)
    assert len({trace["marker"]["color"] for trace in bars}) == 3
    assert len({trace["marker"]["pattern"].get("shape", "") for trace in bars}) == 3
    assert [trace["name"] for trace in figures["i1-bars"]["data"]][-1] == "moving"
    lines = {trace["name"]: trace for trace in figures["i0-traces"]["data"]}
    for row in rows:
        assert numbers(lines[row.solver]["y"])[-1] == row.objective
    bound = next(trace for name, trace in lines.items() if name.startswith("proven bound"))
    assert numbers(bound["y"])[0] == comparison.bound("tiny").value


@pytest.mark.parametrize(("position", "label"), [(0, "tiny"), (1, "move")])
def test_maps_show_each_solution(page, comparison, position, label):
    problem = comparison.case(label).problem
    document = page.figures()[f"i{position}-map"]
    rows = [s.best for s in comparison.summaries(label)]
    options = [a["value"] for t, a in page.tags if t == "option" and a["value"].startswith(f"i{position}-")]
    assert options == list(document["views"])
    users, stations = problem.network.users.position_m, problem.network.stations.position_m
    for row, view in zip(rows, document["views"].values(), strict=True):
        links = [t for t in view if t["mode"] == "lines"]
        drawn = set()
        for trace in links:
            ends = np.column_stack([numbers(trace["x"]), numbers(trace["y"])]).reshape(-1, 3, 2)
            drawn |= {tuple(segment[:2].round(1).ravel().tolist()) for segment in ends}
        both = np.hstack([users, stations[row.solution.association]]).astype(np.float32)
        assert drawn == {tuple(line.round(1).tolist()) for line in both}
        servers = next(t for t in view if t["name"] == "open server")
        assert numbers(servers["x"]) == pytest.approx(stations[row.solution.open_servers, 0], rel=1e-6)
        closed = next(t for t in view if t["name"] == "base station")
        assert numbers(closed["x"]).size + row.solution.open_servers.size == problem.n_stations
        assert servers["marker"]["symbol"] != closed["marker"]["symbol"]
    access = document["base"]["data"][0]
    assert numbers(access["x"]).size == 3 * problem.n_users


def test_twins_that_move_have_links_of_their_own():
    problem = tiny("move", kind="migration")
    rows = compare([problem], ["nearest"]).rows
    base = map_base(problem, 100)
    moved = (problem.previous >= 0) & (problem.previous != rows[0].solution.association)
    assert moved.any()
    view = map_view(problem, base, rows[0])
    segments = sum(len(t.x) // 3 for t in view.data if t.name == "link of a twin that moves")
    assert segments == moved.sum()


def test_instances_without_places_say_so():
    problem = tiny("nowhere")
    network = problem.network
    bare = Users(network.users.data_bits, network.users.update_bits, network.users.tx_power_w, np.inf)
    stations = BaseStations(network.stations.cpu_hz, network.stations.capacity)
    problem = replace(problem, network=replace(network, users=bare, stations=stations, backhaul_s_per_bit_m=0.0))
    text = html(compare([problem], ["nearest"]))
    page = Page(text)
    assert "no positions" in page.text
    assert "i0-map" not in page.figures()
    assert "i0-bars" in page.figures()


def test_pages_without_a_solution_carry_no_figures():
    problem = tiny("full")
    stations = replace(problem.network.stations, capacity=np.array([1, 1, 1]))
    problem = replace(problem, network=replace(problem.network, stations=stations))
    text = html(compare([problem], BASELINES))
    assert len(text) < 50_000
    assert "Proven infeasible" in Page(text).text


def test_large_instances_are_sampled():
    problem = tiny("crowd")
    base = map_base(problem, 3)
    assert base.users.tolist() == [0, 2, 4]
    assert "3 of 5 users are shown" in base.note
    row = compare([problem], ["nearest"]).rows[0]
    view = map_view(problem, base, row)
    dots = next(t for t in view.data if (t.name or "").startswith("user"))
    assert len(dots.x) == 3


@pytest.mark.slow
def test_the_page_stays_small():
    from dtopt.generators import generate

    problems = [generate("large", users=4000, stations=60, seed=s) for s in range(3)]
    text = html(compare(problems, ["random", "nearest"]))
    assert len(text.encode()) < 8_000_000
