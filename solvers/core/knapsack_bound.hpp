// Lagrangian bounds of P1 with whole knapsacks: prices on users, one knapsack table for each server and case.
//
// With a price on each user's assignment, a server by itself takes the users that pay for it. What its CPU allows or
// costs depends on a whole number of grains that its users take: a knapsack's filling under fixed sharing, the load
// under optimal sharing. Under equal sharing the cost is that of the count and the load together: there is one case for
// each final count, and grains count users. Servers also have prices on their places. The bound is
//
//     constant + Σ_i π_i + Σ_k min(0, o_k − μ_k N_k + min_q {Σ_i (c_kqi − π_i + μ_k) x_i + last_kq(Σ_i w_ki x_i)}),
//
// without the outer min where a server is forced open.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/cancellation.hpp"
#include "solvers/core/knapsack_table.hpp"

namespace dtopt {

// P servers, each with Q cases.
struct ServerCases {
    Size cases = 1;                  // Q; case q is for q + 1 users where there are several
    LastCost shape = LastCost::FLAT;
    Matrix<double> cost;             // (P·Q, N): infinite where the pair is not allowed
    Matrix<std::int32_t> grains;     // (P, N)
    std::vector<Doubles> last;       // (P·Q): what a server costs by its grains, which end at its room
    Doubles opening;                 // (P,)
    Integers places;                 // (P,)
    std::vector<char> forced;        // (P,), or empty: whether the server is open in any case
    double constant = 0.0;

    Size servers() const { return opening.size(); }
    Size users() const { return grains.columns(); }
    // Entries of all tables, at most.
    std::int64_t entries() const;
    // Room of a server, in grains.
    Size room(Size k) const { return last[(k + 1) * cases - 1].size() - 1; }
    // The first case in which a server may hold these grains.
    Size first_case(Size grains_held) const { return cases == 1 || grains_held == 0 ? 0 : grains_held - 1; }
};

struct KnapsackPrices {
    Doubles user, place;  // π, μ
};

// How prices are raised: deflected subgradients with Polyak's steps.
struct ClimbParams {
    std::int64_t steps = 60;
    double memory = 0.3;         // weight of the direction before in the next one
    std::int64_t patience = 6;   // steps without progress, then the step is halved
    double least_gain = 1e-6;    // part of the value that counts as progress
    double shortest = 0.02;      // length of a step at which the ascent ends
};

class KnapsackBound {
  public:
    KnapsackBound(ServerCases cases, KnapsackPrices prices);

    // Raise the value from the best prices so far towards `target`; return the best value.
    double climb(double target, const ClimbParams& params, Cancellation& cancellation);
    // Return lower bounds on the cost with each user on each server, shape (P, N); −∞ for all where cancelled.
    Matrix<double> pair_bounds(Cancellation& cancellation);
    // Compute the table of a case of a server.
    void fill(Size k, Size q, const KnapsackPrices& prices, KnapsackTable::Reach reach, KnapsackTable& table);
    // Return the bound with users in another order.
    KnapsackBound ordered(std::span<const Size> order) const;

    const ServerCases& cases() const { return cases_; }
    // The best value so far, and its prices.
    double value() const { return value_; }
    const KnapsackPrices& prices() const { return prices_; }
    void set_user_prices(Doubles prices);
    // Leave out the pairs that are not kept, shape (N, P).
    void keep(MatrixView<const bool> kept);

    // What a server costs without users.
    double empty(Size k, const KnapsackPrices& prices) const {
        return cases_.opening[k] - prices.place[k] * static_cast<double>(cases_.places[k]);
    }
    // What the cost of a pair becomes by prices.
    double priced(Size k, Size q, Size user, const KnapsackPrices& prices) const {
        return cases_.cost(k * cases_.cases + q, user) - prices.user[user] + prices.place[k];
    }

  private:
    double counted(Size k, double server) const {
        return !cases_.forced.empty() && cases_.forced[k] != 0 ? server : std::min(0.0, server);
    }

    ServerCases cases_;
    KnapsackPrices prices_;
    double value_ = -std::numeric_limits<double>::infinity();
    std::vector<KnapsackTable> tables_;  // (Q,): of one server
    Doubles gain_;
};

}  // namespace dtopt
