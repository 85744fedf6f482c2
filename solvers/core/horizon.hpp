// What servers are worth to users beyond this slot: each user's best way through the slots to come.
//
// The ways are laid one after the other, each the best for the loads that the others' ways put on servers (best
// responses), by dynamic programming over slots and servers. A user pays for its move by a factor on its utility, since
// the time to move a twin is part of T_i and so of the exponent of (20), and for its load what that takes from the
// others, to first order.
#pragma once

#include <cstdint>
#include <span>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/cancellation.hpp"

namespace dtopt {

// A slot and H more, in which users are on one of S servers; all as in `MigrationView`, slot by slot.
struct Horizon {
    Size steps = 0;          // H + 1
    Doubles slack;           // (H + 1, N, S): without the time to move, s; −∞ where the pair is not allowed
    Doubles growth, size;    // (N,)
    Matrix<double> rate;     // (H + 1, S)
    Matrix<double> part;     // (H + 1, S)
    Doubles move;            // (N,): the time to move by a metre, s
    Matrix<double> gap;      // (S, S), m
    Matrix<double> stays;    // (H + 1, N): the probability of being there
    Matrix<double> weight;   // (H + 1, N): what the slot counts for
    double beta = 1.0, penalty = 0.0;
    bool hard = false;

    Size users() const { return growth.size(); }
    Size servers() const { return gap.rows(); }
    std::span<const double> slack_of(Size step, Size user) const {
        return std::span(slack).subspan((step * users() + user) * servers(), servers());
    }
};

struct Continuation {
    Matrix<double> value;      // (N, S): what being on a server after this slot is worth
    Matrix<std::int64_t> plan; // (H + 1, N): each user's way
};

// Return values and plans after laying every user's way `sweeps` times.
//
// `start` is where users are before this slot, −1 for nowhere. Where cancelled, the ways are those of the last sweep.
Continuation continuation(const Horizon& horizon, std::span<const std::int64_t> start, std::int64_t sweeps,
                          Cancellation& cancellation);

}  // namespace dtopt
