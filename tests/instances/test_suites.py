"""Suites: what is shipped is what its recipes make, and the best-known table can only become truer."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from dtopt.errors import InputError
from dtopt.registry import solve
from dtopt.solution import Solution
from instances.suites import load_suite, problem_of, read_suite, select, suite_names, upkeep, write_suite
from instances.suites.recipes import checked, needs_data

NAMES = ("city", "hard", "large", "melbourne", "mobility", "paper")


def test_the_shipped_suites_are_whole():
    assert set(NAMES) <= set(suite_names())
    for name in NAMES:
        suite = load_suite(name)
        # Its checksum is that of its instances, or it would not be read.
        assert suite.checksum == suite.identity()
        assert (files("instances.suites.data") / f"{name}.json").is_file()
        for entry in suite.instances:
            assert entry.best is not None
            assert entry.bound is not None
            sign = 1 if entry.maximise else -1
            assert sign * (entry.bound.value - entry.best.value) >= -1e-6 * abs(entry.best.value)
            assert needs_data(entry.recipe) == (name == "melbourne")
    assert all(entry.gap <= 1e-6 for entry in load_suite("paper").instances)


@pytest.mark.parametrize("name", ["paper", "hard"])
def test_shipped_suites_verify(name):
    findings = upkeep.verify(load_suite(name))
    assert [f for f in findings if f.faults or f.note] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["city", "large", "melbourne", "mobility"])
def test_the_other_shipped_suites_verify(name):
    findings = upkeep.verify(load_suite(name))
    assert [f for f in findings if f.faults] == []
    # Data that is not there is no fault, but told.
    assert all(not f.note or name == "melbourne" for f in findings)


def test_another_instance_than_the_one_wanted_is_refused(monkeypatch):
    entry = load_suite("paper").instances[0]
    problem = problem_of(entry.recipe)
    assert checked(entry.recipe, entry.hash).content_hash == entry.hash
    users = problem.network.users
    # The last bits count.
    nearby = np.nextafter(users.data_bits, np.inf)
    moved = replace(problem, network=replace(problem.network, users=replace(users, data_bits=nearby)))
    monkeypatch.setattr("instances.suites.recipes.problem_of", lambda recipe, data=None: moved)
    with pytest.raises(InputError, match="makes an instance with hash"):
        checked(entry.recipe, entry.hash)


def test_the_p2_of_a_slot_has_twins_where_they_were(monkeypatch):
    entry = next(e for e in load_suite("mobility").instances if "trace" in e.name)
    problem = problem_of(entry.recipe)
    assert problem.kind == "migration"
    assert problem.content_hash == entry.hash
    assert (problem.previous >= 0).any()


def test_names_and_patterns():
    chosen = select(["paper/100x10-*", "paper/100x10-s1", "hard/correlated-50x5-s1"])
    labels = [f"{suite.name}/{entry.name}" for suite, entry in chosen]
    assert len(labels) == len(set(labels)) == 6
    assert labels[-1] == "hard/correlated-50x5-s1"
    with pytest.raises(InputError, match="has no instance 'x'"):
        select(["paper/x"])
    with pytest.raises(InputError, match="there is no suite 'x'"):
        select(["x"])


@pytest.fixture
def small(tmp_path):
    """A suite of one's own, of one instance with a poor best-known value and a poor bound."""
    from instances.suites import Entry, Known, Suite

    recipe = {"preset": "paper", "options": {"users": 20, "stations": 3}, "seed": 1}
    problem = problem_of(recipe)
    poor = solve(problem, "nearest")
    entry = Entry(
        name="a",
        hash=problem.content_hash,
        kind="placement",
        objective="system cost",
        users=20,
        stations=3,
        recipe=recipe,
        best=Known.of(poor.objective, "nearest", "2026-01-01", poor.solution),
        bound=Known(value=0.1, how="nobody", date="2026-01-01"),
    )
    suite = Suite(name="small", release=1, summary="one", checksum="", instances=[entry])
    suite = suite.model_copy(update={"checksum": suite.identity()})
    path = tmp_path / "small.json"
    write_suite(suite, path)
    return path, problem


def faults_of(path):
    return [fault for finding in upkeep.verify(read_suite(path)) for fault in finding.faults]


def edited(path, change):
    document = json.loads(path.read_text())
    change(document["instances"][0])
    path.write_text(json.dumps(document))


def test_verify_finds_what_is_wrong(small):
    path, _ = small
    assert faults_of(path) == []
    kept = path.read_text()
    edited(path, lambda e: e["best"].update(value=1.0))
    assert "best-known value 1, the evaluator finds" in faults_of(path)[0]
    path.write_text(kept)
    edited(path, lambda e: e["bound"].update(value=99.0))
    assert "contradicts the bound of the table, 99" in faults_of(path)[0]
    path.write_text(kept)
    edited(path, lambda e: e["best"].update(association="AAAA"))
    assert "association: is damaged" in faults_of(path)[0]
    path.write_text(kept)
    # What the checksum is of cannot be changed without it.
    edited(path, lambda e: e["recipe"].update(seed=2))
    with pytest.raises(InputError, match="checksum: is not that of its instances"):
        read_suite(path)


def test_another_instance_behind_a_recipe_is_found(small):
    path, _ = small
    suite = read_suite(path)
    changed = suite.with_entry(suite.instances[0].model_copy(update={"hash": "0" * 64}))
    write_suite(changed.model_copy(update={"checksum": changed.identity()}), path)
    assert "makes an instance with hash" in faults_of(path)[0]


def test_only_a_better_solution_that_the_evaluator_confirms_is_accepted(small):
    path, problem = small
    entry = read_suite(path).entry("a")
    best = solve(problem, "exact")
    better, line = upkeep.accept_solution(entry, problem, best.solution, "exact")
    assert better.best.value == best.objective
    assert "->" in line
    assert faults_of_entry(path, better) == []
    same, line = upkeep.accept_solution(better, problem, entry.best.solution, "nearest")
    assert same is better
    assert "is no better" in line
    with pytest.raises(InputError, match="the evaluator rejects the solution"):
        upkeep.accept_solution(entry, problem, Solution(np.full(20, -1)), "liar")
    proven = upkeep.accept_bound(better, best.bound, "exact")[0]
    assert proven.gap <= 1e-6
    with pytest.raises(InputError, match="contradicts the new bound"):
        upkeep.accept_bound(better, 2.0 * best.objective, "liar")
    # A bound above the best known would make a better solution a contradiction.
    wrong = entry.model_copy(update={"bound": entry.bound.model_copy(update={"value": entry.best.value})})
    with pytest.raises(InputError, match="contradicts the proven bound"):
        upkeep.accept_solution(wrong, problem, best.solution, "exact")


def faults_of_entry(path, entry):
    write_suite(read_suite(path).with_entry(entry), path)
    return faults_of(path)
