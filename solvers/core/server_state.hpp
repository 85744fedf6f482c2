// One server with its users: sums, what it costs, and what joining it costs at least.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/hot.hpp"
#include "solvers/core/placement.hpp"

namespace dtopt {

// Sums over the users of a server. A move saves them, so that undoing it restores them to the last bit.
struct ServerSums {
    double load = 0.0;        // Σ size
    double used = 0.0;        // Σ CPU part set aside
    double value = 0.0;       // cost of the server, opening left out
    double urgency = 0.0;     // the largest `urgency` of a user
    std::int64_t limit = 0;   // the largest number of users that they themselves allow
};

struct ServerState : ServerSums {
    double weight = 0.0;                // penalty of one CPU, or of one place, in excess
    std::vector<std::int32_t> members;  // its users, in no order

    std::int64_t count() const { return static_cast<std::int64_t>(members.size()); }
};

// The least cost of joining a server, its pair left out: first + linear s + square s² for a user of size s. Exact where
// neither deadlines nor parts of the CPU matter. The hot loop reads these: they never straddle a cache line.
struct alignas(32) JoiningPrice {
    double first = 0.0, linear = 0.0, square = 0.0;

    DTOPT_INLINE double at(double size) const { return size * (linear + size * square); }
};

// Return how soon a user's deadline matters: once this times the server's load (or x/F) exceeds 1.
inline double urgency(PairData data, double more, double size, double rate) {
    constexpr double NEVER = 0.0, ALWAYS = std::numeric_limits<double>::infinity();
    if (data == PairData::CLAMPED) {
        if (more <= 0.0) return NEVER;
        return size > 0.0 ? more / size : ALWAYS;
    }
    if (data == PairData::LATE) {
        if (more < 0.0) return -rate / more;
        return more > 0.0 || rate > 0.0 ? ALWAYS : NEVER;
    }
    return NEVER;
}

// Return the time by which users are late in sum, where each is late by a + b x/F. `each(visit)` calls
// visit(user, slot) for every user of the server.
template <class Each>
double total_lateness(const PlacementView& view, double x_per_cpu, Each each) {
    double late = 0.0;
    each([&](Size user, Size slot) { late += std::max(0.0, view.more(user, slot) + view.rate[user] * x_per_cpu); });
    return late;
}

// Return the cost of a server whose deadlines clamp shares from below (water filling), `unclamped` where the floors do
// not fit: no shares meet all deadlines then, and those without floors are as good as any.
//
// The rate at which the others share the rest of the CPU only falls as users are clamped, so those clamped are the ones
// whose urgency is above it, and need not be remembered.
template <class Each>
double clamped_cost(const PlacementView& view, double load, double cpu, double unclamped, Each each) {
    double rate = load > 0.0 ? 1.0 / load : std::numeric_limits<double>::infinity();
    for (std::int64_t clamped = -1;;) {
        std::int64_t now = 0;
        double taken = 0.0, total = 0.0, cost = 0.0;
        each([&](Size user, Size slot) {
            const double size = view.size[user], floor = view.more(user, slot);
            if (floor > 0.0 && (size == 0.0 || floor > rate * size)) {
                ++now;
                taken += floor;
                cost += size * size / floor;
            } else {
                total += size;
            }
        });
        if (taken > FULL || (taken >= 1.0 && total > 0.0)) return unclamped;
        if (now == clamped || total <= 0.0) {
            if (total > 0.0) cost += total * total / (1.0 - taken);
            return cost / cpu;
        }
        clamped = now;
        rate = (1.0 - taken) / total;
    }
}

}  // namespace dtopt
