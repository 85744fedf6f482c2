// Moves of local search. Each `evaluate` finds the best move of its kind for a user; `apply` makes it.
//
// A move that helps changes cost and excess together by less than −least_gain. A new kind of move is one more of these.
#pragma once

#include <cstdint>

#include "dtopt/core/random.hpp"
#include "solvers/core/placement_state.hpp"

namespace dtopt {

// A user goes to another open server.
struct Shift {
    std::int32_t user = -1, slot = -1;  // slot −1: nothing helps
    double change = 0.0;

    // Return the best shift that changes cost and excess by less than `enough`.
    static Shift evaluate(const PlacementState& state, std::int32_t user, double enough);
    explicit operator bool() const { return slot >= 0; }
    void apply(PlacementState& state) const { state.shift(user, slot); }
};

// Two users change servers.
struct Swap {
    std::int32_t user = -1, other = -1;  // other −1: nothing helps
    std::int32_t slot = -1, back = -1;   // where the one and the other go to

    // Of each server at most `partners` are tried, the first of them drawn at random.
    static Swap evaluate(const PlacementState& state, std::int32_t user, std::int64_t partners, Random& random);
    explicit operator bool() const { return other >= 0; }
    void apply(PlacementState& state) const {
        state.shift(user, slot);
        state.shift(other, back);
    }
};

// A user goes to a server without room for it, and one that is there goes elsewhere.
struct Ejection {
    Shift in, out;

    // Makes the first shift and undoes it, for each such server until one helps.
    static Ejection evaluate(PlacementState& state, std::int32_t user);
    explicit operator bool() const { return static_cast<bool>(out); }
    void apply(PlacementState& state) const {
        in.apply(state);
        out.apply(state);
    }
};

// Return whether a user has a shift that may help, by a bound from below that most users do not pass. The hot loop.
bool may_shift(const PlacementState& state, std::int32_t user);

}  // namespace dtopt
