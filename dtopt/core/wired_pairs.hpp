// Pairs of a P1 problem from wired distances; `dtopt/wired.py` says what they are.
#pragma once

#include <span>
#include <utility>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/price_dual.hpp"

namespace dtopt {

// Costs c_ik = base_i + slope_i d(b_i, k) and deadline floors of pairs, in units of the objective.
struct WiredPairs : PricedData {
    Doubles base, slope;          // (N,)
    Integers access;              // (N,): the access station b_i
    Matrix<double> distance;      // (M, M), m
    Matrix<std::int32_t> order;   // (M, K): the stations nearest to each station
    Doubles slack, pace, cycles;  // (N,), or empty where no deadline binds
    Doubles demand;               // (N,) under fixed sharing, else empty

    // Whether pairs have floors: only where shares follow from loads.
    bool has_floors() const { return !cycles.empty() && demand.empty(); }
};

// Return the allowed pairs within each user's radius, m from its access station.
Columns list_pairs(const WiredPairs& pairs, std::span<const double> radius);

struct Settled {
    double value;      // a valid lower bound but for rounding
    double magnitude;  // the sum of the sizes of all terms
    Doubles server;    // (M,): V of each server
    Doubles reach;     // (N,): the radius within which all pairs lie that gain; at least the one given
};

// Return the dual over all N·M pairs. Servers of negative state are closed, those of positive state open.
Settled settle(const WiredPairs& pairs, std::span<const double> prices, std::span<const double> radius,
               std::span<const std::int64_t> state);

}  // namespace dtopt
