// What a server with its users is worth, the price of lateness and the bonus of pairs included.
#pragma once

#include <cstdint>
#include <span>

#include "solvers/core/migration.hpp"

namespace dtopt {

class ServerValue {
  public:
    explicit ServerValue(const MigrationView& view);

    // Return Σ U over a server's users, one left out and one added where not −1; −∞ where that breaks a rule.
    //
    // A server without users is worth 0. Under optimal sharing with hard deadlines CPU shares are filled like water:
    // the shares of those who would be late are clamped to what they need, and the others share the rest.
    double operator()(Size server, std::span<const std::int32_t> members, std::int32_t without = -1,
                      std::int32_t extra = -1);
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
