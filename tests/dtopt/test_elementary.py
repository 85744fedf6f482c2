"""Elementary functions of IEEE operations: how exact they are, and what they give at the ends of their ranges."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtopt import elementary

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798")


def series(first, factor):
    """Return the sum of terms that begin with `first`, each `factor(n)` times the one before."""
    term, whole, n = first, first, 0
    while n < 2000 and abs(term) > abs(whole) * Decimal("1e-40"):
        n += 1
        term *= factor(n)
        whole += term
    return whole


def sine(x):
    return series(x, lambda n: -x * x / (2 * n * (2 * n + 1))) if x else Decimal(0)


def cosine(x):
    return series(Decimal(1), lambda n: -x * x / ((2 * n - 1) * 2 * n))


def normal(x):
    """Return the distribution function by its series around 0."""
    part = series(x, lambda n: x * x / (2 * n + 1)) if x else Decimal(0)
    return Decimal(1) / 2 + part * (-x * x / 2).exp() / (2 * PI).sqrt()


def log1p(x):
    return (1 + x).ln()


rng = np.random.default_rng(1)
WIDE = 10.0 ** rng.uniform(-300, 300, 100)
NEAR_ONE = 1.0 + np.concatenate([rng.uniform(-0.4, 0.6, 100), rng.uniform(-1e-7, 1e-7, 100)])
SMALL = np.concatenate([s * 10.0 ** rng.uniform(-17, 0, 60) for s in (1, -1)])
CASES = {
    "log": (elementary.log, lambda x: x.ln(), np.concatenate([WIDE, NEAR_ONE, [5e-324, 1e-310]]), 1.0),
    "log10": (elementary.log10, lambda x: x.log10(), np.concatenate([WIDE, NEAR_ONE, [5e-324]]), 2.0),
    "log1p": (elementary.log1p, log1p, np.concatenate([10.0 ** rng.uniform(-20, 20, 100), 0.99 * SMALL]), 2.0),
    "exp": (elementary.exp, lambda x: x.exp(), np.concatenate([rng.uniform(-700, 709, 100), SMALL]), 1.0),
    "expm1": (elementary.expm1, lambda x: x.exp() - 1, np.concatenate([rng.uniform(-50, 709.7, 100), SMALL]), 2.0),
    "power10": (elementary.power10, lambda x: Decimal(10) ** x, rng.uniform(-300, 308, 100), 2.0),
    "cos": (lambda x: elementary.cos_sin_turns(x)[0], lambda x: cosine(2 * PI * x), rng.uniform(-3, 3, 60), 2.0),
    "sin": (lambda x: elementary.cos_sin_turns(x)[1], lambda x: sine(2 * PI * x), rng.uniform(-3, 3, 60), 2.0),
}


@pytest.mark.parametrize("name", CASES)
def test_an_error_is_at_most_two_units_in_the_last_place(name):
    function, exact, x, most = CASES[name]
    found = function(x)
    with localcontext() as context:
        context.prec = 45
        for at, value in zip(x.tolist(), found.tolist(), strict=True):
            wanted = exact(Decimal(at))
            unit = Decimal(float(np.spacing(abs(float(wanted)))))
            assert abs(Decimal(value) - wanted) <= Decimal(most) * unit, (at, value)


def test_the_normal_distribution_function():
    x = np.concatenate([rng.uniform(-8, 8, 60), [0.0, 7.07, -7.07]])
    with localcontext() as context:
        context.prec = 45
        for at, value in zip(x.tolist(), elementary.normal_cdf(x).tolist(), strict=True):
            assert abs(Decimal(value) - normal(Decimal(at))) < Decimal("1e-15"), at
    assert elementary.normal_cdf([-np.inf, -50.0, 0.0, np.inf]).tolist() == [0.0, 0.0, 0.5, 1.0]


def test_the_ends_of_the_ranges():
    infinity, ends = np.inf, [0.0, np.inf, -np.inf, np.nan]
    for logarithm in (elementary.log, elementary.log10):
        np.testing.assert_array_equal(logarithm(ends), [-infinity, infinity, np.nan, np.nan])
        assert logarithm(1.0) == 0.0
    np.testing.assert_array_equal(elementary.log1p([0.0, -1.0, infinity, -2.0]), [0.0, -infinity, infinity, np.nan])
    np.testing.assert_array_equal(elementary.exp([*ends, 710.0, -746.0]), [1, infinity, 0, np.nan, infinity, 0])
    np.testing.assert_array_equal(elementary.expm1([*ends, 711.0]), [0, infinity, -1, np.nan, infinity])
    np.testing.assert_array_equal(elementary.power10([*ends, 309.0, -324.0]), [1, infinity, 0, np.nan, infinity, 0])
    # Subnormal results are rounded once.
    np.testing.assert_allclose(elementary.exp([-745.0, -740.0]), [5e-324, 4.2e-322], rtol=0.01)
    cosine_, sine_ = elementary.cos_sin_turns(np.arange(-4, 5) / 4.0)
    assert cosine_.tolist() == [1, 0, -1, 0, 1, 0, -1, 0, 1]
    assert sine_.tolist() == [0, 1, 0, -1, 0, 1, 0, -1, 0]


@pytest.mark.parametrize("name", CASES)
def test_neither_shape_nor_blocks_matter(name):
    function, _, x, _ = CASES[name]
    x = np.resize(x, 2 * elementary.BLOCK + 7)
    whole = function(x)
    np.testing.assert_array_equal(function(x[::-1])[::-1], whole)
    np.testing.assert_array_equal(function(x[:6].reshape(2, 3)), whole[:6].reshape(2, 3))
    assert function(float(x[-1])) == whole[-1]
    assert function(float(x[0])).shape == ()
    assert function(np.empty((0, 2))).shape == (0, 2)


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_lengths(x, y):
    length = float(elementary.hypot(x, y))
    assert length == pytest.approx(math.hypot(x, y), rel=1e-15, abs=1e-150)
    assert length == float(elementary.hypot(np.array([y]), np.array([-x]))[0])


@given(st.lists(st.floats(-1e6, 1e6), max_size=40))
def test_sums(values):
    assert float(elementary.total(np.array(values))) == pytest.approx(math.fsum(values), abs=1e-8)


def test_the_order_of_a_sum_is_fixed_for_every_axis_and_memory_layout():
    values = rng.uniform(-1.0, 1.0, (37, 11, 5))
    for axis in range(3):
        found = elementary.total(values, axis=axis)
        np.testing.assert_array_equal(elementary.total(np.asfortranarray(values), axis=axis), found)
        single = elementary.total(np.ascontiguousarray(np.moveaxis(values, axis, 0)[:, 2, 3]))
        assert single == found[2, 3]


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=8, unique=True), st.lists(st.floats(-60, 60), min_size=1))
def test_lines_between_points(known, x):
    known_x = np.sort(np.array(known, dtype=float))
    known_y = np.cos(known_x)
    found = elementary.interpolate(np.array(x), known_x, known_y)
    np.testing.assert_allclose(found, np.interp(x, known_x, known_y), atol=1e-14)
    # Known points are met exactly.
    np.testing.assert_array_equal(elementary.interpolate(known_x, known_x, known_y), known_y)
