// From the actions (23) of all stations to an association that keeps the constraints of P1.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/sharing.hpp"

namespace dtopt {

// A network state: a P1 problem as `solvers.environments.states.NetworkStates` stacks it.
struct ActionDecoder {
    Matrix<double> transfer, floor;     // (N, M): s; CPU set aside, cycles/s
    Matrix<double> compute;             // (N, M): s, under fixed sharing; empty otherwise
    Matrix<char> allowed;               // (N, M)
    Doubles cycles, cpu;                // (N,); (M,): cycles/s
    Integers capacity;                  // (M,)
    double weight = 1.0;                // of a user's second
    Sharing sharing = Sharing::OPTIMAL;
    std::int64_t max_open = 0;

    Integers order;                     // (N,): users by falling load
    double mean_transfer = 0.0;         // over pairs in reach, s

    // Set `order` and `mean_transfer`.
    void finish();

    // Return each user's server, −1 where none has room. Users of the largest load choose first, among the open servers
    // by the highest score, or, with `marginal`, by the least marginal cost less the score, which is worth
    // `score_weight` mean transfers. Where no open server has room, the closed one of the highest bid that has is opened.
    Integers decode(std::span<const bool> open, std::span<const double> bids, MatrixView<const double> scores,
                    bool marginal, double score_weight) const;
};

}  // namespace dtopt
