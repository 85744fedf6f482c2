// The tunables of local search for P1.
#pragma once

#include <cstdint>

#include "solvers/core/placement_state.hpp"

namespace dtopt {

struct LocalSearchParams : PenaltyParams {
    // Sizes. A problem of up to `region_users` users is small: an iteration may look at all of them and try every swap.
    std::int64_t region_users = 1000;  // users that an iteration should look at
    std::int64_t partners = 4;         // users of each server that a user may swap with, drawn at random, in large ones
    std::int64_t passes = 6;           // rounds of a descent at most, in large problems
    std::int64_t small_passes = 10;    // and in small ones
    std::int64_t sweeps = 20;          // over all users, at most, until a start is a local optimum
    double settled = 1e-3;             // a sweep that moves less than this part of the users is the last

    // Wide iterations, for large problems: open servers around one and users they look at, at most, and what swaps may
    // gain, a part of the cost by the number of servers.
    std::int64_t wide_reach = 20;
    std::int64_t wide_users = 5000;
    double swap_gain = 3.5e-3;

    // Disturbances. Of 64 iterations, those that move users at random (in small problems) and those that exchange an
    // open server for a closed one; the others open or close a server.
    std::int64_t kicks = 4;
    std::int64_t exchanges = 32;
    std::int64_t least_kicked = 2;  // users that a kick moves: this many, and up to `more_kicked` more
    std::int64_t more_kicked = 3;
    std::int64_t draws = 8;         // of a server near another one, until one fits
    std::int64_t nearest = 12;      // servers near the first disturbance among which the second one is

    // Stages of a descent after the first sweep are for changes that the stage has been seen to turn into gains.
    double first_gain = 0.01;  // what a stage may gain before it was seen, a part of the cost by servers over ten
    double smoothing = 0.05;   // how fast what it was seen to gain is forgotten

    // Acceptance in small problems: worse than the incumbent by less than this part of the cost by servers.
    double threshold = 0.3;
    double threshold_fitting = 0.05;  // the same where demands must fit (fixed sharing)
    std::int64_t few_servers = 10;    // up to this many servers, parts of the cost are per server alone
    std::int64_t drift = 15'000;      // moves beyond half the users from the incumbent, then back to it
    std::int64_t resum_moves = 1000;  // moves beyond ten times the users, then sums are made again

    // Oscillation through associations that break constraints (small problems).
    double ease = 0.98;         // factor of the weights after an iteration that ends without overload
    double press = 1.05;        // factor of the weights of overloaded servers after one that ends with it
    double first_weight = 0.3;  // the weight to begin with, a part of the cost by servers
};

}  // namespace dtopt
