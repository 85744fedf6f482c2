// Lagrangian bounds of a neighbourhood: prices on users, one knapsack table for each server and case.
//
// With a price on each user's assignment, a server by itself takes the users that pay for it. What its CPU allows or
// costs depends on a whole number of grains that its users take: a knapsack's filling under fixed sharing, the load
// under optimal sharing. Under equal sharing the cost is that of the count and the load together: there is one case for
// each final count, and grains count users. Servers also have prices on their places.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/cancellation.hpp"
#include "solvers/core/knapsack_table.hpp"
#include "solvers/core/placement.hpp"

namespace dtopt {

// The tunables of a neighbourhood, its bound and its search.
struct NeighbourhoodParams {
    std::int64_t grains = 500;               // that a server's load is cut into under optimal sharing
    double growth = 2.0;                     // load or count of a server: at most this times the larger of its own and
                                             // its share of all
    std::int64_t most_entries = 10'000'000;  // of all tables; larger neighbourhoods are left alone
    std::int64_t climbs = 60;                // steps of the ascent in prices
    double memory = 0.3;                     // weight of the direction before in the next one
    std::int64_t patience = 6;               // steps without a better value, then the step is halved
    double shortest = 0.02;                  // length of a step at which the ascent ends
    double first_part = 0.75;  // of the way from bound to cutoff: what is much better is looked for first
};

// The P servers of a neighbourhood, each with Q cases.
struct ServerCases {
    Size cases = 1;                  // Q; case q is for q + 1 users where there are several
    LastCost shape = LastCost::FLAT;
    Matrix<double> cost;             // (P·Q, N): infinite where the pair is not allowed
    Matrix<std::int32_t> grains;     // (P, N)
    std::vector<Doubles> last;       // (P·Q): what a server costs by its grains, which end at its room
    Doubles opening;                 // (P,)
    Integers places;                 // (P,)

    Size servers() const { return opening.size(); }
    Size users() const { return grains.columns(); }
    // Entries of all tables, at most.
    std::int64_t entries() const;
    // Room of a server, in grains.
    Size room(Size k) const { return last[(k + 1) * cases - 1].size() - 1; }
    // The first case in which a server may hold so many grains.
    Size first_case(Size grains_held) const { return cases == 1 || grains_held == 0 ? 0 : grains_held - 1; }
    // Return the same with users in another order.
    ServerCases ordered(std::span<const Size> order) const;
};

// Return the cases of a neighbourhood, `view`: a dense placement. `slots` has where its users are now. Under fixed
// sharing, `weight`, shape (P, N), and `room` are demands and CPUs in grains.
ServerCases make_cases(const PlacementView& view, std::span<const std::int32_t> slots,
                       const Matrix<std::int32_t>& weight, std::span<const std::int64_t> room,
                       const NeighbourhoodParams& params);

class NeighbourhoodBound {
  public:
    struct Prices {
        Doubles user, place;
    };

    // The cases must outlive the bound.
    NeighbourhoodBound(const ServerCases& cases, Prices prices);

    // Raise the bound by deflected subgradients with Polyak's steps towards `target`; return the best value. The prices
    // become the best ones.
    double climb(double target, const NeighbourhoodParams& params, Cancellation& cancellation);
    // Compute all tables at the prices; return false where cancelled.
    bool fill(KnapsackTable::Reach reach, Cancellation& cancellation);
    // Return lower bounds on the cost with each user on each server, shape (P, N). After a fill with Reach::ALL.
    Matrix<double> pair_bounds();

    const Prices& prices() const { return prices_; }
    // The table of case q of server k.
    const KnapsackTable& table(Size k, Size q) const { return tables_[k * cases_.cases + q]; }
    // What a server costs without users.
    double empty(Size k) const {
        return cases_.opening[k] - prices_.place[k] * static_cast<double>(cases_.places[k]);
    }
    // What the cost of a pair becomes by prices.
    double priced(Size k, Size q, Size user) const {
        return cases_.cost(k * cases_.cases + q, user) - prices_.user[user] + prices_.place[k];
    }

  private:
    const ServerCases& cases_;
    Prices prices_;
    std::vector<KnapsackTable> tables_;
    Doubles gain_;
};

}  // namespace dtopt
