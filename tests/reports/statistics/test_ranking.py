"""Scores and rankings of small results, by hand."""

from __future__ import annotations

import math

import pytest

from dtopt.errors import InputError
from reports.results import runs_frame
from reports.statistics import rank, score
from tests.reports.samples import instance, results


def run(label, solver, objective=math.nan, **fields):
    return {"instance": label, "solver": solver, "objective": objective, **fields}


def test_best_known_and_bound_come_from_the_table_and_all_runs():
    given = results(
        [instance("s/a", best_known=100.0, proven_bound=90.0), instance("s/b"), instance("s/u", maximise=True)],
        [
            run("s/a", "x", 110.0, bound=95.0),
            run("s/a", "y", 105.0, bound=101.0),  # a bound above the best known
            run("s/b", "x", 50.0),
            run("s/b", "y"),
            run("s/u", "x", 8.0, bound=10.0),
            run("s/u", "y", 9.0, bound=12.0),
        ],
    )
    scores = score(given)
    a, b, u = (scores.references[label] for label in ("s/a", "s/b", "s/u"))
    assert (a.best, a.best_by, a.bound, a.bound_by) == (100.0, "suite", 95.0, "x")
    assert len(scores.notes) == 1
    assert "101" in scores.notes[0]
    assert "y" in scores.notes[0]
    assert (b.best, b.best_by, b.bound_by) == (50.0, "x", "")
    assert math.isnan(b.bound)
    assert (u.best, u.best_by, u.bound, u.bound_by) == (9.0, "y", 10.0, "x")
    frame = scores.frame.set_index(["instance", "solver"])
    assert frame.loc[("s/a", "x"), "gap"] == pytest.approx(15 / 110)
    assert frame.loc[("s/a", "x"), "above_best"] == pytest.approx(0.1)
    assert frame.loc[("s/a", "x"), "primal_gap"] == pytest.approx(10 / 110)
    assert frame.loc[("s/b", "x"), "gap"] == math.inf
    assert frame.loc[("s/b", "y"), "primal_gap"] == 1.0
    assert frame.loc[("s/b", "y"), "primal_integral"] == 1.0
    assert frame.loc[("s/u", "x"), "gap"] == pytest.approx(2 / 8)
    assert frame.loc[("s/u", "x"), "primal_gap"] == pytest.approx(1 / 9)


def test_integrals_and_times_use_the_limit_as_horizon():
    rows = [
        run("s/a", "x", 100.0, trace=((2.0, 200.0), (5.0, 125.0), (9.0, 100.0)), wall_s=10.0),
        run("s/a", "y", 100.0, trace=((1.0, 100.0),), wall_s=1.0, time_limit=math.nan),
        run("s/a", "z", 125.0, trace=((1.0, 125.0),), wall_s=4.0, time_limit=math.nan),
    ]
    frame = score(results([instance("s/a")], rows)).frame.set_index("solver")
    # 2 + 3 × 0.5 + 4 × 0.2 over 10 s.
    assert frame.loc["x", "primal_integral"] == pytest.approx(0.43)
    assert frame.loc["x", "time_to_0.01"] == 9.0
    # Without a limit the longest run of the instance without one is the horizon: 4 s.
    assert frame.loc["y", "horizon_s"] == 4.0
    assert frame.loc["y", "primal_integral"] == pytest.approx(0.25)
    assert frame.loc["z", "primal_integral"] == pytest.approx((1 + 3 * 0.2) / 4)
    assert frame.loc["z", "time_to_0.01"] == math.inf


def test_wrong_claims_of_infeasibility_are_told():
    rows = [run("s/a", "x", 5.0), run("s/a", "y", status="infeasible")]
    assert "y calls it infeasible" in score(results([instance("s/a")], rows)).notes[0]


def six(solver, gap, seeds=(0,), **fields):
    return [
        run(f"s/{i}", solver, 100.0 * (1 + gap), seed=s, trace=((0.5, 100.0 * (1 + gap)),), **fields)
        for i in range(6)
        for s in seeds
    ]


SIX = [instance(f"s/{i}", best_known=100.0) for i in range(6)]


def test_solvers_are_ranked_by_gap_then_by_time():
    fast = [{**row, "trace": ((0.1, 100.0),)} for row in six("fast", 0.0)]
    (ranking,) = rank(score(results(SIX, six("slow", 0.0) + fast + six("near", 0.25) + six("far", 1.0))))
    assert ranking.solvers == ("fast", "slow", "near", "far")
    assert ranking.level == ("fast", "slow")
    # Six instances are too few to be sure of anything after three comparisons.
    assert ranking.not_told_apart == ("near", "far")
    table = ranking.table.set_index("solver")
    assert table["primal_gap"].tolist() == pytest.approx([0, 0, 0.2, 0.5])
    assert table.loc["fast", "primal_integral"] == pytest.approx(0.01)
    assert table.loc["slow", "primal_integral"] == pytest.approx(0.05)
    assert table["at_best"].tolist() == [1, 1, 0, 0]
    assert table.loc["near", ["gap_low", "gap_high"]].tolist() == pytest.approx([0.2, 0.2])
    by_gap = {one.solver: one for one in ranking.by_gap}
    assert by_gap["far"].p == pytest.approx(2 / 64)
    assert by_gap["far"].p_holm == pytest.approx(6 / 64)  # three comparisons, two with the same least p
    assert by_gap["slow"].p == 1.0
    profile = ranking.time_profile(0.01)
    assert profile.ratios["slow"].tolist() == pytest.approx([5.0] * 6)
    assert profile.share("far", 1e6) == 0.0
    assert ranking.gap_profile().ratios["far"].tolist() == pytest.approx([2.0] * 6)
    assert ranking.by_suite().loc["far", "s"] == pytest.approx(0.5)


def test_only_tasks_that_all_ran_count():
    rows = six("a", 0.0, (0, 1)) + six("b", 0.1, (0, 1))[:-1] + six("c", 0.2, (0, 1))[:4]
    rows += six("d", math.nan, (0, 1), status="unsupported")
    rows += [run("s/n", "a"), run("s/n", "b")]
    (ranking,) = rank(score(results([*SIX, instance("s/n")], rows)))
    assert ranking.solvers == ("a", "b")
    assert ranking.tasks == 11
    told = " | ".join(ranking.left_out)
    assert "c: ran only 4 of 12 tasks" in told
    assert "d: unsupported" in told
    assert "1 of 12 tasks that not every solver ran" in told
    assert "no solution is known: s/n" in told


def test_one_seed_stands_for_all():
    rows = six("drawn", 0.25, (0, 1, 2)) + six("fixed", 0.0, (0,))
    (ranking,) = rank(score(results(SIX, rows)))
    assert ranking.solvers == ("fixed", "drawn")
    assert ranking.tasks == 18
    assert ranking.table["runs"].tolist() == [6, 18]
    assert ranking.left_out == ()
    assert (ranking.by_gap[0].pairs, ranking.by_gap[0].instances) == (18, 6)
    assert ranking.by_gap[0].p == pytest.approx(2 / 64)


def test_solvers_without_a_limit_take_part_with_what_they_had_by_then():
    free = [
        {**row, "time_limit": math.nan, "wall_s": 30.0, "trace": ((2.0, 200.0), (20.0, 100.0))}
        for row in six("free", 0.0)
    ]
    found = rank(score(results(SIX, six("a", 0.25) + six("a", 0.25, time_limit=40.0) + free)))
    short, long = (next(r for r in found if r.group.time_limit == limit) for limit in (10.0, 40.0))
    assert len(found) == 2
    table = short.table.set_index("solver")
    assert table.loc["free", "primal_gap"] == pytest.approx(0.5)  # 200 by then
    assert table.loc["free", "primal_integral"] == pytest.approx((2 + 8 * 0.5) / 10)
    assert table.loc["free", "reached_0.01"] == 0.0
    table = long.table.set_index("solver")
    assert table.loc["free", "primal_gap"] == 0.0
    assert table.loc["free", "primal_integral"] == pytest.approx((2 + 18 * 0.5) / 40)
    assert table.loc["free", "reached_0.01"] == 1.0


def test_what_comes_after_the_limit_is_not_in_time_and_is_told():
    rows = [{**row, "trace": ((0.5, 200.0), (30.0, 100.0)), "wall_s": 30.0} for row in six("late", 0.0)]
    (ranking,) = rank(score(results(SIX, six("a", 0.25) + rows)))
    table = ranking.table.set_index("solver")
    assert table.loc["late", "primal_gap"] == 0.0
    assert table.loc["late", "reached_0.01"] == 0.0
    assert ranking.time_profile().share("late", 1e9) == 0.0
    assert any("late: took longer than the limit in 6 of its runs, up to 30 s" in line for line in ranking.left_out)


def test_failures_count_as_the_worst_not_as_missing():
    rows = six("a", 0.0) + six("b", 0.0)[:3] + [run(f"s/{i}", "b", status="failed") for i in range(3, 6)]
    (ranking,) = rank(score(results(SIX, rows)))
    table = ranking.table.set_index("solver")
    assert table.loc["b", "primal_gap"] == pytest.approx(0.5)
    assert table.loc["b", "solved"] == 0.5
    assert ranking.time_profile().share("b", 1e9) == 0.5


def test_kinds_and_limits_are_ranked_apart():
    rows = six("a", 0.0) + six("a", 0.0, time_limit=1.0) + [run("m/0", "a", 3.0)]
    found = rank(score(results([*SIX, instance("m/0", kind="migration", maximise=True)], rows)))
    names = ["P1 placement, 10 s", "P1 placement, 1 s", "P2 migration, 10 s"]
    assert [r.group.name for r in found] == names


def test_results_are_checked():
    rows = [run("s/a", "x", key="k"), run("s/a", "y", key="k")]
    with pytest.raises(InputError, match="k occurs twice"):
        results([instance("s/a")], rows)
    frame = runs_frame([{"instance": "s/b", "solver": "x", "key": "1"}, {"instance": "s/a", "solver": "x", "key": "2"}])
    assert frame["instance"].tolist() == ["s/a", "s/b"]
    assert frame["objective"].isna().all()
    assert frame["trace"].tolist() == [(), ()]
