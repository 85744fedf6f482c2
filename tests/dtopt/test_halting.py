"""Compiled work is told where the time of its run is over, and only there."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from dtopt.halting import in_time
from dtopt.price_dual import PriceDual
from dtopt.run import Run
from dtopt.stop import seconds_left
from dtopt.testing.tiny import tiny_problem

problem = tiny_problem(2, users=4, stations=3)


def until_told(halt):
    """Stands for compiled work: ends only when it is told."""
    while not halt[0]:
        time.sleep(0.001)
    return threading.current_thread()


def test_work_ends_with_the_time_of_the_innermost_run():
    with Run(problem, "outer"), Run(problem, "inner", time_limit=0.01):
        assert in_time(until_told, long=True) is not threading.main_thread()


def test_short_work_and_work_without_a_limit_stay_in_their_thread():
    here = threading.main_thread()
    assert in_time(lambda halt: threading.current_thread(), long=True) is here
    with Run(problem, "free"):
        assert in_time(lambda halt: threading.current_thread(), long=True) is here
    with Run(problem, "limited", time_limit=60.0):
        assert in_time(lambda halt: threading.current_thread(), long=False) is here


def test_a_run_that_has_ended_is_under_way_no_more():
    assert seconds_left() == np.inf
    with Run(problem, "outer", time_limit=60.0):
        with Run(problem, "inner", time_limit=1.0):
            assert seconds_left() <= 1.0
        assert 1.0 < seconds_left() <= 60.0
    assert seconds_left() == np.inf


def test_errors_and_interrupts_come_out():
    def fail(halt):
        raise ZeroDivisionError

    with Run(problem, "limited", time_limit=60.0), pytest.raises(ZeroDivisionError):
        in_time(fail, long=True)


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
