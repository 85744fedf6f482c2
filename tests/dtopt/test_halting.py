"""Compiled work is told where the time of its run is over, and only there."""

from __future__ import annotations

import time

import numpy as np
import pytest

from dtopt._core import Cancellation
from dtopt.halting import CANCELLATION, cancellation
from dtopt.price_dual import PriceDual
from dtopt.run import Run
from dtopt.stop import seconds_left
from dtopt.testing.tiny import tiny_problem

problem = tiny_problem(2, users=4, stations=3)


def test_compiled_work_ends_with_the_time_of_the_innermost_run():
    with Run(problem, "outer"), Run(problem, "inner", time_limit=0.01):
        token = cancellation()
        while not token.requested():
            time.sleep(0.001)
    assert not cancellation().requested()


def test_a_thread_may_have_a_token_of_its_own():
    mine = Cancellation()
    before = CANCELLATION.set(mine)
    with Run(problem, "none", time_limit=0.0):
        assert cancellation() is mine
    CANCELLATION.reset(before)
    assert cancellation() is not mine


def test_a_run_that_has_ended_is_under_way_no_more():
    assert seconds_left() == np.inf
    with Run(problem, "outer", time_limit=60.0):
        with Run(problem, "inner", time_limit=1.0):
            assert seconds_left() <= 1.0
        assert 1.0 < seconds_left() <= 60.0
    assert seconds_left() == np.inf


def test_an_ascent_without_time_gives_a_bound_all_the_same():
    large = tiny_problem(3, users=500, stations=20)
    dual = PriceDual.of(large)
    whole, _ = dual.ascend()
    with Run(large, "none", time_limit=0.0):
        value, prices = dual.ascend()
    assert value <= whole
    assert value == pytest.approx(dual.value(prices), rel=1e-9, abs=1e-9)
    with Run(large, "enough", time_limit=600.0):
        assert dual.ascend()[0] == whole
