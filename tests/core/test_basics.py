"""The basis of the compiled core: numbers, random numbers, cancellation, and the choice of the CPU."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from dtopt import _core, elementary, tolerances

MASK = (1 << 64) - 1


def splitmix64(state):
    """Return the next state and 64 bits (Steele, Lea and Flood 2014)."""
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return state, z ^ (z >> 31)


def test_random_numbers_are_those_of_splitmix64():
    random, state = _core.Random(42), 42
    for _ in range(1000):
        state, bits = splitmix64(state)
        assert random.bits() == bits
    random, state = _core.Random(MASK), MASK
    for _ in range(1000):
        state, bits = splitmix64(state)
        assert random.below(37) == (bits >> 33) % 37
        state, bits = splitmix64(state)
        assert random.uniform() == (bits >> 11) * 2.0**-53


@pytest.mark.parametrize("name", ["exp", "log", "log1p"])
def test_elementary_functions_have_the_bits_of_the_numpy_ones(name):
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(size=20_000) * scale for scale in (1e-8, 1.0, 30.0, 700.0)])
    ends = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, 1e-310, -746.0, -745.0, 709.7, 710.0, -1022.5]
    values = np.concatenate([values, np.abs(values), ends])
    mine, theirs = getattr(_core, name)(values), getattr(elementary, name)(values)
    np.testing.assert_array_equal(np.isnan(mine), np.isnan(theirs))
    real = ~np.isnan(mine)
    np.testing.assert_array_equal(mine[real].view(np.int64), theirs[real].view(np.int64))


def test_tolerances_are_those_of_the_evaluator():
    assert (_core.TOLERANCE, _core.ROUNDING) == (tolerances.TOLERANCE, tolerances.ROUNDING)


def test_a_time_limit_requests_cancellation():
    assert _core.Cancellation(0.0).requested()
    assert _core.Cancellation(-1.0).requested()
    endless = _core.Cancellation()
    assert not endless.requested()
    threading.Thread(target=endless.cancel).start()
    while not endless.requested():
        time.sleep(0.001)
    limited = _core.Cancellation(0.02)
    while not limited.requested():
        time.sleep(0.001)


def wait_for(cancellation):
    while not cancellation.requested():
        pass


def test_ctrl_c_comes_out_of_the_core():
    endless = _core.Cancellation()
    timer = threading.Timer(0.05, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        wait_for(endless)
    timer.join()


def test_environment_asks_for_the_baseline():
    code = "from dtopt import _core; print(_core.uses_avx2())"
    environment = {**os.environ, "DTOPT_CPU": "baseline"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
