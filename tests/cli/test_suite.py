"""`dtopt suite`."""

from __future__ import annotations

import json

import numpy as np

from dtopt.io import write_solution
from dtopt.registry import solve
from dtopt.solution import Solution
from tests.instances.test_suites import NAMES, edited, small

__all__ = ["small"]


def test_suites_are_listed_shown_verified_and_updated(small, dtopt, tmp_path):
    path, problem = small
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    write_solution(solve(problem, "exact"), good, problem)
    write_solution(Solution(np.full(20, -1)), bad, problem)
    code, _, err = dtopt("suite", "update", path, "a", bad)
    assert (code, "the evaluator rejects the solution" in err) == (2, True)
    code, _, err = dtopt("suite", "update", path, "a")
    assert (code, "nothing to do" in err) == (2, True)
    code, out, _ = dtopt("suite", "update", path, "a", good, "--prove", 20)
    assert code == 0
    assert "best known" in out
    assert "bound 0.1 ->" in out
    code, out, _ = dtopt("suite", "show", path)
    assert "optimal" in out
    assert "exact of dtopt" in out
    code, out, _ = dtopt("suite", "verify", path, "--bounds")
    assert (code, out) == (0, "small 1: 1 of 1 instances made again, none wrong\n")
    edited(path, lambda e: e["best"].update(value=1.0))
    code, out, _ = dtopt("suite", "verify", path)
    assert code == 1
    assert "the evaluator finds" in out
    code, out, _ = dtopt("suite", "list", "--json")
    assert {s["name"] for s in json.loads(out)} >= set(NAMES)
    code, _, err = dtopt("suite", "show", "none")
    assert code == 2
    assert err.startswith("dtopt: error: there is no suite 'none'")
