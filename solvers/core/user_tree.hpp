// Depth-first branch and bound on the users of a neighbourhood, with the tables of its bound as bounds of nodes.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/cancellation.hpp"
#include "solvers/core/knapsack_bound.hpp"
#include "solvers/core/placement_state.hpp"

namespace dtopt {

class UserTree {
  public:
    UserTree(const UserTree&) = delete;

    struct Result {
        double cost = std::numeric_limits<double>::infinity();
        std::int64_t nodes = 0;
        bool complete = false;                 // whether the search was exhausted
        std::vector<std::int32_t> slots;       // the best association, of users as the judge has them; or empty
    };

    // The bound has users in the order they are decided in, user d there being order[d] of the judge, which gives
    // complete associations their exact costs. Order and judge must outlive the tree.
    UserTree(KnapsackBound bound, std::span<const Size> order, PlacementState& judge);

    // Compute the tables of the bound, before a search; return false where cancelled.
    bool fill_tables(Cancellation& cancellation);

    // Search for the best association with only pairs whose bounds, shape (P, N), are below the cutoff. Only costs
    // below the cutoff are wanted, and of later ones those better by `step`.
    Result search(const Matrix<double>& pair_bounds, double cutoff, double step, std::int64_t most_nodes,
                  Cancellation& cancellation);

  private:
    // A server as far as users are decided.
    struct Server {
        Size grains = 0;
        std::int64_t count = 0;
        double used = 0.0;  // part of the CPU set aside
        Doubles cost;       // (Q,): priced costs of its users, in each case
    };
    struct Child {
        Size server;
        double bound;
    };
    // A user that is decided, and how to undo that.
    struct Level {
        std::vector<Child> children;  // least bound first
        Size next = 0;
        bool entered = false;
        double used_before = 0.0;
        Doubles cost_before;          // (Q,)
    };

    // Return the least reduced cost of a server with users from d on, opening left out.
    double completed(Size k, Size d) const;
    void expand(Size d, const Matrix<double>& pair_bounds, double first_cutoff, double cutoff);
    void enter(Size d, Size server);
    void leave(Size d);
    double part(Size d, Size server) const { return fits_ ? judge_.view().more(order_[d], server) : 0.0; }

    const KnapsackTable& table(Size k, Size q) const { return tables_[k * cases_.cases + q]; }
    double priced(Size k, Size q, Size d) const { return bound_.priced(k, q, d, bound_.prices()); }
    double empty(Size k) const { return bound_.empty(k, bound_.prices()); }

    KnapsackBound bound_;
    const ServerCases& cases_;           // of the bound
    std::vector<KnapsackTable> tables_;  // (P·Q)
    std::span<const Size> order_;
    PlacementState& judge_;
    bool fits_;           // whether parts of the CPU must fit
    double prices_ = 0.0;
    std::vector<Server> servers_;
    std::vector<Level> levels_;
    std::vector<std::int32_t> slots_;
    Doubles base_;
    std::int64_t open_ = 0;
};

}  // namespace dtopt
