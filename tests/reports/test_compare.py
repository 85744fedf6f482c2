"""The comparison: its numbers against the evaluator and brute force, and what it makes of solvers that go wrong."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dtopt.bounds import dual_bound
from dtopt.errors import InputError, UnknownSolverError, UnsupportedProblemError
from dtopt.evaluation import evaluate
from dtopt.registry import solve, solver_info, solver_names
from dtopt.result import Status
from dtopt.run import Run
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import tiny_problem
from reports import tables, words
from reports.compare import compare
from reports.comparison import DUAL_BOUND, parts
from tests.reports.fakes import register

BASELINES = ["random", "nearest", "greedy"]


def placement(seed: int = 5):
    return replace(tiny_problem(seed, users=5, stations=3), name=f"tiny-{seed}")


def migration():
    return replace(tiny_problem(3, kind="migration", users=5, stations=3), name="move")


def best_of(problem, name="exact", **claims):
    """Return a solver that gives the brute-force optimum, with claims of its own."""

    def solver(given, *, time_limit=None, seed=0, stop=None, on_incumbent=None):
        """Return the optimum."""
        run = Run(given, name, seed=seed, on_incumbent=on_incumbent)
        with run:
            run.offer(np.array(brute_force(given)[1]))
            run.offer_bound(run.evaluation.objective)
        return replace(run.result(), **claims)

    return solver


@pytest.mark.parametrize("make", [placement, migration])
def test_numbers_are_those_of_the_evaluator_and_the_bounds(make):
    problem = make()
    comparison = compare([problem], BASELINES, seed=7)
    best, _ = brute_force(problem)
    frame = comparison.to_frame().set_index("solver")
    assert len(frame) == 3
    sign = -1.0 if problem.maximise else 1.0
    for name in BASELINES:
        result = solve(problem, name, seed=7)
        row = frame.loc[name]
        again = evaluate(problem, result.solution)
        assert row["objective"] == again.objective
        assert row["latency_ms"] == pytest.approx(1e3 * again.latency_s.mean())
        pieces = [row[f"{part}_ms"] for part in parts(problem, again)]
        assert sum(pieces) == pytest.approx(row["latency_ms"])
        assert row["open_servers"] == np.unique(result.solution.association).size
        assert row["gap"] == pytest.approx(
            max(0.0, sign * (row["objective"] - row["best_bound"])) / abs(row["objective"])
        )
        # The true optimum lies between the two.
        assert sign * row["best_bound"] <= sign * best + 1e-9 * abs(best)
        assert sign * best <= sign * row["objective"] + 1e-9 * abs(best)
    found = sign * frame["objective"]
    assert frame["above_best"].to_numpy() == pytest.approx((found - found.min()).to_numpy() / abs(found.min()))
    assert found.is_monotonic_increasing
    assert frame["best"].tolist() == (found == found.min()).tolist()


def test_the_tightest_bound_counts_whoever_proved_it(monkeypatch):
    problem = placement()
    exact = best_of(problem)
    register(monkeypatch, exact=exact)
    comparison = compare([problem])
    best, _ = brute_force(problem)
    bound = comparison.bound("tiny-5")
    assert bound.value == pytest.approx(best, rel=1e-12)
    assert bound.source == "exact"
    assert "proven optimal" in words.verdict(comparison, "tiny-5")
    assert comparison.notes == ()

    loose = best_of(problem, bound=best - 10.0)
    register(monkeypatch, loose=loose)
    bound = compare([problem]).bound("tiny-5")
    assert bound.source == DUAL_BOUND
    assert bound.value == dual_bound(problem)


@pytest.mark.parametrize("make", [placement, migration])
def test_a_false_bound_is_told_and_left_out(monkeypatch, make):
    problem = make()
    best, _ = brute_force(problem)
    wrong = best * (0.9 if problem.maximise else 1.1)
    register(monkeypatch, liar=best_of(problem, bound=wrong))
    comparison = compare([problem])
    assert comparison.bound(problem.name).source == DUAL_BOUND
    assert len(comparison.notes) == 1
    assert "liar" not in comparison.notes[0] or "contradicts" in comparison.notes[0]
    assert "contradicts" in tables.markdown(comparison)


def test_a_false_claim_of_infeasibility_is_told(monkeypatch):
    problem = placement()

    def pessimist(given, **_):
        """Give up."""
        run = Run(given, "pessimist")
        with run:
            run.infeasible("no way")
        return run.result()

    register(monkeypatch, exact=best_of(problem), pessimist=pessimist)
    comparison = compare([problem])
    assert any("pessimist calls it infeasible" in note for note in comparison.notes)
    assert [row.solver for row in comparison.rows_of("tiny-5")] == ["exact", "pessimist"]


def test_solutions_are_judged_again(monkeypatch):
    problem = placement()
    good = solve(problem, "greedy")

    def cheat(given, **_):
        """Claim an objective that is not its solution's."""
        return replace(good, solver="cheat", evaluation=replace(good.evaluation, objective=1e-3))

    def sloppy(given, **_):
        """Leave a user out."""
        association = good.solution.association.copy()
        association[0] = -1
        return replace(good, solver="sloppy", solution=replace(good.solution, association=association))

    register(monkeypatch, cheat=cheat, sloppy=sloppy)
    cheated, left = compare([problem]).rows_of("tiny-5")
    assert cheated.objective == good.objective
    assert "the evaluator finds" in cheated.message
    assert (left.status, left.objective, left.solution) == ("invalid", None, None)
    assert "has no server" in left.message


def test_solvers_that_cannot_or_fail_become_rows(monkeypatch):
    problem = placement()

    def small_only(given, **_):
        """Take nothing."""
        raise UnsupportedProblemError("takes at most 3 users")

    def broken(given, **_):
        """Fail."""
        raise ZeroDivisionError("division\nby zero")

    def mover(given, **_):
        """Take P2 only."""
        raise AssertionError("must not be called")

    mover.problems = ("migration",)
    register(monkeypatch, broken=broken, exact=best_of(problem), mover=mover, small=small_only)
    named = compare([problem], ["mover", "small", "broken", "exact"])
    status = {row.solver: row.status for row in named.rows}
    assert status == {"mover": "unsupported", "small": "unsupported", "broken": "failed", "exact": "optimal"}
    failed = next(row for row in named.rows if row.solver == "broken")
    assert failed.message == "ZeroDivisionError: division by zero"
    assert math.isnan(failed.wall_s)
    # By default a solver is used on the kinds it takes, and a kind it does not take is no row.
    assert {row.solver for row in compare([problem]).rows} == {"small", "broken", "exact"}
    with pytest.raises(ZeroDivisionError):
        compare([problem], ["broken"], keep_going=False)
    text = tables.markdown(named)
    assert "takes at most 3 users" in text
    assert json.loads(json.dumps(named.to_dict(), allow_nan=False))["rows"][0]["solver"] == "exact"


def test_a_solver_that_cannot_be_loaded_is_a_row(monkeypatch):
    problem = placement()
    register(monkeypatch, exact=best_of(problem))

    def missing():
        raise ImportError("No module named 'elsewhere'")

    from dtopt import registry

    entries = registry._entries()
    entries["far"] = type("Entry", (), {"load": staticmethod(missing), "dist": None})()
    rows = compare([problem]).rows
    assert [(row.solver, row.status) for row in rows] == [("exact", "optimal"), ("far", "unavailable")]


def test_interrupted_comparisons_keep_what_is_done(monkeypatch):
    problems = {"first": placement(5), "second": placement(6), "third": placement(8)}

    def impatient(given, *, on_incumbent=None, **_):
        """Be interrupted outside a `Run` on the second instance, after one incumbent."""
        if given is problems["second"]:
            run = Run(given, "impatient", on_incumbent=on_incumbent)
            run.offer(np.array(brute_force(given)[1]))
            raise KeyboardInterrupt
        return best_of(given, "impatient")(given)

    register(monkeypatch, impatient=impatient, later=best_of(None, "later"))
    seen = []
    comparison = compare(problems, on_row=lambda row: seen.append((row.instance, row.solver)))
    assert comparison.interrupted
    assert [case.label for case in comparison.cases] == ["first", "second"]
    assert seen == [("first", "impatient"), ("first", "later"), ("second", "impatient")]
    last = comparison.rows[-1]
    assert last.status == Status.INTERRUPTED
    assert last.objective == pytest.approx(brute_force(problems["second"])[0])
    assert len(last.trace) == 1
    assert "Interrupted" in words.settings(comparison)


def test_runs_have_consecutive_seeds_and_are_summed_up():
    problem = replace(tiny_problem(11, users=5, stations=3), name="five")
    comparison = compare([problem], ["random"], seed=3, runs=4)
    assert sorted(row.seed for row in comparison.rows) == [3, 4, 5, 6]
    values = [row.objective for row in comparison.rows]
    (summary,) = comparison.summaries("five")
    assert summary.best.objective == min(values)
    assert summary.worst == max(values)
    assert summary.mean == pytest.approx(np.mean(values))
    assert len(set(values)) > 1
    (line,) = tables.display_rows(comparison)
    assert len(line.cells) == len(tables.headings(comparison))
    assert "4/4" in line.cells
    assert len(comparison.to_frame()) == 4


def test_infeasible_instances_are_said_to_be(monkeypatch):
    problem = placement()
    stations = replace(problem.network.stations, capacity=np.array([1, 1, 1]))
    full = replace(problem, network=replace(problem.network, stations=stations))
    comparison = compare([full], BASELINES)
    assert words.verdict(comparison, "tiny-5").startswith("Proven infeasible by ")
    assert "room for only 3 twins" in words.verdict(comparison, "tiny-5")
    assert words.headline(comparison) == "No solver found a feasible solution of any instance."
    assert comparison.best_objective("tiny-5") is None
    json.dumps(comparison.to_dict(), allow_nan=False)


def test_wrong_use_is_an_input_error():
    problem = placement()
    with pytest.raises(UnknownSolverError, match="magic"):
        compare([problem], ["greedy", "magic"])
    with pytest.raises(InputError, match="runs"):
        compare([problem], ["greedy"], runs=0)
    with pytest.raises(InputError, match="seed"):
        compare([problem], ["greedy"], seed=-1)
    with pytest.raises(InputError, match="time limit"):
        compare([problem], ["greedy"], time_limit=-1)


def test_instances_of_one_name_are_told_apart():
    comparison = compare([placement(5), replace(placement(6), name="tiny-5")], ["nearest"])
    assert [case.label for case in comparison.cases] == ["tiny-5", "tiny-5 (2)"]
    assert comparison.rows[0].objective != comparison.rows[1].objective


def test_csv_and_markdown_hold_every_row():
    comparison = compare([placement(), migration()], BASELINES)
    frame = pd.read_csv(io.StringIO(tables.csv(comparison)))
    assert frame["objective"].tolist() == pytest.approx(comparison.to_frame()["objective"].tolist(), rel=1e-15)
    lines = [line for line in tables.markdown(comparison).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 6
    assert {line.count("|") for line in lines} == {len(tables.HEADINGS) + 1}
    assert sum(line.startswith("| **") for line in lines) >= 2


def test_markdown_takes_names_as_they_are():
    comparison = compare({"a|b *c* <i>\n# d": placement()}, ["nearest"])
    text = tables.markdown(comparison)
    assert "a\\|b \\*c\\* \\<i\\> \\# d" in text
    assert "\n# d" not in text


@pytest.mark.parametrize(
    ("part", "text"),
    [(math.inf, "–"), (math.nan, "–"), (1e-9, "0 %"), (0.01234, "1.2 %"), (0.5234, "52.3 %"), (12.34, "1,234 %")],
)
def test_percent(part, text):
    assert words.percent(part) == text


def test_every_registered_solver_can_be_compared():
    problem = tiny_problem(2, users=4, stations=3, deadlines=True, capacities=True)
    comparison = compare([problem], time_limit=5.0)
    names = [name for name in solver_names() if problem.kind in solver_info(name).problems]
    assert [row.solver for row in comparison.rows] == names
    best, _ = brute_force(problem)
    for row in comparison.rows:
        if row.objective is not None:
            assert row.objective >= best - 1e-6 * abs(best)
    assert comparison.notes == ()
