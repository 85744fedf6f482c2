// exp, log and log1p with the same bits on every CPU; the same formulas as `dtopt/elementary.py`, which tests compare.
//
// C libraries pick their versions by the CPU. These use only operations that IEEE 754 defines to the last bit. They have
// no branches and only what AVX2 has, so that loops over them vectorise.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "dtopt/core/hot.hpp"

namespace dtopt {

namespace elementary {

inline constexpr double LN2_HIGH = 6.93147180369123816490e-01, LN2_LOW = 1.90821492927058770002e-10;
inline constexpr double LOG2_E = 1.4426950408889634;
inline constexpr double TINIEST_NORMAL = 2.2250738585072014e-308;
inline constexpr double ROUNDER = 6755399441055744.0;  // 1.5 · 2^52: adding it rounds to a whole number
inline constexpr std::uint64_t ROOT_HALF_BITS = 0x3FE6A09E667F3BCD;
inline constexpr std::uint64_t MANTISSA = 0x000FFFFFFFFFFFFF;

// Return 2^exponent for a whole number from −1022 to 1023.
DTOPT_INLINE double power_of_two(double exponent) {
    // The exponent as an unsigned number, which turns into a double by its bits.
    const auto whole = std::bit_cast<std::int64_t>(exponent + ROUNDER);
    return std::bit_cast<double>(static_cast<std::uint64_t>(whole + 1023) << 52);
}

// Round to the nearest whole number, ties to even, for |x| < 2^51.
DTOPT_INLINE double rounded(double x) { return (x + ROUNDER) - ROUNDER; }

inline constexpr double EXP[] = {
    4.13813679705723846039e-08, -1.65339022054652515390e-06, 6.61375632143793436117e-05,
    -2.77777777770155933842e-03, 1.66666666666666019037e-01,
};
inline constexpr double LOG[] = {
    1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01, 2.222219843214978396e-01,
    2.857142874366239149e-01, 3.999999999940941908e-01, 6.666666666666735130e-01,
};

// x = 2^exponent · (1 + rest), with 1 + rest from √½ to √2.
struct Split {
    double exponent, rest;
};

DTOPT_INLINE Split split(double x) {
    // Unsigned, since numbers below 0, whose results are not used, would overflow.
    const std::uint64_t bits = std::bit_cast<std::uint64_t>(x) - ROOT_HALF_BITS;
    const double rest = std::bit_cast<double>((bits & MANTISSA) + ROOT_HALF_BITS) - 1.0;
    // The exponent as an unsigned number, which turns into a double by its bits.
    const auto whole = (bits + (std::uint64_t{1024} << 52)) >> 52;
    return {std::bit_cast<double>(whole + std::bit_cast<std::uint64_t>(ROUNDER)) - ROUNDER - 1024.0, rest};
}

// f²/2, and the R with which log(1 + f) = f − (f²/2 − R).
struct Rest {
    double half, tail;
};

DTOPT_INLINE Rest log_of_rest(double f) {
    const double s = f / (2.0 + f), z = s * s;
    double tail = LOG[0] * z;
    for (int j = 1; j < 6; ++j) tail = (tail + LOG[j]) * z;
    tail = (tail + LOG[6]) * z;
    const double half = 0.5 * f * f;
    return {half, (tail + half) * s};
}

}  // namespace elementary

// Return e to the power of x.
DTOPT_INLINE double exp(double x) {
    using namespace elementary;
    const double at_least = x < -746.0 ? -746.0 : x;
    const double y = at_least > 710.0 ? 710.0 : at_least;
    const double k = rounded(y * LOG2_E);
    const double high = y - k * LN2_HIGH, low = k * LN2_LOW;
    double r = high - low;
    const double z = r * r;
    double c = EXP[0] * z;
    for (int j = 1; j < 4; ++j) c = (c + EXP[j]) * z;
    c = (c + EXP[4]) * z;
    c = r - c;
    r = r * c;
    r = r / (2.0 - c);
    const double value = 1.0 - ((low - r) - high);
    // Halves of the exponent, since 2^k itself may be out of range.
    const double half = rounded(0.5 * k);
    return (value * power_of_two(half)) * power_of_two(k - half);
}

// Return the natural logarithm.
DTOPT_INLINE double log(double x) {
    using namespace elementary;
    constexpr double INFINITE = std::numeric_limits<double>::infinity();
    const bool tiny = x < TINIEST_NORMAL;
    const Split parts = split(x * (tiny ? 18014398509481984.0 : 1.0));
    const double k = parts.exponent + (tiny ? -54.0 : 0.0), f = parts.rest;
    const Rest rest = log_of_rest(f);
    const double tail = rest.tail + k * LN2_LOW;
    double value = k * LN2_HIGH - ((rest.half - tail) - f);
    value = x == INFINITE ? x : value;
    value = x == 0.0 ? -INFINITE : value;
    return x >= 0.0 ? value : std::numeric_limits<double>::quiet_NaN();
}

// Return log(1 + x).
DTOPT_INLINE double log1p(double x) {
    using namespace elementary;
    const double one_more = 1.0 + x;
    if (!(one_more >= 0.0)) return std::numeric_limits<double>::quiet_NaN();
    if (one_more == 0.0) return -std::numeric_limits<double>::infinity();
    if (one_more == std::numeric_limits<double>::infinity()) return one_more;
    const Split parts = split(one_more > TINIEST_NORMAL ? one_more : TINIEST_NORMAL);
    const double k = parts.exponent, f = parts.rest;
    const Rest rest = log_of_rest(f);
    // What the sum 1 + x has lost.
    double lost = k > 0.0 ? 1.0 - (one_more - x) : x - (one_more - 1.0);
    lost /= one_more;
    const double tail = rest.tail + (k * LN2_LOW + lost);
    return k * LN2_HIGH - ((rest.half - tail) - f);
}

// Return log(1 + x) for 0 <= x <= 1, with the bits of `log1p`, without a branch.
DTOPT_INLINE double log1p_unit(double x) {
    using namespace elementary;
    const double one_more = 1.0 + x;
    // As `split`: 1 + x is halved from √2 on.
    constexpr auto root_two_bits = static_cast<std::int64_t>(ROOT_HALF_BITS + (std::uint64_t{1} << 52));
    const double above = std::bit_cast<std::int64_t>(one_more) >= root_two_bits ? 1.0 : 0.0;
    const double f = one_more * (1.0 - 0.5 * above) - 1.0;
    const Rest rest = log_of_rest(f);
    const double lost = (above > 0.0 ? 1.0 - (one_more - x) : x - (one_more - 1.0)) / one_more;
    const double tail = rest.tail + (above * LN2_LOW + lost);
    return above * LN2_HIGH - ((rest.half - tail) - f);
}

}  // namespace dtopt
