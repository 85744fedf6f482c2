// The one view of a P2 problem (one slot of migration) that all searches read.
//
// All that the other users of a server do to a user goes through one number, the server's level: its load Σ size·part
// under optimal sharing, the number of its users under equal sharing, and nothing under fixed sharing. A user's latency
// is that of the pair plus growth·rate·level. `dtopt.utility_segments.ServerUtility` has the theory.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/sharing.hpp"
#include "dtopt/core/tolerances.hpp"

namespace dtopt {

inline constexpr double FORBIDDEN = -std::numeric_limits<double>::infinity();

struct MigrationView {
    Matrix<double> slack;    // (N, M): deadline less the latency of the pair alone, s; −∞ where it is not allowed
    Matrix<double> demand;   // (N, M): part of the CPU limit under fixed sharing; empty otherwise
    Matrix<double> bonus;    // (N, M): what a pair is worth beyond this slot; empty for nothing
    Matrix<double> alone;    // (N, M): β e^slack, what a pair is worth at level 0; set by `finish`
    Doubles deadline;        // (N,), s
    Doubles growth, size;    // (N,): 0 under fixed sharing
    Doubles rate, part;      // (M,)
    Integers capacity;       // (M,)
    double beta = 1.0;
    double penalty = 0.0;    // of a second past the deadline; 0 where deadlines are hard
    bool hard = false;       // whether deadlines must be met
    Sharing sharing = Sharing::OPTIMAL;

    Size users() const { return slack.rows(); }
    Size servers() const { return slack.columns(); }
    bool is_allowed(Size user, Size server) const { return slack(user, server) != FORBIDDEN; }
    // What a user adds to a server's level.
    double load(Size user, Size server) const { return size[user] * part[server]; }
    // How fast a user's latency grows with its server's level, s.
    double pace(Size user, Size server) const { return growth[user] * rate[server]; }
    // How late a user may be, s.
    double allowance(Size user) const { return TOLERANCE * deadline[user]; }
    double bonus_of(Size user, Size server) const { return bonus.empty() ? 0.0 : bonus(user, server); }

    // Set what follows from the rest.
    void finish();
};

// The largest sum of parts of a server's CPU limit, which has the evaluator's tolerance in it.
inline constexpr double FULL_LIMIT = 1.0 + ROUNDING;

// Who is where, and what servers are worth. A user may be nowhere, at −1.
struct MigrationState {
    Shorts server;                // (N,)
    std::vector<Shorts> members;  // (M,): users
    Doubles value;                // (M,): see `ServerValue`

    MigrationState(const MigrationView& view, std::span<const std::int64_t> association);

    double total() const;
    // Put a user on a server, −1 for none; values stay as they are.
    void move(std::int32_t user, std::int32_t to);
    Integers association() const { return {server.begin(), server.end()}; }
};

}  // namespace dtopt
