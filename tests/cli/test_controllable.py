"""The controllable gap in what the command line prints and writes."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from dtopt.evaluation import evaluate
from dtopt.io import read, read_solution
from dtopt.result import controllable_gap
from reports.compare import affordable_bound
from reports.words import percent
from tests.instances.test_suites import edited, small

__all__ = ["small"]


@pytest.fixture
def judged(dtopt, instance, tmp_path):
    """A nearest solution in a file, and its gap by the definition."""
    path = tmp_path / "solution.json"
    assert dtopt("solve", instance, "-s", "nearest", "-o", path)[0] == 0
    problem = read(instance)
    found = evaluate(problem, read_solution(path, problem))
    bound = affordable_bound(problem)
    part = controllable_gap(found.objective, bound, problem.uncontrollable_objective)
    assert part > abs(found.objective - bound) / found.objective > 0
    return path, part


def shown(part):
    return f", controllable gap {100 * part:.2g} %" if part < 0.1 else f", controllable gap {100 * part:.1f} %"


def test_solve(dtopt, instance, judged):
    assert shown(judged[1]) in dtopt("solve", instance, "-s", "nearest")[1]
    document = json.loads(dtopt("solve", instance, "-s", "nearest", "--json")[1])[0]
    assert document["proven_controllable_gap"] == pytest.approx(judged[1])
    assert document["proven_controllable_gap"] > document["proven_gap"]
    assert document["controllable_gap"] is None  # nearest itself proves nothing
    assert document["uncontrollable_objective"] == read(instance).uncontrollable_objective


def test_evaluate(dtopt, instance, judged):
    assert shown(judged[1]) in dtopt("evaluate", instance, judged[0])[1]
    document = json.loads(dtopt("evaluate", instance, judged[0], "--json")[1])
    assert document["proven_controllable_gap"] == pytest.approx(judged[1])


def test_info(dtopt, instance):
    assert "uncontrollable objective" in dtopt("info", instance)[1]
    document = json.loads(dtopt("info", instance, "--json")[1])[0]
    assert document["uncontrollable objective"] == read(instance).uncontrollable_objective


def test_compare(dtopt, instance, judged, tmp_path):
    files = {kind: tmp_path / f"out.{kind}" for kind in ("markdown", "csv", "html")}
    options = [x for kind, path in files.items() for x in (f"--{kind}", path)]
    code, out, _ = dtopt("compare", instance, "-s", "nearest", *options)
    assert code == 0
    for text in (out, files["markdown"].read_text(), files["html"].read_text()):
        assert "controllable gap" in text
    row = pd.read_csv(files["csv"]).iloc[0]
    assert row["controllable_gap"] == pytest.approx(judged[1])
    assert row["uncontrollable_objective"] == read(instance).uncontrollable_objective
    assert row["controllable_above_best"] == 0.0
    assert f"{percent(judged[1])} of what decisions change" in files["markdown"].read_text()


def test_suite_show(dtopt, small):
    code, out, _ = dtopt("suite", "show", small[0])
    assert code == 0
    assert "controllable gap" in out


def test_suite_verify_finds_a_wrong_constant(dtopt, small):
    path, problem = small
    edited(path, lambda e: e.update(uncontrollable_objective=problem.uncontrollable_objective))
    assert dtopt("suite", "verify", path)[0] == 0
    edited(path, lambda e: e.update(uncontrollable_objective=2 * problem.uncontrollable_objective))
    code, out, _ = dtopt("suite", "verify", path)
    assert code == 1
    assert "uncontrollable objective" in out
