// Shifts for P2 at scale: where each user would go is read off prices, and only that is valued exactly.
//
// A user that joins a server costs the others there, to first order, its load times the server's pressure (what their
// utilities lose for a unit of load). So a user's best server takes one exponential for each server, and the exact
// values of two servers are computed only where that promises a gain: a pass costs N × M and not N × M × N / M.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dtopt/core/cancellation.hpp"
#include "solvers/core/migration.hpp"
#include "solvers/core/server_value.hpp"

namespace dtopt {

struct ShiftParams {
    std::int64_t tries = 2;      // servers of each user that are valued exactly, the most promising first
    std::int64_t passes = 20;    // over all users
    double least_gain = 1e-12;   // part of the whole that a shift must gain; less may be rounding
    double enough = 0.0;         // a pass that gains less than this part of the whole is the last
};

class ShiftSearch {
  public:
    // The association must be feasible but for users at −1, who are nowhere.
    ShiftSearch(const MigrationView& view, std::span<const std::int64_t> association);

    // Shift users where that helps, and place those who are nowhere, until nothing helps; it stays feasible.
    void run(const ShiftParams& params, Cancellation& cancellation);

    // Return what a user on a server adds to the whole, to first order.
    double promise(Size user, Size server) const;
    Integers association() const { return state_.association(); }
    std::int64_t users() const { return static_cast<std::int64_t>(view_.users()); }
    std::int64_t servers() const { return static_cast<std::int64_t>(view_.servers()); }
    // How many users are nowhere.
    std::int64_t missing() const;

  private:
    const MigrationView& view_;
    ServerValue value_of_;
    MigrationState state_;
    std::vector<ServerWeight> weight_;  // (M,)
    std::vector<UserWorth> own_;        // (N,)
    Doubles estimate_;                  // (M,)

    void weigh(Size server) { weight_[server] = value_of_.weigh(server, state_.members[server], own_); }
    // Estimate what a user adds on each other server, −∞ where that promises no gain of `least`.
    void estimate(Size user, double here, double least);
};

}  // namespace dtopt
