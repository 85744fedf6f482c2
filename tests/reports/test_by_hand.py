"""An instance whose numbers can be worked out by hand, through comparison, table, sentence and page."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dtopt.bounds import dual_bound
from dtopt.errors import InputError, UnsupportedProblemError
from dtopt.evaluation import evaluate
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import Placement
from dtopt.run import Run
from dtopt.solution import Solution
from dtopt.testing.tiny import tiny_problem
from reports import words
from reports.compare import compare
from reports.html import html
from reports.tables import HEADINGS, display_rows, markdown
from tests.reports.fakes import register


def two_by_two(name="by hand"):
    """Return users of latencies (1, 3) and (2, 4) s on two stations; both on the first do not fit."""
    network = Network(Users([1.0, 1.0], 0.0, 0.0, np.inf), BaseStations([10.0, 10.0], 2), None)
    return Placement(
        network,
        sharing="fixed",
        demand_hz=[[6.0, 3.0], [6.0, 3.0]],
        objective="latency",
        pair_latency_s=[[1.0, 3.0], [2.0, 4.0]],
        name=name,
    )


def answering(association, bound=None):
    """Return a solver that gives one answer, and whose results do not carry the name it is registered with."""

    def solve(problem, *, seed=0, on_incumbent=None, **_):
        """Answer."""
        run = Run(problem, "somebody else", seed=seed, on_incumbent=on_incumbent)
        with run:
            run.offer(np.array(association))
            if bound is not None:
                run.offer_bound(bound)
        return run.result()

    return solve


def raising(error):
    """Return a solver that fails."""

    def solve(problem, **_):
        """Fail."""
        raise error

    return solve


@pytest.fixture
def comparison(monkeypatch):
    # Apart: (1 + 4) / 2 = 2.5. Both on the second: (3 + 4) / 2 = 3.5. The tightest bound comes from the worse solver.
    register(
        monkeypatch,
        apart=answering([0, 1], bound=1.0),
        together=answering([1, 1], bound=2.4),
        small=raising(UnsupportedProblemError("takes at most 1 user")),
    )
    return compare([two_by_two()], ["together", "small", "apart"])


def test_rows_bounds_and_gaps(comparison):
    together, small, apart = comparison.rows
    assert [row.solver for row in comparison.rows] == ["together", "small", "apart"]
    assert [row.objective for row in comparison.rows] == [3.5, None, 2.5]
    assert [row.latency_s for row in comparison.rows] == [3.5, None, 2.5]
    assert [row.n_open for row in comparison.rows] == [1, None, 2]
    bound = comparison.bound("by hand")
    assert (bound.value, bound.source) == (2.4, "together")
    assert comparison.gap(apart) == pytest.approx(0.1 / 2.5)
    assert comparison.gap(together) == pytest.approx(1.1 / 3.5)
    assert comparison.above_best(apart) == 0.0
    assert comparison.above_best(together) == pytest.approx(0.4)
    assert math.isinf(comparison.gap(small))
    # Pair latencies are given: all of the latency is controllable.
    assert comparison.controllable_gap(apart) == comparison.gap(apart)
    assert comparison.controllable_above_best(together) == comparison.above_best(together)
    assert math.isinf(comparison.controllable_gap(small))


def test_table(comparison):
    rows = display_rows(comparison)
    cells = [dict(zip(HEADINGS, row.cells, strict=True)) for row in rows]
    assert [c["solver"] for c in cells] == ["apart", "together", "small"]
    assert [c["objective"] for c in cells] == ["2.5", "3.5", "–"]
    assert [c["latency ms"] for c in cells] == ["2500", "3500", "–"]
    assert [c["servers"] for c in cells] == ["2/2", "1/2", "–"]
    assert [c["gap to bound"] for c in cells] == ["4 %", "31.4 %", "–"]
    assert [c["controllable gap"] for c in cells] == ["4 %", "31.4 %", "–"]
    assert [c["vs best"] for c in cells] == ["best", "+40 %", "–"]
    assert [row.best for row in rows] == [True, False, False]
    assert [row.starts_instance for row in rows] == [True, False, False]
    text = markdown(comparison)
    assert "| by hand | small | unsupported |" in text
    assert "- by hand, small: takes at most 1 user" in text


def test_sentence(comparison):
    text = words.verdict(comparison, "by hand")
    assert text.startswith("apart is best with a latency of 2.5 s on 2 of 2 stations; the optimum is at most 4 % lower")
    assert "together by 40 %" in text
    assert "No solution from small" in text
    # On the page a number and its unit stay on one line.
    assert text in html(comparison).replace("\N{NO-BREAK SPACE}", " ")


def test_ties_count_for_all(monkeypatch):
    register(monkeypatch, one=answering([0, 1], bound=2.5), other=answering([1, 0]))
    text = words.verdict(compare([two_by_two()], ["one", "other"]), "by hand")
    assert text.startswith("one and other are best")
    assert "proven optimal" in text


def test_migration_takes_the_lowest_upper_bound(monkeypatch):
    problem = replace(tiny_problem(1, kind="migration", users=4, stations=3), name="slot")
    utility = {k: evaluate(problem, Solution(np.full(4, k))).objective for k in range(3)}
    best, worst = max(utility, key=utility.get), min(utility, key=utility.get)
    upper = dual_bound(problem)
    tight = (upper + utility[best]) / 2
    register(monkeypatch, good=answering([best] * 4, bound=2 * abs(upper)), bad=answering([worst] * 4, bound=tight))
    comparison = compare([problem], ["bad", "good"])
    bad, good = comparison.rows
    assert comparison.bound("slot").value == tight
    assert comparison.best_objective("slot") == utility[best]
    assert comparison.gap(good) == pytest.approx((tight - utility[best]) / abs(utility[best]))
    assert comparison.above_best(bad) == pytest.approx((utility[best] - utility[worst]) / abs(utility[best]))


def test_what_a_solver_rejects_is_a_row(monkeypatch):
    register(monkeypatch, picky=raising(InputError("wants positions", where="users")), good=answering([0, 1]))
    rows = compare([two_by_two()], ["picky", "good"]).rows
    assert [(row.solver, row.status) for row in rows] == [("picky", "unsupported"), ("good", "feasible")]
    assert rows[0].message == "users: wants positions"


def test_interrupt_between_runs_keeps_rows_and_gaps(monkeypatch):
    register(monkeypatch, good=answering([0, 1]), never=raising(AssertionError("was run")))

    def on_row(row):
        raise KeyboardInterrupt

    comparison = compare([two_by_two("one"), two_by_two("two")], ["good", "never"], on_row=on_row)
    assert comparison.interrupted
    assert [(row.instance, row.objective) for row in comparison.rows] == [("one", 2.5)]
    assert [case.label for case in comparison.cases] == ["one"]
    assert math.isfinite(comparison.gap(comparison.rows[0]))


def test_messages_of_solvers_are_escaped(monkeypatch):
    register(monkeypatch, bad=raising(ValueError("<script>alert(1)</script>")), good=answering([0, 1]))
    text = html(compare([two_by_two()], ["good", "bad"]))
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_the_page_sends_nothing(comparison):
    # Plotly's default is a button that uploads the chart.
    assert "showSendToCloud: false" in html(comparison)


@pytest.mark.parametrize(("objective", "told"), [("system-cost", True), ("latency", False)])
def test_bars_say_what_the_cost_holds_beyond_latency(objective, told):
    page = html(compare([tiny_problem(0, objective=objective, users=5, stations=3)], ["nearest"]))
    assert ("adds open servers and energy" in page) == told
