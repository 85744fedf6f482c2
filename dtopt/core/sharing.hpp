// How servers share their CPU, and what that costs; the theory is in `dtopt/sharing.py`.
#pragma once

#include <cstdint>

namespace dtopt {

enum class Sharing : std::int64_t { FIXED = 0, OPTIMAL = 1, EQUAL = 2 };

// Return the compute cost of a server where no deadline matters, which is a lower bound where one does.
//
// The load is the sum of the sizes of its users: √(κ w) under optimal sharing, κ w under equal sharing.
inline double compute_cost(Sharing sharing, double load, std::int64_t count, double cpu) {
    if (sharing == Sharing::OPTIMAL) return load * load / cpu;
    if (sharing == Sharing::EQUAL) return static_cast<double>(count) * load / cpu;
    return 0.0;
}

}  // namespace dtopt
