"""Every statistic against numbers worked out by hand on small tables."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from reports.statistics import (
    bootstrap_interval,
    holm,
    incumbents,
    paired_wilcoxon,
    performance_profile,
    primal_gap,
    primal_integral,
    shifted_geometric_mean,
    time_to_gap,
)
from reports.statistics.significance import wilcoxon_p


@pytest.mark.parametrize(
    ("objective", "best", "expected"),
    [
        (100.0, 100.0, 0.0),
        (125.0, 100.0, 0.2),  # 25 over the larger, 125
        (80.0, 100.0, 0.2),  # of a utility: 20 over 100
        (-80.0, -100.0, 0.2),
        (-1.0, 1.0, 1.0),
        (0.0, 0.0, 0.0),
        (1.0, 0.0, 1.0),
        (math.nan, 100.0, 1.0),
        (None, 100.0, 1.0),
        (math.inf, 100.0, 1.0),
        (100.00001, 100.0, 0.0),  # within rounding
    ],
)
def test_primal_gap(objective, best, expected):
    assert primal_gap(objective, best) == pytest.approx(expected)


def test_primal_gap_without_a_best_known_is_unknown():
    assert math.isnan(primal_gap(1.0, None))
    assert math.isnan(primal_gap(1.0, math.nan))


def test_primal_integral_by_hand():
    # Nothing for 2 s (gap 1), 200 against 100 for 3 s (0.5), 125 for 5 s (0.2): 2 + 1.5 + 1 over 10 s.
    steps = ((2.0, 200.0), (5.0, 125.0))
    assert primal_integral(steps, 100.0, 10.0) == pytest.approx(0.45)
    # A shorter horizon: 2 + 1.5 + 0.2 over 6 s; what comes after it does not count.
    assert primal_integral(steps, 100.0, 6.0) == pytest.approx(3.7 / 6)
    assert primal_integral(steps, 100.0, 1.0) == 1.0
    assert primal_integral((), 100.0, 10.0) == 1.0
    assert primal_integral(((0.0, 100.0),), 100.0, 10.0) == 0.0
    # A utility, to be maximised: 50 of 100 from the start, all of it after 4 of 8 s.
    assert primal_integral(((0.0, 50.0), (4.0, 100.0)), 100.0, 8.0) == pytest.approx(0.25)
    assert math.isnan(primal_integral(steps, None, 10.0))
    assert math.isnan(primal_integral(steps, 100.0, math.nan))


def test_incumbents_are_the_improvements_and_end_at_the_judged_objective():
    trace = ((1.0, 9.0), (2.0, 9.5), (3.0, 7.0))
    assert incumbents(trace, 7.0, 5.0, maximise=False) == ((1.0, 9.0), (3.0, 7.0))
    assert incumbents(trace, 6.0, 5.0, maximise=False) == ((1.0, 9.0), (3.0, 7.0), (5.0, 6.0))
    # The evaluator found 9: what the trace claims beyond it is not believed.
    assert incumbents(trace, 9.0, 5.0, maximise=False) == ((1.0, 9.0),)
    assert incumbents(trace, math.nan, 5.0, maximise=False) == ()
    assert incumbents((), 6.0, 5.0, maximise=False) == ((5.0, 6.0),)
    assert incumbents(((1.0, 1.0), (2.0, 3.0), (4.0, 2.0)), 3.0, 5.0, maximise=True) == ((1.0, 1.0), (2.0, 3.0))


def test_time_to_gap():
    steps = ((1.0, 110.0), (2.0, 100.9), (4.0, 100.05), (8.0, 100.0))
    times = [time_to_gap(steps, 100.0, target, maximise=False) for target in (0.01, 0.001, 0.0001)]
    assert times == [2.0, 4.0, 8.0]
    assert time_to_gap(steps[:1], 100.0, 0.01, maximise=False) == math.inf
    assert time_to_gap(((1.0, 98.0), (3.0, 99.5)), 100.0, 0.01, maximise=True) == 3.0
    assert time_to_gap((), 100.0, 0.01, maximise=False) == math.inf


def test_performance_profile_by_hand():
    times = pd.DataFrame({"a": [1.0, 2.0, np.inf, 4.0], "b": [2.0, 1.0, 3.0, np.nan]})
    profile = performance_profile(times)
    assert profile.ratios["a"].tolist() == [1.0, 2.0, np.inf, 1.0]
    assert profile.ratios["b"].tolist() == [2.0, 1.0, 1.0, np.inf]
    assert [profile.share("a", tau) for tau in (1, 1.9, 2, 100)] == [0.5, 0.5, 0.75, 0.75]
    assert [profile.share("b", tau) for tau in (1, 2, 100)] == [0.5, 0.75, 0.75]
    tau, share = profile.curve("a")
    assert tau.tolist() == [1.0, 2.0]
    assert share.tolist() == [0.5, 0.75]
    assert profile.largest == 2.0


def test_performance_profile_of_failures():
    profile = performance_profile(pd.DataFrame({"a": [np.inf, np.inf], "b": [np.inf, 3.0]}))
    assert profile.share("a", 1e9) == 0.0
    assert profile.share("b", 1.0) == 0.5
    assert [c.tolist() for c in profile.curve("a")] == [[1.0], [0.0]]
    assert profile.largest == 1.0


def test_performance_profile_floors_times_and_refuses_zero():
    times = pd.DataFrame({"a": [0.0001], "b": [0.001]})
    assert performance_profile(times, floor=0.001).ratios.to_numpy().tolist() == [[1.0, 1.0]]
    with pytest.raises(ValueError, match="floor"):
        performance_profile(pd.DataFrame({"a": [0.0]}))


def test_shifted_geometric_mean():
    # (1 + 1)(7 + 1) = 16, its root 4, less the shift.
    assert shifted_geometric_mean([1.0, 7.0], 1.0) == pytest.approx(3.0)
    assert shifted_geometric_mean([0.0, 0.0], 0.1) == pytest.approx(0.0)
    assert shifted_geometric_mean([2.0, 8.0], 0.0) == pytest.approx(4.0)
    assert shifted_geometric_mean([1.0, math.inf], 1.0) == math.inf
    assert math.isnan(shifted_geometric_mean([], 1.0))


def test_holm():
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, made monotone.
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx((0.06, 0.04, 0.06, 0.06))
    assert holm([0.9, 0.6]) == (1.0, 1.0)
    corrected = holm([math.nan, 0.02])
    assert math.isnan(corrected[0])
    assert corrected[1] == 0.02
    assert holm([]) == ()


def test_wilcoxon():
    # Six differences of one sign: 2 of the 2^6 sign patterns are as extreme.
    assert wilcoxon_p([1, 2, 3, 4, 5, 6]) == pytest.approx(2 / 64)
    # Signed ranks 1, −2, 3: W = 2; patterns with the smaller sum at most 2 are {}, {1}, {2} and their mirrors.
    assert wilcoxon_p([1, -2, 3]) == pytest.approx(6 / 8)
    # Ties within rounding are dropped.
    assert wilcoxon_p([1, 2, 3, 4, 5, 6, 0.0, 1e-9]) == pytest.approx(2 / 64)
    assert wilcoxon_p([0.0, 0.0]) == 1.0
    assert math.isnan(wilcoxon_p([]))


def test_paired_wilcoxon_pairs_on_instance_and_seed():
    rows = [
        {"instance": f"i{i}", "seed": s, "solver": solver, "gap": base + (0.1 * (i + 1) if solver == "b" else 0.0)}
        for i in range(6)
        for s, base in ((0, 0.2), (1, 0.4))
        for solver in ("a", "b", "c")
    ]
    frame = pd.DataFrame(rows).sample(frac=1, random_state=0)
    worse, same = paired_wilcoxon(frame, "gap", "a", ["b", "c"])
    assert (worse.pairs, worse.instances, worse.better, worse.worse) == (12, 6, 0, 6)
    assert worse.difference == pytest.approx(0.35)
    assert worse.low < 0.35 < worse.high
    assert worse.p == pytest.approx(2 / 64)
    assert worse.p_holm == pytest.approx(4 / 64)
    assert worse.p_runs < worse.p  # pairs of one instance count twice
    assert (same.difference, same.p, same.p_holm) == (0.0, 1.0, 1.0)
    # A pair that lacks one of the two does not count.
    alone = frame[~((frame["instance"] == "i0") & (frame["seed"] == 0) & (frame["solver"] == "b"))]
    assert paired_wilcoxon(alone, "gap", "a", ["b"])[0].pairs == 11


def test_bootstrap_interval():
    # Two values: a resample has mean 0, ½ or 1 with odds 1 : 2 : 1, so that 95 % lie between 0 and 1.
    assert bootstrap_interval([0.0, 1.0]) == (0.0, 1.0)
    assert bootstrap_interval([0.3, 0.3, 0.3]) == (0.3, 0.3)
    assert all(math.isnan(v) for v in bootstrap_interval([1.0]))
    values = np.random.default_rng(1).normal(5.0, 2.0, 400)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / math.sqrt(values.size)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)
    assert bootstrap_interval(values) == (low, high)
