"""The page as a document: well-formed, self-contained, safe from names, and true to the results."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from dtopt.errors import InputError
from dtopt.testing.tiny import tiny_problem
from reports.publish.page import page
from reports.publish.source import source
from tests.reports.parser import Page
from tests.reports.samples import from_comparison, instance, results

EVIL = '</script><script>alert("1")</script><img src=x onerror=alert(2)>&amp;'


@pytest.fixture(scope="module")
def text(sample):
    made, problems = sample
    return page(made, lambda one: problems[one.label])


@pytest.fixture(scope="module")
def parsed(text):
    return Page(text)


def test_it_is_well_formed_and_loads_nothing(parsed, text):
    names = [tag for tag, _ in parsed.tags]
    assert names.count("html") == names.count("h1") == names.count("main") == names.count("title") == 1
    identifiers = [a["id"] for _, a in parsed.tags if "id" in a]
    assert len(identifiers) == len(set(identifiers))
    for tag, attributes in parsed.tags:
        for name in ("src", "href", "data", "poster", "action", "srcset"):
            target = attributes.get(name)
            assert target is None or target == "data:," or target[1:] in identifiers, (tag, name, target)
        for reference in (attributes.get("aria-labelledby") or "").split():
            assert reference in identifiers
    style = text[text.index("<style>") : text.index("</style>")]
    assert "@import" not in style
    assert "url(" not in style
    assert text.count('data-packed="plotly"') == 1
    assert "Plotly" in parsed.packed()["plotly"]


def test_it_opens_on_the_answer(sample, parsed):
    made = sample[0]
    start = parsed.text.split("Solvers")[0]
    for ranking in made.rankings:
        assert ranking.winner in start
        assert ranking.group.name in start
    assert "95\u00a0% interval" in start
    assert re.search(r"p.[=<].", start)


def test_rows_and_instances_are_those_of_the_results(sample, parsed):
    made = sample[0]
    data = json.loads(parsed.packed()["data"])
    frame = made.scores.frame
    runs = data["runs"]
    assert [data["solvers"][i] for i in runs["solver"]] == frame["solver"].tolist()
    assert [data["instances"]["label"][i] for i in runs["instance"]] == frame["instance"].tolist()
    assert runs["objective"] == pytest.approx(frame["objective"].tolist(), rel=1e-7)
    assert runs["primal"] == pytest.approx(frame["primal_gap"].tolist(), rel=1e-3, abs=1e-9)
    assert [runs["statusTexts"][i] for i in runs["status"]] == frame["status"].tolist()
    best = [made.scores.references[label].best for label in data["instances"]["label"]]
    assert data["instances"]["best"] == pytest.approx(best, rel=1e-7)


def test_each_instance_has_traces_and_the_map_of_each_solution(sample, parsed):
    made, problems = sample
    labels = sorted(made.results.instances)
    blocks = parsed.packed()
    for i, label in enumerate(labels):
        block, problem = json.loads(blocks[f"i{i}"]), problems[label]
        drawn = block["map"]
        runs = made.results.runs
        found = {runs["solver"][view["run"]]: view for view in drawn["views"]}
        assert set(found) == {"random", "nearest", "greedy"}
        for name, view in found.items():
            mine = runs[(runs["instance"] == label) & (runs["solver"] == name)]
            best = mine["objective"].max() if problem.maximise else mine["objective"].min()
            assert runs["objective"][view["run"]] == best
            association = np.asarray(runs["association"][view["run"]])
            assert view["server"] == association.tolist()
            assert dict(zip(view["open"], view["twins"], strict=True)) == {
                k: c for k, c in enumerate(np.bincount(association, minlength=3).tolist()) if c
            }
        assert drawn["place"] == problem.network.users.position_m.round().astype(int).ravel().tolist()
        assert (drawn["before"] is not None) == (problem.kind == "migration")
        for trace in block["traces"]:
            assert trace["y"][-1] == pytest.approx(runs["objective"][trace["run"]], rel=1e-7)


def test_all_figures_are_there(sample, parsed):
    blocks = parsed.packed()
    for i, ranking in enumerate(sample[0].rankings):
        figures = json.loads(blocks[f"g{i}"])
        choices = {a["value"] for t, a in parsed.tags if t == "option" and "-" in a["value"]}
        assert choices <= set(figures)
        assert {"integral", "box"} <= set(figures)
        for figure in figures.values():
            assert [trace["name"] for trace in figure["data"]] == list(ranking.solvers)
        looks = [(t["line"]["color"], t["marker"]["symbol"]) for t in figures["reach-0.01"]["data"]]
        assert len({colour for colour, _ in looks}) == len({symbol for _, symbol in looks}) == len(looks)


def test_names_do_no_harm(comparison):
    given, _ = from_comparison(comparison)
    label = next(iter(given.instances))
    evil = {
        EVIL if one == label else one: replace(i, label=EVIL) if one == label else i
        for one, i in given.instances.items()
    }
    runs = given.runs.assign(
        instance=given.runs["instance"].replace(label, EVIL),
        message=EVIL,
        solver=given.runs["solver"].replace("greedy", EVIL),
    )
    made = source(replace(given, runs=runs, instances=evil, title=EVIL))
    text = page(made)
    harmless = Page(text)
    assert not [t for t, _ in harmless.tags if t == "img"]
    assert EVIL not in text
    assert EVIL in harmless.text
    assert len(harmless.scripts) == len(Page(page(source(given))).scripts)
    figures = json.loads(harmless.packed()["g0"])
    assert not any(
        "<" in t["name"] or "<" in t.get("hovertemplate", "").split("<extra>")[1][:-8] for t in figures["box"]["data"]
    )


def test_maps_that_cannot_be_made_say_why(sample):
    made = sample[0]

    def failing(one):
        raise InputError("needs data", where=one.label, mend="--data")

    block = json.loads(Page(page(made, failing)).packed()["i0"])
    assert block["map"] is None
    assert "needs data" in block["noMap"]
    wrong = tiny_problem(5, users=6, stations=3)
    assert "another instance" in json.loads(Page(page(made, lambda _: wrong)).packed()["i0"])["noMap"]
    assert "without maps" in json.loads(Page(page(made)).packed()["i0"])["noMap"]


def test_results_without_a_solution_make_a_page():
    rows = [{"instance": "s/a", "solver": "x", "status": "infeasible"}]
    found = Page(page(source(results([instance("s/a")], rows))))
    assert "No run found a solution" in found.text
    assert "no solution is known: s/a" in found.text or "Left out" in found.text
    empty = Page(page(source(results([instance("s/a")], []))))
    assert "Runs (0)" in empty.text


@pytest.mark.slow
def test_ten_thousand_rows_stay_small(comparison):
    given, problems = from_comparison(comparison, copies=840)
    assert len(given.runs) > 10_000
    text = page(source(given), lambda one: problems[one.label])
    assert len(text.encode()) <= 8_000_000
