// The one view of a P1 problem that all searches read: lists of servers for each user, and the servers.
//
// All costs are in units of the objective. A server with its users costs its opening plus
// - optimal sharing: L²/F with L the sum of its users' sizes √(κ w) times the root of the worth of a second, and more
//   where hard deadlines clamp CPU shares from below (water filling);
// - equal sharing: n·W/F with W the sum of the sizes κ w times that worth;
// - fixed sharing: nothing, all is in the costs of pairs;
// and, under soft deadlines and optimal or equal sharing, the price of its users' lateness.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/sharing.hpp"
#include "dtopt/core/tolerances.hpp"

namespace dtopt {

// What `PlacementView::more` says of pairs.
enum class PairData : std::int64_t {
    NONE = 0,     // nothing
    FITTING = 1,  // the part of the server's CPU that must be set aside
    CLAMPED = 2,  // such a part that clamps shares under optimal sharing
    LIMITED = 3,  // the largest number of twins among which the user keeps its deadline (equal sharing)
    LATE = 4,     // a such that the user is late by a + b x / F, x the server's load (optimal) or count (equal)
};

struct PlacementView {
    Matrix<std::int32_t> station;  // (N, C): the servers that each user may be on; a list ends in −1
    Matrix<double> cost;           // (N, C): infinite where the pair is not allowed
    Matrix<double> more;           // (N, C), or empty for PairData::NONE
    Doubles size, rate;            // (N,): size, and b of `PairData::LATE`
    Matrix<std::int32_t> near;     // (M, K): the servers that share most users with each, nearest first; ends in −1
    Doubles cpu, opening;          // (M,)
    Integers capacity;             // (M,): places
    double penalty = 0.0;          // of a second of lateness
    std::int64_t max_open = 0;
    Sharing sharing = Sharing::OPTIMAL;
    PairData data = PairData::NONE;
    bool dense = false;            // whether slot k of every user is server k

    Size users() const { return size.size(); }
    Size servers() const { return cpu.size(); }
    Size width() const { return station.columns(); }
    // Whether pairs set parts of the CPU aside, and whether what a server costs depends on its users' deadlines.
    bool has_parts() const { return data == PairData::FITTING || data == PairData::CLAMPED; }
    bool has_times() const { return data == PairData::CLAMPED || data == PairData::LATE; }

    // Return the slot of a server in a user's list, −1 where it is not listed.
    std::int32_t slot_of(Size user, std::int32_t server) const {
        if (dense) return server;
        const auto list = station.row(user);
        for (Size c = 0; c < list.size(); ++c)
            if (list[c] == server) return static_cast<std::int32_t>(c);
        return -1;
    }
};

}  // namespace dtopt
