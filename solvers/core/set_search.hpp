// Search over open sets: which servers to open, where users are few and no CPU is a knapsack.
//
// A set is valued by a quick descent of all users among its servers. Bounds of sets, which take less time, say where to
// begin and which sets are worth a descent.
#pragma once

#include <span>

#include "solvers/core/set_descent.hpp"

namespace dtopt {

struct SetSearchParams {
    std::int64_t shift_sweeps = 6, swap_sweeps = 12;  // of the descent in a set, at most
    std::int64_t cycled = 5;           // users from one server to another that are tried in cycles of three
    std::int64_t kicks = 10;           // disturbances of each set that is valued
    std::int64_t last_kicks = 100;     // and of the best one at the end
    double hopeless = 0.005;           // sets that cost more than the best one by this part of it are not disturbed
    std::int64_t batch = 48;           // sets of least bound that are valued at a time
    std::int64_t few_servers = 12;     // up to this many servers all their sets are looked at
    double equal_margin = 0.01;        // equal sharing, where bounds are estimates: sets above the best by this part
    std::int64_t looks = 20'000;       // bounds of sets in a search, at most,
    std::int64_t looked_users = 4'000'000;   // and users in all of them
    std::int64_t values = 200;         // sets valued in a search, at most,
    std::int64_t valued_pairs = 4'000'000;   // and pairs of users in all of them, but
    std::int64_t least_values = 16;    // sets that are valued at least, whatever N
};

// An association, −1 for users without room, and its cost as `SetDescent` counts.
struct Valued {
    double cost;
    Integers association;
};

class OpenSetSearch {
  public:
    // The view must be dense and outlive this.
    OpenSetSearch(const PlacementView& view, const SetSearchParams& params);

    // Return a lower bound on the cost of a set of servers; infinite where it is empty or has too few places.
    //
    // Each user is on its best server, and loads are as if the set were one server with all its CPU: Σ L²/F is at least
    // (Σ L)²/Σ F. Under equal sharing, where a like sum of n W/F may be less, it is an estimate.
    double bound(std::span<const std::int64_t> servers);

    // Search among the servers of a set, as `SetDescent` does.
    Valued descend(std::span<const std::int64_t> servers, std::span<const std::int64_t> start,
                   const DescentEffort& effort, Cancellation& cancellation);

    // Close, open and exchange up to three usable servers while that pays; `start` has −1 for users without a server.
    // Where cancelled, it returns the best so far.
    Valued improve(std::span<const std::int64_t> usable, std::span<const std::int64_t> start,
                   Cancellation& cancellation);

    const PlacementView& view() const { return view_; }

  private:
    // What a set has in all.
    struct Sums {
        std::int64_t count = 0, places = 0;
        double power = 0.0, opening = 0.0;
    };
    struct Candidate {
        double bound;
        Integers servers;
    };
    // The sets of least bound below a cutoff, at most `room` of them.
    struct Shortlist {
        Size room;
        double cutoff;
        std::vector<Candidate> sets = {};
        Size worst = 0;

        bool is_full() const { return sets.size() == room; }
        // What the bound of a set must be below to be taken in.
        double limit() const { return is_full() ? sets[worst].bound : cutoff; }
        void take(double bound, Integers servers);
    };
    // How far sets may be from one: one server closed or opened, one exchanged too, or one more closed or opened.
    enum class Reach { ONE, EXCHANGE, THREE };

    const double* column(std::int64_t server) const { return columns_.row(static_cast<Size>(server)).data(); }
    Sums changed(Sums sums, std::int64_t server, std::int64_t times) const;
    Sums sums_of(std::span<const std::int64_t> servers) const;
    double rest(const Sums& sums) const;
    std::int64_t look_at_all(std::span<const std::int64_t> usable, Shortlist& found, Cancellation& cancellation);
    std::int64_t look_around(std::span<const std::int64_t> usable, const Integers& at, Reach reach, std::int64_t most,
                             Shortlist& found, Cancellation& cancellation);
    Candidate go_down(std::span<const std::int64_t> usable, Integers at, std::int64_t most, std::int64_t& looked,
                      Cancellation& cancellation);
    Integers servers_of(std::span<const std::int64_t> association) const;

    const PlacementView& view_;
    const SetSearchParams params_;
    SetDescent descent_;
    Matrix<double> columns_;  // (M, N): the costs of pairs
    double whole_;            // Σ of all sizes
};

}  // namespace dtopt
