// Iterated local search for P2: users shift and pairs of users swap servers while that pays, then a few are sent
// elsewhere at random.
//
// Utilities are not additive: what a user does to the others on its server depends on all of them, so a move is valued
// by the two servers that it touches. Most moves are seen to gain nothing by bounds that take two exponentials at most:
// with fall = −dU/dlevel at the present level, and s the steepest pace, users whose level rises by d lose at least
// fall·d / (1 + s d) together, and where it falls by d they gain at most fall·d / (1 − s d), since utilities are convex
// in the level but for the price of lateness.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dtopt/core/cancellation.hpp"
#include "dtopt/core/random.hpp"
#include "solvers/core/migration.hpp"
#include "solvers/core/server_value.hpp"

namespace dtopt {

struct MigrationSearchParams {
    double least_gain = 1e-12;         // part of the whole that a move must gain; less may be rounding
    std::int64_t most_swapped = 3000;  // users up to which pairs are swapped: there are N² / 2 of them
    std::int64_t least_kicked = 2;     // users sent elsewhere in an iteration, at the least
    std::int64_t most_kicked = 5;      // and at the most
};

class MigrationSearch {
  public:
    MigrationSearch(const MigrationView& view, std::span<const std::int64_t> association, std::uint64_t seed,
                    const MigrationSearchParams& params);

    // Descend, the first time, and do some iterations; where cancelled, fewer.
    void run(std::int64_t iterations, Cancellation& cancellation);

    // The best association and its value, −∞ where a rule is broken: then nothing is searched.
    Integers association() const { return best_.state.association(); }
    double value() const { return value_; }
    std::int64_t iterations() const { return iterations_; }

  private:
    // An association with all that moves are bounded by.
    struct Point {
        MigrationState state;
        std::vector<ServerWeight> weight;  // (M,)
        std::vector<UserWorth> own;        // (N,): of each user where it is
    };

    const MigrationView& view_;
    MigrationSearchParams params_;
    Random random_;
    ServerValue value_of_;
    Point best_, trial_;
    double value_, least_;
    std::int64_t iterations_ = 0;
    bool has_descended_ = false;
    std::vector<std::int64_t> changed_;  // (M,): the pass of a server's last change

    // Send a few users of `trial_` elsewhere; return whether that is feasible.
    bool kick();
    // Descend from `trial_`, trying only moves with a server that has changed, see `changed_`.
    void descend(Cancellation& cancellation);
    // Set the value and weight of a server that has changed.
    void changed(Size server, double value, std::int64_t pass);
    // Return upper bounds on what a user adds to a server, and on what a server gains where `user` makes room for
    // `other`.
    double join_bound(Size user, Size server) const;
    double swap_bound(Size server, Size user, Size other) const;
    bool shift(std::int32_t user, std::int64_t pass);
    bool swap_with_later(std::int32_t user, std::int64_t pass);
    bool is_settled(std::int32_t k, std::int32_t h, std::int64_t pass) const {
        return changed_[static_cast<Size>(k)] < pass - 1 && changed_[static_cast<Size>(h)] < pass - 1;
    }
};

}  // namespace dtopt
