// What a server with its users is worth, the price of lateness and the bonus of pairs included.
#pragma once

#include <cstdint>
#include <span>

#include "solvers/core/migration.hpp"

namespace dtopt {

// What a user is worth on a server at a level without its bonus, and how fast that falls with the level.
struct UserWorth {
    double worth = 0.0, fall = 0.0;
};

// Where a hard deadline is missed, the user is taken to be on time: under optimal sharing the others make room for it,
// and under equal sharing only the exact value sees what is forbidden.
UserWorth worth_at(const MigrationView& view, Size user, Size server, double level);

// What the users of a server make of it for one more.
struct ServerWeight {
    double level = 0.0;       // their load, or under equal sharing their number; shares that are clamped count as loads
    double pressure = 0.0;    // what they lose for a unit of level, to first order
    double steepest = 0.0;    // the fastest pace among them
    double first_turn = 0.0;  // the lowest level at which a hard deadline is missed; infinite for soft ones
};

class ServerValue {
  public:
    explicit ServerValue(const MigrationView& view);

    // Return Σ U over a server's users, one left out and one added where not −1; −∞ where that breaks a rule.
    //
    // A server without users is worth 0. Under optimal sharing with hard deadlines CPU shares are filled like water:
    // the shares of those who would be late are clamped to what they need, and the others share the rest.
    double operator()(Size server, std::span<const std::int32_t> members, std::int32_t without = -1,
                      std::int32_t extra = -1);
    // Return the weight of a server, and set `own` of its users.
    ServerWeight weigh(Size server, std::span<const std::int32_t> members, std::span<UserWorth> own) const;
    // Set the value of every server.
    void set_values(MigrationState& state);

  private:
    const MigrationView& view_;
    // Of the users that are valued: how latency grows with the level, slack, allowance, load, and 1; 0 after the last.
    Doubles pace_, slack_, allowance_, load_, live_;

    double fixed_value(Size server, std::span<const std::int32_t> users) const;
    double filled_level(Size count, double load) const;
    Shorts users_;
};

}  // namespace dtopt
