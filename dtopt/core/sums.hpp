// Sums in a fixed order that a compiler can vectorise: eight lanes, added up pairwise at the end.
#pragma once

#include <cstddef>

#include "dtopt/core/hot.hpp"

namespace dtopt {

inline constexpr std::size_t LANES = 8;

// Partial sums of one quantity; `total` adds them up in a fixed order.
struct Lanes {
    double lane[LANES] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};

    DTOPT_INLINE double total() const {
        return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
    }
};

// Call visit(j, lane) for first <= j < last; j goes to lane (j − first) mod 8.
template <class Visit>
DTOPT_INLINE void each_lane(std::size_t first, std::size_t last, Visit visit) {
    std::size_t j = first;
    for (; j + LANES <= last; j += LANES)
        for (std::size_t x = 0; x < LANES; ++x) visit(j + x, x);
    for (std::size_t x = 0; j < last; ++j, ++x) visit(j, x);
}

// Return the sum of term(j) over first <= j < last.
template <class Term>
DTOPT_INLINE double lane_sum(std::size_t first, std::size_t last, Term term) {
    Lanes sum;
    each_lane(first, last, [&](std::size_t j, std::size_t x) DTOPT_LAMBDA { sum.lane[x] += term(j); });
    return sum.total();
}

}  // namespace dtopt
