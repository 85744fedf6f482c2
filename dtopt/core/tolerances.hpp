// The one tolerance on deadlines and CPU; see `dtopt/tolerances.py`, which a test compares with this.
#pragma once

namespace dtopt {

inline constexpr double TOLERANCE = 1e-9;
inline constexpr double ROUNDING = 1e-12;

// The limit with the tolerance added.
constexpr double relaxed(double limit) { return limit * (1.0 + TOLERANCE); }

// The largest value that the evaluator accepts: the limit with the tolerance and the allowance for rounding added.
constexpr double within(double limit) { return limit * ((1.0 + TOLERANCE) * (1.0 + ROUNDING)); }

// CPU parts of a server may sum to this much.
inline constexpr double FULL = within(1.0);

}  // namespace dtopt
