"""Stopping criteria, alone and together."""

from __future__ import annotations

import math

import pytest

from dtopt.errors import InputError
from dtopt.stop import AnyOf, GapReached, MaxIterations, MaxRuntime, Never, NoImprovement, Progress, stopping


def progress(elapsed=0.0, iterations=0, since=0, since_s=0.0, gap=math.inf):
    return Progress(elapsed, iterations, since, since_s, gap)


@pytest.mark.parametrize(
    ("criterion", "before", "after"),
    [
        (MaxRuntime(2.0), progress(elapsed=1.99), progress(elapsed=2.0)),
        (MaxIterations(10), progress(iterations=9), progress(iterations=10)),
        (NoImprovement(5), progress(since=4), progress(since=5)),
        (NoImprovement(seconds=1.5), progress(since_s=1.4), progress(since_s=1.5)),
        (NoImprovement(5, 1.5), progress(since=4, since_s=1.0), progress(since=0, since_s=2.0)),
        (GapReached(0.01), progress(gap=0.011), progress(gap=0.01)),
    ],
)
def test_each_criterion_stops_when_it_should(criterion, before, after):
    assert not criterion(before)
    assert criterion(after)
    both = AnyOf(criterion, MaxIterations(10**9))
    assert not both(before)
    assert both(after)


def test_what_is_left_comes_from_the_tightest():
    both = AnyOf(MaxRuntime(5.0), MaxRuntime(3.0), GapReached(0.1), GapReached(0.02))
    assert both.seconds_left(1.0) == 2.0
    assert both.seconds_left(9.0) == 0.0
    assert both.target_gap() == 0.1
    assert MaxIterations(3).seconds_left(1.0) == math.inf


def test_the_short_form():
    assert isinstance(stopping(None, None), Never)
    assert stopping(None, 3.0) == MaxRuntime(3.0)
    joined = stopping(MaxIterations(5), 3.0)
    assert joined.seconds_left(1.0) == 2.0
    assert joined(progress(iterations=5))
    assert stopping(MaxIterations(5), None) == MaxIterations(5)


@pytest.mark.parametrize(
    "make", [lambda: MaxRuntime(-1.0), lambda: MaxRuntime(math.nan), NoImprovement, lambda: GapReached(-0.1)]
)
def test_bad_limits_are_refused(make):
    with pytest.raises(InputError):
        make()
