// A few servers of a P1 problem and all their users, solved again together, the rest fixed: large neighbourhood search.
//
// A neighbourhood is bounded by prices, tables and the pairs that these rule out (knapsack_bound.hpp), and searched
// by branch and bound (user_tree.hpp). Prices of users are kept from one neighbourhood to the next.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/cancellation.hpp"
#include "solvers/core/knapsack_bound.hpp"
#include "solvers/core/placement.hpp"

namespace dtopt {

struct NeighbourhoodParams : ClimbParams {
    std::int64_t grains = 500;  // that a server's load is cut into under optimal sharing
    double growth = 2.0;        // load or count of a server: at most this times the larger of its own and the mean
    std::int64_t most_entries = 10'000'000;  // of all tables; larger neighbourhoods are left alone
    double first_part = 0.75;  // of the way from bound to cutoff: what is much better is looked for first
};

class NeighbourhoodSearch {
  public:
    struct Outcome {
        Integers association;  // the whole one with these users better off; empty where none was found
        double change = std::numeric_limits<double>::infinity();  // of its cost
        bool complete = false;  // whether nothing better is possible here, up to rounding
        std::int64_t nodes = 0;
    };
    struct Bounds {
        double cost = 0.0;  // of the users of the neighbourhood as they are
        double bound = 0.0;
        Matrix<double> pairs;  // (P, N): with each user of the neighbourhood on each server
    };

    // A dense view, which must outlive the search, and prices of users and places to start from. Under fixed sharing,
    // `weight`, shape (M, N), and `room` are demands and CPUs in grains; else they are empty.
    NeighbourhoodSearch(const PlacementView& view, KnapsackPrices prices, Matrix<std::int32_t> weight,
                        Integers room, const NeighbourhoodParams& params);

    // Look for a better association of the users of some servers, with at most `nodes` nodes of branch and bound. Costs
    // differ by at least `step`. `noise`, shape (N, M), is added to the costs of pairs where it is not empty: the
    // association found is then another good one, and may be a worse one.
    Outcome solve(std::span<const std::int64_t> association, std::span<const std::int64_t> servers, std::int64_t nodes,
                  double step, MatrixView<const double> noise, Cancellation& cancellation);

    // Return bounds of a neighbourhood without a search, raised towards a target.
    Bounds bounds(std::span<const std::int64_t> association, std::span<const std::int64_t> servers, double target,
                  Cancellation& cancellation);

    const PlacementView& view() const { return view_; }
    const NeighbourhoodParams& params() const { return params_; }
    const Doubles& prices() const { return prices_.user; }

  private:
    // A neighbourhood as a problem of its own.
    struct Part {
        std::vector<Size> users;
        std::vector<std::int32_t> slots;  // where they are now
        PlacementView view;
        KnapsackPrices prices;
        Matrix<std::int32_t> weight;
        Integers room;
    };

    Part part_of(std::span<const std::int64_t> association, std::span<const std::int64_t> servers) const;

    const PlacementView& view_;
    KnapsackPrices prices_;
    Matrix<std::int32_t> weight_;
    Integers room_;
    NeighbourhoodParams params_;
};

}  // namespace dtopt
