"""Elementary functions with the same bits on every CPU.

NumPy picks its loops for ``log``, ``exp``, ``sin`` and others by the CPU that it finds, and C libraries do the same, so
the last bits of their results differ between machines. All that enters an instance, a scenario or a trace is computed
here instead, from operations that IEEE 754 defines to the last bit: + - * /, sqrt, comparisons, rounding to whole
numbers and the bits of a float. Each is a NumPy call of its own, which leaves a compiler nothing to fuse or to reorder.

The formulas are those of fdlibm (Sun Microsystems 1993) for log, log1p, log10, exp, expm1, sin and cos, and Hart's
rational function 5666 in the form of West (Wilmott 2005) for the normal distribution. Errors are at most 2 ulp
(`exp`, `log`: 1 ulp), and below 1e-15 absolute for `normal_cdf`; `tests/dtopt/test_elementary.py` measures them.
Arrays are processed in blocks that fit the cache.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from dtopt.arrays import FloatArray

__all__ = [
    "LN2",
    "RADIANS_PER_DEGREE",
    "cos_sin_turns",
    "exp",
    "expm1",
    "hypot",
    "interpolate",
    "log",
    "log1p",
    "log10",
    "normal_cdf",
    "normal_pair",
    "power10",
    "quantile",
    "total",
]

#: ln 2.
LN2 = 0.6931471805599453
#: π / 180.
RADIANS_PER_DEGREE = 0.017453292519943295
#: Numbers processed at a time: a dozen arrays of this size fit the second-level cache.
BLOCK = 8192

# ln 2, log10 2 and 1 / log2 10 as a sum of two numbers; the first has zeros at its end, so that its product with an
# exponent is exact.
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LOG10_2_HIGH, _LOG10_2_LOW = 3.01029995663611771306e-01, 3.69423907715893078616e-13
_LOG2_E, _LOG2_10, _LN10, _LOG10_E = 1.4426950408889634, 3.321928094887362, 2.302585092994046, 0.4342944819032518
_HALF_PI = 1.5707963267948966
_ROOT_HALF_BITS = np.int64(0x3FE6A09E667F3BCD)
_ONE_BITS = np.int64(0x3FF0000000000000)
_MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
_TINIEST_NORMAL = 2.2250738585072014e-308
#: Added to a number below 2^51 it leaves the nearest whole number in the last bits of the sum.
_ROUNDER = 6755399441055744.0

_LOG = (
    1.479819860511658591e-01,
    1.531383769920937332e-01,
    1.818357216161805012e-01,
    2.222219843214978396e-01,
    2.857142874366239149e-01,
    3.999999999940941908e-01,
    6.666666666666735130e-01,
)
_EXP = (
    4.13813679705723846039e-08,
    -1.65339022054652515390e-06,
    6.61375632143793436117e-05,
    -2.77777777770155933842e-03,
    1.66666666666666019037e-01,
)
_EXPM1 = (
    -2.01099218183624371326e-07,
    4.00821782732936239552e-06,
    -7.93650757867487942473e-05,
    1.58730158725481460165e-03,
    -3.33333333333331316428e-02,
    1.0,
)
_SIN = (
    1.58969099521155010221e-10,
    -2.50507602534068634195e-08,
    2.75573137070700676789e-06,
    -1.98412698298579493134e-04,
    8.33333333332248946124e-03,
    -1.66666666666666324348e-01,
)
_COS = (
    -1.13596475577881948265e-11,
    2.08757232129817482790e-09,
    -2.75573143513906633035e-07,
    2.48015872894767294178e-05,
    -1.38888888888741095749e-03,
    4.16666666666666019037e-02,
)
_NORMAL_ABOVE = (
    3.52624965998911e-02,
    0.700383064443688,
    6.37396220353165,
    33.912866078383,
    112.079291497871,
    221.213596169931,
    220.206867912376,
)
_NORMAL_BELOW = (
    8.83883476483184e-02,
    1.75566716318264,
    16.064177579207,
    86.7807322029461,
    296.564248779674,
    637.333633378831,
    793.826512519948,
    440.413735824752,
)


def _in_blocks(kernel: Callable[[FloatArray], FloatArray]) -> Callable[[npt.ArrayLike], FloatArray]:
    """Return the function of arrays of any shape whose blocks `kernel` computes."""

    @wraps(kernel)
    def function(x: npt.ArrayLike) -> FloatArray:
        given = np.asarray(x, dtype=np.float64)
        flat = given.reshape(-1)
        result = np.empty(flat.size)
        with np.errstate(all="ignore"):
            for start in range(0, flat.size, BLOCK):
                result[start : start + BLOCK] = kernel(flat[start : start + BLOCK])
        return result.reshape(given.shape)

    return function


def _polynomial(x: FloatArray, coefficients: tuple[float, ...]) -> FloatArray:
    """Return the polynomial by Horner's rule; the coefficient of the highest power comes first."""
    value = coefficients[0] * x
    for coefficient in coefficients[1:-1]:
        value += coefficient
        value *= x
    value += coefficients[-1]
    return value


def _of_bits(bits: npt.NDArray[np.int64]) -> FloatArray:
    return bits.view(np.float64)


def _power_of_two(exponent: FloatArray) -> FloatArray:
    """Return 2 to the power of whole numbers from -1022 to 1023."""
    return _of_bits(((exponent + _ROUNDER).view(np.int64) + np.int64(1023)) << np.int64(52))


def _scaled(value: FloatArray, exponent: FloatArray) -> FloatArray:
    """Return value · 2^exponent, rounded once, for whole exponents from -2000 to 2000."""
    if exponent.size and exponent.max() <= 1023.0 and exponent.min() >= -1021.0:
        return value * _power_of_two(exponent)
    half = np.rint(0.5 * exponent)
    return (value * _power_of_two(half)) * _power_of_two(exponent - half)


# --- logarithms -------------------------------------------------------------------------------------------------------


def _split(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the exponent k and f with x = 2^k · (1 + f), 1 + f from √½ to √2, for normal x > 0."""
    bits = x.view(np.int64) - _ROOT_HALF_BITS
    exponent = bits >> np.int64(52)
    rest = _of_bits((bits & _MANTISSA) + _ROOT_HALF_BITS)
    rest -= 1.0
    return exponent.astype(np.float64), rest


def _log_of_rest(f: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return f²/2 and the R with which log(1 + f) = f - (f²/2 - R)."""
    s = f / (2.0 + f)
    z = s * s
    tail = _polynomial(z, _LOG)
    tail *= z
    half = 0.5 * f
    half *= f
    tail += half
    tail *= s
    return half, tail


def _normal_range(x: FloatArray) -> tuple[FloatArray, float | FloatArray]:
    """Return numbers that are neither 0, infinite nor subnormal where x > 0 is, and what their exponents are off by."""
    if x.size and x.min() >= _TINIEST_NORMAL:
        return x, 0.0
    small = x < _TINIEST_NORMAL
    return np.where(small, x * 18014398509481984.0, x), np.where(small, -54.0, 0.0)


def _at_the_ends(x: FloatArray, result: FloatArray) -> FloatArray:
    """Return a logarithm of x with what it is of 0, of infinity, and below 0."""
    if x.size and x.min() > 0.0 and x.max() < np.inf:
        return result
    result = np.where(x == np.inf, np.inf, result)
    result = np.where(x == 0.0, -np.inf, result)
    return np.where(x >= 0.0, result, np.nan)


@_in_blocks
def log(x: FloatArray) -> FloatArray:
    """Return the natural logarithm."""
    scaled, shift = _normal_range(x)
    k, f = _split(scaled)
    k += shift
    half, tail = _log_of_rest(f)
    tail += k * _LN2_LOW
    half -= tail
    half -= f
    k *= _LN2_HIGH
    k -= half
    return _at_the_ends(x, k)


@_in_blocks
def log1p(x: FloatArray) -> FloatArray:
    """Return log(1 + x)."""
    one_more = 1.0 + x
    k, f = _split(np.maximum(one_more, _TINIEST_NORMAL))
    half, tail = _log_of_rest(f)
    # What the sum 1 + x has lost.
    lost = np.where(k > 0.0, 1.0 - (one_more - x), x - (one_more - 1.0))
    lost /= one_more
    tail += k * _LN2_LOW + lost
    half -= tail
    half -= f
    k *= _LN2_HIGH
    k -= half
    return _at_the_ends(one_more, k)


@_in_blocks
def log10(x: FloatArray) -> FloatArray:
    """Return the logarithm to base 10."""
    scaled, shift = _normal_range(x)
    k, f = _split(scaled)
    k += shift
    half, tail = _log_of_rest(f)
    half -= tail
    f -= half
    f *= _LOG10_E
    f += k * _LOG10_2_LOW
    k *= _LOG10_2_HIGH
    k += f
    return _at_the_ends(x, k)


# --- exponentials -----------------------------------------------------------------------------------------------------


def _exp_of_rest(high: FloatArray, low: FloatArray | float) -> FloatArray:
    """Return exp(high - low) for |high| <= 0.35 and a much smaller low."""
    r = high - low
    z = r * r
    c = _polynomial(z, _EXP)
    c *= z
    c = r - c
    r *= c
    r /= 2.0 - c
    return 1.0 - ((low - r) - high)


@_in_blocks
def exp(x: FloatArray) -> FloatArray:
    """Return e to the power of x."""
    inside = np.clip(x, -746.0, 710.0)
    k = np.rint(inside * _LOG2_E)
    return _scaled(_exp_of_rest(inside - k * _LN2_HIGH, k * _LN2_LOW), k)


@_in_blocks
def expm1(x: FloatArray) -> FloatArray:
    """Return e^x - 1."""
    inside = np.clip(x, -60.0, 710.0)
    k = np.rint(inside * _LOG2_E)
    high, low = inside - k * _LN2_HIGH, k * _LN2_LOW
    r = high - low
    lost = (high - r) - low
    half = 0.5 * r
    square = r * half
    factor = _polynomial(square, _EXPM1)
    t = 3.0 - factor * half
    e = square * ((factor - t) / (6.0 - r * t))
    e = r * (e - lost) - lost
    e -= square
    # e^r - 1 = r - e, so that e^x - 1 = 2^k (1 - 2^-k + r - e).
    result = _scaled((1.0 - _power_of_two(np.maximum(-k, -1022.0))) + (r - e), k)
    return np.where(x == 0.0, x, result)


@_in_blocks
def power10(x: FloatArray) -> FloatArray:
    """Return 10 to the power of x."""
    inside = np.clip(x, -325.0, 310.0)
    k = np.rint(inside * _LOG2_10)
    r = inside - k * _LOG10_2_HIGH
    r -= k * _LOG10_2_LOW
    r *= _LN10
    return _scaled(_exp_of_rest(r, 0.0), k)


# --- angles -----------------------------------------------------------------------------------------------------------


def cos_sin_turns(turns: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the cosine and the sine of angles given as parts of a full turn, 2π times which is the angle.

    The whole turns and quarters in an angle are taken off exactly. Angles must be below 2^50 turns.
    """
    given = np.asarray(turns, dtype=np.float64)
    flat = given.reshape(-1)
    cosine, sine = np.empty(flat.size), np.empty(flat.size)
    for start in range(0, flat.size, BLOCK):
        block = slice(start, start + BLOCK)
        cosine[block], sine[block] = _cos_sin_block(flat[block])
    return cosine.reshape(given.shape), sine.reshape(given.shape)


def _cos_sin_block(turns: FloatArray) -> tuple[FloatArray, FloatArray]:
    quarters = 4.0 * turns
    nearest = np.rint(quarters)
    x = (quarters - nearest) * _HALF_PI
    z = x * x
    sine = _polynomial(z, _SIN)
    sine *= z
    sine *= x
    sine += x
    cosine = _polynomial(z, _COS)
    cosine *= z
    cosine *= z
    half = 0.5 * z
    near = 1.0 - half
    cosine += (1.0 - near) - half
    cosine += near
    quadrant = (nearest + _ROUNDER).view(np.int64) & np.int64(3)
    odd = (quadrant & np.int64(1)) != 0
    first, second = np.where(odd, sine, cosine), np.where(odd, cosine, sine)
    # cos: + - - +, sin: + + - - in quadrants 0 to 3.
    np.negative(first, out=first, where=(quadrant == 1) | (quadrant == 2))
    np.negative(second, out=second, where=quadrant >= 2)
    return first, second


# --- the normal distribution ------------------------------------------------------------------------------------------


@_in_blocks
def normal_cdf(x: FloatArray) -> FloatArray:
    """Return the distribution function of the standard normal distribution."""
    size = np.minimum(np.abs(x), 40.0)
    bell = np.asarray(exp(-0.5 * size * size))
    tail = bell * (_polynomial(size, _NORMAL_ABOVE) / _polynomial(size, _NORMAL_BELOW))
    far = size > 7.07
    if far.any():
        fraction = size + 0.65
        for step in (4.0, 3.0, 2.0, 1.0):
            fraction = size + step / fraction
        tail = np.where(far, bell / (2.5066282746310002 * fraction), tail)
    return np.where(x > 0.0, 1.0 - tail, tail)


def normal_pair(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return two independent standard normals for two uniforms, the first > 0 and <= 1 (Box and Muller)."""
    radius = np.sqrt(-2.0 * log(first))
    cosine, sine = cos_sin_turns(second)
    return radius * cosine, radius * sine


# --- lengths, sums and lines ------------------------------------------------------------------------------------------


def hypot(x: npt.ArrayLike, y: npt.ArrayLike) -> FloatArray:
    """Return √(x² + y²); numbers below 1e-150 count as 0 beside larger ones."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    with np.errstate(over="ignore"):
        squared = np.asarray(x * x)
        squared += y * y
    if squared.size and not squared.max() < np.inf:
        # By a power of two, which changes no digit.
        small = 2.0**-600
        near_x, near_y = x * small, y * small
        large = np.sqrt(near_x * near_x + near_y * near_y) / small
        return np.asarray(np.where(np.isinf(squared), large, np.sqrt(squared)))
    return np.asarray(np.sqrt(squared))


def total(values: FloatArray, axis: int = 0) -> FloatArray:
    """Return the sum along an axis by halves: the second half is added to the first until one is left.

    The order is that of this code. NumPy's own reductions may add in another one in another version or on another CPU.
    """
    rest = np.moveaxis(np.asarray(values, dtype=np.float64), axis, 0)
    if not len(rest):
        return np.zeros(rest.shape[1:])
    while len(rest) > 1:
        half = (len(rest) + 1) // 2
        first = rest[:half].copy()
        first[: len(rest) - half] += rest[half:]
        rest = first
    return np.asarray(rest[0])


def quantile(values: FloatArray, part: float) -> float:
    """Return the value that has a part of the others below it, by a straight line between two of them."""
    ordered, place = np.sort(values), part * (values.size - 1)
    low = int(place)
    high = min(low + 1, values.size - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


def interpolate(x: FloatArray, known_x: FloatArray, known_y: FloatArray) -> FloatArray:
    """Return the piecewise linear function through known points, held at the first and the last value outside.

    Parameters
    ----------
    x : ndarray
    known_x : ndarray, shape (n,)
        Strictly increasing.
    known_y : ndarray, shape (n,)
    """
    if known_x.size == 1:
        return np.full(x.shape, known_y[0])
    left = np.clip(np.searchsorted(known_x, x, side="right") - 1, 0, known_x.size - 2)
    slope = (known_y[1:] - known_y[:-1]) / (known_x[1:] - known_x[:-1])
    between = slope[left] * (x - known_x[left]) + known_y[left]
    result = np.where(x <= known_x[0], known_y[0], np.where(x >= known_x[-1], known_y[-1], between))
    return np.asarray(result, dtype=np.float64)
