// The softened maximum of some values at a temperature, T log Σ exp(value / T), and the weight of each value in it.
#pragma once

#include <algorithm>
#include <limits>
#include <span>

#include "dtopt/core/elementary.hpp"
#include "dtopt/core/hot.hpp"

namespace dtopt {

// A value this many temperatures below the largest has no weight.
inline constexpr double WEIGHTLESS = -40.0;

// The largest value, and the sum of all weights exp((value − top) / T).
struct Softmax {
    double top = -std::numeric_limits<double>::infinity(), mass = 0.0;

    double value(double temperature) const { return top + temperature * log(mass); }
};

// Return the weight of a value that lies `below` (at most 0) the largest, in temperatures.
DTOPT_INLINE double softmax_weight(double below) { return below > WEIGHTLESS ? exp(below) : 0.0; }

// Replace values by their weights; the mass is 0 where all values are −∞.
inline Softmax soften(std::span<double> values, double temperature) {
    Softmax sum;
    for (const double value : values) sum.top = std::max(sum.top, value);
    if (sum.top == -std::numeric_limits<double>::infinity()) {
        std::ranges::fill(values, 0.0);
        return sum;
    }
    const double inverse = 1.0 / temperature;
    for (double& value : values) {
        value = value == sum.top ? 1.0 : softmax_weight((value - sum.top) * inverse);
        sum.mass += value;
    }
    return sum;
}

// Replace values by e to their power, and by their logarithm.
void exp_each(std::span<double> values);
void log_each(std::span<double> values);

}  // namespace dtopt
